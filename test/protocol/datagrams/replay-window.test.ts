import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReplayWindow } from '../../../src/protocol/datagrams/replay-window.ts';

/** The rule as it is written, slowly. */
class Remembering {
  readonly #seen = new Set<number>();
  #highest = -1;

  admits(number: number): boolean {
    return number < 2 ** 24 && number >= this.#highest - 1024 && !this.#seen.has(number);
  }

  mark(number: number): void {
    this.#seen.add(number);
    this.#highest = Math.max(this.#highest, number);
  }
}

describe('the window of packet numbers', () => {
  it('R-T3: admits exactly what was not seen and is at most 1,024 late', () => {
    const steps = fc.array(
      fc.oneof(
        fc.integer({ min: -1100, max: 40 }),
        fc.integer({ min: -3, max: 3 }),
        fc.integer({ min: -1030, max: -1018 }),
        fc.integer({ min: 900, max: 3000 }),
      ),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(fc.nat(2 ** 24 + 10), steps, (start, moves) => {
        const window = new ReplayWindow();
        const slow = new Remembering();
        let at = start;
        for (const move of moves) {
          at = Math.max(at + move, 0);
          const admitted = slow.admits(at);
          if (window.admits(at) !== admitted) return false;
          if (!admitted) continue;
          window.mark(at);
          slow.mark(at);
        }
        return true;
      }),
      { numRuns: 2000 },
    );
  });

  it('R-T3: has its edges where the specification has them', () => {
    const window = new ReplayWindow();
    window.mark(5000);
    expect(window.admits(5000)).toBe(false);
    expect(window.admits(5000 - 1024)).toBe(true);
    expect(window.admits(5000 - 1025)).toBe(false);
    expect(window.admits(5001)).toBe(true);
    expect(window.admits(2 ** 24 - 1)).toBe(true);
    expect(window.admits(2 ** 24)).toBe(false);
    window.mark(5000 - 1024);
    expect(window.admits(5000 - 1024)).toBe(false);
  });

  it('does not take what it admits for seen', () => {
    const window = new ReplayWindow();
    expect([window.admits(7), window.admits(7)]).toEqual([true, true]);
    expect(window.admits(0)).toBe(true);
  });
});
