import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { askTime, serveTime } from '../../src/classic/index.ts';
import { TIME_ANSWERS_PER_SECOND, TIME_ANSWERS_PER_SECOND_PER_SOURCE } from '../../src/classic/limits.ts';
import { AnswerRate } from '../../src/classic/time/answer-rate.ts';
import { answerTime, MAX_GROWTH_BYTES } from '../../src/classic/time/time-answer.ts';
import { LineError } from '../../src/errors.ts';
import { formatTime, utcZone } from '../../src/node/index.ts';
import { caller, serve } from './support/programs.ts';
import { hasPython, PYTHON } from './support/python.ts';

const NOW = new Date(Date.UTC(2018, 4, 8, 20, 30, 15));
const ALLOWED = 'aAbBcCdDeFhHIjmMprRSTuUwWxXyYz'.split('');
const answer = (format: string | Uint8Array, now = NOW): string | undefined => {
  const result = answerTime(typeof format === 'string' ? new TextEncoder().encode(format) : format, now, utcZone());
  return 'bytes' in result ? new TextDecoder().decode(result.bytes) : undefined;
};

describe('what the time server answers', () => {
  it.each([
    ['', '2018-05-08 20:30:15'],
    ['%Y %m %d', '2018 05 08'],
    ['%c', 'Tue May  8 20:30:15 2018'],
    ['%Y年%m月%d日', '2018年05月08日'],
    ['%j %U %W %u %I %p', '128 18 19 2 08 PM'],
  ])('%j: %s', (format, text) => {
    expect(answer(format)).toBe(text);
  });

  it.each(['%1400d', '%0099Y', '%-d', '%_d', '%EY', '%Od', '%^a', '%10A', '%Q', '%Z', '%n', '%%', '%', 'a%', '%%Y'])(
    'R-T2: %s is not on the list, and not answered',
    format => {
      expect(answer(format)).toBeUndefined();
    },
  );

  it('R-T1: no answer has over 28 bytes more than its question, whatever the format', () => {
    const parts = fc.array(fc.oneof(fc.constantFrom(...ALLOWED.map(one => `%${one}`)), fc.string({ maxLength: 5 })));
    fc.assert(
      fc.property(parts, fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }), (format, now) => {
        const question = new TextEncoder().encode(format.join(''));
        const result = answerTime(question, now, utcZone());
        if ('bytes' in result) expect(result.bytes.length).toBeLessThanOrEqual(question.length + MAX_GROWTH_BYTES);
      }),
    );
    for (const times of [4, 512]) expect(answer('%c'.repeat(times))).toBeUndefined();
  });

  it('R-T1: no answer is a question, so two servers never talk to each other', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ALLOWED.map(one => `%${one}`), 'x', '年', '%')), format => {
        const first = answer(format.join(''));
        if (first !== undefined) expect(answer(first)).toBeUndefined();
      }),
    );
    expect(answer(answer('')!)).toBeUndefined();
  });

  it('R-T1: what is no text, or asks for nothing, is not answered', () => {
    expect(answer(Uint8Array.of(0x25, 0xff))).toBeUndefined();
    expect(answer('hello')).toBeUndefined();
  });

  it.skipIf(!hasPython)('each directive says what the C locale of Python says, on many days', () => {
    const days = Array.from({ length: 800 }, (_, at) => Date.UTC(2015, 0, 1 + at * 3, at % 24, at % 60, (at * 7) % 60));
    const text = (format: string, unixMs: number): string => `${formatTime(format, { unixMs }, utcZone())}\n`;
    const format = ALLOWED.map(one => `%${one}`).join('|');
    const script = 'import sys,time\nfor l in sys.stdin: print(time.strftime(sys.argv[1], time.gmtime(int(l))))';
    const { stdout } = spawnSync(PYTHON, ['-c', script, format], {
      input: days.map(day => `${day / 1000}\n`).join(''),
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      encoding: 'utf8',
    });
    expect(days.map(day => text(format, day)).join('')).toBe(stdout);
  });
});

describe('R-T1: how often it answers', () => {
  it('one source, and all of them together', () => {
    const rate = new AnswerRate();
    const taken = (source: string, count: number, nowMs: number): number =>
      Array.from({ length: count }, () => rate.take(source, nowMs)).filter(Boolean).length;
    expect(taken('a', 50, 0)).toBe(TIME_ANSWERS_PER_SECOND_PER_SOURCE);
    expect(taken('a', 50, 999)).toBe(0);
    const others = Array.from({ length: 2000 }, (_, at) => taken(`source ${at}`, 5, 999));
    expect(others.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(TIME_ANSWERS_PER_SECOND);
    expect(taken('a', 50, 2000)).toBe(TIME_ANSWERS_PER_SECOND_PER_SOURCE);
  });
});

describe('over the network', () => {
  it('ours asks ours, once and in a row', async () => {
    const { at, person, stop, ended } = serve([], serveTime);
    const once = caller();
    await askTime(await at, { ...once, format: '%Y' });
    expect(once.person.printed).toMatch(/^\d{4}\n$/);
    const row = caller(['', ' %H ']);
    await askTime(await at, row);
    expect(row.person.heard.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
      expect.stringMatching(/^\d\d$/),
    ]);
    stop();
    await ended;
    expect(person.heard.map(({ text }) => text)).toEqual(['%Y', '', '%H']);
  });

  it('what is refused is not answered, and does not end the server', async () => {
    const { at, person } = serve([], serveTime);
    const { port } = await at;
    const socket = createSocket('udp4');
    onTestFinished(() => void socket.close());
    const answers: string[] = [];
    const answered = new Promise<void>(resolve => {
      socket.on('message', bytes => {
        answers.push(bytes.toString());
        resolve();
      });
    });
    for (const question of ['%1400d', '\xff', 'hello', '%Y']) {
      await new Promise(resolve => socket.send(Buffer.from(question, 'latin1'), port, '127.0.0.1', resolve));
    }
    await answered;
    expect(answers).toEqual([expect.stringMatching(/^\d{4}$/)]);
    expect(person.notes).toHaveLength(3);
  });

  it('a host that has no address is told at once', async () => {
    // No resolver asks anybody for a name of this length.
    const address = { host: 'x'.repeat(300), port: 8888 };
    await expect(askTime(address, { ...caller(), format: '%Y' })).rejects.toThrow(LineError);
  });

  it('nobody there is told at once', async () => {
    const { at, stop, ended } = serve([], serveTime);
    const address = await at;
    stop();
    await ended;
    await expect(askTime(address, { ...caller(), format: '%Y' })).rejects.toMatchObject({
      code: expect.stringMatching(/UNREACHABLE|TIMEOUT/),
    });
  });
});
