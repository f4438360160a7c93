import { randomInt } from 'node:crypto';
import { LineError } from '../../errors.ts';
import { type Chooser, PythonRandom, shuffle } from '../python/random.ts';
import { setOrder } from '../python/set-order.ts';
import { Columns } from './columns.ts';

/**
 * How a byte becomes its counterpart: it starts somewhere in a circle of as many places as there are bytes, goes on by the
 * sum that it meets when it is encrypted, back by it when it is decrypted, and becomes the byte at which it ends.
 */
export interface Conversion {
  readonly isEncrypting: boolean;
  readonly starts: Int16Array;
  /** The circle, twice, so that no end need be reduced. */
  readonly ends: Uint8Array;
}

/**
 * A key of Markov Encryption: at least two orders (`blocks`) of the same bytes. Those bytes are its alphabet; others pass
 * unchanged. It is no protection: see docs/classic.md.
 */
export class Key {
  /** As given: what an equal key can be made of. */
  readonly blocks: readonly Uint8Array[];
  /** The alphabet as the first block has it. */
  readonly base: Uint8Array;
  /** The alphabet in ascending order: a value is an index into it. */
  readonly order: Uint8Array;
  /** The value of each byte, -1 for one that passes unchanged. */
  readonly values: Int16Array;
  readonly encrypting: Conversion;
  readonly decrypting: Conversion;
  /** By lag, what each value adds to a sum. */
  readonly #shifts: readonly Uint8Array[];
  #columns: Columns | undefined;

  /** Throws `USAGE` unless there are two blocks or more, all with the same two bytes or more. The blocks are copied. */
  constructor(blocks: readonly Uint8Array[]) {
    checkBlocks(blocks);
    this.blocks = blocks.map(block => new Uint8Array(block));
    const [base, ...others] = this.blocks as [Uint8Array, ...Uint8Array[]];
    const modulus = base.length;
    this.base = base;
    this.order = base.toSorted();
    this.values = new Int16Array(256).fill(-1);
    for (const [value, byte] of this.order.entries()) this.values[byte] = value;

    const places = new Uint8Array(256);
    for (const [place, byte] of base.entries()) places[byte] = place;
    this.#shifts = others.map(block => block.map(byte => places[byte]!));
    // Without the last block: so it was, and so it stays.
    const turn = this.#shifts.slice(0, -1).reduce((sum, shift) => sum + shift[0]!, 0) % modulus;
    const turned = Uint8Array.from(base, (_, at) => base[(at + modulus - turn) % modulus]!);
    const turnedPlaces = new Int16Array(256);
    for (const [place, byte] of turned.entries()) turnedPlaces[byte] = place;
    this.encrypting = { isEncrypting: true, starts: this.values, ends: twice(turned) };
    this.decrypting = { isEncrypting: false, starts: turnedPlaces, ends: twice(this.order) };
  }

  /** Made when the first stream needs them, for all streams of this key. */
  get columns(): Columns {
    this.#columns ??= new Columns(this.#shifts, this.order.length);
    return this.#columns;
  }

  /** Of `chainSize` blocks, drawn at random. */
  static random(alphabet: Uint8Array, chainSize: number): Key {
    return Key.chosen(alphabet, chainSize, { below: randomInt });
  }

  /** The one that everybody gets for this alphabet and size. */
  static deterministic(alphabet: Uint8Array, chainSize: number): Key {
    return Key.chosen(alphabet, chainSize, deterministicChooser(chainSize));
  }

  /** Drawn by `chooser`: with a `PythonRandom` of a password, the key of that password. */
  static chosen(alphabet: Uint8Array, chainSize: number, chooser: Chooser): Key {
    const selection = setOrder(alphabet);
    const blocks: Uint8Array[] = [];
    for (let count = 0; count < chainSize; count += 1) {
      shuffle(selection, chooser);
      blocks.push(selection.slice());
    }
    return new Key(blocks);
  }
}

/** Gives the same choices to everybody, for each number of blocks others. */
export function deterministicChooser(chainSize: number): Chooser {
  const bytes: number[] = [];
  for (let rest = chainSize; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return new PythonRandom(Uint8Array.from([...bytes, ...ALL_BYTES]));
}

function twice(circle: Uint8Array): Uint8Array {
  const both = new Uint8Array(2 * circle.length);
  both.set(circle);
  both.set(circle, circle.length);
  return both;
}

function checkBlocks(blocks: readonly Uint8Array[]): void {
  const [first] = blocks;
  if (first === undefined || blocks.length < 2) throw unfit('has two blocks at least');
  if (first.length < 2) throw unfit('has two bytes in a block at least');
  const alphabet = new Set(first);
  for (const block of blocks) {
    const isSame = block.length === first.length && block.every(byte => alphabet.has(byte));
    if (!isSame || new Set(block).size !== block.length) throw unfit('has each byte once in every block');
  }
}

function unfit(rule: string): LineError {
  return new LineError('USAGE', `a key of Markov Encryption ${rule}`);
}

/** The alphabet of the file server. */
export const ALL_BYTES: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => byte);
