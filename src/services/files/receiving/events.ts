import { LineError } from '../../../errors.ts';
import { type JsonObject, readInteger, readText } from '../../../protocol/bytes/json.ts';
import { decodeFailure, decodePath, encodeFailure, encodePath } from '../messages.ts';

/** What happens while files are received, told to the caller, and by a host to whoever uploads. */

/** `path` is the path in the store. */
export type TransferEvent =
  /** A file is part of the transfer: the totals grow by it. */
  | { readonly type: 'found'; readonly path: string; readonly size: number }
  | { readonly type: 'started'; readonly path: string; readonly size: number }
  | { readonly type: 'progress'; readonly path: string; readonly bytes: number }
  /** Bytes that need not come: an earlier session left them, or the version that is replaced has them. */
  | { readonly type: 'kept'; readonly path: string; readonly bytes: number }
  | { readonly type: 'finished'; readonly path: string; readonly size: number; readonly outcome: Outcome }
  | { readonly type: 'failed'; readonly path: string; readonly error: LineError }
  /** Everything has been found: the totals are final. */
  | { readonly type: 'counted' };

export type Outcome = 'received' | 'identical' | 'skipped';

/** What happens at the host while it receives an offer. */
export function encodeEvent(event: TransferEvent): JsonObject {
  const { type } = event;
  if (type === 'counted') return { t: 'event', type };
  const common = { t: 'event', type, ...encodePath(event.path) };
  switch (type) {
    case 'found':
    case 'started':
      return { ...common, size: event.size };
    case 'progress':
    case 'kept':
      return { ...common, bytes: event.bytes };
    case 'finished':
      return { ...common, size: event.size, outcome: event.outcome };
    case 'failed':
      return { ...common, ...encodeFailure(event.error) };
  }
}

export function decodeEvent(message: JsonObject): TransferEvent {
  const type = readText(message, 'type', 16);
  if (type === 'counted') return { type };
  const path = decodePath(message);
  switch (type) {
    case 'found':
    case 'started':
      return { type, path, size: readInteger(message, 'size') };
    case 'progress':
    case 'kept':
      return { type, path, bytes: readInteger(message, 'bytes') };
    case 'finished': {
      const outcome = readText(message, 'outcome', 16);
      if (outcome !== 'received' && outcome !== 'identical' && outcome !== 'skipped') {
        throw new LineError('MALFORMED', 'an outcome that there is not');
      }
      return { type, path, size: readInteger(message, 'size'), outcome };
    }
    case 'failed':
      return { type, path, error: decodeFailure(message) };
    default:
      throw new LineError('MALFORMED', 'an event that there is not');
  }
}
