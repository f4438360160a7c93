import { LineError } from '../../errors.ts';
import { MAX_BYTES_BEFORE_LOGIN, MAX_RECORD_BYTES, RECORD_HEADER_BYTES, TAG_BYTES } from '../limits.ts';

/**
 * Cuts the byte stream into units: handshake messages and records share one shape, `u8 type, u24 length, body`
 * (docs/protocol/1-handshake.md §3, 2-records.md §1). Length first, limit first: `checkHeader` sees a header as soon as
 * its four bytes are there, before anything is allocated or waited for.
 *
 * It owns the buffer that the transport reads into. A large record is read into its own place, and no further than the
 * header of the next one, so that its bytes are never moved; small records are read many at a time.
 */
export class UnitReader {
  #buffer = new Uint8Array(MAX_BYTES_BEFORE_LOGIN);
  #start = 0;
  #end = 0;
  #headerChecked = false;
  /** A place that was given out and not yet reported on is the transport's: it may be written to at any moment. */
  #isPlaceOut = false;
  #shrinksLater = false;

  /** Where the transport puts the next bytes. Views handed out by `next` are dead from here on. */
  space(): Uint8Array {
    if (this.#shrinksLater) this.#makeSmall();
    this.#isPlaceOut = true;
    this.#moveToFront();
    const needed = this.#unitLength() ?? RECORD_HEADER_BYTES;
    if (needed + RECORD_HEADER_BYTES > this.#buffer.length) this.#grow(needed + RECORD_HEADER_BYTES);
    const limit = needed > SMALL_BUFFER_BYTES ? needed + RECORD_HEADER_BYTES : this.#buffer.length;
    return this.#buffer.subarray(this.#end, limit);
  }

  /** `byteLength` bytes were put into `space()`. */
  received(byteLength: number): void {
    this.#isPlaceOut = false;
    this.#end += byteLength;
  }

  /**
   * The next whole unit, or `undefined` until more has been received. `checkHeader` throws for a type or a length that
   * must not be; it is called once per unit. The unit's views are valid until the next `space()`.
   */
  next(checkHeader: (type: number, length: number) => void): Unit | undefined {
    const length = this.#unitLength();
    if (length === undefined) return undefined;
    if (!this.#headerChecked) {
      checkHeader(this.#buffer[this.#start]!, length - RECORD_HEADER_BYTES);
      this.#headerChecked = true;
    }
    if (this.#end - this.#start < length) return undefined;
    const header = this.#buffer.subarray(this.#start, this.#start + RECORD_HEADER_BYTES);
    const body = this.#buffer.subarray(this.#start + RECORD_HEADER_BYTES, this.#start + length);
    this.#start += length;
    this.#headerChecked = false;
    return { type: header[0]!, header, body };
  }

  /** Bytes received that are not yet part of a unit given out. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  /**
   * Gives a large buffer back while nothing is under way, so that an idle line stays small; at the next `space()`, if the
   * transport still has a place in it.
   */
  shrink(): void {
    if (this.#isPlaceOut) this.#shrinksLater = true;
    else this.#makeSmall();
  }

  #makeSmall(): void {
    this.#shrinksLater = false;
    if (this.pendingBytes > 0 || this.#buffer.length <= SMALL_BUFFER_BYTES) return;
    this.#buffer = new Uint8Array(SMALL_BUFFER_BYTES);
    this.#start = 0;
    this.#end = 0;
  }

  /** Header and body of the unit at the front, once its header is there. */
  #unitLength(): number | undefined {
    if (this.#end - this.#start < RECORD_HEADER_BYTES) return undefined;
    const at = this.#start;
    const buffer = this.#buffer;
    return RECORD_HEADER_BYTES + ((buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!);
  }

  #moveToFront(): void {
    if (this.#start === 0) return;
    this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
  }

  #grow(needed: number): void {
    // The header was checked against its limit before; this holds the line if a caller ever forgets to ask `next`.
    if (!this.#headerChecked || needed > LARGE_BUFFER_BYTES) throw new LineError('SIZE', 'a unit is over its limit');
    const grown = new Uint8Array(needed <= SMALL_BUFFER_BYTES ? SMALL_BUFFER_BYTES : LARGE_BUFFER_BYTES);
    grown.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = grown;
  }
}

export interface Unit {
  readonly type: number;
  /** The four bytes as received: associated data of a record. */
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

const SMALL_BUFFER_BYTES = 32 * 1024;
const LARGE_BUFFER_BYTES = RECORD_HEADER_BYTES + MAX_RECORD_BYTES + TAG_BYTES + RECORD_HEADER_BYTES;
