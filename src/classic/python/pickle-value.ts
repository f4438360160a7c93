/**
 * What may be in a pickle here: str, int, bool, None and bytes. An int that a number does not hold exactly is a bigint when
 * it is read; written, both are the same.
 */
export type PickleValue = string | number | bigint | boolean | null | Uint8Array;

/** Opcodes of Python's pickletools, those that this type needs. */
export const OP = {
  proto: 0x80,
  frame: 0x95,
  stop: 0x2e,
  none: 0x4e,
  newTrue: 0x88,
  newFalse: 0x89,
  /** A decimal number and a newline; `00` and `01` are False and True. */
  int: 0x49,
  /** A decimal number, `L` and a newline. */
  long: 0x4c,
  binInt: 0x4a,
  binInt1: 0x4b,
  binInt2: 0x4d,
  long1: 0x8a,
  long4: 0x8b,
  /** Text with escapes and a newline. */
  unicode: 0x56,
  shortBinUnicode: 0x8c,
  binUnicode: 0x58,
  binUnicode8: 0x8d,
  shortBinBytes: 0x43,
  binBytes: 0x42,
  binBytes8: 0x8e,
  put: 0x70,
  binPut: 0x71,
  longBinPut: 0x72,
  memoize: 0x94,
  // Of bytes before protocol 3, which had no opcode of their own.
  global: 0x63,
  mark: 0x28,
  tuple: 0x74,
  tuple2: 0x86,
  emptyTuple: 0x29,
  reduce: 0x52,
} as const;
