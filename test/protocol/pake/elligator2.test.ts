import { _map_to_curve_elligator2_curve25519 as nobleMap } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elligator2 } from '../../../src/protocol/pake/elligator2.ts';
import { toHex } from '../crypto/vectors.ts';

const P = 2n ** 255n - 19n;
const A = 486662n;

describe('elligator2', () => {
  it('equals the slow reference for any 32 bytes', () => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(bytes, representative => {
        expect(decode(elligator2(representative))).toBe(slowElligator2(decode(representative)));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['0', 0n],
    ['1', 1n],
    ['2', 2n],
    ['A', A],
    ['p - 1', P - 1n],
    ['p', P],
    ['p + 1', P + 1n],
    ['2^254', 2n ** 254n],
    ['2^255 - 1', 2n ** 255n - 1n],
    ['2^256 - 1', 2n ** 256n - 1n],
    ['every other limb', 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000n],
  ])('equals the slow reference at %s', (_name, value) => {
    const result = elligator2(encode(value));
    expect(decode(result)).toBe(slowElligator2(value));
  });

  it('equals the slow reference at every power of two', () => {
    for (let bit = 0n; bit < 256n; bit++) {
      expect(decode(elligator2(encode(1n << bit))), `2^${bit}`).toBe(slowElligator2(1n << bit));
    }
  });

  it('equals the map of the noble library', () => {
    for (let seed = 1n; seed < 50n; seed++) {
      const value = (seed * 0x9e3779b97f4a7c15f39cc0605cedc8341082276bf3a27251f86c6a11d0c18e95n) % 2n ** 255n;
      const { xMn, xMd } = nobleMap(value % P);
      expect(decode(elligator2(encode(value)))).toBe((xMn * power(xMd, P - 2n)) % P);
    }
  });

  it('ignores bit 255', () => {
    const representative = encode(12345678901234567890n);
    const flipped = Uint8Array.from(representative);
    flipped[31]! ^= 0x80;
    expect(toHex(elligator2(flipped))).toBe(toHex(elligator2(representative)));
  });

  it('takes both candidates about equally often, and a result below p', () => {
    let firsts = 0;
    for (let seed = 1n; seed <= 200n; seed++) {
      const result = decode(elligator2(encode(seed)));
      expect(result < P).toBe(true);
      if (result === firstCandidate(seed)) firsts++;
    }
    expect(firsts).toBeGreaterThan(60);
    expect(firsts).toBeLessThan(140);
  });
});

/** RFC 9380, section 6.7.1, as plainly as it can be written. */
function slowElligator2(value: bigint): bigint {
  const x = firstCandidate(value & (2n ** 255n - 1n));
  const curve = (x * x * x + A * x * x + x) % P;
  const isSquareOrZero = power(curve, (P - 1n) / 2n) <= 1n;
  return isSquareOrZero ? x : (2n * P - A - x) % P;
}

function firstCandidate(r: bigint): bigint {
  const denominator = (1n + 2n * r * r) % P;
  return ((P - A) * power(denominator, P - 2n)) % P;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base % P;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

function decode(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`);
}

function encode(value: bigint): Uint8Array {
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex')).reverse();
}
