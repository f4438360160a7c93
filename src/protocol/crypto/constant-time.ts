/**
 * Compares two secrets, or a secret with a guess. The time depends on the lengths only, which are never secret here;
 * arrays of different lengths are unequal.
 */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  // Every byte is looked at: stopping at the first difference would tell how much of a guess was right.
  let difference = 0;
  for (let index = 0; index < left.length; index++) difference |= left[index]! ^ right[index]!;
  return difference === 0;
}

/** Whether every byte is zero; looks at all of them. */
export function isAllZero(bytes: Uint8Array): boolean {
  let seen = 0;
  for (const byte of bytes) seen |= byte;
  return seen === 0;
}
