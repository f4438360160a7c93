import type { Channel } from '../line/channel.ts';
import type { DatagramArrival } from '../line/datagram-host.ts';
import type { Route } from '../line/route.ts';
import type { JsonObject } from '../protocol/bytes/json.ts';
import type { Permission } from './permission.ts';

/** What channels are for: the accepting side of one service, as a table from the kinds of channels it takes. */
export interface Service {
  readonly name: string;
  readonly kinds: { readonly [kind: string]: ServiceKind };
  /** What it answers by datagrams, by the `t` of the request. */
  readonly datagrams?: { readonly [type: string]: DatagramKind };
}

export interface DatagramKind {
  /** Without this permission the request is refused before `answer` sees it. */
  readonly permission: Permission;
  /**
   * Answers at once, perhaps twice for one question, in less than 400 bytes of JSON; it must only read. A `LineError` is
   * told by its code.
   */
  answer(request: JsonObject, arrival: DatagramArrival): JsonObject;
}

export interface ServiceKind {
  /** Without this permission the channel is refused before the handler sees it. */
  readonly permission: Permission;
  /** Hears of a channel that was refused for want of the permission, for a service that keeps account of such. */
  refused?(channel: Channel, route: Route): Promise<void>;
  /**
   * Runs one channel. When it returns, its direction is ended for it; what it throws is told to the peer as a RESET,
   * a `LineError` with its code and sentence, anything else only as INTERNAL. `granted` is what this login may do, for a
   * kind that does more for those who may do more.
   */
  handle(channel: Channel, route: Route, granted: ReadonlySet<Permission>): Promise<void>;
}
