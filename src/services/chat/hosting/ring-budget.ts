import { CHAT_ALL_RINGS_BYTES } from '../../../protocol/limits.ts';
import type { Ring } from './ring.ts';

/** Holds all rings of a server together to a bound: the one that was quiet longest is emptied first. */
export class RingBudget {
  readonly #maxBytes: number;
  /** What each held when it was last looked at, the one that grew last at the end. */
  readonly #held = new Map<Ring, number>();
  #byteLength = 0;

  constructor(maxBytes: number = CHAT_ALL_RINGS_BYTES) {
    this.#maxBytes = maxBytes;
  }

  grown(ring: Ring): void {
    this.forget(ring);
    this.#held.set(ring, ring.byteLength);
    this.#byteLength += ring.byteLength;
    for (const [quiet, byteLength] of this.#held) {
      if (this.#byteLength <= this.#maxBytes) return;
      quiet.clear();
      this.#held.delete(quiet);
      this.#byteLength -= byteLength;
    }
  }

  /** Of a room that is over. */
  forget(ring: Ring): void {
    this.#byteLength -= this.#held.get(ring) ?? 0;
    this.#held.delete(ring);
  }
}
