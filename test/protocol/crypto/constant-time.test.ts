import { describe, expect, it } from 'vitest';
import { isAllZero } from '../../../src/protocol/crypto/constant-time.ts';

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
