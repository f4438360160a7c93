import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ReadRoot } from '../../../src/node/files/read-root.ts';
import type { WatchOptions, WatchWay } from '../../../src/node/files/watch.ts';
import { excluder } from '../../../src/services/files/exclude.ts';
import type { ChangeWatch } from '../../../src/services/files/store.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { makeScene, openDescriptors, type Scene, WALKS } from './scene.ts';

const code = (value: string) => expect.objectContaining({ name: 'LineError', code: value });

let scene: Scene;
let clock: ManualClock;
let roots: ReadRoot[];
const at = (name = '') => join(scene.root, name);

beforeEach(() => {
  scene = makeScene();
  clock = new ManualClock();
  roots = [];
});
afterEach(async () => {
  for (const root of roots) await root.close();
  scene.remove();
  expect(clock.pendingTimers).toBe(0);
});

async function openRoot(options: Partial<WatchOptions> & { walk?: 'descriptors' | 'paths' } = {}): Promise<ReadRoot> {
  const root = await ReadRoot.open(scene.root, { clock, ...options });
  roots.push(root);
  return root;
}

/** Counts what a watch tells. Time goes on for as long as a change is waited for: pauses end, listings come. */
function counting(watch: ChangeWatch): { readonly count: () => number; readonly ended: Promise<unknown> } {
  let count = 0;
  const run = async (): Promise<never> => {
    for (;;) {
      await watch.next();
      count += 1;
    }
  };
  return { count: () => count, ended: run().catch((thrown: unknown) => thrown) };
}

async function expectChange(counted: { readonly count: () => number }, change: () => void): Promise<void> {
  await quiet(counted);
  const before = counted.count();
  change();
  await vi.waitFor(
    () => {
      clock.advance(5000);
      expect(counted.count()).toBeGreaterThan(before);
    },
    { timeout: 20_000, interval: 5 },
  );
}

/** Until what was noticed before has been told: a change made now would count for it. */
async function quiet(counted: { readonly count: () => number }): Promise<void> {
  let last = -1;
  let same = 0;
  await vi.waitFor(
    () => {
      clock.advance(5000);
      same = counted.count() === last ? same + 1 : 0;
      last = counted.count();
      expect(same).toBeGreaterThan(5);
    },
    { timeout: 20_000, interval: 5 },
  );
}

const WAYS: readonly [WatchWay, 'descriptors' | 'paths'][] = [
  ...WALKS.map((walk): [WatchWay, typeof walk] => ['folders', walk]),
  ['tree', 'paths'],
  ['listing', 'paths'],
];

