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
  listedPathWeight,
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
  | { readonly type: 'unchanged'; readonly files: readonly TransferredFile[] }
  | { readonly type: 'failed'; readonly path: string; readonly error: LineError }
  /** Everything has been found: the totals are final. */
  | { readonly type: 'counted' };

export interface TransferredFile {
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
  /** Files of which the same happened, one after the other: they become one event of the message. */
  #run: Run | undefined;

  constructor(channel: Channel) {
    this.#batch = new Batch(channel, 'events');
  }

  /** Resolves when more is welcome. Whoever made the channel hears of its failure; here nothing is thrown. */
  tell(event: TransferEvent): Promise<void> {
    if (event.type === 'found' || event.type === 'finished')
      this.#addToRun(event.type, event.type === 'found' ? undefined : event.outcome, event);
    else if (event.type === 'unchanged') for (const file of event.files) this.#addToRun(event.type, undefined, file);
    else {
      this.#endRun();
      const weight = event.type === 'counted' ? 32 : entryWeight(event);
      this.#add(encodeEvent(event), weight + (event.type === 'failed' ? FAILURE_WEIGHT : 0));
    }
    if (!this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      systemClock.soon(() => {
        this.#isFlushPlanned = false;
        this.#after(this.flush());
      });
    }
    return this.#telling;
  }

  /** Everything told so far is on its way. */
  async flush(): Promise<void> {
    this.#endRun();
    await this.#batch.flush();
  }

  #addToRun(type: Run['type'], outcome: Outcome | undefined, { path, size }: TransferredFile): void {
    let run = this.#run;
    if (run === undefined || run.type !== type || run.outcome !== outcome) {
      this.#endRun();
      run = { type, outcome, paths: [], sizes: [], weight: RUN_WEIGHT };
      this.#run = run;
    }
    run.paths.push(encodeListedPath(path));
    run.sizes.push(size);
    run.weight += listedPathWeight(path);
    if (run.weight >= MAX_RUN_WEIGHT || run.paths.length === MAX_FILES_PER_EVENT) this.#endRun();
  }

  #endRun(): void {
    if (this.#run === undefined) return;
    const { weight, ...event } = this.#run;
    this.#run = undefined;
    this.#add(event, weight);
  }

  #add(event: JsonObject, weight: number): void {
    const sending = this.#batch.add(event, weight);
    if (sending !== undefined) this.#after(sending);
  }

  /** A message that waits for its reader holds back whoever tells, also after later ones. */
  #after(sending: Promise<void>): void {
    const before = this.#telling;
    const goOn = (): Promise<void> => before;
    this.#telling = sending.then(goOn, goOn);
  }
}

interface Run {
  readonly type: 'found' | 'finished' | 'unchanged';
  readonly outcome: Outcome | undefined;
  readonly paths: (string | JsonObject)[];
  readonly sizes: number[];
  /** Upper bound of its size as JSON. */
  weight: number;
}

/** What happens to one file, or to all, at the host while it receives an offer. */
function encodeEvent(event: SingleEvent): JsonObject {
  const { type } = event;
  if (type === 'counted') return { type };
  const common = { type, ...encodePath(event.path) };
  switch (type) {
    case 'started':
      return { ...common, size: event.size };
    case 'progress':
    case 'kept':
      return { ...common, bytes: event.bytes };
    case 'failed':
      return { ...common, ...encodeFailure(event.error) };
  }
}

type SingleEvent = Exclude<TransferEvent, { readonly type: Run['type'] }>;

/** The events of one message of the host. */
export function decodeEvents(message: JsonObject): readonly TransferEvent[] {
  return readList(message, 'events', MAX_EVENTS_PER_MESSAGE).flatMap(event => decodeEvent(asObject(event)));
}

function decodeEvent(message: JsonObject): TransferEvent | readonly TransferEvent[] {
  const type = readText(message, 'type', 16);
  switch (type) {
    case 'counted':
      return { type };
    case 'found':
      return decodeFiles(message).map(({ path, size }) => ({ type, path, size }));
    case 'finished': {
      const outcome = readText(message, 'outcome', 16);
      if (outcome !== 'received' && outcome !== 'identical' && outcome !== 'skipped') {
        throw new LineError('MALFORMED', 'an outcome that there is not');
      }
      return decodeFiles(message).map(({ path, size }) => ({ type, path, size, outcome }));
    }
    case 'unchanged':
      return { type, files: decodeFiles(message) };
    case 'started':
      return { type, path: decodePath(message), size: readInteger(message, 'size') };
    case 'progress':
    case 'kept':
      return { type, path: decodePath(message), bytes: readInteger(message, 'bytes') };
    case 'failed':
      return { type, path: decodePath(message), error: decodeFailure(message) };
    default:
      throw new LineError('MALFORMED', 'an event that there is not');
  }
}

function decodeFiles(message: JsonObject): readonly TransferredFile[] {
  const paths = readList(message, 'paths', MAX_FILES_PER_EVENT);
  const sizes = readList(message, 'sizes', MAX_FILES_PER_EVENT);
  if (paths.length !== sizes.length) throw new LineError('MALFORMED', 'files without sizes, or sizes without files');
  return paths.map((path, at) => ({ path: decodeListedPath(path), size: asSize(sizes[at]) }));
}

function asSize(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new LineError('MALFORMED', 'a size that is none');
  return value as number;
}

const MAX_EVENTS_PER_MESSAGE = 10_000;
/** Fixed by the protocol. */
const MAX_FILES_PER_EVENT = 1024;
/** Of a message three such runs fit, so that little room is left over. */
const MAX_RUN_WEIGHT = 18_000;
const RUN_WEIGHT = 160;
