import type { JsonObject } from '../protocol/bytes/json.ts';
import type { Priority } from '../protocol/channels/channel-state.ts';
import type { Aead } from '../protocol/crypto/provider.ts';
import type { Channel } from './channel.ts';

/**
 * Where channels are opened: a line itself, or the way over a line and through the server at its end to a machine that has
 * dialled in there. What works with channels takes a route, and so works with both. It may be compared: what was offered on
 * a route is asked for on the same.
 */
export interface Route {
  /** Who is at the other end. Of a machine behind a server this is what the server says. */
  readonly peer: LinePeer;
  /** The same for all routes that are due to one line of the peer: what it may have at once is counted by this. */
  readonly origin: object;
  /** The permissions that whoever is at the other end may have here at most; as many as this machine allows if absent. */
  readonly ceiling?: readonly string[] | undefined;
  /** Opens a channel to the service that offers `kind`. Nothing is waited for: a refusal arrives on the channel. */
  open(kind: string, request?: JsonObject, options?: OpenOptions): Channel;
  /**
   * A key for what the two ends do over `channel`, which is of this route; `name` says what for. Nobody else has it, but on
   * the way through a server that server.
   */
  channelKey(channel: Channel, name: string, length: number): Uint8Array;
  /** GCM under a key for one comparison of chunks over `channel` (docs/protocol/4-services.md). */
  chunkAead(channel: Channel): Aead;
}

export interface OpenOptions {
  /** `bulk` lets others go first; default `interactive`. */
  readonly priority?: Priority;
  /** Resets the channel when aborted. */
  readonly signal?: AbortSignal | undefined;
}

export interface LinePeer {
  /** Static key, 32 bytes, proven: to this machine, or to the server that says so. */
  readonly key: Uint8Array;
  /** Address and port as the operating system says, here or at the server. */
  readonly address: string;
  /** Name and version of its program: the peer's own text. */
  readonly agent: string;
}
