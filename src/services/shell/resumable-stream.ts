import { LineError } from '../../errors.ts';
import { toLineError } from '../../line/abort.ts';
import type { Channel, ChannelItem } from '../../line/channel.ts';
import type { Clock, Timer } from '../../line/clock.ts';
import { type JsonObject, readInteger } from '../../protocol/bytes/json.ts';
import { SHELL_TELL_MS } from '../../protocol/limits.ts';
import { ByteWindow } from './byte-window.ts';
import { messageType } from './messages.ts';

/**
 * One end of a pair of byte streams that outlives the channel under it. Each byte has a number; what was sent is kept until
 * the other end says that it has received it, so after a lost line both go on at the first byte that did not arrive
 * (docs/protocol/4-services.md §6). Both ends are of this one class.
 *
 *   1. `write` and `read` are for the owner, whatever happens to channels.
 *   2. `carry` runs the streams over a channel until it is over; what the other end says of itself goes to the owner.
 *   3. For another channel: tell `receivedBytes`, hear the other end's number into `acknowledge`, `carry`.
 */
export class ResumableStream {
  readonly #clock: Clock;
  /** What is sent, from the first byte that the other end may not have. */
  readonly #outgoing: ByteWindow;
  /** What has come and nobody has read. */
  readonly #incoming: ByteWindow;
  /** Up to which byte the reader is done with what it was given. */
  #used = 0;
  /** What of it the other end was told. */
  #told = 0;
  #tellTimer: Timer | undefined;
  #carrier: Channel | undefined;
  #last: JsonObject | undefined;
  #state: 'open' | 'discarding' | LineError = 'open';
  /** Up to which byte was ever sent: nobody can have received more. */
  #sentEver = 0;
  #isReadingEnded = false;
  readonly #waiting = new Map<Waiting, () => void>();

  /** How many bytes each direction may be ahead of what was told is the protocol's, and the same at both ends. */
  constructor(windows: { readonly sendBytes: number; readonly receiveBytes: number }, clock: Clock) {
    this.#outgoing = new ByteWindow(windows.sendBytes);
    this.#incoming = new ByteWindow(windows.receiveBytes);
    this.#clock = clock;
  }

