import fc from 'fast-check';
import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { messageLine } from '../../../../src/cli/commands/chat/chat-lines.ts';
import { fitName } from '../../../../src/cli/commands/chat/chat-name.ts';
import { completeWord } from '../../../../src/cli/commands/chat/completion.ts';
import { inputLines } from '../../../../src/cli/commands/chat/input-lines.ts';
import { MessageLines } from '../../../../src/cli/commands/chat/message-lines.ts';
import { findCommand, parseEntry, SLASH_COMMANDS } from '../../../../src/cli/commands/chat/slash-commands.ts';
import type { ChatMessage } from '../../../../src/node/index.ts';
import { chatName } from '../../../../src/services/chat/names.ts';

const NOON = new Date(2026, 10, 22, 12, 5).getTime();
const DAY_MS = 86_400_000;
const message = (parts: Partial<ChatMessage>): ChatMessage => ({
  id: 1,
  timeMs: NOON,
  from: 'bob',
  device: new Uint8Array(32),
  kind: 'text',
  text: 'hello',
  ...parts,
});
const plain = (columns = 80): MessageLines => new MessageLines(picocolors.createColors(false), () => columns);

describe('messages on a terminal', () => {
  it('have a time, a name and a text', () => {
    const lines = plain();
    expect(lines.message(message({}), 'ann')).toEqual(['— 2026-11-22 —', '12:05 bob: hello']);
    expect(lines.message(message({ kind: 'action', text: 'waves' }), 'ann')).toEqual(['12:05 * bob waves']);
    expect(lines.message(message({ to: 'ann' }), 'ann')).toEqual(['12:05 bob → you: hello']);
    expect(lines.message(message({ to: 'carol' }), 'bob')).toEqual(['12:05 bob → carol: hello']);
    const file = { id: 'x', name: 'photo.jpg', size: 1_234_567 };
    expect(lines.message(message({ kind: 'file', text: '', file }), 'ann')).toEqual([
      '12:05 * bob puts photo.jpg here, 1.2 MB: /get 1',
    ]);
  });

  it('tell when another day has come', () => {
    const lines = plain();
    lines.message(message({}), 'ann');
    expect(lines.message(message({ timeMs: NOON + DAY_MS }), 'ann')).toEqual(['— 2026-11-23 —', '12:05 bob: hello']);
  });

  it('have further lines under the first, and not far in where the window is narrow', () => {
    const text = 'one\ntwo\r\n\tthree\n\n';
    expect(
      plain()
        .message(message({ text, from: '你好' }), 'ann')
        .slice(1),
    ).toEqual(['12:05 你好: one', '            two', '                three']);
    expect(plain(20).message(message({ text }), 'ann').slice(1)).toEqual(['12:05 bob: one', '  two', '      three']);
  });

  it('colour a name the same way each time, in whatever letters', () => {
    const lines = new MessageLines(picocolors.createColors(true), () => 80);
    expect(lines.name('Ann').replace('Ann', 'ann')).toBe(lines.name('ann'));
    const colors = new Set(Array.from({ length: 100 }, (_, at) => lines.name(`n${at}`).slice(0, 5)));
    expect(colors.size).toBeGreaterThan(7);
  });

  it('show nothing raw of what others write, are called or call their files (R-X1)', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\u001b[2J', '\u001b]0;x\u0007', '\u009b31m', '\u202e', '\u2066', '\r', '\u0000', '\u200b'),
    );
    const raw = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
    fc.assert(
      fc.property(hostile, hostile, hostile, hostile, (from, to, text, name) => {
        const file = { id: 'x', name, size: 1 };
        for (const parts of [{ text }, { kind: 'action', text } as const, { kind: 'file', file, text: '' } as const]) {
          const one = message({ ...parts, from, to });
          const lines = plain();
          const shown = [...lines.message(one, 'ann'), ...lines.found(one, 'ann'), lines.name(from), messageLine(one)];
          expect(shown.join('')).not.toMatch(raw);
        }
      }),
    );
  });
});

