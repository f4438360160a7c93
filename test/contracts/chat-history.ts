import { describe, expect, it } from 'vitest';
import type { ChatHistory, UnstoredMessage } from '../../src/services/chat/history.ts';
import { chatName } from '../../src/services/chat/names.ts';
import { searchPhrases } from '../../src/services/chat/words.ts';
import { code } from '../services/files/served.ts';
import { seeded } from '../support/bytes.ts';

/** What every ChatHistory must do; each test makes one that is empty. */
export function chatHistoryContract(name: string, make: () => Promise<ChatHistory>): void {
  describe(`${name}, as a history of rooms`, () => {
    const all = { after: 0, before: Number.MAX_SAFE_INTEGER };
    const anna = new Uint8Array(32).fill(1);
    const bert = new Uint8Array(32).fill(2);
    const carl = new Uint8Array(32).fill(3);

    it('gives what was appended, in one order for all rooms', async () => {
      const history = await make();
      expect(await history.head()).toBe(0);
      const stored = await history.append([said('a', 'one'), said('b', 'two'), said('a', 'three')], 1000);
      expect(stored).toEqual([1, 2, 3].map(id => ({ id, timeMs: 1000, isRepeated: false })));
      expect(await history.head()).toBe(3);
      expect(await history.read({ room: 'a', device: bert }, all, 10)).toEqual([
        { id: 1, timeMs: 1000, from: 'anna', device: anna, kind: 'text', text: 'one' },
        { id: 3, timeMs: 1000, from: 'anna', device: anna, kind: 'text', text: 'three' },
      ]);
      await history.close();
      await history.close();
    });

    it('gives what is behind, before, and last', async () => {
      const history = await make();
      await history.append(
        Array.from({ length: 20 }, (_, n) => said(n % 2 === 0 ? 'a' : 'b', `${n + 1}`)),
        1,
      );
      const view = { room: 'a', device: bert };
      const texts = async (after: number, before: number, limit: number) =>
        (await history.read(view, { after, before }, limit)).map(({ text }) => text);
      expect(await texts(3, 12, 3)).toEqual(['5', '7', '9']);
      expect(await texts(3, 12, 99)).toEqual(['5', '7', '9', '11']);
      expect(await history.count(view, { after: 3, before: 12 }, 99)).toBe(4);
      expect(await history.count(view, { after: 3, before: 12 }, 2)).toBe(2);
      const behind = await history.beginningOfLast(view, all, 3);
      expect(await texts(behind, all.before, 99)).toEqual(['15', '17', '19']);
      expect(await history.beginningOfLast(view, { after: 14, before: 99 }, 3)).toBe(14);
      expect(await history.beginningOfLast(view, all, 0)).toBeGreaterThanOrEqual(19);
      await history.close();
    });

    it('stores a nonce of a device once', async () => {
      const history = await make();
      const message = said('a', 'one');
      await history.append([message], 1);
      const again = await history.append([{ ...message, text: 'other' }, said('a', 'two'), message], 2);
      expect(again).toEqual([
        { id: 1, timeMs: 1, isRepeated: true },
        { id: expect.any(Number), timeMs: 2, isRepeated: false },
        { id: 1, timeMs: 1, isRepeated: true },
      ]);
      await history.append([{ ...message, device: bert }], 3);
      expect((await history.read({ room: 'a', device: bert }, all, 10)).map(({ text }) => text)).toEqual([
        'one',
        'two',
        'one',
      ]);
      await history.close();
    });

    it('keeps files, private messages and every character as they were', async () => {
      const history = await make();
      const file = { id: 'A'.repeat(22), name: 'a "b".txt', size: 5 };
      const text = `'"; DROP TABLE messages; -- \u0001\u001b[2J\u202e\n\t${'é'.repeat(3000)} 𐍈`;
      await history.append(
        [
          { ...said('a', text), kind: 'file', file },
          { ...said(undefined, 'psst'), to: { name: 'bert', device: bert } },
        ],
        5,
      );
      const [first, second] = await history.read({ room: 'a', device: bert }, all, 10);
      expect(first).toMatchObject({ kind: 'file', text, file });
      expect(second).toMatchObject({ text: 'psst', to: 'bert' });
      await history.close();
    });

    it('shows private messages to their two devices alone, whatever they ask for', async () => {
      const history = await make();
      await history.append(
        [
          said('a', 'secret aloud'),
          { ...said(undefined, 'secret one'), to: { name: 'bert', device: bert } },
          { ...said(undefined, 'secret two'), to: { name: 'anna', device: anna } },
        ],
        1,
      );
      const seenBy = async (device: Uint8Array) => {
        const read = await history.read({ room: 'a', device }, all, 10);
        const { ids } = await history.find({ room: undefined, device }, [['secret']], all.before, 10);
        expect(ids.toReversed()).toEqual(read.map(({ id }) => id));
        expect(await history.count({ room: 'a', device }, all, 10)).toBe(read.length);
        return read.map(({ text }) => text.slice(7));
      };
      expect(await seenBy(anna)).toEqual(['aloud', 'one', 'two']);
      expect(await seenBy(bert)).toEqual(['aloud', 'one']);
      expect(await seenBy(carl)).toEqual(['aloud']);
      expect(await history.lastPrivate(anna, 99)).toBe(3);
      expect(await history.lastPrivate(anna, 3)).toBe(2);
      expect(await history.lastPrivate(bert, 99)).toBe(2);
      expect(await history.lastPrivate(carl, 99)).toBe(0);
      // The room of private messages has a name for nobody.
      expect(await history.read({ room: '', device: carl }, all, 10)).toEqual([]);
      expect((await history.rooms('', 10)).map(({ room }) => room)).toEqual(['a']);
      await history.close();
    });

    it('finds words and phrases, newest first, and takes every search for words', async () => {
      const history = await make();
      await history.append(
        ['The quick brown fox', 'brown, quick!', "don't NEAR me", '今天天气很好', 'a OR b', 'rowid:1 "x*"'].map(text =>
          said('a', text),
        ),
        1,
      );
      await history.append([said('b', 'quick elsewhere')], 1);
      const found = async (words: string, room?: string) => {
        const phrases = searchPhrases(words);
        const { ids } = await history.find({ room, device: bert }, phrases, all.before, 50);
        return (await history.readFound(ids)).map(({ id }) => id);
      };
      expect(await found('quick', 'a')).toEqual([1, 2]);
      expect(await found('quick')).toEqual([1, 2, 7]);
      expect(await found('QUICK fox', 'a')).toEqual([1]);
      expect(await found('quick-brown', 'a')).toEqual([1]);
      expect(await found("don't", 'a')).toEqual([3]);
      expect(await found('天气', 'a')).toEqual([4]);
      expect(await found('天好', 'a')).toEqual([]);
      expect(await found('quic', 'a')).toEqual([]);
      for (const words of [
        '"',
        '*',
        'near',
        'AND',
        'a OR',
        '(',
        'x*',
        'rowid:1',
        '-x',
        '^a',
        '{a b}: c',
        '\u0000',
        '',
      ]) {
        await expect(found(words)).resolves.toBeInstanceOf(Array);
      }
      expect(await found('OR', 'a')).toEqual([5]);
      expect(await found('near', 'a')).toEqual([3]);
      const phrases = searchPhrases('quick');
      const first = await history.find({ room: 'a', device: bert }, phrases, all.before, 1);
      expect(first.ids).toEqual([2]);
      expect((await history.find({ room: 'a', device: bert }, phrases, first.before!, 9)).ids).toEqual([1]);
      await history.close();
    });

    it('R-A12: looks at little in one step of a search, however often the texts hold its words', async () => {
      const history = await make();
      await history.append([said('a', '天一')], 1);
      await history.append(
        Array.from({ length: 40 }, () => said('a', `${'天'.repeat(2000)}地一`)),
        1,
      );
      const phrases = searchPhrases('天一');
      const ids: number[] = [];
      let steps = 0;
      for (let before: number | undefined = all.before; before !== undefined; steps += 1) {
        const step = await history.find({ room: 'a', device: bert }, phrases, before, 50);
        ids.push(...step.ids);
        before = step.before;
      }
      expect(ids).toEqual([1]);
      expect(steps).toBeGreaterThan(4);
      await history.close();
    });

    it('gives names to who comes first, and lets go of the one unused longest that nobody is here under', async () => {
      const history = await make();
      const claim = (name: string, device = anna, inUse: readonly string[] = []) =>
        history.claimName(chatName(name), device, key => inUse.includes(key));
      await claim('Anna');
      await expect(claim('ANNA', bert)).rejects.toEqual(code('EXISTS'));
      expect(await history.ownerOf('anna')).toEqual({ name: 'Anna', device: anna });
      for (let n = 1; n <= 7; n += 1) await claim(`anna${n}`);
      await claim('anna');
      expect(await history.ownerOf('anna')).toMatchObject({ name: 'anna' });
      await claim('anna8', anna, ['anna1']);
      expect(await history.ownerOf('anna2')).toBeUndefined();
      expect(await history.ownerOf('anna1')).toBeDefined();
      const allInUse = ['anna', 'anna1', 'anna3', 'anna4', 'anna5', 'anna6', 'anna7', 'anna8'];
      await expect(claim('anna9', anna, allInUse)).rejects.toEqual(code('TOO_MANY'));
      await claim('anna2', bert);
      await history.close();
    });

    it('keeps what names have seen, upwards, of the rooms seen last', async () => {
      const history = await make();
      await history.claimName(chatName('anna'), anna, () => false);
      const keep = (room: string, id: number, nameKey = 'anna') => history.keepSeen([{ nameKey, room, id }]);
      await keep('a', 5);
      await keep('a', 3);
      await keep('a', 9, 'nobody');
      expect(await history.seen('anna', 'a')).toBe(5);
      expect(await history.seen('nobody', 'a')).toBeUndefined();
      for (let n = 0; n < 64; n += 1) await keep(`room${n}`, 10 + n);
      expect(await history.seen('anna', 'a')).toBeUndefined();
      expect(await history.seen('anna', 'room0')).toBe(10);
      await history.close();
    });

    it('removes what is too old, or too much of a room, in steps, and never gives an id again', async () => {
      const history = await make();
      for (let n = 1; n <= 10; n += 1) await history.append([said(n % 2 === 0 ? 'a' : 'b', `word ${n}`)], n);
      expect(await history.trim({ ageMs: 5 }, 10, 3)).toBe(3);
      expect(await history.trim({ ageMs: 5 }, 10, 3)).toBe(1);
      expect(await history.trim({ ageMs: 5 }, 10, 3)).toBe(0);
      const texts = async (room: string) =>
        (await history.read({ room, device: bert }, all, 99)).map(({ text }) => text);
      expect(await texts('a')).toEqual(['word 6', 'word 8', 'word 10']);
      expect(await texts('b')).toEqual(['word 5', 'word 7', 'word 9']);
      expect((await history.find({ room: undefined, device: bert }, [['word']], 99, 99)).ids).toHaveLength(6);
      while ((await history.trim({ count: 2 }, 10, 1)) > 0);
      expect(await texts('a')).toEqual(['word 8', 'word 10']);
      while ((await history.trim({ count: 0 }, 10, 1)) > 0);
      expect(await history.rooms('', 10)).toEqual([]);
      expect((await history.find({ room: undefined, device: bert }, [['word']], 99, 99)).ids).toEqual([]);
      const [next] = await history.append([said('a', 'after')], 11);
      expect(next!.id).toBe(11);
      await history.close();
    });

    it('lists rooms by name, a page at a time', async () => {
      const history = await make();
      const names = ['b', 'ä', 'a', '𐍈', '中', 'z'];
      for (const [n, room] of names.entries()) await history.append([said(room, 'x')], 100 + n);
      const sorted = ['a', 'b', 'z', 'ä', '中', '𐍈'];
      expect((await history.rooms('', 99)).map(({ room }) => room)).toEqual(sorted);
      expect(await history.rooms('b', 2)).toEqual([
        { room: 'z', lastId: 6, lastMs: 105 },
        { room: 'ä', lastId: 2, lastMs: 101 },
      ]);
      await history.close();
    });

    it('knows which files its messages name, as long as it keeps them', async () => {
      const history = await make();
      const put = (id: string, ms: number) =>
        history.append([{ ...said('a', 'f'), kind: 'file', file: { id, name: 'f', size: 1 } }], ms);
      await put('one', 1);
      await put('two', 2);
      await put('two', 3);
      await history.append([said('a', 'three')], 4);
      expect(await history.filesNamed(['one', 'two', 'three', '"'])).toEqual(new Set(['one', 'two']));
      expect(await history.filesNamed([])).toEqual(new Set());
      await history.trim({ ageMs: 5 }, 8, 10);
      expect(await history.filesNamed(['one', 'two'])).toEqual(new Set(['two']));
      await history.close();
    });

    const noise = seeded(1);
    let count = 0;
    function said(room: string | undefined, text: string): UnstoredMessage {
      count += 1;
      const nonce = `${count}-${Math.floor(noise() * 1e9)}`;
      return { room, nonce, from: 'anna', device: anna, kind: 'text', text };
    }
  });
}
