/**
 * Which paths there are, in 16 bytes each and so in little memory for a million. What is not in it is certain; of the
 * paths that it has, one in 2^63 may never have been added, which for its use means: not deleted this time.
 */
export class PathSet {
  #words = new Uint32Array(2 * 1024);
  #count = 0;

  add(path: string): void {
    if (4 * (this.#count + 1) > this.#words.length) this.#grow();
    const [one, other] = hash(path);
    if (this.#put(one, other)) this.#count += 1;
  }

  has(path: string): boolean {
    const [one, other] = hash(path);
    const place = this.#placeOf(one, other);
    return this.#words[place] !== 0;
  }

  #grow(): void {
    const before = this.#words;
    this.#words = new Uint32Array(2 * before.length);
    for (let at = 0; at < before.length; at += 2) if (before[at] !== 0) this.#put(before[at]!, before[at + 1]!);
  }

  #put(one: number, other: number): boolean {
    const place = this.#placeOf(one, other);
    const isNew = this.#words[place] === 0;
    this.#words[place] = one;
    this.#words[place + 1] = other;
    return isNew;
  }

  #placeOf(one: number, other: number): number {
    const mask = this.#words.length - 1;
    let place = (2 * other) & mask;
    while (this.#words[place] !== 0 && (this.#words[place] !== one || this.#words[place + 1] !== other)) {
      place = (place + 2) & mask;
    }
    return place;
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
