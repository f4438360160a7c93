import { describe, expect, it } from 'vitest';
import { equalBytes, isAllZero } from '../../../src/protocol/crypto/constant-time.ts';

describe('equalBytes', () => {
  it('is true for equal bytes only', () => {
    expect(equalBytes(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3))).toBe(true);
    expect(equalBytes(Uint8Array.of(1, 2, 3), Uint8Array.of(0, 2, 3))).toBe(false);
    expect(equalBytes(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 131))).toBe(false);
    expect(equalBytes(new Uint8Array(0), new Uint8Array(0))).toBe(true);
  });

  it('is false when one is the beginning of the other', () => {
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0))).toBe(false);
    expect(equalBytes(new Uint8Array(0), Uint8Array.of(0))).toBe(false);
  });
});

describe('isAllZero', () => {
  it('sees a single bit anywhere', () => {
    expect(isAllZero(new Uint8Array(32))).toBe(true);
    for (let bit = 0; bit < 256; bit++) {
      const bytes = new Uint8Array(32);
      bytes[bit >> 3]! |= 1 << (bit & 7);
      expect(isAllZero(bytes)).toBe(false);
    }
  });
});
