import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { openShell } from '../../../src/services/shell/remote-terminal.ts';
import { seeded } from '../../support/bytes.ts';
import { REQUEST, ShellScene } from './scene.ts';

/** Bytes of which each tells where it stands, near enough: a piece that is lost, doubled or swapped shows. */
function numbered(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at ^ (at >> 8) ^ (at >> 16) ^ (at >> 5)) & 0xff;
  return bytes;
}

const piece = fc.integer({ min: 1, max: 60_000 });

it('whatever is sent and wherever lines break, each byte arrives once, in order, in both directions', async () => {
  const scenario = fc.record({
    output: fc.array(piece, { maxLength: 20 }),
    input: fc.array(piece, { maxLength: 8 }),
    // How far each line goes, from in the middle of the first message on; the last one goes on for good.
    breaks: fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 6 }),
    seed: fc.integer(),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ output, input, breaks, seed }) => {
      const chance = seeded(seed);
      const sometimes = async () => {
        if (chance() < 0.3) await new Promise(resolve => setImmediate(resolve));
      };
      const scene = new ShellScene();
      const first = await scene.connect();
      const lines = [first.line];
      let lost = 0;
      const terminal = await openShell(first.line, REQUEST, {
        redial: async () => {
          const next = await scene.connect({ breakAfter: breaks[lost] ?? Number.POSITIVE_INFINITY });
          lost += 1;
          lines.push(next.line);
          return next.line;
        },
      });
      const program = scene.terminals.last;
      program.takes = sometimes;
      const wholeOutput = numbered(output.reduce((sum, length) => sum + length, 0));
      const wholeInput = numbered(input.reduce((sum, length) => sum + length, 0));

      const printing = (async () => {
        for (let at = 0, next = 0; next < output.length; next++) {
          program.print(wholeOutput.slice(at, at + output[next]!));
          at += output[next]!;
          await sometimes();
        }
      })();
      const typing = (async () => {
        for (let at = 0, next = 0; next < input.length; next++) {
          await terminal.write(wholeInput.slice(at, at + input[next]!));
          at += input[next]!;
          await sometimes();
        }
        await program.until(() => program.typed.reduce((sum, { length }) => sum + length, 0) === wholeInput.length);
      })();
      if (breaks.length > 0) first.break();
      const received: Uint8Array[] = [];
      const reading = (async () => {
        for await (const bytes of terminal.output) {
          received.push(bytes);
          await sometimes();
        }
      })();
      await Promise.all([printing, typing]);
      program.exit({ status: 7 });

      expect(await terminal.wait()).toEqual({ status: 7 });
      await reading;
      expect(Buffer.compare(Buffer.concat(received), wholeOutput)).toBe(0);
      expect(Buffer.compare(Buffer.concat(program.typed), wholeInput)).toBe(0);
      expect(scene.faults).toEqual([]);
      for (const line of lines) line.abort(new LineError('CANCELLED', ''));
      await scene.host.close();
    }),
    { numRuns: process.env['POSTERN_SOAK'] === '1' ? 500 : 30 },
  );
});
