import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Key, KeyDecoder } from '../../../src/cli/input/key-decoder.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

/** What is told of `pieces`, with keys in angle brackets, pastes in square ones, and neighbours of one kind joined. */
function decoded(pieces: readonly (string | Uint8Array)[], waitMs = 0): string {
  const clock = new ManualClock();
  const keys: Key[] = [];
  const decoder = new KeyDecoder(clock, key => keys.push(key));
  for (const piece of pieces) decoder.feed(Buffer.from(piece as string));
  clock.advance(waitMs);
  const shown = keys.map(key =>
    key.type === 'key' ? `<${key.name}>` : key.type === 'paste' ? `[${key.text}]` : key.text,
  );
  return shown.join('').replaceAll('][', '');
}

const byteByByte = (text: string) => Array.from(Buffer.from(text), byte => Uint8Array.of(byte));

const CASES: readonly (readonly [string, string])[] = [
  ['hello', 'hello'],
  ['grüße 你好 👩‍👩‍👧', 'grüße 你好 👩‍👩‍👧'],
  ['a\rb\n', 'a<enter>b<enter>'],
  ['\u0001\u0005\u0017\u0019', '<ctrl-a><ctrl-e><ctrl-w><ctrl-y>'],
  ['\u007f\u0008', '<backspace><backspace>'],
  ['\t\u001b[Z', '<tab><shift-tab>'],
  ['\u001b[A\u001b[B\u001b[C\u001b[D', '<up><down><right><left>'],
  ['\u001bOA\u001bOH\u001bOF', '<up><home><end>'],
  ['\u001b[H\u001b[F\u001b[1~\u001b[4~\u001b[7~\u001b[8~\u001b[3~', '<home><end><home><end><home><end><delete>'],
  ['\u001b[1;5C\u001b[1;3D\u001b[1;6A\u001b[3;5~', '<ctrl-right><alt-left><ctrl-shift-up><ctrl-delete>'],
  ['\u001bb\u001bf\u001b\u007f\u001b\r', '<alt-b><alt-f><alt-backspace><alt-enter>'],
  ['a\u001b[200~one\r\ntwo\rthree\nfour\u001b[201~b', 'a[one\ntwo\nthree\nfour]b'],
  ['\u001b[200~\u001b[A and \u001b[20x\u001b\u001b[201~\r', '[\u001b[A and \u001b[20x\u001b]<enter>'],
  ['\u001b[200~\u001b[201~x', 'x'],
  // What the terminal says of itself, and keys that nobody knows.
  ['\u001b[?1;2cx\u001b[24;80Ry\u001b[15~z', 'xyz'],
  ['\u001b]11;rgb:0000/0000/0000\u0007x\u001bP1$r0m\u001b\\y', 'xy'],
  ['\u001b[1;\u001b[Ax', '<up>x'],
  ['\u001b[12ä', 'ä'],
];

describe('KeyDecoder', () => {
  it.each(CASES)('reads %j, whole and byte by byte', (text, expected) => {
    expect(decoded([text])).toBe(expected);
    expect(decoded(byteByByte(text))).toBe(expected);
  });

  it('reads the same however it is cut', () => {
    const all = Buffer.from(CASES.map(([text]) => text).join(''));
    fc.assert(
      fc.property(fc.array(fc.nat(all.length)), cuts => {
        const places = [0, ...cuts.sort((a, b) => a - b), all.length];
        const pieces = places.slice(1).map((to, at) => all.subarray(places[at], to));
        expect(decoded(pieces)).toBe(CASES.map(([, expected]) => expected).join(''));
      }),
    );
  });

  it('takes a lone ESC for a key once nothing has followed it', () => {
    expect(decoded(['\u001b'], 10)).toBe('');
    expect(decoded(['\u001b'], 1000)).toBe('<escape>');
    expect(decoded(['\u001bO'], 1000)).toBe('<alt-O>');
    expect(decoded(['\u001b\u001b'], 1000)).toBe('<escape><escape>');
    expect(decoded(['\u001b', '[', 'A'], 1000)).toBe('<up>');
    // Begun, and cut by a slow connection.
    expect(decoded(['\u001b['], 100_000)).toBe('');
  });

  it('shows bytes that are no UTF-8 as U+FFFD, and goes on', () => {
    expect(decoded([Uint8Array.of(0xff, 0x61)])).toBe('\ufffda');
    expect(decoded([Uint8Array.of(0xe4), Uint8Array.of(0xbd), Uint8Array.of(0xa0)])).toBe('你');
    expect(decoded([Uint8Array.of(0xe4), Uint8Array.of(0x61)])).toBe('\ufffda');
  });

  it('holds only so much of what never ends', () => {
    expect(decoded([`\u001b]${'x'.repeat(5000)}`, 'y'])).toMatch(/^x+y$/);
    expect(decoded([`\u001b[${'1'.repeat(100_000)}`, 'Ax'])).toBe('<up>x');
  });

  it('throws for no bytes, and keeps no timer', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), pieces => {
        const clock = new ManualClock();
        const decoder = new KeyDecoder(clock, () => {});
        for (const piece of pieces) decoder.feed(piece);
        expect(clock.pendingTimers).toBeLessThan(2);
        decoder.close();
        expect(clock.pendingTimers).toBe(0);
      }),
    );
  });
});
