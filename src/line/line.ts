import type { LineError } from '../errors.ts';
import type { JsonObject } from '../protocol/bytes/json.ts';
import type { Priority } from '../protocol/channels/channel-state.ts';
import type { Aead } from '../protocol/crypto/provider.ts';
import { CLOSE_GRACE_MS } from '../protocol/limits.ts';
import type { Channel } from './channel.ts';
import type { LineSession, OpenedLine } from './session.ts';

/**
 * The authenticated, encrypted relation between two machines: what `connect` and `listen` give. Everything happens on
 * channels; `close` ends it in good order, and `closed` tells when and why it ended.
 */
export class Line {
  readonly #session: LineSession;
  readonly #opened: OpenedLine;

  /** Made by `connect` and `listen`. */
  constructor(session: LineSession, opened: OpenedLine) {
    this.#session = session;
    this.#opened = opened;
  }

  /** Who is at the other end. */
  get peer(): LinePeer {
    return {
      key: this.#opened.session.peerKey,
      address: this.#session.transport.peer.label,
      agent: this.#opened.peerSettings.agent,
    };
  }

  /** At the listening side: the name of the passphrase that opened this line, `''` for the usual one. */
  get realm(): string | undefined {
    return this.#opened.session.realm;
  }

  /** Sixteen hex digits in four groups: the same at both ends exactly if nobody stands between them. */
  get verifier(): string {
    const digits = Array.from(this.#opened.session.exporter.verifier(), byte => byte.toString(16).padStart(2, '0'));
    return [0, 2, 4, 6].map(at => `${digits[at]}${digits[at + 1]}`).join(' ');
  }

  /** Opens a channel to the service that offers `kind`. Nothing is waited for: a refusal arrives on the channel. */
  open(kind: string, request: JsonObject = {}, options: OpenOptions = {}): Channel {
    return this.#session.open(kind, request, options.priority ?? 'interactive', options.signal);
  }

  /** One round trip in milliseconds. */
  ping(): Promise<number> {
    return this.#session.ping();
  }

  /** A key that only the two ends of this line have; `name` says what for. */
  exportKey(name: string, context: Uint8Array, length: number): Uint8Array {
    return this.#opened.session.exporter.application(name, context, length);
  }

  /**
   * GCM under a key that the two ends have for one comparison of chunks over the channel of this number
   * (docs/protocol/4-services.md).
   */
  chunkAead(channelId: number): Aead {
    return this.#session.chunkAead(this.#opened.session.exporter.chunkCompareKey(channelId));
  }

  /**
   * Lets open channels finish, then closes; what has not ended after `graceMs` (`Infinity`: however long) is cut, and
   * `closed` tells of `TIMEOUT`. Resolves when the connection is gone. May be called twice; the first `graceMs` counts.
   */
  close(graceMs: number = CLOSE_GRACE_MS): Promise<void> {
    return this.#session.close(graceMs);
  }

  /** Ends everything at once; the peer is told `error`. */
  abort(error: LineError): void {
    this.#session.abort(error);
  }

  /** Resolves when the connection is gone: with the error that ended the line, or `undefined` after a good end. */
  get closed(): Promise<LineError | undefined> {
    return this.#session.closed;
  }
}

export interface OpenOptions {
  /** `bulk` lets others go first; default `interactive`. */
  readonly priority?: Priority;
  /** Resets the channel when aborted. */
  readonly signal?: AbortSignal | undefined;
}

export interface LinePeer {
  /** Static key, 32 bytes, proven. */
  readonly key: Uint8Array;
  /** Address and port as the operating system says. */
  readonly address: string;
  /** Name and version of its program: the peer's own text. */
  readonly agent: string;
}
