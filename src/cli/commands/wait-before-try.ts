/** 1, 2, 4 … 30 s, less up to half of it by chance, so that the clients of one server do not all return at once. */
export function waitBeforeTry(tries: number, chance: number, longestMs: number = MAX_WAIT_MS): number {
  const fullMs = Math.min(1000 * 2 ** tries, longestMs);
  return fullMs * (1 - chance / 2);
}

const MAX_WAIT_MS = 30_000;
