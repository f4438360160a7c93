import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openOffer } from '../../../src/node/files/folder-service.ts';
import { ReadRoot } from '../../../src/node/files/read-root.ts';
import type { Entry, Problem } from '../../../src/services/files/entry.ts';
import { excluder, FilteredStore } from '../../../src/services/files/exclude.ts';
import type { ReadStore } from '../../../src/services/files/store.ts';
import { collect, makeScene, openDescriptors, readAll, type Scene, SECRET, WALKS } from '../../node/files/scene.ts';
import { type Changed, serveChanges } from './changed.ts';
import { code, finalNames, type Served, serve } from './served.ts';

let ends: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
});

/** A folder `t` with links to a file, to folders, out, round in circles and to nothing. */
function plant(at: (name?: string) => string, outside: string): void {
  mkdirSync(at('t/real/deep'), { recursive: true });
  writeFileSync(at('t/real/f'), 'real');
  writeFileSync(at('t/real/deep/g'), 'deep');
  writeFileSync(at('beside'), 'beside');
  const links: [string, string][] = [
    ['t/file', 'real/f'],
    ['t/beside', '../beside'],
    ['t/folder', 'real/deep'],
    ['t/chain', 'folder'],
    ['t/out', join('..', '..', 'outside', 'secret')],
    ['t/out-folder', '../../outside'],
    ['t/absolute', outside],
    ['t/dangling', 'nowhere'],
    ['t/itself', 'itself'],
    ['t/up', '.'],
    ['t/real/deep/round', '../..'],
  ];
  for (const [path, target] of links) symlinkSync(target, at(path));
}

const CAME = [
  't/',
  't/beside',
  't/chain/',
  't/chain/g',
  't/file',
  't/folder/',
  't/folder/g',
  't/real/',
  't/real/deep/',
  't/real/deep/g',
  't/real/f',
];
const FAILED = [
  't/absolute FORBIDDEN',
  't/chain/round FORBIDDEN',
  't/dangling NOT_FOUND',
  't/folder/round FORBIDDEN',
  't/itself FORBIDDEN',
  't/out FORBIDDEN',
  't/out-folder FORBIDDEN',
  't/real/deep/round FORBIDDEN',
  't/up FORBIDDEN',
];

async function serving(): Promise<Served> {
  const served = await serve();
  ends.push(served.end);
  return served;
}

async function changing(): Promise<Changed> {
  const changed = await serveChanges();
  ends.push(changed.end);
  return changed;
}

describe('with links copied', () => {
  test('R-F2 a download has what they lead to; what leads out, round or to nothing is told by name', async () => {
    const { at, got, get, scene, faults } = await serving();
    plant(at, scene.outside);
    const { failures, summary } = await get('t', 't', { copyLinks: true });
    expect([...failures].sort()).toEqual(FAILED);
    expect(summary).toMatchObject({ received: 6, failed: FAILED.length });
    expect(finalNames(got())).toEqual(CAME);
    expect(readFileSync(got('t/beside'), 'utf8')).toBe('beside');
    expect(lstatSync(got('t/file')).isFile()).toBe(true);
    const [came, was] = [got('t/file'), at('t/real/f')].map(path => Math.round(lstatSync(path).mtimeMs * 1000));
    expect(came).toBe(was);
    expect(faults).toEqual([]);
    const again = await get('t', 't', { copyLinks: true });
    expect(again.summary).toMatchObject({ received: 0, identical: 6 });
  });

  test('R-F2 an upload has them too', async () => {
    const { own, at, put, scene, faults } = await changing();
    plant(own, scene.outside);
    const { failures } = await put('t', 't', { copyLinks: true });
    // What lies beside the folder that is put does not lie in it.
    expect([...failures].sort()).toEqual(['t/absolute FORBIDDEN', 't/beside FORBIDDEN', ...FAILED.slice(1)]);
    expect(finalNames(at()).filter(name => name !== 't/beside')).toEqual(CAME.filter(name => name !== 't/beside'));
    expect(faults).toEqual([]);
  });

  test('a link comes as a link without it', async () => {
    const { at, got, get, scene } = await serving();
    plant(at, scene.outside);
    await get('t', 't');
    expect(readlinkSync(got('t/file'))).toBe('real/f');
  });

  test('a side that lists links all the same is told so for each', async () => {
    const entry = { path: 'l', type: 'link', size: 0, mtime_us: 1, mode: 0o777, target: 'f' };
    const served = await serve({
      host: async channel => {
        if (channel.kind === 'files.stat')
          await channel.send({ t: 'entry', entry: { ...entry, path: '', type: 'folder' } });
        if (channel.kind === 'files.list') {
          await channel.send({ t: 'entries', entries: [entry] });
          await channel.send({ t: 'done' });
        }
        if (channel.kind === 'files.get') while ((await channel.read()) !== undefined);
      },
    });
    ends.push(served.end);
    expect((await served.get('', 't', { copyLinks: true })).failures).toEqual(['t/l UNSUPPORTED']);
    expect(finalNames(served.got())).toEqual(['t/']);
  });
});

