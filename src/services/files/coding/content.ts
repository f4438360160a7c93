import { LineError } from '../../../errors.ts';
import { hasField, type JsonObject, readInteger, readList, readText } from '../../../protocol/bytes/json.ts';
import type { Compressor } from './compressor.ts';

/**
 * How the content of a file comes besides plain bytes: as runs of zeros, and as compressed blocks that stand each for
 * themselves (docs/protocol/4-services.md §1, docs/decisions/0015-coded-content.md). The side that asks says what it takes.
 */
export type Content = Uint8Array | Zeros;

export interface Zeros {
  readonly zeros: number;
}

/** What the other side takes, and what this one makes of it. */
export interface Codings {
  readonly zeros: boolean;
  readonly compressor: Compressor | undefined;
}

/** For OPEN of `files.get`: everybody takes runs of zeros, compressed blocks who has something to undo them with. */
export function encodeCodings(compressor: Compressor | undefined): JsonObject {
  return { codings: compressor === undefined ? [ZERO] : [ZERO, BROTLI] };
}

/** Names that are not known are no fault: then that content comes plain. */
export function decodeCodings(request: JsonObject, compressor: Compressor | undefined): Codings {
  const names = hasField(request, 'codings') ? readList(request, 'codings', MAX_CODINGS) : [];
  return { zeros: names.includes(ZERO), compressor: names.includes(BROTLI) ? compressor : undefined };
}

export function encodeZeros(id: number, { zeros }: Zeros): JsonObject {
  return { t: 'zeros', id, length: zeros };
}

export function decodeZeros(message: JsonObject): Zeros {
  return { zeros: readInteger(message, 'length', 1) };
}

/** Comes before the coded bytes. */
export interface BlockHeader {
  /** Plain bytes. */
  readonly byteLength: number;
  /** Bytes that follow. */
  readonly codedLength: number;
}

export function encodeBlockHeader(id: number, { byteLength, codedLength }: BlockHeader): JsonObject {
  return { t: 'coded', id, coding: BROTLI, length: byteLength, bytes: codedLength };
}

/** Within bounds, so that both lengths may be allocated. */
export function decodeBlockHeader(message: JsonObject): BlockHeader {
  if (readText(message, 'coding', 16) !== BROTLI) throw new LineError('PROTOCOL', 'a coding that was not asked for');
  const byteLength = readInteger(message, 'length', 1, MAX_BLOCK_BYTES);
  return { byteLength, codedLength: readInteger(message, 'bytes', 1, byteLength - 1) };
}

/** Fixed by the protocol: plain bytes of a block. */
export const MAX_BLOCK_BYTES = 1024 * 1024;
const ZERO = 'zero';
const BROTLI = 'br';
const MAX_CODINGS = 16;
