import { DigestSet } from './digest-set.ts';
import { hashPath } from './path-hash.ts';

/**
 * Which paths there are, in 16 bytes each and so in little memory for a million. What is not in it is certain; of the
 * paths that it has, one in 2^63 may never have been added, which for its uses means: not deleted, or not
 * counted, this time. The hash has a key, so a host cannot choose names that it takes for one, or that lie in one place.
 *
 * Most sets are never asked. So paths are hashed only when the set is, or when many wait for it: in a transfer of ten
 * thousand files, over before the engine has optimised the hash, that would be a tenth of the time.
 */
export class PathSet {
  readonly #digests = new DigestSet(2);
  #waiting: string[] = [];

  add(path: string): void {
    this.#waiting.push(path);
    if (this.#waiting.length >= MAX_WAITING) this.#hashWaiting();
  }

  has(path: string): boolean {
    this.#hashWaiting();
    return this.#digests.size > 0 && this.#digests.has(hashPath(path, KEY));
  }

  addAll(other: PathSet): void {
    this.#hashWaiting();
    other.#hashWaiting();
    this.#digests.addAll(other.#digests);
  }

  #hashWaiting(): void {
    if (this.#waiting.length === 0) return;
    for (const path of this.#waiting) this.#digests.add(hashPath(path, KEY));
    this.#waiting = [];
  }
}

const MAX_WAITING = 16_384;

/** Of this process, because what one set has can be added to another. */
const KEY = crypto.getRandomValues(new Int32Array(2));
