import { describe, expect, it } from 'vitest';
import { parseKeep } from '../../src/cli/chat-keep.ts';
import { LineError } from '../../src/errors.ts';

describe('--chat-keep', () => {
  it.each([
    ['1000', { count: 1000 }],
    ['45s', { ageMs: 45_000 }],
    ['5m', { ageMs: 300_000 }],
    ['12h', { ageMs: 43_200_000 }],
    ['30d', { ageMs: 2_592_000_000 }],
    ['2w', { ageMs: 1_209_600_000 }],
    ['1y', { ageMs: 31_536_000_000 }],
  ])('takes %s', (text, keep) => {
    expect(parseKeep(text)).toEqual(keep);
  });

  it.each(['', '0', '0d', '-1', '1.5d', 'd', '30 d', '30D', '9999999999', 'forever'])('refuses %j', text => {
    expect(() => parseKeep(text)).toThrow(LineError);
  });
});
