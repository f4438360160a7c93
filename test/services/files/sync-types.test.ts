import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { excluder } from '../../../src/services/files/exclude.ts';
import { filePortsOf, portsOf } from './ports.ts';
import { namesBelow } from './served.ts';
import { DIRECTIONS, fill, makeSync, planned } from './synced.ts';

describe.each(DIRECTIONS)('a sync %s, where something has another type', direction => {
  test('puts a folder in the place of a file, a link and a link to a folder', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { 'file/in': '1', 'link/in': '2', 'to-folder/in': '3' });
    fill(target, { file: 'was a file', '../outside/in': 'stays' });
    symlinkSync('nowhere', join(target, 'link'));
    symlinkSync('../outside', join(target, 'to-folder'));
    const plan = await sync({ dryRun: true });
    expect(planned(plan.events).filter(line => line.startsWith('replace'))).toEqual(
      ['replace file', 'replace link', 'replace to-folder'].sort(),
    );
    const { summary, failures } = await sync();
    expect(failures).toEqual([]);
    expect(summary).toEqual(plan.summary);
    expect(namesBelow(target)).toEqual(namesBelow(source));
    expect(lstatSync(join(target, 'to-folder')).isDirectory()).toBe(true);
    expect(readFileSync(join(target, '../outside/in'), 'utf8')).toBe('stays');
  });

  test('leaves a folder where the source has a file or link, and names --delete', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { file: 'a file', other: '' });
    symlinkSync('other', join(source, 'link'));
    fill(target, { 'file/in': '', 'link/in': '' });
    for (const dryRun of [true, false]) {
      const { failures, events, summary } = await sync({ dryRun });
      expect(failures).toEqual(['file EXISTS', 'link EXISTS']);
      const reasons = events.flatMap(event => (event.type === 'failed' ? [event.error.message] : []));
      expect(reasons.every(reason => reason.includes('--delete'))).toBe(true);
      expect(summary).toMatchObject({ failed: 2, received: 1, removed: 0 });
      expect(existsSync(join(target, 'file/in')) && existsSync(join(target, 'link/in'))).toBe(true);
    }
  });

  test('with delete removes that folder with all in it, follows no link, and counts what went', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { file: 'a file', keep: '' });
    symlinkSync('keep', join(source, 'link'));
    fill(target, { 'file/a/b': '', 'file/c': '', 'link/d': '', gone: '', '../outside/in': 'stays' });
    symlinkSync('../../outside', join(target, 'file/out'));
    const plan = await sync({ delete: true, dryRun: true });
    expect(planned(plan.events)).toEqual(
      [
        'new keep',
        'replace file',
        'replace link',
        ...['file/a', 'file/a/b', 'file/c', 'file/out', 'link/d', 'gone'].map(path => `remove ${path}`),
      ].sort(),
    );
    const { summary, failures } = await sync({ delete: true });
    expect(failures).toEqual([]);
    expect(summary).toEqual(plan.summary);
    expect(summary.removed).toBe(6);
    expect(namesBelow(target)).toEqual(['file', 'keep', 'link']);
    expect(readlinkSync(join(target, 'link'))).toBe('keep');
    expect(readFileSync(join(target, '../outside/in'), 'utf8')).toBe('stays');
  });

  test.each([
    ['left out', 'file/deep/x.log'],
    ['a partial', 'file/deep/x.0-00000000.postern-part'],
  ])('keeps such a folder if something in it is %s', async (_, kept) => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { file: 'a file' });
    fill(target, { [kept]: '', 'file/other': '' });
    for (const dryRun of [true, false]) {
      const { failures, summary } = await sync({ delete: true, exclude: excluder(['*.log']), dryRun });
      expect(failures).toEqual(['file EXISTS']);
      expect(summary.removed).toBe(0);
      expect(existsSync(join(target, 'file/other'))).toBe(true);
    }
  });

  test.each(['file/new', 'file/deep/new'])(
    'keeps such a folder if %s came there after what may go was agreed',
    async came => {
      const { source, target, sync } = await makeSync(direction);
      fill(source, { file: 'a file', gone: 'a file' });
      fill(target, { 'file/deep/old': '', 'gone/deep/old': '' });
      const plan = await sync({ delete: true, dryRun: true });
      const agreed = new Set(plan.events.flatMap(event => (event.type === 'planned' ? [event.path] : [])));
      fill(target, { [came]: 'mine' });
      const { failures, summary } = await sync({ delete: true, mayRemove: path => agreed.has(path) });
      expect(failures).toEqual(['file EXISTS']);
      expect(summary).toMatchObject({ received: 1, removed: 2 });
      expect(readFileSync(join(target, came), 'utf8')).toBe('mine');
      expect(existsSync(join(target, 'file/deep/old'))).toBe(true);
      expect(readFileSync(join(target, 'gone'), 'utf8')).toBe('a file');
    },
  );

  test('does not replace what is left out', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { 'thing/in': '' });
    fill(target, { thing: 'mine' });
    const exclude = excluder(['thing', '!thing/']);
    for (const dryRun of [true, false]) {
      const { failures } = await sync({ delete: true, exclude, dryRun });
      expect(failures[0]).toBe('thing EXISTS');
      expect(readFileSync(join(target, 'thing'), 'utf8')).toBe('mine');
    }
  });

  test('keeps the folder until the file in its place is whole', async () => {
    const { source, target, sync } = await makeSync(direction, {
      changeStore: root => ({
        ...portsOf(root),
        create: async (path, options) => {
          const file = await root.create(path, options);
          return { ...filePortsOf(file), write: () => Promise.reject(new LineError('NO_SPACE', 'full')) };
        },
      }),
    });
    fill(source, { file: 'a file' });
    fill(target, { 'file/in': '' });
    const { failures, summary } = await sync({ delete: true });
    expect(failures).toEqual(['file NO_SPACE']);
    expect(summary.removed).toBe(0);
    expect(existsSync(join(target, 'file/in'))).toBe(true);
  });
});

