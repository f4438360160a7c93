import { LineError } from '../../../errors.ts';
import { hasField, type JsonObject, readInteger, readList } from '../../../protocol/bytes/json.ts';
import { type BlockHeader, decodeBlockHeader, encodeBlockHeader } from '../coding/content.ts';
import type { Entry } from '../entry.ts';
import { asObject, decodeFailure, encodeFailure } from '../messages.ts';
import { MAX_WHOLE_BYTES, type WholeRead } from '../store.ts';

/**
 * The answer to several wants at once: small files, whole, whose contents follow one behind the other
 * (docs/protocol/4-services.md §1). The sender has read each of them, and seen that it did not change, before it sends any.
 */
export interface Pack {
  /** Of the first file; the others follow in the order of their wants. */
  readonly id: number;
  readonly files: readonly PackedFile[];
  /** All contents together. */
  readonly byteLength: number;
  /** If they come as one compressed block. */
  readonly coded: BlockHeader | undefined;
}

export type PackedFile = { readonly entry: Entry } | { readonly failure: LineError };

export function encodePack(id: number, files: readonly WholeRead[], coded: BlockHeader | undefined): JsonObject {
  return {
    ...(coded === undefined ? {} : encodeBlockHeader(id, coded)),
    t: 'pack',
    id,
    files: files.map(file =>
      'failure' in file ? encodeFailure(file.failure) : [file.entry.size, file.entry.mtimeUs, file.entry.mode],
    ),
  };
}

/** Every length within its bound, so that the contents may be allocated. */
export function decodePack(message: JsonObject): Pack {
  let byteLength = 0;
  const files = readList(message, 'files', MAX_PACK_FILES).map((value): PackedFile => {
    if (!Array.isArray(value)) return { failure: decodeFailure(asObject(value)) };
    const [size, mtimeUs, mode] = value as unknown[];
    const isWithin = isCount(size) && size <= MAX_WHOLE_BYTES && Number.isSafeInteger(mtimeUs) && isCount(mode);
    if (!isWithin || value.length !== 3) throw new LineError('MALFORMED', 'a file of a pack that is none');
    byteLength += size;
    return { entry: { path: '', type: 'file', size, mtimeUs: mtimeUs as number, mode: mode & 0o777 } };
  });
  if (files.length === 0 || byteLength > MAX_PACK_BYTES) throw new LineError('MALFORMED', 'a pack over its bounds');
  const coded = hasField(message, 'coding') ? decodeBlockHeader(message) : undefined;
  if (coded !== undefined && coded.byteLength !== byteLength) {
    throw new LineError('MISMATCH', 'a compressed block of another size than its files');
  }
  return { id: readInteger(message, 'id'), files, byteLength, coded };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Fixed by the protocol: contents of a pack together, and its files. */
export const MAX_PACK_BYTES = 256 * 1024;
export const MAX_PACK_FILES = 256;
