import { LineError } from '../../../errors.ts';
import { hasField, type JsonObject, readInteger, readList, readText } from '../../../protocol/bytes/json.ts';
import { decodeListedPath, decodePath, encodeListedPath, encodePath } from '../messages.ts';

/** What is asked for in `files.get` (docs/protocol/4-services.md §1). */
export interface Want {
  readonly id: number;
  readonly path: string;
  readonly offset: number;
  /** Bytes from `offset`; absent: to the end. */
  readonly length: number | undefined;
}

/** The wants of one message. */
export interface Wants {
  readonly wants: readonly Want[];
  /** They are of whole files, and small ones may be answered together (pack.ts). */
  readonly mayPack: boolean;
}

/** Wants of whole files, whose numbers follow each other, or one of a part. */
export function encodeWants(wants: readonly Want[]): JsonObject {
  const [want] = wants;
  if (want === undefined) throw new LineError('USAGE', 'there is nothing to ask for');
  if (isWhole(want)) return { t: 'wants', id: want.id, paths: wants.map(({ path }) => encodeListedPath(path)) };
  return {
    t: 'want',
    id: want.id,
    ...encodePath(want.path),
    offset: want.offset,
    ...(want.length === undefined ? {} : { length: want.length }),
  };
}

export function decodeWants(message: JsonObject): Wants {
  const id = readInteger(message, 'id');
  switch (readText(message, 't', 16)) {
    case 'want': {
      const offset = hasField(message, 'offset') ? readInteger(message, 'offset') : 0;
      const length = hasField(message, 'length') ? readInteger(message, 'length') : undefined;
      return { wants: [{ id, path: decodePath(message), offset, length }], mayPack: false };
    }
    case 'wants': {
      const paths = readList(message, 'paths', MAX_WANTS).map(decodeListedPath);
      return { wants: paths.map((path, at) => ({ id: id + at, path, offset: 0, length: undefined })), mayPack: true };
    }
    default:
      throw new LineError('PROTOCOL', 'a message that is not due');
  }
}

export function isWhole({ offset, length }: Want): boolean {
  return offset === 0 && length === undefined;
}

/** Fixed by the protocol: wants of one message. */
export const MAX_WANTS = 1024;
