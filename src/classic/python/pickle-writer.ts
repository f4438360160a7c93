import { LineError } from '../../errors.ts';
import { OP, type PickleValue } from './pickle-value.ts';
import { encodePythonText } from './python-text.ts';

/**
 * Exactly what `pickletools.optimize(pickle.dumps(value, 5))` gives in Python: protocol 5, one frame unless the value is so
 * short or so long that Python makes none, nothing memoized. Throws `USAGE` for a number that is no whole number or not
 * exact.
 */
export function encodePickle(value: PickleValue): Uint8Array {
  const operation = encodeOperation(value);
  const start = [OP.proto, PROTOCOL];
  const isFramed = operation.length + 1 >= SHORTEST_FRAME_BYTES && operation.length <= LONGEST_IN_FRAME_BYTES;
  if (!isFramed) return joined(start, operation, [OP.stop]);
  return joined(start, [OP.frame, ...littleEndian(operation.length + 1, 8)], operation, [OP.stop]);
}

function encodeOperation(value: PickleValue): Uint8Array {
  if (value === null) return Uint8Array.of(OP.none);
  if (typeof value === 'boolean') return Uint8Array.of(value ? OP.newTrue : OP.newFalse);
  if (typeof value === 'string') {
    return withLength(encodePythonText(value), OP.shortBinUnicode, OP.binUnicode, OP.binUnicode8);
  }
  if (value instanceof Uint8Array) return withLength(value, OP.shortBinBytes, OP.binBytes, OP.binBytes8);
  return encodeInt(value);
}

function encodeInt(value: number | bigint): Uint8Array {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new LineError('USAGE', 'a pickle here holds whole numbers, beyond 2^53 as bigint');
  }
  const number = BigInt(value);
  if (number >= 0n && number <= 0xffn) return joined([OP.binInt1, Number(number)]);
  if (number >= 0n && number <= 0xffffn) return joined([OP.binInt2, ...littleEndian(Number(number), 2)]);
  if (number === BigInt.asIntN(32, number)) return joined([OP.binInt, ...littleEndian(Number(number) >>> 0, 4)]);
  const bytes = twosComplement(number);
  if (bytes.length <= 0xff) return joined([OP.long1, bytes.length], bytes);
  return joined([OP.long4, ...littleEndian(bytes.length, 4)], bytes);
}

/** The fewest bytes that hold the number with its sign, the lowest first. */
function twosComplement(number: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = number; ; rest >>= 8n) {
    const byte = Number(BigInt.asUintN(8, rest));
    bytes.push(byte);
    if (rest === BigInt(byte >= 0x80 ? byte - 0x100 : byte)) return Uint8Array.from(bytes);
  }
}

function withLength(content: Uint8Array, short: number, medium: number, long: number): Uint8Array {
  const { length } = content;
  if (length <= 0xff) return joined([short, length], content);
  if (length <= 0xffff_ffff) return joined([medium, ...littleEndian(length, 4)], content);
  return joined([long, ...littleEndian(length, 8)], content);
}

function littleEndian(number: number, byteLength: number): number[] {
  return Array.from({ length: byteLength }, (_, at) => Math.floor(number / 2 ** (8 * at)) % 0x100);
}

function joined(...parts: readonly ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The highest of Python 3.8 to 3.14. */
const PROTOCOL = 5;
/** Python's framer does without a frame for less than this, */
const SHORTEST_FRAME_BYTES = 4;
/** and writes an operation that is longer beside the frames. */
const LONGEST_IN_FRAME_BYTES = 64 * 1024;
