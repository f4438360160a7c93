import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, symlinkSync, utimesSync } from 'node:fs';
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

  test('removes nothing after a transfer with a failure', async () => {
    const { source, target, sync } = await makeSync(direction);
    fill(source, { name: 'a file', other: '' });
    fill(target, { 'name/x.log': '', gone: '' });
    const { summary } = await sync({ delete: true, exclude: excluder(['*.log']) });
    expect(summary).toMatchObject({ failed: 1, removed: 0 });
    expect(existsSync(join(target, 'gone'))).toBe(true);
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
