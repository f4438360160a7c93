import { CHAT_RING_BYTES, CHAT_RING_ENTRIES } from '../../../protocol/limits.ts';
import { packEntries, roomInBatch } from './batch.ts';

/**
 * The last entries of a room, encoded, each under a place that only grows. Whoever reads has a place in it and nothing
 * else, so a slow reader costs nothing: the oldest entries go whether they were read or not.
 */
export class Ring {
  /** Of the place `#first`, and those behind it. */
  #entries: RingEntry[] = [];
  /** How many at the beginning of `#entries` have gone. */
  #gone = 0;
  #first = 0;
  #byteLength = 0;
  #floor: number;
  #lastId: number;
  /**
   * Batches of `#commonTo`, by where they begin: most readers stand at the same place. They hold about as much as the entries
   * at most, so what bounds those bounds them too.
   */
  readonly #common = new Map<number, CommonBatch>();
  #commonTo = 0;
  #commonBytes = 0;

  /** Holds every message of the room with an id over `floor`. */
  constructor(floor: number) {
    this.#floor = floor;
    this.#lastId = floor;
  }

  /** The first place that is there, and the one that comes next. */
  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#first + this.#entries.length - this.#gone;
  }

  /** Messages up to this id have gone, or were never here. */
  get floor(): number {
    return this.#floor;
  }

  /** Of the entries, and of what was put together of them. */
  get byteLength(): number {
    return this.#byteLength + this.#commonBytes;
  }

  /** `id` is that of a message, and 0 for what is none; `devices`, in base64url, are those that alone may see it. */
  push(bytes: Uint8Array, id: number, devices?: readonly string[]): void {
    this.#lastId = Math.max(this.#lastId, id);
    this.#entries.push({ bytes, isMessage: id > 0, lastId: this.#lastId, devices });
    this.#byteLength += bytes.length;
    while (this.end - this.#first > CHAT_RING_ENTRIES || this.#byteLength > CHAT_RING_BYTES) this.#dropFirst();
  }

  /** Lets go of everything that is before `end`. */
  clear(): void {
    while (this.#first < this.end) this.#dropFirst();
    this.#forgetCommon();
  }

  /** Where the messages behind `id` begin; before `first` if some of them have gone. */
  placeBehind(id: number): number {
    if (id < this.#floor) return this.#first - 1;
    let low = this.#gone;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle]!.lastId > id) high = middle;
      else low = middle + 1;
    }
    return this.#first + low - this.#gone;
  }

  /** As much of what lies from `from` up to `to` as fits into one message and is for this reader. */
  batch(from: number, to: number, reader: RingReader): Batch {
    if (reader.messagesOnly) return this.#fill(from, to, entry => entry.isMessage && isFor(entry, reader.device));
    const common = this.#commonBatch(from, to);
    if (!common.privates.some(entry => isFor(entry, reader.device))) return common;
    return this.#fill(from, to, entry => isFor(entry, reader.device));
  }

  #commonBatch(from: number, to: number): CommonBatch {
    if (this.#commonTo !== to) this.#forgetCommon();
    this.#commonTo = to;
    const known = this.#common.get(from);
    if (known !== undefined) return known;
    if (this.#commonBytes >= this.#byteLength || this.#common.size >= MAX_COMMON_BATCHES) this.#forgetCommon();
    const batch = this.#fill(from, to, entry => entry.devices === undefined);
    const privates = this.#slice(from, batch.next).filter(entry => entry.devices !== undefined);
    const common = { ...batch, privates };
    this.#common.set(from, common);
    this.#commonBytes += common.bytes?.length ?? 0;
    return common;
  }

  #forgetCommon(): void {
    this.#common.clear();
    this.#commonBytes = 0;
  }

  #fill(from: number, to: number, isWanted: (entry: RingEntry) => boolean): Batch {
    const wanted: Uint8Array[] = [];
    let usedBytes = 0;
    let next = from;
    let { lastId } = this.#entries[from - this.#first + this.#gone]!;
    for (const entry of this.#slice(from, to)) {
      if (isWanted(entry)) {
        if (entry.bytes.length > roomInBatch(usedBytes) && wanted.length > 0) break;
        wanted.push(entry.bytes);
        usedBytes += entry.bytes.length + 1;
      }
      next += 1;
      ({ lastId } = entry);
    }
    return { bytes: wanted.length === 0 ? undefined : packEntries(wanted), next, lastId };
  }

  #slice(from: number, to: number): RingEntry[] {
    const offset = this.#gone - this.#first;
    return this.#entries.slice(from + offset, to + offset);
  }

  #dropFirst(): void {
    const { bytes, lastId } = this.#entries[this.#gone]!;
    this.#byteLength -= bytes.length;
    this.#floor = lastId;
    this.#entries[this.#gone] = GONE;
    this.#gone += 1;
    this.#first += 1;
    if (this.#gone < 64 && this.#gone < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#gone);
    this.#gone = 0;
  }
}

export interface RingReader {
  /** In base64url. */
  readonly device: string;
  /** Returns to what was said, not to who came and went meanwhile. */
  readonly messagesOnly: boolean;
}

export interface Batch {
  /** The message to send; `undefined` if none of it is for this reader. Others may be given the same. */
  readonly bytes: Uint8Array | undefined;
  /** The place behind it. */
  readonly next: number;
  /** Messages up to this id are in it or before it. */
  readonly lastId: number;
}

interface CommonBatch extends Batch {
  /** What lies in between and is not for everybody. */
  readonly privates: readonly RingEntry[];
}

interface RingEntry {
  readonly bytes: Uint8Array;
  readonly isMessage: boolean;
  /** The id of the last message up to here. */
  readonly lastId: number;
  readonly devices: readonly string[] | undefined;
}

function isFor({ devices }: RingEntry, device: string): boolean {
  return devices === undefined || devices.includes(device);
}

const GONE: RingEntry = { bytes: new Uint8Array(0), isMessage: false, lastId: 0, devices: undefined };
/** Those who are behind stand at places of their own; a batch has up to 64 KiB. */
const MAX_COMMON_BATCHES = 8;
