import type { LineError } from '../errors.ts';
import type { JsonObject } from '../protocol/bytes/json.ts';
import { u64Bytes } from '../protocol/bytes/writer.ts';
import type { Aead } from '../protocol/crypto/provider.ts';
import type { Device } from '../protocol/handshake/device.ts';
import type { Exporter } from '../protocol/handshake/key-schedule.ts';
import { CLOSE_GRACE_MS } from '../protocol/limits.ts';
import type { Channel } from './channel.ts';
import type { LinePeer, OpenOptions, Route } from './route.ts';
import type { LineSession, OpenedLine } from './session.ts';

/**
 * The authenticated, encrypted relation between two machines: what `connect` and `listen` give. Everything happens on
 * channels; `close` ends it in good order, and `closed` tells when and why it ended.
 */
export class Line implements Route {
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

  get origin(): object {
    return this;
  }

  /** What opened this line: a passphrase, or the key of a machine that is paired. */
  get openedBy(): 'passphrase' | 'device' {
    return this.#opened.session.login.kind;
  }

  /** At the listening side: the name of the passphrase that opened this line, `''` for the usual one. */
  get realm(): string | undefined {
    return this.#opened.session.login.realm;
  }

  /** At the listening side: the machine whose key opened this line, as the list had it then. */
  get device(): Device | undefined {
    return this.#opened.session.login.device;
  }

  get ceiling(): readonly string[] | undefined {
    return this.device?.allow;
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

  /** A key for what the two ends of `channel` do over it: of this line, or of the channel that it carries. */
  channelKey(channel: Channel, name: string, length: number): Uint8Array {
    const { exporter, number } = this.#keysOf(channel);
    return exporter.application(name, u64Bytes(number), length);
  }

  /** GCM under a key of the two ends of `channel`, for one comparison of chunks over it. */
  chunkAead(channel: Channel): Aead {
    const { exporter, number } = this.#keysOf(channel);
    return this.#session.chunkAead(exporter.chunkCompareKey(number));
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

  /** A channel that carries another has a secret of its own, and other numbers at its far ends. */
  #keysOf({ id, secret }: Channel): { readonly exporter: Exporter; readonly number: number } {
    const { exporter } = this.#opened.session;
    return secret === undefined ? { exporter, number: id } : { exporter: exporter.over(secret), number: 0 };
  }
}
