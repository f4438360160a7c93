/**
 * Digests of a fixed number of 32-bit words, and nothing beside them: a table with open addressing, at most half full.
 * The first word of a digest is never 0, which marks a free place.
 */
export class DigestSet {
  readonly #width: number;
  #words: Uint32Array;
  #count = 0;

  constructor(wordsPerDigest: number) {
    this.#width = wordsPerDigest;
    this.#words = new Uint32Array(FIRST_PLACES * wordsPerDigest);
  }

  get size(): number {
    return this.#count;
  }

  add(digest: ArrayLike<number>): void {
    if (2 * (this.#count + 1) * this.#width > this.#words.length) this.#grow();
    if (this.#put(digest)) this.#count += 1;
  }

  has(digest: ArrayLike<number>): boolean {
    return this.#words[this.#placeOf(digest)] !== 0;
  }

  addAll(other: DigestSet): void {
    const words = other.#words;
    for (let at = 0; at < words.length; at += this.#width) {
      if (words[at] !== 0) this.add(words.subarray(at, at + this.#width));
    }
  }

  #grow(): void {
    const before = this.#words;
    this.#words = new Uint32Array(2 * before.length);
    const digest = Array.from({ length: this.#width }, () => 0);
    for (let at = 0; at < before.length; at += this.#width) {
      if (before[at] === 0) continue;
      for (let word = 0; word < this.#width; word += 1) digest[word] = before[at + word]!;
      this.#put(digest);
    }
  }

  #put(digest: ArrayLike<number>): boolean {
    const place = this.#placeOf(digest);
    const isNew = this.#words[place] === 0;
    for (let word = 0; word < this.#width; word += 1) this.#words[place + word] = digest[word]!;
    return isNew;
  }

  /** Where the digest is, or the free place where it belongs. */
  #placeOf(digest: ArrayLike<number>): number {
    const width = this.#width;
    const places = this.#words.length / width;
    let place = digest[width - 1]! & (places - 1);
    while (this.#words[place * width] !== 0 && !this.#isAt(place * width, digest)) place = (place + 1) & (places - 1);
    return place * width;
  }

  #isAt(start: number, digest: ArrayLike<number>): boolean {
    for (let word = 0; word < this.#width; word += 1) if (this.#words[start + word] !== digest[word]) return false;
    return true;
  }
}

/** A power of two, as every later number of places. */
const FIRST_PLACES = 4096;
