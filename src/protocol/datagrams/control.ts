import { LineError } from '../../errors.ts';
import { decodeBase64url, encodeBase64url } from '../bytes/base64url.ts';
import { hasField, type JsonObject, readInteger, readText } from '../bytes/json.ts';
import { ID_BYTES } from './packet.ts';

/** Control messages of a line about datagrams (docs/protocol/5-datagrams.md §1). */
export const DGRAM = 'dgram';

/** Where `welcome` says that this login may ask; `undefined` if it may not. 0 is the port that was dialled. */
export function readDatagramPort(welcome: JsonObject): number | undefined {
  return hasField(welcome, 'udp') ? readInteger(welcome, 'udp', 0, 65_535) : undefined;
}

export function encodeOpening(clientId: Uint8Array): JsonObject {
  return { t: DGRAM, conn: encodeBase64url(clientId) };
}

/** The client's id. */
export function decodeOpening(message: JsonObject): Uint8Array {
  return readId(message, 'conn');
}

export function encodeOpened(serverId: Uint8Array, clientId: Uint8Array): JsonObject {
  return { t: DGRAM, conn: encodeBase64url(serverId), for: encodeBase64url(clientId) };
}

export function decodeOpened(message: JsonObject): { readonly serverId: Uint8Array; readonly clientId: Uint8Array } {
  return { serverId: readId(message, 'conn'), clientId: readId(message, 'for') };
}

function readId(message: JsonObject, key: string): Uint8Array {
  const id = decodeBase64url(readText(message, key, 16));
  if (id.length !== ID_BYTES) throw new LineError('MALFORMED', `the field ${key} is not ${ID_BYTES} bytes`);
  return id;
}
