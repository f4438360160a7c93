import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { ReadRoot } from '../../../src/node/files/read-root.ts';
import { MAX_AHEAD_ENTRIES, MAX_AHEAD_MS } from '../../../src/services/files/ahead.ts';
import type { Entry, Problem } from '../../../src/services/files/entry.ts';
import { ListedAhead } from '../../../src/services/files/reading/listed-ahead.ts';
import { SeenAhead } from '../../../src/services/files/receiving/seen-ahead.ts';
import type { ListingOptions, ReadStore } from '../../../src/services/files/store.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { type Served, serve } from './served.ts';

type Listed = readonly (Entry | Problem)[];

const file = (path: string): Entry => ({ path, type: 'file', size: 1, mtimeUs: 1, mode: 0o644 });
const folder = (path: string): Entry => ({ path, type: 'folder', size: 0, mtimeUs: 1, mode: 0o755 });
const trouble = (path: string): Problem => ({ path, error: new LineError('ACCESS', 'not yours') });

/** Lists these batches, and says how far it was read. */
function listing(batches: readonly Listed[], failure?: LineError) {
  const told = { asked: 0, given: 0, closed: 0 };
  const store = {
    async *list(_path: string, _options: ListingOptions): AsyncGenerator<Listed> {
      told.asked += 1;
      try {
        for (const batch of batches) {
          told.given += 1;
          yield batch;
        }
        if (failure !== undefined) throw failure;
      } finally {
        told.closed += 1;
      }
    },
  } as unknown as ReadStore;
  return { store, told };
}

async function all(batches: AsyncIterable<Listed>): Promise<string[]> {
  const paths: string[] = [];
  for await (const batch of batches) paths.push(...batch.map(({ path }) => path));
  return paths;
}

function begun<One extends { begin(): void }>(one: One): One {
  one.begin();
  return one;
}

const ALL: ListingOptions = { recursive: true };
const BATCHES = [[file('a'), folder('b')], [file('b/c')], [file('d')]];

