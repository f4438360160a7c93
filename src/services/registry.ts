import { LineError } from '../errors.ts';
import { withinCeiling } from '../line/ceiling.ts';
import type { Channel } from '../line/channel.ts';
import type { AnswerDatagram } from '../line/datagram-host.ts';
import type { Route } from '../line/route.ts';
import { readText } from '../protocol/bytes/json.ts';
import type { Permission } from './permission.ts';
import type { DatagramKind, Service, ServiceKind } from './service.ts';

/**
 * The one way from a channel to a service (R-A8): an explicit table of kinds, built once. A kind that is not in it is
 * `UNSUPPORTED`, one without its permission `FORBIDDEN`, and neither reaches a handler.
 */
export function dispatchChannels(
  services: readonly Service[],
  allowed: readonly Permission[],
): (channel: Channel, route: Route) => Promise<void> {
  const kinds = new Map<string, ServiceKind>();
  for (const service of services) {
    for (const [kind, entry] of Object.entries(service.kinds)) {
      if (kinds.has(kind)) throw new LineError('USAGE', `two services offer channels of the kind ${kind}`);
      kinds.set(kind, entry);
    }
  }
  const ours = [...allowed];
  return async (channel, route) => {
    const granted = new Set(withinCeiling(ours, route.ceiling));
    const entry = kinds.get(channel.kind);
    if (entry === undefined) throw new LineError('UNSUPPORTED', 'nothing of this kind is offered');
    if (!granted.has(entry.permission)) {
      await entry.refused?.(channel, route);
      throw new LineError('FORBIDDEN', `not allowed for this login (${entry.permission})`);
    }
    await entry.handle(channel, route, granted);
  };
}

/**
 * The same for datagrams: an explicit table of requests. `undefined` where a login may ask nothing by them, so that it gets
 * no connection.
 */
export function dispatchDatagrams(
  services: readonly Service[],
  allowed: readonly Permission[],
): AnswerDatagram | undefined {
  const types = new Map<string, DatagramKind>();
  for (const service of services) {
    for (const [type, entry] of Object.entries(service.datagrams ?? {})) {
      if (types.has(type)) throw new LineError('USAGE', `two services answer datagrams of the type ${type}`);
      types.set(type, entry);
    }
  }
  const ours = [...allowed];
  if (![...types.values()].some(({ permission }) => ours.includes(permission))) return undefined;
  return (request, arrival) => {
    const entry = types.get(readText(request, 't', 64));
    if (entry === undefined) throw new LineError('UNSUPPORTED', 'nothing of this kind is offered');
    const granted = withinCeiling(ours, arrival.ceiling);
    if (!granted.includes(entry.permission)) throw new LineError('FORBIDDEN', 'not allowed for this login');
    return entry.answer(request, arrival);
  };
}

/** The permissions that one or the other question by datagrams needs. */
export function datagramPermissions(services: readonly Service[]): readonly Permission[] {
  const kinds = services.flatMap(service => Object.values(service.datagrams ?? {}));
  return [...new Set(kinds.map(({ permission }) => permission))];
}

/** The permissions that are both granted and of use with these services; what `welcome` tells. */
export function offeredPermissions(
  services: readonly Service[],
  allowed: readonly Permission[],
): readonly Permission[] {
  const useful = new Set(services.flatMap(service => Object.values(service.kinds).map(kind => kind.permission)));
  return allowed.filter(permission => useful.has(permission));
}