describe('what is typed', () => {
  it.each([
    ['', { type: 'nothing' }],
    [' \n', { type: 'nothing' }],
    ['bye', { type: 'quit' }],
    [' bye ', { type: 'quit' }],
    ['bye bye', { type: 'say', text: 'bye bye' }],
    ['hello', { type: 'say', text: 'hello' }],
    [' /who', { type: 'say', text: ' /who' }],
    ['//who', { type: 'say', text: '/who' }],
    ['/', { type: 'command', name: '', rest: '' }],
    ['/msg  ann  two\nlines ', { type: 'command', name: 'msg', rest: 'ann  two\nlines' }],
  ])('%j is %j', (text, entry) => {
    expect(parseEntry(text)).toEqual(entry);
  });

  it('is no command that there is not', () => {
    expect(() => findCommand('nope')).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(findCommand('who').name).toBe('who');
    expect(new Set(SLASH_COMMANDS.map(({ name }) => name)).size).toBe(SLASH_COMMANDS.length);
  });

  it.each([
    ['a', ['bob'], undefined],
    ['b', ['bob', 'ann'], { word: 'bob: ', choices: [] }],
    ['B', ['bob'], { word: 'bob: ', choices: [] }],
    ['ba', ['Barbara', 'bartholomew'], { word: 'Bar', choices: [] }],
    ['bar', ['Barbara', 'bartholomew'], { word: 'bar', choices: ['Barbara', 'bartholomew'] }],
    ['你', ['你好吗', '你好'], { word: '你好', choices: [] }],
    ['', ['x'], { word: 'x: ', choices: [] }],
  ])('%j of %j is completed to %j', (word, names, expected) => {
    expect(completeWord(word, names, ': ')).toEqual(expected);
  });

  it('R-A12: of very many things that it could be, the first are told', () => {
    const rooms = Array.from({ length: 5000 }, (_, n) => `room${10_000 + n}x`);
    expect(completeWord('room1', rooms, ' ')).toMatchObject({ word: 'room1', choices: { length: 100 } });
  });
});

describe('the name of the login', () => {
  it.each([
    ['ann', 'ann'],
    ['DOMAIN\\ann smith', 'DOMAINannsmith'],
    ['_www', 'www'],
    ['', 'guest'],
    ['!!', 'guest'],
    ['a\u034fnn\u115f', 'ann'],
    ['x'.repeat(50), 'x'.repeat(32)],
  ])('%j is made %j', (login, name) => {
    expect(fitName(login)).toBe(name);
  });

  it('is made one that rooms take', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), login => {
        expect(() => chatName(fitName(login))).not.toThrow();
      }),
    );
  });
});

describe('lines of input', () => {
  async function lines(pieces: readonly (string | Uint8Array)[], maxLength = 100): Promise<(string | undefined)[]> {
    async function* input(): AsyncGenerator<Uint8Array> {
      for (const piece of pieces) yield Buffer.from(piece as string);
    }
    const all: (string | undefined)[] = [];
    for await (const line of inputLines(input(), maxLength)) all.push(line);
    return all;
  }

  it('are found wherever the input is cut', async () => {
    expect(await lines(['on', 'e\r\ntw', 'o\n\nthree'])).toEqual(['one', 'two', '', 'three']);
    expect(await lines(Array.from(Buffer.from('你好\nä'), byte => Uint8Array.of(byte)))).toEqual(['你好', 'ä']);
    expect(await lines([])).toEqual([]);
  });

  it('end where the input cannot be read any more', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('one\ntwo');
      throw new Error('EISDIR');
    }
    const all: (string | undefined)[] = [];
    for await (const line of inputLines(broken(), 10)) all.push(line);
    expect(all).toEqual(['one', 'two']);
  });

  it('are told and not kept if they are too long', async () => {
    const long = 'x'.repeat(60);
    expect(await lines([long, long, long, 'x\nnext\n', `${long}${long}\n`, long, long])).toEqual([
      undefined,
      'next',
      undefined,
      undefined,
    ]);
  });
});
