import { LineError } from '../../../errors.ts';
import type { Channel } from '../../../line/channel.ts';
import { systemClock } from '../../../line/clock.ts';
import { type JsonObject, readInteger, readList, readText } from '../../../protocol/bytes/json.ts';
import { Batch } from '../batch.ts';
import {
  asObject,
  decodeFailure,
  decodeListedPath,
  decodePath,
  encodeFailure,
  encodeListedPath,
  encodePath,
  entryWeight,
  FAILURE_WEIGHT,
} from '../messages.ts';

/** What happens while files are received, told to the caller, and by a host to whoever uploads. */

/** `path` is the path in the store. */
export type TransferEvent =
  /** A file is part of the transfer: the totals grow by it. */
  | { readonly type: 'found'; readonly path: string; readonly size: number }
  /** Not of a file of up to 64 KiB, which comes in one step: its `finished` says all. */
  | { readonly type: 'started'; readonly path: string; readonly size: number }
  | { readonly type: 'progress'; readonly path: string; readonly bytes: number }
  /** Bytes that need not come: an earlier session left them, or the version that is replaced has them. */
  | { readonly type: 'kept'; readonly path: string; readonly bytes: number }
  | { readonly type: 'finished'; readonly path: string; readonly size: number; readonly outcome: Outcome }
  /** `found` and `finished` in one, of many: a glance showed files of the same size, time and mode. They count as identical. */
  | { readonly type: 'unchanged'; readonly files: readonly UnchangedFile[] }
  | { readonly type: 'failed'; readonly path: string; readonly error: LineError }
  /** Everything has been found: the totals are final. */
  | { readonly type: 'counted' };

export interface UnchangedFile {
  readonly path: string;
  readonly size: number;
}

export type Outcome = 'received' | 'identical' | 'skipped';

/**
 * Tells the other end of a channel what happens. Events of one turn of the event loop share messages: a thousand small
 * files make thousands of events.
 */
export class EventTeller {
  readonly #batch: Batch;
  /** Settles when all that was sent so far has been taken. */
  #telling: Promise<void> = Promise.resolve();
  #isFlushPlanned = false;

  constructor(channel: Channel) {
    this.#batch = new Batch(channel, 'events');
  }

  /** Resolves when more is welcome. Whoever made the channel hears of its failure; here nothing is thrown. */
  tell(event: TransferEvent): Promise<void> {
    for (const part of inParts(event)) {
      const sending = this.#batch.add(encodeEvent(part), weightOf(part));
      if (sending !== undefined) this.#after(sending);
    }
    if (!this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      systemClock.soon(() => {
        this.#isFlushPlanned = false;
        this.#after(this.#batch.flush());
      });
    }
    return this.#telling;
  }

  /** Everything told so far is on its way. */
  async flush(): Promise<void> {
    await this.#batch.flush();
  }

  /** A message that waits for its reader holds back whoever tells, also after later ones. */
  #after(sending: Promise<void>): void {
    const before = this.#telling;
    const goOn = (): Promise<void> => before;
    this.#telling = sending.then(goOn, goOn);
  }
}

/** An event of many files may be more than a message holds. */
function inParts(event: TransferEvent): readonly TransferEvent[] {
  if (event.type !== 'unchanged') return [event];
  const parts: TransferEvent[] = [];
  let files: UnchangedFile[] = [];
  let weight = 0;
  for (const file of event.files) {
    files.push(file);
    weight += entryWeight(file);
    if (weight < MAX_PART_WEIGHT && files.length < MAX_UNCHANGED_PER_EVENT) continue;
    parts.push({ type: 'unchanged', files });
    files = [];
    weight = 0;
  }
  if (files.length > 0) parts.push({ type: 'unchanged', files });
  return parts;
}

/** Upper bound of its size as JSON. */
function weightOf(event: TransferEvent): number {
  switch (event.type) {
    case 'counted':
      return 32;
    case 'unchanged':
      return event.files.reduce((weight, file) => weight + entryWeight(file), 0);
    case 'failed':
      return entryWeight(event) + FAILURE_WEIGHT;
    default:
      return entryWeight(event);
  }
}

/** What happens at the host while it receives an offer. */
function encodeEvent(event: TransferEvent): JsonObject {
  const { type } = event;
  if (type === 'counted') return { type };
  if (type === 'unchanged') {
    const { files } = event;
    return { type, paths: files.map(({ path }) => encodeListedPath(path)), sizes: files.map(({ size }) => size) };
  }
  const common = { type, ...encodePath(event.path) };
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

/** The events of one message of the host. */
export function decodeEvents(message: JsonObject): readonly TransferEvent[] {
  return readList(message, 'events', MAX_EVENTS_PER_MESSAGE).map(event => decodeEvent(asObject(event)));
}

function decodeEvent(message: JsonObject): TransferEvent {
  const type = readText(message, 'type', 16);
  if (type === 'counted') return { type };
  if (type === 'unchanged') return { type, files: decodeUnchanged(message) };
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

function decodeUnchanged(message: JsonObject): readonly UnchangedFile[] {
  const paths = readList(message, 'paths', MAX_UNCHANGED_PER_EVENT);
  const sizes = readList(message, 'sizes', MAX_UNCHANGED_PER_EVENT);
  if (paths.length !== sizes.length) throw new LineError('MALFORMED', 'files without sizes, or sizes without files');
  return paths.map((path, at) => ({ path: decodeListedPath(path), size: asCount(sizes[at]) }));
}

function asCount(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new LineError('MALFORMED', 'a size that is none');
  return value as number;
}

const MAX_EVENTS_PER_MESSAGE = 10_000;
/** Fixed by the protocol. */
const MAX_UNCHANGED_PER_EVENT = 1024;
/** Of a message three such parts fit, so that little room is left over. */
const MAX_PART_WEIGHT = 20_000;