describe('a store that is listed ahead of time', () => {
  test('reads on before anybody asks, tells all of it once in its order, and then lists anew', async () => {
    const { store, told } = listing(BATCHES);
    const ahead = begun(new ListedAhead(store));
    await vi.waitFor(() => expect(told.closed).toBe(1));
    expect(await all(ahead.list('', ALL))).toEqual(['a', 'b', 'b/c', 'd']);
    expect(told.asked).toBe(1);
    expect(await all(ahead.list('', ALL))).toEqual(['a', 'b', 'b/c', 'd']);
    expect(told.asked).toBe(2);
  });

  test('hands over a listing that is under way, at every point of it', async () => {
    for (let turns = 0; turns < 12; turns += 1) {
      const { store, told } = listing(BATCHES);
      const ahead = begun(new ListedAhead(store));
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      expect(await all(ahead.list('', ALL))).toEqual(['a', 'b', 'b/c', 'd']);
      expect(told).toEqual({ asked: 1, given: 3, closed: 1 });
    }
  });

  test('holds a bounded number of entries and goes on from there when it is asked (R-A12)', async () => {
    const batch = Array.from({ length: 256 }, (_, index) => file(`${index}`));
    const count = Math.ceil(MAX_AHEAD_ENTRIES / 256) + 10;
    const { store, told } = listing(Array.from({ length: count }, () => batch));
    const ahead = begun(new ListedAhead(store));
    await vi.waitFor(() => expect(told.given).toBe(Math.ceil(MAX_AHEAD_ENTRIES / 256)));
    await new Promise(resolve => setImmediate(resolve));
    expect(told.given).toBe(Math.ceil(MAX_AHEAD_ENTRIES / 256));
    expect(await all(ahead.list('', ALL))).toHaveLength(256 * count);
  });

  test('is forgotten when it is old, and does not serve another listing', async () => {
    const clock = new ManualClock();
    const { store, told } = listing(BATCHES);
    const old = begun(new ListedAhead(store, clock));
    clock.advance(MAX_AHEAD_MS + 1);
    await all(old.list('', ALL));
    expect(told).toMatchObject({ asked: 2, closed: 2 });
    const other = begun(new ListedAhead(store, clock));
    for (const options of [{ recursive: false }, { recursive: true, followLinks: true }])
      await all(other.list('', options));
    await all(other.list('b', ALL));
    expect(told.asked).toBe(6);
    await all(other.list('', ALL));
    expect(told.asked).toBe(6);
  });

  test('fails where the listing failed, and only whoever asks hears of it', async () => {
    const { store } = listing([[file('a')]], new LineError('ACCESS', 'not yours'));
    const ahead = begun(new ListedAhead(store));
    const seen: string[] = [];
    const reading = (async () => {
      for await (const batch of ahead.list('', ALL)) seen.push(...batch.map(({ path }) => path));
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ACCESS' });
    expect(seen).toEqual(['a']);
  });

  test('reads nothing before it is begun, once, and nothing after it was stopped', async () => {
    const { store, told } = listing(BATCHES);
    const ahead = new ListedAhead(store);
    expect(told.asked).toBe(0);
    expect(await all(ahead.list('', ALL))).toEqual(['a', 'b', 'b/c', 'd']);
    ahead.begin();
    expect(told.asked).toBe(1);
    const twice = begun(begun(new ListedAhead(store)));
    expect(told.asked).toBe(2);
    await twice.stop();
    twice.begin();
    expect(told).toMatchObject({ asked: 2, closed: 2 });
    const seen = new SeenAhead(store, '');
    expect(seen.in('', ['a'])).toBeUndefined();
    await seen.stop();
    seen.begin();
    expect(told.asked).toBe(2);
  });

  test('may be one that throws at once, being no folder', async () => {
    const list = (): never => {
      throw new LineError('NOT_A_FILE', 'a file is no folder');
    };
    const ahead = begun(new ListedAhead({ list } as unknown as ReadStore));
    await expect(all(ahead.list('', ALL))).rejects.toMatchObject({ code: 'NOT_A_FILE' });
    await ahead.stop();
  });

  test('lets go of a listing that nobody came for, and of one that was left in the middle', async () => {
    const { store, told } = listing(BATCHES);
    const unused = begun(new ListedAhead(store));
    await unused.stop();
    await unused.stop();
    expect(told.closed).toBe(1);
    const left = begun(new ListedAhead(store));
    for await (const _ of left.list('', ALL)) break;
    expect(told.closed).toBe(2);
  });
});

describe('what was seen ahead of time', () => {
  const seenOf = async (batches: readonly Listed[], failure?: LineError): Promise<SeenAhead> => {
    const { store, told } = listing(batches, failure);
    const seen = begun(new SeenAhead(store, ''));
    await vi.waitFor(() => expect(told.closed).toBe(1));
    await new Promise(resolve => setImmediate(resolve));
    return seen;
  };
  const paths = (found: readonly (Entry | undefined)[] | undefined) => found?.map(entry => entry?.path);

  test('tells of whole folders, by the names in them', async () => {
    const seen = await seenOf([
      [file('a'), folder('b'), folder('b/c')],
      [file('b/c/d'), file('b/e')],
      [folder('f'), file('g')],
    ]);
    expect(paths(seen.in('', ['a', 'g', 'nothing']))).toEqual(['a', 'g', undefined]);
    expect(paths(seen.in('b', ['e']))).toEqual(['b/e']);
    expect(paths(seen.in('b/c', ['d', 'e']))).toEqual(['b/c/d', undefined]);
    expect(paths(seen.in('f', ['x']))).toEqual([undefined]);
    expect(seen.in('elsewhere', ['a'])).toBeUndefined();
  });

  test('tells nothing of a folder in which something could not be looked at, nor of one that was not listed to its end', async () => {
    const seen = await seenOf(
      [[folder('a'), file('a/1'), trouble('a/2'), folder('b'), file('b/1'), trouble('b'), folder('c'), file('c/1')]],
      new LineError('ACCESS', 'not yours'),
    );
    for (const name of ['a', 'b', 'c', '']) expect(seen.in(name, ['1'])).toBeUndefined();
  });

  test('looks at a bounded number of entries, and tells nothing when it is old or stopped (R-A12)', async () => {
    const clock = new ManualClock();
    const batches = Array.from({ length: MAX_AHEAD_ENTRIES / 100 + 10 }, (_, at) => [
      folder(`${at}`),
      ...Array.from({ length: 99 }, (_, index) => file(`${at}/${index}`)),
    ]);
    const { store, told } = listing(batches);
    const seen = begun(new SeenAhead(store, '', clock));
    await vi.waitFor(() => expect(told.closed).toBe(1));
    expect(told.given).toBe(MAX_AHEAD_ENTRIES / 100);
    expect(seen.in('0', ['1'])).toBeDefined();
    clock.advance(MAX_AHEAD_MS + 1);
    expect(seen.in('0', ['1'])).toBeUndefined();
    const stopped = begun(new SeenAhead(store, ''));
    await stopped.stop();
    expect(stopped.in('0', ['1'])).toBeUndefined();
  });
});

describe('a download that has looked ahead', () => {
  const prepare = async (): Promise<Served> => {
    const served = await serve();
    onTestFinished(served.end);
    mkdirSync(served.at('tree/deep'), { recursive: true });
    for (const name of ['a', 'b', 'deep/c']) writeFileSync(served.at(`tree/${name}`), `content of ${name}`);
    await served.get('tree', 'tree');
    return served;
  };
  const lookedAt = async (served: Served): Promise<SeenAhead> => {
    const root = await ReadRoot.open(served.got());
    const seen = begun(new SeenAhead(root, 'tree'));
    onTestFinished(async () => {
      await seen.stop();
      await root.close();
    });
    await vi.waitFor(() => expect(seen.in('tree', ['a'])).toBeDefined());
    return seen;
  };

  test('does not look again at what has not changed, and receives what has', async () => {
    const served = await prepare();
    writeFileSync(served.at('tree/b'), 'something else');
    writeFileSync(served.at('tree/deep/new'), 'new');
    const seen = await lookedAt(served);
    const looked: string[] = [];
    const store = new Proxy(served.store, {
      get: (target, name) => {
        if (name === 'statIn') {
          return (at: string, names: readonly string[]) => {
            looked.push(at);
            return target.statIn!(at, names);
          };
        }
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const { summary, failures } = await served.get('tree', 'tree', { store, seen, conflict: 'force' });
    expect({ summary, failures }).toMatchObject({ summary: { identical: 2, received: 2 }, failures: [] });
    expect(looked).toEqual([]);
    expect(readFileSync(served.got('tree/b'), 'utf8')).toBe('something else');
  });

  test('writes through no link that has taken the place of a folder since (R-F2)', async () => {
    const served = await prepare();
    const seen = await lookedAt(served);
    const outside = join(served.scene.base, 'outside');
    mkdirSync(outside, { recursive: true });
    rmSync(served.got('tree/deep'), { recursive: true });
    symlinkSync(outside, served.got('tree/deep'));
    writeFileSync(served.at('tree/deep/c'), 'changed');
    const { failures } = await served.get('tree', 'tree', { seen, conflict: 'force' });
    expect(failures).not.toEqual([]);
    expect(() => readFileSync(join(outside, 'c'))).toThrow();
  });
});
