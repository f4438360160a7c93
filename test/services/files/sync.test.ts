import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, statSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { excluder } from '../../../src/services/files/exclude.ts';
import { code, namesBelow } from './served.ts';
import { DIRECTIONS, fill, makeSync, planned } from './synced.ts';

const MiB = 1024 * 1024;

describe.each(DIRECTIONS)('syncing %s', direction => {
  test('replaces what differs, skips what is the same, and removes nothing unasked', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { same: 'same', changed: 'new', 'deep/er/file': 'file', extra: '' });
    fill(target, { same: 'same', changed: 'old content', more: 'more' });
    symlinkSync('same', join(source, 'link'));
    const { summary } = await sync();
    expect(summary).toMatchObject({ identical: 1, failed: 0, removed: 0 });
    expect(namesBelow(target)).toEqual([...namesBelow(source), 'more'].sort());
    expect(readFileSync(join(target, 'changed'), 'utf8')).toBe('new');
    const again = await sync();
    expect(again.summary).toMatchObject({ received: 0, identical: 5, failed: 0 });
  });

  test('with delete removes what the source does not have, folders too, and follows no link', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { keep: '1', 'both/keep': '2' });
    fill(target, {
      gone: '',
      'both/gone': '',
      'away/a/b': '',
      'away/c': '',
      'away2/d': '',
      '../outside/file': 'stays',
    });
    symlinkSync('../outside', join(target, 'link'));
    for (let index = 0; index < 600; index += 1) fill(target, { [`many/${index}`]: '' });
    const { summary } = await sync({ delete: true });
    expect(summary).toMatchObject({ failed: 0, removed: 601 + 9 });
    expect(namesBelow(target)).toEqual(namesBelow(source));
    expect(existsSync(join(target, '../outside/file'))).toBe(true);
  });

  test('folders keep the times of the source though something was removed in them', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { 'a/b/keep': '1', 'a/file': '2', 'left/out': '3' });
    fill(target, { 'a/b/gone': '', 'a/gone/too': '', 'left/out': '4' });
    for (const folder of ['a/b', 'a', 'left']) utimesSync(join(source, folder), 1_500_000_000, 1_500_000_000.25);
    utimesSync(join(target, 'left'), 1, 1);
    const { summary, events } = await sync({ delete: true, exclude: excluder(['left/']) });
    expect(summary).toMatchObject({ received: 2, failed: 0, removed: 3 });
    expect(events.filter(({ type }) => type === 'counted')).toHaveLength(1);
    for (const folder of ['a/b', 'a']) expect(statSync(join(target, folder)).mtimeMs).toBe(1_500_000_000_250);
    expect(statSync(join(target, 'left')).mtimeMs).toBe(1000);
    expect(readFileSync(join(target, 'left/out'), 'utf8')).toBe('4');
  });

  test('what is excluded is neither transferred nor removed, nor are partials', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { 'a.log': 'theirs', 'sub/b.log': '', 'cache/x': '', 'sub/c': '' });
    fill(target, {
      'a.log': 'mine',
      'old/b.log': '',
      'old/c': '',
      'cache/y': '',
      'old2/x.0-00000000.postern-part': '1',
    });
    const { summary } = await sync({ delete: true, exclude: excluder(['*.log', 'cache/']) });
    expect(summary).toMatchObject({ received: 1, failed: 0, removed: 1 });
    expect(namesBelow(target)).toEqual(
      [
        'a.log',
        'cache/',
        'cache/y',
        'old/',
        'old/b.log',
        'old2/',
        'old2/x.0-00000000.postern-part',
        'sub/',
        'sub/c',
      ].sort(),
    );
    expect(readFileSync(join(target, 'a.log'), 'utf8')).toBe('mine');
  });

  test('leaves what may not go, and the folders that it is in', async () => {
    const { target, sync } = await makeSync(direction);
    fill(target, { 'old/a': '', 'old/b': '', 'other/c': '', d: '' });
    const { summary, events } = await sync({ delete: true, mayRemove: path => path !== 'old/a' && path !== 'd' });
    expect(summary).toMatchObject({ failed: 0, removed: 3 });
    expect(namesBelow(target)).toEqual(['d', 'old/', 'old/a']);
    expect(events.filter(({ type }) => type === 'failed')).toEqual([]);
  });

  test('removes nothing after a transfer with a failure', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { name: 'a file', other: '' });
    fill(target, { 'name/x.log': '', gone: '' });
    const { summary } = await sync({ delete: true, exclude: excluder(['*.log']) });
    expect(summary).toMatchObject({ failed: 1, removed: 0 });
    expect(existsSync(join(target, 'gone'))).toBe(true);
  });

  test('with links copied has what they lead to, plans it so, and removes what neither has', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { 'real/file': 'real', other: '' });
    fill(target, { gone: '', 'link/gone': '', '../outside/file': 'stays' });
    symlinkSync('real', join(source, 'link'));
    symlinkSync('real/file', join(source, 'to-file'));
    symlinkSync('../outside', join(target, 'out'));
    const options = { copyLinks: true, delete: true };
    const dry = await sync({ ...options, dryRun: true });
    expect(planned(dry.events)).toEqual(
      [
        'new link/file',
        'new other',
        'new real',
        'new real/file',
        'new to-file',
        'remove gone',
        'remove link/gone',
        'remove out',
      ].sort(),
    );
    const { summary } = await sync(options);
    expect(summary).toEqual(dry.summary);
    expect(namesBelow(target)).toEqual(['link/', 'link/file', 'other', 'real/', 'real/file', 'to-file']);
    expect(readFileSync(join(target, 'to-file'), 'utf8')).toBe('real');
    expect(lstatSync(join(target, 'link')).isDirectory()).toBe(true);
    expect(existsSync(join(target, '../outside/file'))).toBe(true);
    expect((await sync(options)).summary).toMatchObject({ received: 0, identical: 4, removed: 0, failed: 0 });
  });

  test.each([
    ['out', '../outside'],
    ['round', '.'],
    ['nowhere', 'nothing'],
  ])('with links copied removes nothing where one leads %s', async (_, to) => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { file: '' });
    fill(target, { gone: '' });
    symlinkSync(to, join(source, 'link'));
    const { summary } = await sync({ copyLinks: true, delete: true });
    expect(summary).toMatchObject({ received: 1, failed: 1, removed: 0 });
    expect(namesBelow(target)).toEqual(['file', 'gone']);
  });

  test('with links copied sends nothing of what is left out', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { 'private/key': 'secret', file: '' });
    symlinkSync('private/key', join(source, 'link'));
    const { summary } = await sync({ copyLinks: true, exclude: excluder(['private/']) });
    // Here what a link of the other side leads to is known to that side alone, and it may be read there in any case.
    expect(summary).toMatchObject({ failed: direction === 'up' ? 1 : 0 });
    expect(namesBelow(target)).toEqual(direction === 'up' ? ['file'] : ['file', 'link']);
  });

  test('a dry run says what a run then does, and changes nothing', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { same: 'same', touched: 'same', changed: 'new', 'deep/file': 'file', 'x.log': '' });
    fill(target, { same: 'same', touched: 'same', changed: 'old', more: '', 'gone/a': '', 'kept/b.log': '' });
    utimesSync(join(source, 'same'), 5, 5);
    utimesSync(join(target, 'same'), 5, 5);
    const before = namesBelow(target);
    const options = { delete: true, exclude: excluder(['*.log']) };
    const { summary, events } = await sync({ ...options, dryRun: true });
    expect(planned(events)).toEqual(
      ['new deep', 'new deep/file', 'replace changed', 'remove gone', 'remove gone/a', 'remove more'].sort(),
    );
    expect(namesBelow(target)).toEqual(before);
    expect(readFileSync(join(target, 'changed'), 'utf8')).toBe('old');
    const real = await sync(options);
    expect(real.summary).toEqual(summary);
  });

  test('sends of a large file only what has changed', async () => {
    const { source, target, sync, sent } = await makeSync(direction);
    const before = randomBytes(16 * MiB);
    fill(target, { big: before });
    fill(source, { big: Buffer.concat([before.subarray(0, 8 * MiB), randomBytes(MiB), before.subarray(8 * MiB)]) });
    const { summary, events } = await sync();
    expect(summary).toMatchObject({ received: 1, failed: 0 });
    expect(sent()).toBeLessThan(1.5 * MiB);
    expect(events.some(({ type }) => type === 'kept')).toBe(true);
    expect(readFileSync(join(target, 'big')).equals(readFileSync(join(source, 'big')))).toBe(true);
  });
});

describe('what the host allows', () => {
  test('without delete nothing is synced to it', async () => {
    const { source, target, sync } = await makeSync('up', { allow: ['read', 'write'] });
    fill(source, { file: '' });
    await expect(sync()).rejects.toEqual(code('FORBIDDEN'));
    expect(namesBelow(target)).toEqual([]);
  });

  test('without read a changed file comes whole: the host tells nothing of what it has', async () => {
    const { source, target, sync, sent } = await makeSync('up', { allow: ['write', 'delete'] });
    const before = randomBytes(4 * MiB);
    fill(target, { big: before });
    fill(source, { big: Buffer.concat([before, Buffer.from('x')]) });
    const { summary, events } = await sync();
    expect(summary).toMatchObject({ received: 1, failed: 0 });
    expect(sent()).toBeGreaterThan(4 * MiB);
    expect(events.some(({ type }) => type === 'kept')).toBe(false);
  });
});