describe.each(WAYS)('a watch of %s, walking by %s', (way, walk) => {
  test('tells of every kind of change, also in folders that are new', async () => {
    mkdirSync(at('d/e'), { recursive: true });
    writeFileSync(at('d/e/file'), 'a');
    const watch = await (await openRoot({ way, walk })).watch('');
    const counted = counting(watch);
    await expectChange(counted, () => writeFileSync(at('new'), ''));
    await expectChange(counted, () => appendFileSync(at('d/e/file'), 'more'));
    await expectChange(counted, () => mkdirSync(at('n/e/w'), { recursive: true }));
    await expectChange(counted, () => writeFileSync(at('n/e/w/file'), ''));
    await expectChange(counted, () => renameSync(at('n/e'), at('moved')));
    await expectChange(counted, () => appendFileSync(at('moved/w/file'), 'more'));
    await expectChange(counted, () => rmSync(at('d'), { recursive: true }));
    await expectChange(counted, () => mkdirSync(at('d/e'), { recursive: true }));
    await expectChange(counted, () => writeFileSync(at('d/e/file'), ''));
    watch.close();
    watch.close();
    expect(await counted.ended).toEqual(code('CLOSED'));
  });

  // Where the system has no watch of a tree, Node makes one that follows links; it is used on no such system.
  const isEmulated = way === 'tree' && process.platform === 'linux';
  test.skipIf(isEmulated)('R-F2: is of a folder alone, and of nothing that a link leads to', async () => {
    mkdirSync(at('in/side'), { recursive: true });
    mkdirSync(at('beside'));
    symlinkSync(scene.outside, at('in/out'));
    symlinkSync('in', at('way'));
    const root = await openRoot({ way, walk });
    const counted = counting(await root.watch('way'));
    await quiet(counted);
    const before = counted.count();
    writeFileSync(at('beside/file'), '');
    writeFileSync(join(scene.outside, 'new'), '');
    rmSync(join(scene.outside, 'new'));
    await quiet(counted);
    expect(counted.count()).toBe(before);
    await expectChange(counted, () => writeFileSync(at('in/side/file'), ''));
    symlinkSync(scene.outside, at('out'));
    await expect(root.watch('out')).rejects.toEqual(code('FORBIDDEN'));
    await expect(root.watch('nowhere')).rejects.toEqual(code('NOT_FOUND'));
    await expect(root.watch('in/side/file')).rejects.toEqual(code('NOT_A_FILE'));
    await expect(root.watch('../outside')).rejects.toEqual(code('BAD_NAME'));
  });

  test('leaves out what is excluded, and partials', async () => {
    mkdirSync(at('cache/deep'), { recursive: true });
    const root = await openRoot({ way, walk });
    const counted = counting(await root.watch('', { exclude: excluder(['*.log', 'cache/']) }));
    await quiet(counted);
    const before = counted.count();
    writeFileSync(at('a.log'), '');
    writeFileSync(at('file.12-0123abcd.postern-part'), '');
    if (way === 'folders') writeFileSync(at('cache/deep/file'), '');
    await quiet(counted);
    // A listing sees the time of the folder itself, which is not among what it lists.
    expect(counted.count()).toBe(before);
    await expectChange(counted, () => writeFileSync(at('file'), ''));
  });

  test('ends with its root and leaves nothing open', async () => {
    mkdirSync(at('a/b/c'), { recursive: true });
    const warm = await openRoot({ way, walk });
    (await warm.watch('')).close();
    await warm.close();
    const before = openDescriptors();
    const root = await openRoot({ way, walk });
    const counted = counting(await root.watch(''));
    await root.close();
    expect(await counted.ended).toEqual(code('CLOSED'));
    expect(openDescriptors()).toBe(before);
  });
});

describe('watches', () => {
  test('tell of a thousand changes a few times', async () => {
    const watch = await (await openRoot()).watch('');
    for (let index = 0; index < 1000; index += 1) writeFileSync(at(`f${index}`), '');
    const counted = counting(watch);
    // Time stands still, so there is one, and one more waits for its time to come.
    await vi.waitFor(() => expect(counted.count()).toBe(1));
    writeFileSync(at('one more'), '');
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(1));
    expect(counted.count()).toBe(1);
    clock.advance(200);
    await vi.waitFor(() => expect(counted.count()).toBe(2));
  });

  test('go over to listings where there are more folders than they may hold, also later', async () => {
    for (const name of ['a', 'b', 'c']) mkdirSync(at(name));
    const root = await openRoot({ way: 'folders', maxFolders: 6 });
    const first = counting(await root.watch(''));
    const second = counting(await root.watch(''));
    await expectChange(second, () => writeFileSync(at('c/file'), ''));
    await expectChange(first, () => {
      for (const name of ['d', 'e', 'f']) mkdirSync(at(name));
    });
    await expectChange(first, () => writeFileSync(at('f/file'), ''));
    await expectChange(second, () => writeFileSync(at('e/file'), ''));
  });

  test('are not without number', async () => {
    const root = await openRoot();
    const watches: ChangeWatch[] = [];
    for (let index = 0; index < 16; index += 1) watches.push(await root.watch(''));
    await expect(root.watch('')).rejects.toEqual(code('TOO_MANY'));
    watches[0]!.close();
    await root.watch('');
  });
});
