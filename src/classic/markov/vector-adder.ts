/** Memory in which rows of 32-bit numbers can be added fast: 4 at a time. */
export interface VectorMemory {
  readonly buffer: ArrayBuffer;
  /**
   * Adds the numbers that lie from byte `from` up to byte `end` to those that begin at byte `to`. At least 4, and a multiple
   * of 4; `from` and `to` need not be.
   */
  add(to: number, from: number, end: number): void;
}

/**
 * JavaScript has no way to the vector units of the processor but WebAssembly, so this one loop is written in it. It is short
 * enough to be assembled here by hand.
 */
export function makeVectorMemory(byteLength: number): VectorMemory {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(byteLength / PAGE_BYTES) });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(MODULE), { '': { '': memory } });
  return { buffer: memory.buffer, add: exports['']! };
}

// As far as it is needed here: neither the language's library nor Node's types have it without those of the web.
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: Readonly<Record<string, VectorMemory['add']>> };
};

const PAGE_BYTES = 65_536;

/** Opcodes, numbered by the WebAssembly core specification 2.0, section 5. */
const LOOP = [0x03, 0x40];
const END = 0x0b;
const BRANCH_IF = 0x0d;
const GET = 0x20;
const SET = 0x21;
const TEE = 0x22;
const CONST = 0x41;
const LESS = 0x49;
const PLUS = 0x6a;
/** Alignment (any) and offset (none) follow. */
const LOAD_4 = [0xfd, 0x00, 0, 0];
const STORE_4 = [0xfd, 0x0b, 0, 0];
const PLUS_4 = [0xfd, 0xae, 0x01];
const [TO, FROM, LIMIT] = [0, 1, 2];
const I32 = 0x7f;

/** `do { *to += *from; to += 16; from += 16; } while (from < end)`, four numbers a turn. */
const BODY = [
  ...[0], // no locals
  ...LOOP,
  ...[GET, TO, GET, TO, ...LOAD_4, GET, FROM, ...LOAD_4, ...PLUS_4, ...STORE_4],
  ...[GET, TO, CONST, 16, PLUS, SET, TO],
  ...[GET, FROM, CONST, 16, PLUS, TEE, FROM],
  ...[GET, LIMIT, LESS, BRANCH_IF, 0],
  ...[END, END],
];

/** A module of one function over a memory that it is given; both have the empty name. */
const MODULE = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(1, [1, 0x60, 3, I32, I32, I32, 0]), // its type
  ...section(2, [1, 0, 0, 2, 0, 1]), // the memory, one page or more
  ...section(3, [1, 0]), // the function, of type 0
  ...section(7, [1, 0, 0, 0]), // what goes out
  ...section(10, [1, BODY.length, ...BODY]),
]);

function section(id: number, content: readonly number[]): readonly number[] {
  return [id, content.length, ...content];
}