  // ── For the owner ─────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Resolves when all bytes have a place in the window; the caller may then use the buffer again. One writer at a time.
   * Throws what `fail` was given.
   */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; ; ) {
      if (this.#state instanceof LineError) throw this.#state;
      if (this.#state === 'discarding') return;
      at += this.#outgoing.push(bytes.subarray(at));
      this.#wakeUp('sender');
      if (at === bytes.length) return;
      await this.#woken('writer');
    }
  }

  /** Bytes that `write` takes without waiting. */
  get roomBytes(): number {
    return this.#outgoing.roomBytes;
  }

  /** Nothing follows what was written but this message, and the end of the direction. */
  finish(last: JsonObject): void {
    this.#last = last;
    this.#wakeUp('sender');
  }

  /**
   * The next bytes, which belong to the caller; they count as received when it comes back for more. `undefined` when none
   * will come: after `endReading`. Throws what `fail` was given.
   */
  async read(): Promise<Uint8Array | undefined> {
    this.#used = this.#incoming.start;
    this.#tellSoon();
    if (this.#state === 'discarding') return undefined;
    while (this.#incoming.start === this.#incoming.end) {
      if (this.#state instanceof LineError) throw this.#state;
      if (this.#isReadingEnded) return undefined;
      await this.#woken('reader');
    }
    const bytes = this.#incoming.copy(this.#incoming.start, READ_BYTES);
    this.#incoming.release(this.#incoming.start + bytes.length);
    return bytes;
  }

  /** What has come is still read; then there is no more. */
  endReading(): void {
    this.#isReadingEnded = true;
    this.#wakeUp('reader');
  }

  /** Nobody is interested any more: what is written is dropped, nothing more is read. */
  discard(): void {
    if (this.#state === 'open') this.#state = 'discarding';
    this.#isReadingEnded = true;
    this.#wakeUp('reader', 'writer', 'sender');
  }

  /** Every call of the owner throws `error` from now on, but for reading what has come. */
  fail(error: LineError): void {
    if (!(this.#state instanceof LineError)) this.#state = error;
    this.#wakeUp('reader', 'writer', 'sender');
  }

  // ── Over channels ─────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * How many bytes need not be sent again, to be told to the other end before the next `carry`. What has come and was not
   * read is forgotten, and comes again: so the window begins anew there for both.
   */
  receivedBytes(): number {
    this.#letGo();
    this.#incoming.rewind();
    this.#told = this.#incoming.start;
    return this.#told;
  }

  /** The other end has all bytes before `position`. Throws `PROTOCOL` if that cannot be. */
  acknowledge(position: number): void {
    if (position > this.#sentEver) throw new LineError('PROTOCOL', 'more was received than was sent');
    this.#outgoing.release(position);
    this.#wakeUp('writer');
  }

  /**
   * Sends and receives over `channel` until it is over, or until another one is carried on. Resolves with what ended the
   * channel, or `undefined` when the other end has ended its direction. Throws what breaks the rules of the streams, and
   * what `onMessage` throws; the channel is the caller's to reset.
   */
  async carry(channel: Channel, onMessage: (message: JsonObject) => void): Promise<LineError | undefined> {
    this.#carrier = channel;
    this.#wakeUp('sender');
    void this.#send(channel);
    try {
      for (;;) {
        let item: ChannelItem | undefined;
        try {
          item = await channel.read();
        } catch (thrown) {
          return toLineError(thrown);
        }
        if (this.#carrier !== channel) return new LineError('CLOSED', 'the streams go on over another channel');
        if (item === undefined) return undefined;
        if (item instanceof Uint8Array) this.#take(item);
        else if (messageType(item) === 'received') this.acknowledge(readInteger(item, 'bytes'));
        else onMessage(item);
      }
    } finally {
      if (this.#carrier === channel) this.#letGo();
    }
  }

  #letGo(): void {
    this.#carrier = undefined;
    this.#tellTimer?.cancel();
    this.#tellTimer = undefined;
    this.#wakeUp('sender');
  }

  async #send(channel: Channel): Promise<void> {
    let sent = this.#outgoing.start;
    try {
      while (this.#carrier === channel) {
        sent = Math.max(sent, this.#outgoing.start);
        if (sent < this.#outgoing.end) {
          const bytes = this.#outgoing.copy(sent, SEND_BYTES);
          sent += bytes.length;
          this.#sentEver = Math.max(this.#sentEver, sent);
          await channel.write(bytes);
        } else if (this.#last === undefined) {
          await this.#woken('sender');
        } else {
          await channel.send(this.#last);
          await channel.end();
          return;
        }
      }
    } catch {
      // The channel is over, and `carry`, which reads it, tells why.
    }
  }

  #take(bytes: Uint8Array): void {
    if (this.#state !== 'open') return;
    if (this.#incoming.push(bytes) < bytes.length) throw new LineError('FLOW', 'more bytes than the window holds');
    this.#wakeUp('reader');
  }

  /** Often enough that the other end need not wait, and not for every key that is struck. */
  #tellSoon(): void {
    const untold = this.#used - this.#told;
    if (this.#carrier === undefined || untold <= 0) return;
    if (untold >= this.#incoming.capacityBytes / 4) this.#tell();
    else this.#tellTimer ??= this.#clock.after(SHELL_TELL_MS, () => this.#tell());
  }

  #tell(): void {
    this.#tellTimer?.cancel();
    this.#tellTimer = undefined;
    this.#told = this.#used;
    // A channel that is over is told of by its reader.
    this.#carrier?.send({ t: 'received', bytes: this.#told }).catch(() => {});
  }

  #woken(who: Waiting): Promise<void> {
    return new Promise(resolve => this.#waiting.set(who, resolve));
  }

  #wakeUp(...who: Waiting[]): void {
    for (const one of who) {
      const wake = this.#waiting.get(one);
      this.#waiting.delete(one);
      wake?.();
    }
  }
}

type Waiting = 'reader' | 'writer' | 'sender';

/** Copied by the channel, so that the window may be released whenever the other end says so. */
const SEND_BYTES = 32 * 1024;
/** What a terminal takes at once; less than the window, so that it is told in between. */
const READ_BYTES = 16 * 1024;