describe('what the host of a sync allows', () => {
  test('R-F10 without read nothing changes its type, because nobody could tell what is left out', async () => {
    const { source, target, sync } = await makeSync('up', { allow: ['write', 'delete'] });
    fill(source, { file: '', 'folder/in': '' });
    fill(target, { 'file/in': '', folder: '' });
    const { failures } = await sync();
    expect(failures).toEqual(['file EXISTS', 'folder EXISTS', 'folder/in EXISTS']);
    expect(existsSync(join(target, 'file/in'))).toBe(true);
  });
});

describe.each(DIRECTIONS)('a sync %s of what is the same but for time or mode', direction => {
  test('gives it those without sending it, and has nothing to do the next time', async () => {
    const { source, target, sync, sent } = await makeSync(direction);
    const content = Buffer.alloc(300_000, 'x');
    for (const folder of [source, target]) fill(folder, { time: content, mode: content, both: content });
    for (const name of ['time', 'mode', 'both']) utimesSync(join(source, name), 1_000_000_000, 1_000_000_000.25);
    utimesSync(join(target, 'mode'), 1_000_000_000, 1_000_000_000.25);
    for (const name of ['mode', 'both']) chmodSync(join(source, name), 0o4640);
    for (const name of ['mode', 'both']) chmodSync(join(target, name), 0o755);
    const before = sent();
    const { summary, failures } = await sync();
    expect(failures).toEqual([]);
    expect(summary).toMatchObject({ received: 0, identical: 3 });
    expect(sent() - before).toBeLessThan(100_000);
    for (const name of ['time', 'mode', 'both']) {
      const [theirs, ours] = [statSync(join(source, name)), statSync(join(target, name))];
      expect(ours.mtimeMs, name).toBe(theirs.mtimeMs);
      expect(ours.mode & 0o7777, `R-F4 ${name}`).toBe(theirs.mode & 0o777);
    }
  });

  test('R-F2 passes no link and touches nothing that became something else', async () => {
    const { source, target, sync } = await makeSync(direction, {
      changeStore: root => ({
        ...portsOf(root),
        setAttributes: async (path, judged, attributes) => {
          // Swapped between judging and touching.
          renameSync(join(target, path), join(target, '../outside', `was ${path}`));
          if (path === 'link') symlinkSync('../outside/was link', join(target, path));
          if (path === 'folder') mkdirSync(join(target, path));
          if (path === 'changed') fill(target, { [path]: 'changed meanwhile' });
          return root.setAttributes(path, judged, attributes);
        },
      }),
    });
    for (const folder of [source, target]) fill(folder, { link: '1', folder: '2', changed: '3', gone: '4' });
    for (const name of ['link', 'folder', 'changed', 'gone']) utimesSync(join(source, name), 5, 5);
    const { failures } = await sync();
    expect(failures).toEqual(['changed CHANGED', 'folder NOT_A_FILE', 'gone NOT_FOUND', 'link NOT_A_FILE']);
    expect(readFileSync(join(target, 'changed'), 'utf8')).toBe('changed meanwhile');
    expect(statSync(join(target, '../outside/was link')).mtimeMs).toBeGreaterThan(5000);
  });
});
