import { LineError } from '../../../errors.ts';
import { toLineError } from '../../../line/abort.ts';
import type { Channel, ChannelItem } from '../../../line/channel.ts';
import { systemClock } from '../../../line/clock.ts';
import { type JsonObject, readInteger, readText } from '../../../protocol/bytes/json.ts';
import type { Compressor } from '../coding/compressor.ts';
import { type Content, decodeBlockHeader, decodeZeros } from '../coding/content.ts';
import type { Entry } from '../entry.ts';
import { asObject, decodeEntry, decodeFailure, entryWeight } from '../messages.ts';
import { decodePack, type Pack } from './pack.ts';
import { encodeWants, isWhole, MAX_WANTS, type Want } from './want.ts';

/**
 * Asks for files over one channel and hands out the answers. Wants go ahead of answers, so that a thousand small files
 * cost one round trip; the host answers them in order, and an answer to anything that was not asked for ends the channel
 * (R-F3). How many wants go ahead is for the caller to bound.
 */
export class Fetcher {
  readonly #openChannel: () => Channel;
  readonly #compressor: Compressor | undefined;
  #channel: Channel;
  /** Without an answer yet. */
  readonly #asked: Want[] = [];
  /** Those of them that have not been sent: wants of one turn of the event loop share a message. */
  #unsent: Want[] = [];
  #unsentWeight = 0;
  #isFlushPlanned = false;
  /** Files of a pack that have not been handed out. */
  #packed: FetchedFile[] = [];
  #nextId = 0;
  #current: FetchedFile | undefined;
  #wanting: 'more' | 'no more' = 'more';

  /** With a `compressor`, the request of `openChannel` asks for what it can undo (coding/content.ts). */
  constructor(openChannel: () => Channel, compressor?: Compressor) {
    this.#openChannel = openChannel;
    this.#compressor = compressor;
    this.#channel = openChannel();
  }

