import { DATAGRAM_NUMBERS, DATAGRAM_WINDOW } from '../limits.ts';

/**
 * Which packet numbers have been seen (docs/protocol/5-datagrams.md §3), as in RFC 6479: a ring of words, of which those are
 * cleared that the highest number has moved past. Looking and marking are apart, because a number is marked only after its
 * packet has verified: else a forged one could shut out a true one.
 */
export class ReplayWindow {
  readonly #words = new Uint32Array(RING_WORDS);
  #highest = -1;

  /** Whether a packet of this number may still come. */
  admits(number: number): boolean {
    if (number >= DATAGRAM_NUMBERS || number < this.#highest - DATAGRAM_WINDOW) return false;
    if (number > this.#highest) return true;
    return (this.#words[wordOf(number)]! & bitOf(number)) === 0;
  }

  /** A packet of this number, which `admits` let through, has verified. */
  mark(number: number): void {
    if (number > this.#highest) {
      const past = Math.floor(Math.max(this.#highest, 0) / WORD_BITS);
      const steps = Math.min(Math.floor(number / WORD_BITS) - past, RING_WORDS);
      for (let step = 1; step <= steps; step += 1) this.#words[(past + step) % RING_WORDS] = 0;
      this.#highest = number;
    }
    this.#words[wordOf(number)]! |= bitOf(number);
  }
}

const WORD_BITS = 32;
/** The window, the word that it begins in the middle of, and one that is being filled. */
const RING_WORDS = DATAGRAM_WINDOW / WORD_BITS + 2;

function wordOf(number: number): number {
  return Math.floor(number / WORD_BITS) % RING_WORDS;
}

function bitOf(number: number): number {
  return 1 << (number % WORD_BITS);
}
