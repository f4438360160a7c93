/**
 * A hash for tables whose paths a peer chooses: without the key, two words of chance, nobody can prepare paths that collide.
 * It is HalfSipHash-1-3 with 64 bits of output (https://github.com/veorq/SipHash) over units of text, two a word; the last
 * word has their number beside the unit that is left. The first word of the result is made odd, so that it is never 0.
 */
export function hashPath(path: string, key: Int32Array): [number, number] {
  let v0 = key[0]!;
  let v1 = key[1]! ^ 0xee;
  let v2 = v0 ^ 0x6c796765;
  let v3 = key[1]! ^ 0x74656462;
  let one = 0;
  const { length } = path;
  const lastWord = length >> 1;
  // One loop for words and final rounds, because the engine compiles a round that stands here once better than a call.
  for (let round = 0; round <= lastWord + 2 * FINAL_ROUNDS; round += 1) {
    let word = 0;
    if (round < lastWord) word = path.charCodeAt(2 * round) | (path.charCodeAt(2 * round + 1) << 16);
    else if (round === lastWord) word = (length << 16) | (length % 2 === 0 ? 0 : path.charCodeAt(length - 1));
    else if (round === lastWord + 1) v2 ^= 0xee;
    else if (round === lastWord + 1 + FINAL_ROUNDS) {
      one = v1 ^ v3;
      v1 ^= 0xdd;
    }
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return [(one | 1) >>> 0, (v1 ^ v3) >>> 0];
}

const FINAL_ROUNDS = 3;