  /** Asks for a file, or a part of it; returns the number under which `next` will give it. */
  want(path: string, offset = 0, length?: number): number {
    if (!isCount(offset) || !(length === undefined || isCount(length))) {
      throw new LineError('USAGE', 'offset and length are whole numbers from 0');
    }
    const want = { id: this.#nextId, path, offset, length };
    this.#asked.push(want);
    this.#ask(want);
    this.#nextId += 1;
    return want.id;
  }

  noMoreWants(): void {
    this.#wanting = 'no more';
    this.#flushWants();
    // As in `#ask`.
    this.#channel.end().catch(() => {});
  }

  /** The next answer if it is here already, as those of a pack are; else `undefined`. */
  nextHere(): FetchedFile | undefined {
    return this.#packed.length > 0 && this.#current?.isOpen !== true ? this.#nextPacked() : undefined;
  }

  /** The next answer, in the order of the wants; the one before must have been read to its end. */
  async next(): Promise<FetchedFile | undefined> {
    if (this.#current?.isOpen) throw new LineError('USAGE', 'the file before has not been read to its end');
    if (this.#packed.length > 0) return this.#nextPacked();
    const item = await this.#channel.read();
    if (item === undefined) {
      if (this.#asked.length > 0) throw new LineError('PROTOCOL', 'the other side left a want unanswered');
      return undefined;
    }
    if (item instanceof Uint8Array) throw new LineError('PROTOCOL', 'bytes that nobody asked for');
    if (readText(item, 't', 16) === 'pack') {
      await this.#unpack(decodePack(item));
      return this.#nextPacked();
    }
    const id = readInteger(item, 'id');
    const want = this.#asked.shift();
    if (id !== want?.id) throw new LineError('PROTOCOL', 'an answer that nobody asked for');
    this.#current = FetchedFile.fromAnswer(this.#channel, want, item, this.#compressor);
    return this.#current;
  }

  /** Whether the next answer is here already. */
  get hasNext(): boolean {
    return this.#packed.length > 0;
  }

  /**
   * Lets go of the current answer before its end, so that `next` may be called. A short rest is read; a long one is not
   * worth its way: the channel is given up, and what is still unanswered is asked again on a new one. Throws what ended
   * the channel, if that is over.
   */
  async skip(): Promise<void> {
    const file = this.#current;
    if (file === undefined) return;
    if (!file.isOpen || file.bytesLeft <= MAX_BYTES_SKIPPED_BY_READING) {
      await file.readOn();
      return;
    }
    this.#current = undefined;
    this.#channel.reset();
    this.#channel = this.#openChannel();
    this.#unsent = [];
    this.#unsentWeight = 0;
    for (const want of this.#asked) this.#ask(want);
    if (this.#wanting === 'no more') this.noMoreWants();
  }

  /** Ends the channel, whatever is under way. May be called twice. */
  close(error?: LineError): void {
    this.#channel.reset(error);
  }

  #ask(want: Want): void {
    if (!isWhole(want)) this.#flushWants();
    const weight = entryWeight(want);
    if (this.#unsentWeight + weight > MAX_WANTS_WEIGHT || this.#unsent.length === MAX_WANTS) this.#flushWants();
    this.#unsent.push(want);
    this.#unsentWeight += weight;
    if (!isWhole(want)) this.#flushWants();
    else if (!this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      systemClock.soon(() => {
        this.#isFlushPlanned = false;
        this.#flushWants();
      });
    }
  }

  #flushWants(): void {
    if (this.#unsent.length === 0) return;
    const wants = this.#unsent;
    this.#unsent = [];
    this.#unsentWeight = 0;
    // A failure to send is a failure of the channel, which the next answer tells.
    this.#channel.send(encodeWants(wants)).catch(() => {});
  }

  #nextPacked(): FetchedFile | undefined {
    this.#current = this.#packed.shift();
    return this.#current;
  }

  /** Takes all of a pack before any of it is handed out: the wants that it answers, and no others, and its bytes. */
  async #unpack(pack: Pack): Promise<void> {
    const wants = this.#asked.splice(0, pack.files.length);
    if (wants.length < pack.files.length || wants[0]?.id !== pack.id || !wants.every(isWhole)) {
      throw new LineError('PROTOCOL', 'an answer that nobody asked for');
    }
    const content = await this.#readPacked(pack);
    let at = 0;
    this.#packed = pack.files.map((file, index) => {
      if ('failure' in file) return FetchedFile.failed(this.#channel, wants[index]!, file.failure);
      const bytes = content.subarray(at, at + file.entry.size);
      at += file.entry.size;
      return FetchedFile.packed(this.#channel, wants[index]!, file.entry, bytes);
    });
  }

  async #readPacked({ byteLength, coded }: Pack): Promise<Uint8Array> {
    if (coded !== undefined && this.#compressor === undefined) {
      throw new LineError('PROTOCOL', 'a coding that was not asked for');
    }
    const content = await this.#readBytes(coded?.codedLength ?? byteLength);
    return coded === undefined ? content : this.#compressor!.decompress(content, byteLength);
  }

  /** Exactly so many; most often they come in one piece, which then is not copied. */
  async #readBytes(byteLength: number): Promise<Uint8Array> {
    let content: Uint8Array | undefined;
    for (let filled = 0; filled < byteLength; ) {
      const item = await this.#channel.read();
      if (!(item instanceof Uint8Array)) throw new LineError('PROTOCOL', 'a pack that was not sent whole');
      if (filled + item.length > byteLength) throw new LineError('MISMATCH', 'more bytes came than were announced');
      if (item.length === byteLength) return item;
      content ??= new Uint8Array(byteLength);
      content.set(item, filled);
      filled += item.length;
    }
    return content ?? NO_BYTES;
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
  readonly #compressor: Compressor | undefined;
  /** All of it, if it came in a pack. */
  readonly whole: Uint8Array | undefined;
  #received = 0;
  /** Plain bytes that came in one piece with the end of a compressed block. */
  #behindBlock: Uint8Array | undefined;
  /** `broken`: the channel failed, or was ended because the host broke a rule. */
  #state: 'open' | 'ended' | { readonly broken: unknown } = 'open';

  static fromAnswer(
    channel: Channel,
    want: Want,
    message: JsonObject,
    compressor: Compressor | undefined,
  ): FetchedFile {
    const type = readText(message, 't', 16);
    if (type === 'failed') return FetchedFile.failed(channel, want, decodeFailure(message));
    if (type !== 'file') throw new LineError('PROTOCOL', 'a message that is not due');
    const entry = { ...decodeEntry(asObject(message['entry'])), path: '' };
    const offset = readInteger(message, 'offset');
    const length = readInteger(message, 'length');
    // The part of the file that was asked for and no other: bytes elsewhere, or fewer of them, would pass as the whole.
    const isAsked = offset === Math.min(want.offset, entry.size);
    const isWhole = length === Math.min(want.length ?? entry.size, entry.size - offset);
    if (entry.type !== 'file' || !isAsked || !isWhole) {
      throw new LineError('PROTOCOL', 'an answer that contradicts itself or the question');
    }
    return new FetchedFile(channel, { id: want.id, entry, offset, length, compressor });
  }

  static failed(channel: Channel, { id }: Want, failure: LineError): FetchedFile {
    return new FetchedFile(channel, { id, entry: NO_ENTRY, offset: 0, length: 0, failure });
  }

  static packed(channel: Channel, { id }: Want, entry: Entry, whole: Uint8Array): FetchedFile {
    return new FetchedFile(channel, { id, entry, offset: 0, length: entry.size, whole });
  }

  private constructor(channel: Channel, answer: Answer) {
    this.#channel = channel;
    this.#compressor = answer.compressor;
    this.id = answer.id;
    this.entry = answer.entry;
    this.offset = answer.offset;
    this.length = answer.length;
    this.whole = answer.whole;
    this.failure = answer.failure;
    if (answer.failure !== undefined) this.#state = 'ended';
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Announced and not yet here. */
  get bytesLeft(): number {
    return this.length - this.#received;
  }

  /**
   * The next bytes, which belong to the caller, or how many zeros come next; `undefined` once all have come and the host has
   * confirmed that the file did not change. Throws the host's failure, or `MISMATCH` for fewer bytes than announced. More
   * bytes than that (`MISMATCH` too), and whatever else breaks the rules, end the channel.
   */
  async read(): Promise<Content | undefined> {
    if (this.#state === 'ended') return undefined;
    if (this.#state !== 'open') throw this.#state.broken;
    if (this.whole !== undefined) return this.takeWhole();
    let failure: LineError | undefined;
    try {
      const item = await this.#next();
      if (item instanceof Uint8Array) return this.#counted(item);
      if (item === undefined) throw new LineError('PROTOCOL', 'the other side ended inside a file');
      const content = await this.#decodeContent(item);
      if (content !== undefined) return content;
      failure = this.#decodeEnd(item);
    } catch (thrown) {
      this.#state = { broken: thrown };
      this.#channel.reset(toLineError(thrown));
      throw thrown;
    }
    this.#state = 'ended';
    if (failure !== undefined) throw failure;
    return undefined;
  }

  /** As `read`, of what came whole: `undefined` if that is an empty file. */
  takeWhole(): Uint8Array | undefined {
    // The host saw that it did not change before it sent it.
    this.#state = 'ended';
    return this.length === 0 ? undefined : this.#counted(this.whole!);
  }

  /** Reads to the end and drops everything but what ended the channel. */
  async readOn(): Promise<void> {
    try {
      while ((await this.read()) !== undefined);
    } catch (thrown) {
      if (this.#state !== 'ended') throw thrown;
      // The host's failure of a file that is no longer wanted.
    }
  }

  async #next(): Promise<ChannelItem | undefined> {
    const bytes = this.#behindBlock;
    if (bytes === undefined) return this.#channel.read();
    this.#behindBlock = undefined;
    return bytes;
  }

  #counted(bytes: Uint8Array): Uint8Array {
    this.#count(bytes.length);
    return bytes;
  }

  #count(byteLength: number): void {
    this.#received += byteLength;
    if (this.#received > this.length) throw new LineError('MISMATCH', 'more bytes came than were announced');
  }

  /** What a message stands for in place of plain bytes; `undefined` if it ends the file. */
  async #decodeContent(message: JsonObject): Promise<Content | undefined> {
    if (readInteger(message, 'id') !== this.id) throw new LineError('PROTOCOL', 'an answer that nobody asked for');
    const type = readText(message, 't', 16);
    if (type === 'zeros') {
      const run = decodeZeros(message);
      this.#count(run.zeros);
      return run;
    }
    if (type !== 'coded' || this.#compressor === undefined) return undefined;
    const { byteLength, codedLength } = decodeBlockHeader(message);
    this.#count(byteLength);
    return this.#compressor.decompress(await this.#readCoded(codedLength), byteLength);
  }

  async #readCoded(byteLength: number): Promise<Uint8Array> {
    const coded = new Uint8Array(byteLength);
    for (let filled = 0; filled < byteLength; ) {
      const item = await this.#next();
      if (!(item instanceof Uint8Array)) throw new LineError('PROTOCOL', 'a compressed block that was not sent whole');
      const part = item.subarray(0, byteLength - filled);
      coded.set(part, filled);
      filled += part.length;
      if (part.length < item.length) this.#behindBlock = item.subarray(part.length);
    }
    return coded;
  }

  /** What ended the file, if not its last byte. */
  #decodeEnd(message: JsonObject): LineError | undefined {
    const type = readText(message, 't', 16);
    if (type === 'failed') return decodeFailure(message);
    if (type !== 'end') throw new LineError('PROTOCOL', 'a message that is not due');
    return this.bytesLeft === 0 ? undefined : new LineError('MISMATCH', 'fewer bytes came than were announced');
  }
}

interface Answer {
  readonly id: number;
  readonly entry: Entry;
  readonly offset: number;
  readonly length: number;
  readonly compressor?: Compressor | undefined;
  readonly whole?: Uint8Array;
  readonly failure?: LineError;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** About what a fast line carries in one round trip. */
const MAX_BYTES_SKIPPED_BY_READING = 1024 * 1024;
const NO_ENTRY: Entry = { path: '', type: 'file', size: 0, mtimeUs: 0, mode: 0 };
const NO_BYTES = new Uint8Array(0);
const MAX_WANTS_WEIGHT = 60_000;
