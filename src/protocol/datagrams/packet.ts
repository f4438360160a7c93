import { LineError } from '../../errors.ts';
import { decodeJson, type JsonObject } from '../bytes/json.ts';
import { ByteReader } from '../bytes/reader.ts';
import { encodeUtf8 } from '../bytes/text.ts';
import { putU64 } from '../bytes/writer.ts';
import { MAX_DATAGRAM_BYTES, TAG_BYTES } from '../limits.ts';

/**
 * The form of a packet (docs/protocol/5-datagrams.md §3), without any key:
 * `u8 0x21, u24 length, 8 bytes id, u64 number, sealed`, and in what is sealed
 * `u32 request, u8 kind, u8 0, u16 n, n bytes JSON, zeros`.
 */
export const KIND = { request: 1, response: 2, error: 3 } as const;

/** Type, length, id and number: the associated data of what is sealed. */
export const PACKET_HEADER_BYTES = 20;
export const ID_BYTES = 8;

export interface PacketHeader {
  /** Of the connection at the side that receives; a view. */
  readonly id: Uint8Array;
  readonly number: number;
}

export interface DatagramMessage {
  readonly request: number;
  readonly kind: number;
  readonly body: JsonObject;
}

/** The header of a packet that is whole, or `undefined`. */
export function readPacketHeader(packet: Uint8Array): PacketHeader | undefined {
  if (packet.length < MIN_PACKET_BYTES || packet.length > MAX_DATAGRAM_BYTES || packet[0] !== PACKET_TYPE) {
    return undefined;
  }
  const reader = new ByteReader(packet.subarray(1, PACKET_HEADER_BYTES));
  if (reader.u24() !== packet.length - LENGTH_END) return undefined;
  const id = reader.take(ID_BYTES);
  // A number of 2^53 or more would throw; its upper bytes are zero in every packet that is due.
  const isSmall = reader.u32() === 0;
  const number = reader.u32();
  return isSmall ? { id, number } : undefined;
}

/** The header of the packet that seals `plaintextBytes`. */
export function encodePacketHeader(id: Uint8Array, number: number, plaintextBytes: number): Uint8Array {
  const header = new Uint8Array(PACKET_HEADER_BYTES);
  const length = PACKET_HEADER_BYTES - LENGTH_END + plaintextBytes + TAG_BYTES;
  header[0] = PACKET_TYPE;
  header[1] = length >>> 16;
  header[2] = length >>> 8;
  header[3] = length;
  header.set(id, LENGTH_END);
  putU64(header, LENGTH_END + ID_BYTES, number);
  return header;
}

/** The plaintext of a packet of at least `packetBytes`. Throws `SIZE` for what fits into none. */
export function encodeMessage({ request, kind, body }: DatagramMessage, packetBytes: number): Uint8Array {
  const json = encodeUtf8(JSON.stringify(body));
  const needed = MESSAGE_HEADER_BYTES + json.length;
  const length = Math.max(needed, packetBytes - PACKET_HEADER_BYTES - TAG_BYTES);
  if (length > MAX_DATAGRAM_BYTES - PACKET_HEADER_BYTES - TAG_BYTES) {
    throw new LineError('SIZE', 'this does not fit into a datagram');
  }
  const plaintext = new Uint8Array(length);
  plaintext[0] = request >>> 24;
  plaintext[1] = request >>> 16;
  plaintext[2] = request >>> 8;
  plaintext[3] = request;
  plaintext[4] = kind;
  plaintext[6] = json.length >>> 8;
  plaintext[7] = json.length;
  plaintext.set(json, MESSAGE_HEADER_BYTES);
  return plaintext;
}

/** Throws `MALFORMED` for everything that is not exactly a message. */
export function decodeMessage(plaintext: Uint8Array): DatagramMessage {
  const reader = new ByteReader(plaintext);
  const request = reader.u32();
  const kind = reader.u8();
  const reserved = reader.u8();
  const json = reader.take(reader.u16());
  if (reserved !== 0 || reader.rest().some(byte => byte !== 0)) {
    throw new LineError('MALFORMED', 'a datagram has bytes where there are none');
  }
  return { request, kind, body: decodeJson(json) };
}

const PACKET_TYPE = 0x21;
/** Where what `length` counts begins. */
const LENGTH_END = 4;
const MESSAGE_HEADER_BYTES = 8;
const MIN_PACKET_BYTES = PACKET_HEADER_BYTES + MESSAGE_HEADER_BYTES + TAG_BYTES;
