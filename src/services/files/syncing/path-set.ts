import { DigestSet } from './digest-set.ts';

/**
 * Which paths there are, in 16 bytes each and so in little memory for a million. What is not in it is certain; of the
 * paths that it has, one in 2^63 may never have been added, which for its uses means: not deleted, or not
 * counted, this time.
 */
export class PathSet {
  readonly #digests = new DigestSet(2);

  add(path: string): void {
    this.#digests.add(hash(path));
  }

  has(path: string): boolean {
    return this.#digests.has(hash(path));
  }

  addAll(other: PathSet): void {
    this.#digests.addAll(other.#digests);
  }
}

/** Two words, the first never 0 (after bryc's cyrb53). */
function hash(path: string): [number, number] {
  let one = 0xdeadbeef;
  let other = 0x41c6ce57;
  for (let at = 0; at < path.length; at += 1) {
    const unit = path.charCodeAt(at);
    one = Math.imul(one ^ unit, 2_654_435_761);
    other = Math.imul(other ^ unit, 1_597_334_677);
  }
  one = Math.imul(one ^ (one >>> 16), 2_246_822_507) ^ Math.imul(other ^ (other >>> 13), 3_266_489_909);
  other = Math.imul(other ^ (other >>> 16), 2_246_822_507) ^ Math.imul(one ^ (one >>> 13), 3_266_489_909);
  return [(one | 1) >>> 0, other >>> 0];
}
