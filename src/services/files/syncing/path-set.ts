import { DigestSet } from './digest-set.ts';
import { hashPath } from './path-hash.ts';

/**
 * Which paths there are, in 16 bytes each and so in little memory for a million. What is not in it is certain; of the
 * paths that it has, one in 2^63 may never have been added, which for its uses means: not deleted, or not
 * counted, this time. The hash has a key, so a host cannot choose names that it takes for one, or that lie in one place.
 */
export class PathSet {
  readonly #digests = new DigestSet(2);

  add(path: string): void {
    this.#digests.add(hashPath(path, KEY));
  }

  has(path: string): boolean {
    return this.#digests.has(hashPath(path, KEY));
  }

  addAll(other: PathSet): void {
    this.#digests.addAll(other.#digests);
  }
}

/** Of this process, because what one set has can be added to another. */
const KEY = crypto.getRandomValues(new Int32Array(2));