describe.each(WALKS)('a listing that follows links, walking by %s', walk => {
  async function rooted(): Promise<{ scene: Scene; root: ReadRoot; at: (name: string) => string }> {
    const scene = makeScene();
    const root = await ReadRoot.open(scene.root, { walk });
    ends.push(async () => {
      await root.close();
      scene.remove();
    });
    return { scene, root, at: name => join(scene.root, name) };
  }

  const told = (items: readonly (Entry | Problem)[]): string[] =>
    items.map(item => `${item.path} ${'error' in item ? item.error.code : item.type}`).sort();

  test('R-F2 does not go where a folder that it is in was swapped for a link out', async () => {
    const { scene, root, at } = await rooted();
    mkdirSync(at('a/b'), { recursive: true });
    for (let index = 0; index < 300; index += 1) writeFileSync(at(`a/b/${index}`), '');
    symlinkSync('a/b', at('l'));
    const seen: (Entry | Problem)[] = [];
    for await (const batch of root.list('l', { recursive: true, followLinks: true })) {
      seen.push(...batch);
      if (!existsSync(at('away'))) {
        renameSync(at('a/b'), at('away'));
        symlinkSync(scene.outside, at('a/b'));
      }
    }
    expect(seen.at(-1)).toMatchObject({ error: code('NOT_FOUND') });
    expect(told(seen).join()).not.toContain('secret');
  });

  test('R-F2 takes a link that is swapped between two batches for what it is now', async () => {
    const { scene, root, at } = await rooted();
    mkdirSync(at('d/real'), { recursive: true });
    writeFileSync(at('d/real/f'), '');
    for (let index = 0; index < 600; index += 1) symlinkSync('real', at(`d/link-${index}`));
    const seen: (Entry | Problem)[] = [];
    for await (const batch of root.list('d', { recursive: true, followLinks: true })) {
      const isFirst = seen.length === 0;
      seen.push(...batch);
      if (!isFirst) continue;
      for (let index = 0; index < 600; index += 1) {
        unlinkSync(at(`d/link-${index}`));
        symlinkSync(scene.outside, at(`d/link-${index}`));
      }
    }
    const codes = seen.flatMap(item => ('error' in item ? [item.error.code] : []));
    expect(codes.length).toBeGreaterThan(300);
    expect(new Set(codes)).toEqual(new Set(['FORBIDDEN']));
    for (const item of seen) expect('size' in item ? item.size : 0).not.toBe(SECRET.length);
  });

  test('ends at circles of any kind, and in bounded depth, and gives back its descriptors', async () => {
    const { root, at } = await rooted();
    mkdirSync(at('a/b/c'), { recursive: true });
    symlinkSync('../..', at('a/b/up'));
    symlinkSync('../../a', at('a/b/c/a'));
    symlinkSync('.', at('a/here'));
    mkdirSync(at('p'));
    mkdirSync(at('q'));
    symlinkSync('../q', at('p/q'));
    symlinkSync('../p', at('q/p'));
    const before = openDescriptors();
    const items = told(await collect(root.list('', { recursive: true, followLinks: true })));
    expect(items).toContain('a/b/up FORBIDDEN');
    expect(items).toContain('p/q folder');
    expect(items).toContain('p/q/p FORBIDDEN');
    expect(items.length).toBeLessThan(20);
    expect(told(await collect(root.list('a/b', { recursive: true, followLinks: true }))).length).toBeLessThan(20);
    let chain = 'end';
    mkdirSync(at('end'));
    for (let index = 0; index < 60; index += 1) {
      mkdirSync(at(`n${index}`));
      symlinkSync(`../${chain}`, at(`n${index}/x`));
      chain = `n${index}`;
    }
    const deep = told(await collect(root.list(chain, { recursive: true, followLinks: true })));
    expect(deep.length).toBeLessThanOrEqual(41);
    expect(deep.at(-1)).toMatch(/FORBIDDEN$/);
    expect(openDescriptors() - before).toBeLessThan(70);
  });

  test('not recursive, it lists what links lead to and does not go in', async () => {
    const { root, at } = await rooted();
    mkdirSync(at('d/sub'), { recursive: true });
    symlinkSync('d', at('l'));
    expect(told(await collect(root.list('', { recursive: false, followLinks: true })))).toEqual([
      'd folder',
      'l folder',
    ]);
  });

  test('what is left out is reached by no link, neither to it nor through a folder', async () => {
    const { root, at } = await rooted();
    mkdirSync(at('private/sub'), { recursive: true });
    mkdirSync(at('d'));
    for (const name of ['private/key', 'private/sub/key', 'd/key.pem', 'd/open']) writeFileSync(at(name), SECRET);
    symlinkSync('private/key', at('link'));
    symlinkSync('private', at('folder'));
    symlinkSync('../private/sub', at('d/sub'));
    symlinkSync('key.pem', at('d/pem'));
    symlinkSync('d', at('fine'));
    const store: ReadStore = new FilteredStore(root, excluder(['/private', '*.pem']));
    for (const path of [
      'private/key',
      'link',
      'folder/key',
      'folder/sub/key',
      'd/sub/key',
      'd/pem',
      'fine/pem',
      'fine/key.pem',
      'fine/sub/key',
    ]) {
      await expect(store.open(path), path).rejects.toEqual(code('NOT_FOUND'));
      await expect(store.stat(path), path).rejects.toEqual(code('NOT_FOUND'));
    }
    for (const path of ['folder', 'd/sub', 'fine/sub', 'folder/sub']) {
      await expect(store.stat(path), path).rejects.toEqual(code('NOT_FOUND'));
      await expect(collect(store.list(path, { recursive: true })), path).rejects.toEqual(code('NOT_FOUND'));
    }
    expect(await readAll(await store.open('fine/open'))).toBe(SECRET);
    expect(told(await collect(store.list('', { recursive: true, followLinks: true })))).toEqual([
      'd folder',
      'd/open file',
      'd/pem NOT_FOUND',
      'd/sub NOT_FOUND',
      'fine folder',
      'fine/open file',
      'fine/pem NOT_FOUND',
      'fine/sub NOT_FOUND',
      'folder NOT_FOUND',
      'link NOT_FOUND',
    ]);
  });

  test('R-F2 what is left out is not read by a link that is swapped right before it is opened', async () => {
    const { root, at } = await rooted();
    writeFileSync(at('open'), 'open');
    writeFileSync(at('secret'), SECRET);
    symlinkSync('open', at('link'));
    const store = new FilteredStore(root, excluder(['secret']));
    expect((await store.stat('link')).size).toBe(4);
    rmSync(at('link'));
    symlinkSync('secret', at('link'));
    await expect(store.open('link')).rejects.toEqual(code('NOT_FOUND'));
  });
});

test('an offer of one file has no links to follow', async () => {
  const scene = makeScene();
  ends.push(() => scene.remove());
  writeFileSync(join(scene.root, 'f'), 'one');
  symlinkSync('f', join(scene.root, 'l'));
  const offer = await openOffer(join(scene.root, 'l'));
  ends.push(() => offer.close());
  expect(await readAll(await offer.open(''))).toBe('one');
});
