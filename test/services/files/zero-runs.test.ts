import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutAtZeros, MIN_RUN_BYTES } from '../../../src/services/files/coding/zero-runs.ts';

const PAGE = 4096;

/** Stretches of zeros and of other bytes in turn, at any length and alignment. */
const block = fc
  .tuple(
    fc.array(
      fc.tuple(fc.boolean(), fc.oneof(fc.integer({ min: 1, max: 300_000 }), fc.constantFrom(PAGE, MIN_RUN_BYTES))),
      {
        maxLength: 6,
      },
    ),
    fc.nat(7),
  )
  .map(([stretches, offset]) => {
    const bytes = Buffer.concat(stretches.map(([isZero, length]) => Buffer.alloc(length, isZero ? 0 : 7)));
    const memory = new Uint8Array(bytes.length + offset);
    memory.set(bytes, offset);
    return memory.subarray(offset);
  });

it('a block cut at its zeros is the same block', () => {
  fc.assert(
    fc.property(block, bytes => {
      const parts = cutAtZeros(bytes).map(part => (part instanceof Uint8Array ? part : Buffer.alloc(part.zeros)));
      expect(parts.every(({ length }) => length > 0)).toBe(true);
      expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

it('has its runs of 64 KiB found, up to a page at each end', () => {
  fc.assert(
    fc.property(block, bytes => {
      const sum = cutAtZeros(bytes).reduce((all, part) => all + (part instanceof Uint8Array ? 0 : part.zeros), 0);
      let least = 0;
      for (const [run] of Buffer.from(bytes).toString('latin1').matchAll(/\0+/g)) {
        if (run.length >= MIN_RUN_BYTES + 2 * PAGE) least += run.length - 2 * PAGE;
      }
      expect(sum).toBeGreaterThanOrEqual(least);
    }),
    { numRuns: 300 },
  );
});

it('is one run if it is zeros, and none if it has no run', () => {
  expect(cutAtZeros(new Uint8Array(1_000_001))).toEqual([{ zeros: 1_000_001 }]);
  const scattered = new Uint8Array(200_000);
  for (let at = 0; at < scattered.length; at += MIN_RUN_BYTES / 2) scattered[at] = 1;
  const data = cutAtZeros(scattered).filter(part => part instanceof Uint8Array);
  expect(data.reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(190_000 - MIN_RUN_BYTES / 2);
  expect(cutAtZeros(new Uint8Array(0))).toEqual([]);
});
