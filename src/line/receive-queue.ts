/**
 * What a channel has received and its reader has not yet taken, in order. Its bytes are bounded by the channel's credit;
 * this class bounds what stands around them: bulk bytes are kept as views of their record, and so is what fills its record
 * and is taken as fast as it comes; but small pieces are gathered into blocks of our own, so that a million one-byte frames,
 * or one byte in each of many large records, cost about as much memory as the bytes they carry.
 */
export class ReceiveQueue {
  readonly #items: (QueuedPiece | Block)[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#items.length;
  }

  /** `recordBytes` is what keeping a view of `bytes` would keep alive. */
  push(kind: 'message' | 'data', bytes: Uint8Array, recordBytes: number): void {
    const isAlone = this.isEmpty;
    const isLarge = kind === 'data' && bytes.length >= VIEW_MIN_BYTES;
    if ((isAlone || isLarge) && bytes.length * 2 >= recordBytes) {
      this.#items.push({ kind, bytes });
      return;
    }
    const last = this.#items.at(-1);
    if (isAlone || !(last instanceof Block) || !last.append(kind, bytes)) {
      this.#items.push(new Block(kind, bytes));
    }
  }

  /** The next piece: a view that belongs to the caller. */
  shift(): QueuedPiece | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    if (item instanceof Block) {
      const piece = item.shift();
      if (item.isEmpty) this.#dropHead();
      return piece;
    }
    this.#dropHead();
    return item;
  }

  #dropHead(): void {
    this.#items[this.#head] = TAKEN;
    this.#head += 1;
    if (this.#head < 64 && this.#head < this.#items.length) return;
    this.#items.splice(0, this.#head);
    this.#head = 0;
  }
}

export interface QueuedPiece {
  readonly kind: 'message' | 'data';
  readonly bytes: Uint8Array;
}

/** Pieces one after the other in one array, each behind `u8 kind, u24 length`. */
class Block {
  readonly #bytes: Uint8Array;
  #start = 0;
  #end = 0;

  constructor(kind: 'message' | 'data', bytes: Uint8Array) {
    this.#bytes = new Uint8Array(Math.max(BLOCK_BYTES, PIECE_HEADER_BYTES + bytes.length));
    this.append(kind, bytes);
  }

  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  append(kind: 'message' | 'data', bytes: Uint8Array): boolean {
    const at = this.#end;
    if (at + PIECE_HEADER_BYTES + bytes.length > this.#bytes.length) return false;
    this.#bytes[at] = kind === 'message' ? 1 : 0;
    this.#bytes[at + 1] = bytes.length >>> 16;
    this.#bytes[at + 2] = bytes.length >>> 8;
    this.#bytes[at + 3] = bytes.length;
    this.#bytes.set(bytes, at + PIECE_HEADER_BYTES);
    this.#end = at + PIECE_HEADER_BYTES + bytes.length;
    return true;
  }

  shift(): QueuedPiece {
    const at = this.#start;
    const kind = this.#bytes[at] === 1 ? 'message' : 'data';
    const length = (this.#bytes[at + 1]! << 16) | (this.#bytes[at + 2]! << 8) | this.#bytes[at + 3]!;
    const start = at + PIECE_HEADER_BYTES;
    this.#start = start + length;
    return { kind, bytes: this.#bytes.subarray(start, this.#start) };
  }
}

const TAKEN: QueuedPiece = { kind: 'data', bytes: new Uint8Array(0) };
const PIECE_HEADER_BYTES = 4;
const BLOCK_BYTES = 8 * 1024;
const VIEW_MIN_BYTES = 2 * 1024;
