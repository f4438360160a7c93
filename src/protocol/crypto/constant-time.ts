/** Whether every byte is zero; looks at all of them. */
export function isAllZero(bytes: Uint8Array): boolean {
  let seen = 0;
  for (const byte of bytes) seen |= byte;
  return seen === 0;
}

/** Whether two secrets, or claims to one, are the same; of equal lengths it looks at all bytes. */
export function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  let differing = 0;
  for (let at = 0; at < one.length; at += 1) differing |= one[at]! ^ other[at]!;
  return differing === 0;
}
