import { LineError } from '../../errors.ts';
import type { Channel } from '../../line/channel.ts';
import { type JsonObject, readInteger, readText } from '../../protocol/bytes/json.ts';
import type { Entry } from './entry.ts';
import { asObject, decodeEntry, decodeFailure, encodeWant } from './messages.ts';

/**
 * Asks for files over one channel and hands out the answers. Wants go ahead of answers, so that a thousand small files
 * cost one round trip; the host answers them in order, and an answer to anything that was not asked for ends the channel
 * (R-F3). How many wants go ahead is for the caller to bound.
 */
export class Fetcher {
  readonly #channel: Channel;
  readonly #asked: number[] = [];
  #nextId = 0;
  #current: FetchedFile | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Asks for a file, or a part of it; returns the number under which `next` will give it. */
  want(path: string, offset = 0, length?: number): number {
    const id = this.#nextId++;
    this.#asked.push(id);
    // A failure to send is a failure of the channel, which the next answer tells.
    this.#channel.send(encodeWant({ id, path, offset, length })).catch(() => {});
    return id;
  }

  noMoreWants(): void {
    // As in `want`.
    this.#channel.end().catch(() => {});
  }

  /** The next answer, in the order of the wants; the one before must have been read to its end. */
  async next(): Promise<FetchedFile | undefined> {
    if (this.#current?.isOpen) throw new LineError('USAGE', 'the file before has not been read to its end');
    const item = await this.#channel.read();
    if (item === undefined) {
      if (this.#asked.length > 0) throw new LineError('PROTOCOL', 'the other side left a want unanswered');
      return undefined;
    }
    if (item instanceof Uint8Array) throw new LineError('PROTOCOL', 'bytes that nobody asked for');
    const id = readInteger(item, 'id');
    if (id !== this.#asked.shift()) throw new LineError('PROTOCOL', 'an answer that nobody asked for');
    this.#current = FetchedFile.fromAnswer(this.#channel, id, item);
    return this.#current;
  }

  /** Ends the channel, whatever is under way. May be called twice. */
  close(error?: LineError): void {
    this.#channel.reset(error);
  }
}

/** One answer: the entry and the bytes of a file, or why there is none. */
export class FetchedFile {
  readonly id: number;
  readonly entry: Entry;
  /** Where in the file the bytes begin, and how many will come. */
  readonly offset: number;
  readonly length: number;
  readonly failure: LineError | undefined;
  readonly #channel: Channel;
  #received = 0;
  #state: 'open' | 'ended' = 'open';

  static fromAnswer(channel: Channel, id: number, message: JsonObject): FetchedFile {
    if (readText(message, 't', 16) === 'failed') {
      return new FetchedFile(channel, id, NO_ENTRY, 0, 0, decodeFailure(message));
    }
    if (readText(message, 't', 16) !== 'file') throw new LineError('PROTOCOL', 'a message that is not due');
    const entry = { ...decodeEntry(asObject(message['entry'])), path: '' };
    const offset = readInteger(message, 'offset');
    const length = readInteger(message, 'length');
    if (entry.type !== 'file' || offset + length > entry.size) {
      throw new LineError('PROTOCOL', 'an answer that contradicts itself');
    }
    return new FetchedFile(channel, id, entry, offset, length, undefined);
  }

  private constructor(
    channel: Channel,
    id: number,
    entry: Entry,
    offset: number,
    length: number,
    failure: LineError | undefined,
  ) {
    this.#channel = channel;
    this.id = id;
    this.entry = entry;
    this.offset = offset;
    this.length = length;
    this.failure = failure;
    if (failure !== undefined) this.#state = 'ended';
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /**
   * The next bytes, which belong to the caller, or `undefined` once all have come and the host has confirmed that the
   * file did not change. Throws the host's failure, or `MISMATCH` for more or fewer bytes than announced.
   */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#state === 'ended') return undefined;
    const item = await this.#channel.read();
    if (item instanceof Uint8Array) {
      this.#received += item.length;
      if (this.#received > this.length) throw new LineError('MISMATCH', 'more bytes came than were announced');
      return item;
    }
    this.#state = 'ended';
    if (item === undefined) throw new LineError('PROTOCOL', 'the other side ended inside a file');
    if (readInteger(item, 'id') !== this.id) throw new LineError('PROTOCOL', 'an answer that nobody asked for');
    const type = readText(item, 't', 16);
    if (type === 'failed') throw decodeFailure(item);
    if (type !== 'end') throw new LineError('PROTOCOL', 'a message that is not due');
    if (this.#received !== this.length) throw new LineError('MISMATCH', 'fewer bytes came than were announced');
    return undefined;
  }
}

const NO_ENTRY: Entry = { path: '', type: 'file', size: 0, mtimeUs: 0, mode: 0 };
