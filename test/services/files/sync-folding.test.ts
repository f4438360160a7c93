import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { foldPath } from '../../../src/services/files/syncing/fold.ts';
import { foldingChanges, foldingRead } from './folding-stores.ts';
import { namesBelow } from './served.ts';
import { DIRECTIONS, fill, makeSync, planned, type SyncScene } from './synced.ts';

const NFC = '\u00e9t\u00e9';
const NFD = 'e\u0301te\u0301';

/** The target's disk folds names; the stores come to know its folder with the scene. */
async function makeFolding(direction: 'down' | 'up'): Promise<SyncScene> {
  let target = '';
  const late = <T extends object>(make: () => T): T =>
    new Proxy({} as T, { get: (_, name) => Reflect.get(make(), name) });
  const scene = await makeSync(direction, {
    targetStore: root => late(() => foldingRead(root, target)),
    changeStore: root => late(() => foldingChanges(root, target)),
  });
  target = scene.target;
  return scene;
}

describe.each(DIRECTIONS)('a sync %s to a disk that takes names for one', direction => {
  test('removes nothing that it has just written, whatever the spelling there', async () => {
    const { source, target, sync } = await makeFolding(direction);
    fill(source, { Readme: 'new', 'Docs/Guide': 'new', [NFC]: 'new', [`${NFC}s/x`]: '', same: '' });
    fill(target, { readme: 'old!', 'docs/guide': 'old!', [NFD]: 'old!', [`${NFD}s/x`]: '', same: '' });
    fill(target, { gone: '', 'docs/gone': '', 'gone2/a': '' });
    const plan = await sync({ delete: true, dryRun: true });
    expect(planned(plan.events).filter(line => line.startsWith('remove'))).toEqual(
      ['gone', 'docs/gone', 'gone2', 'gone2/a'].map(path => `remove ${path}`).sort(),
    );
    const { summary, failures } = await sync({ delete: true });
    expect(failures).toEqual([]);
    expect(summary).toEqual(plan.summary);
    expect(summary).toMatchObject({ received: 3, removed: 4 });
    expect(namesBelow(target).filter(name => !name.endsWith('/'))).toEqual(
      ['docs/guide', 'readme', NFD, `${NFD}s/x`, 'same'].sort(),
    );
    for (const name of ['readme', 'docs/guide', NFD]) expect(readFileSync(join(target, name), 'utf8')).toBe('new');
    expect((await sync({ delete: true })).summary).toMatchObject({ received: 0, removed: 0, failed: 0 });
  });

  test('replaces a folder by a file of another spelling, once what is in it was agreed to', async () => {
    const { source, target, sync } = await makeFolding(direction);
    fill(source, { docs: 'a file' });
    fill(target, { 'Docs/deep/in': '' });
    const plan = await sync({ delete: true, dryRun: true });
    const agreed = new Set(plan.events.flatMap(event => (event.type === 'planned' ? [event.path] : [])));
    const { summary, failures } = await sync({ delete: true, mayRemove: path => agreed.has(path) });
    expect(failures).toEqual([]);
    expect(summary).toEqual(plan.summary);
    expect(summary).toMatchObject({ received: 1, removed: 2 });
    expect(namesBelow(target).map(name => name.toLowerCase())).toEqual(['docs']);
  });
});

describe.each(DIRECTIONS)('of two files that the disk takes for one, a sync %s', direction => {
  // Over 64 KiB, so that they come one after the other.
  const twins = { 'd/Readme': Buffer.alloc(100_000, '1'), 'd/README': Buffer.alloc(100_000, '2') };

  test('leaves the earlier and names the later, in a folder that it made', async () => {
    const { source, target, sync } = await makeFolding(direction);
    fill(source, twins);
    const { summary, failures } = await sync();
    expect(summary).toMatchObject({ received: 1, failed: 1 });
    const [kept] = namesBelow(join(target, 'd'));
    const other = kept === 'Readme' ? 'README' : 'Readme';
    expect(failures).toEqual([`d/${other} EXISTS`]);
    expect(namesBelow(target)).toEqual(['d/', `d/${kept}`]);
    expect(readFileSync(join(target, 'd', kept!))).toEqual(twins[`d/${kept}` as keyof typeof twins]);
  });

  test('replaces what was there by one after the other, in a folder that was there', async () => {
    const { source, target, sync } = await makeFolding(direction);
    fill(source, twins);
    fill(target, { 'd/readme': 'old' });
    const { summary, failures } = await sync();
    expect(failures).toEqual([]);
    expect(summary).toMatchObject({ received: 2 });
    expect(namesBelow(target)).toEqual(['d/', 'd/readme']);
    expect(Object.values(twins)).toContainEqual(readFileSync(join(target, 'd/readme')));
  });
});

describe.each(DIRECTIONS)('a sync %s to a disk that tells names apart', direction => {
  test('removes those that the source has in another spelling only', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { Readme: '1', 'Docs/Guide': '2', [NFC]: '3' });
    fill(target, { readme: '1', 'docs/guide': '2', 'docs/more': '', 'DOCS/Guide': '', [NFD]: '3', 'Docs/guide': '4' });
    const plan = await sync({ delete: true, dryRun: true });
    const { summary, failures } = await sync({ delete: true });
    expect(failures).toEqual([]);
    expect(namesBelow(target)).toEqual(namesBelow(source));
    expect(summary).toEqual(plan.summary);
    expect(summary.removed).toBe(8);
  });

  test('leaves one of which the source has several spellings, since it might be any of them', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { 'd/Readme': '', 'd/README': '' });
    fill(target, { 'd/readme': 'stays', 'd/x': '' });
    expect((await sync({ delete: true })).summary).toMatchObject({ removed: 1, failed: 0 });
    expect(readFileSync(join(target, 'd/readme'), 'utf8')).toBe('stays');
  });
});

test('what some disk takes for one has one folded form', () => {
  const alike = [
    ['Readme', 'README', 'readme'],
    [NFC, NFD, NFC.toUpperCase()],
    ['stra\u00dfe', 'STRASSE', 'STRA\u1e9eE'],
    ['\u03c3', '\u03c2', '\u03a3'],
    ['\u212a', 'k', 'K'],
    ['a\u200db', 'ab'],
    ['\udc80A', '\udc80a'],
  ];
  for (const names of alike) expect(new Set(names.map(foldPath)).size, names.join()).toBe(1);
  expect(new Set(['a', 'b', 'a/b', '\udc80', '\udc81', 'e', '\u00e9'].map(foldPath)).size).toBe(7);
});
