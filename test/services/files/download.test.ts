import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { makeSha256 } from '../../../src/node/files/folder-service.ts';
import { download } from '../../../src/services/files/receiving/download.ts';
import { snapshot } from '../../node/files/scene.ts';
import { code, finalNames, namesBelow, type Served, serve } from './served.ts';

let served: Served;
let outside: string[];

beforeEach(async () => {
  served = await serve();
  outside = snapshot(served.scene.outside);
});

afterEach(async () => {
  expect(snapshot(served.scene.outside)).toEqual(outside);
  expect(served.faults).toEqual([]);
  await served.end();
});

describe('a download', () => {
  test('of a file gives it the name that was asked for, with time and mode', async () => {
    const { at, got, get } = served;
    writeFileSync(at('report'), 'content', { mode: 0o604 });
    chmodSync(at('report'), 0o604);
    utimesSync(at('report'), 1, 1_600_000_000 + 0.123_457_5);
    const { summary, events } = await get('report', 'mine/here');
    expect(summary).toEqual({ received: 1, identical: 0, skipped: 0, failed: 0, bytes: 7 });
    expect(readFileSync(got('mine/here'), 'utf8')).toBe('content');
    expect(statSync(got('mine/here')).mode & 0o7777).toBe(0o604);
    expect(Math.round(statSync(got('mine/here')).mtimeMs * 1000)).toBe(1_600_000_000_123_457);
    expect(events.map(event => event.type)).toEqual(['found', 'counted', 'finished']);
  });

  test('of a folder brings all in it: nested and empty folders, empty files, inner links, times', async () => {
    const { at, got, get } = served;
    mkdirSync(at('tree/a/b/c'), { recursive: true });
    mkdirSync(at('tree/hollow/hollow'), { recursive: true });
    writeFileSync(at('tree/empty'), '');
    writeFileSync(at('tree/a/b/file'), 'deep');
    const big = randomBytes(2_500_001);
    writeFileSync(at('tree/a/big'), big);
    symlinkSync('../empty', at('tree/a/link'));
    symlinkSync('nowhere', at('tree/a/dangling'));
    chmodSync(at('tree/a/b'), 0o750);
    for (const [index, name] of ['a/b/c', 'a/b/file', 'a/b', 'a/big', 'a', 'empty', 'hollow', ''].entries()) {
      utimesSync(at(`tree/${name}`), 1, 1_500_000_000 + index * 1000 + 0.000_001_5);
    }
    const { summary, failures } = await get('tree', 'tree');
    expect(failures).toEqual([]);
    expect(summary).toMatchObject({ received: 5, failed: 0, bytes: 2_500_005 });
    expect(namesBelow(got('tree'))).toEqual(namesBelow(at('tree')));
    expect(readFileSync(got('tree/a/big')).equals(big)).toBe(true);
    expect(readlinkSync(got('tree/a/link'))).toBe('../empty');
    for (const name of ['', 'a', 'a/b', 'a/b/c', 'a/b/file', 'a/big', 'empty', 'hollow', 'hollow/hollow']) {
      const [ours, theirs] = [statSync(got(`tree/${name}`)), statSync(at(`tree/${name}`))];
      expect(Math.round(ours.mtimeMs * 1000), name).toBe(Math.round(theirs.mtimeMs * 1000));
      expect(ours.mode, name).toBe(theirs.mode);
    }
  });

  test('of the served folder into the store itself changes neither mode nor time of the store’s root', async () => {
    const { at, got, get } = served;
    writeFileSync(at('f'), 'f');
    chmodSync(at(), 0o777);
    chmodSync(got(), 0o700);
    await get('', '');
    expect(statSync(got()).mode & 0o777).toBe(0o700);
    expect(readdirSync(got())).toEqual(['f']);
  });

  test('asks for the top no more where that was done before', async () => {
    const { at, got, files, store } = served;
    mkdirSync(at('folder'));
    writeFileSync(at('folder/file'), 'content');
    utimesSync(at('folder'), 1, 1_600_000_000);
    const root = await files.stat('folder');
    const stat = vi.spyOn(files, 'stat');
    const { received } = await download(files, store, { from: 'folder', to: 'folder', root }, { makeSha256 });
    expect([received, stat.mock.calls.length]).toEqual([1, 0]);
    expect(statSync(got('folder')).mtimeMs).toBe(1_600_000_000_000);
  });

  test('leaves out a link that leaves, by name, and brings the rest', async () => {
    const { at, got, get } = served;
    symlinkSync('../outside/secret', at('leaving'));
    symlinkSync('/etc/passwd', at('absolute'));
    writeFileSync(at('good'), 'good');
    const { failures, summary } = await get('', '');
    expect([...failures].sort()).toEqual(['absolute BAD_NAME', 'leaving BAD_NAME']);
    expect(summary).toMatchObject({ received: 1, failed: 2 });
    expect(readdirSync(got())).toEqual(['good']);
  });

  test('through a link at the host that stays inside brings what it points to', async () => {
    const { at, got, get } = served;
    mkdirSync(at('real'));
    writeFileSync(at('real/f'), 'f');
    symlinkSync('real', at('shortcut'));
    await get('shortcut', 'copy');
    await get('shortcut/f', 'f');
    expect(namesBelow(got())).toEqual(['copy/', 'copy/f', 'f']);
  });

  test.skipIf(process.platform === 'win32')(
    'keeps names with newlines and control characters, byte for byte',
    async () => {
      const { at, got, get } = served;
      const names = ['a\nb', '\u001b[31m', 'tab\t', '\u007f', '\u202eabc', ' ', '-rf', '*', '\\', 'é', 'e\u0301'];
      mkdirSync(at('f\n'));
      for (const name of names) writeFileSync(at(`f\n/${name}`), name);
      await get('', '');
      expect(readdirSync(got('f\n')).sort()).toEqual([...names].sort());
      for (const name of names) expect(readFileSync(got(`f\n/${name}`), 'utf8')).toBe(name);
    },
  );

  test.skipIf(process.platform !== 'linux')('keeps names that are not UTF-8, of files, folders and links', async () => {
    const { at, got, get } = served;
    const within = (folder: string, ...names: Buffer[]) =>
      Buffer.concat([Buffer.from(folder), ...names.flatMap(name => [Buffer.from('/'), name])]);
    const [folder, name, link] = [Buffer.of(0xfe, 0x41), Buffer.of(0xff, 0xc3), Buffer.of(0x80)];
    mkdirSync(within(at(), folder));
    writeFileSync(within(at(), folder, name), 'bytes');
    symlinkSync(name, within(at(), folder, link));
    const { failures } = await get('', '');
    expect(failures).toEqual([]);
    expect(readFileSync(within(got(), folder, name), 'utf8')).toBe('bytes');
    expect(readlinkSync(within(got(), folder, link), 'buffer').equals(name)).toBe(true);
  });

  test('R-F4 never brings setuid, setgid or sticky', async () => {
    const { at, got, get } = served;
    writeFileSync(at('setuid'), 'x');
    chmodSync(at('setuid'), 0o6755);
    mkdirSync(at('sticky'));
    chmodSync(at('sticky'), 0o1755);
    await get('', '');
    expect(statSync(got('setuid')).mode & 0o7777).toBe(0o755);
    expect(statSync(got('sticky')).mode & 0o7777).toBe(0o755);
  });

  test('fills a folder that may only be read in the end', async () => {
    const { at, got, get } = served;
    mkdirSync(at('locked'));
    writeFileSync(at('locked/f'), 'f');
    chmodSync(at('locked'), 0o500);
    expect((await get('', '')).failures).toEqual([]);
    expect(statSync(got('locked')).mode & 0o777).toBe(0o500);
    chmodSync(at('locked'), 0o700);
    chmodSync(got('locked'), 0o700);
  });

  test.skipIf(process.platform === 'win32')('of something that is neither file nor folder fails by name', async () => {
    const { at, get, got } = served;
    execFileSync('mkfifo', [at('fifo')]);
    writeFileSync(at('file'), 'x');
    const { failures, summary } = await get('', '');
    expect(failures).toEqual(['fifo NOT_A_FILE']);
    expect(summary.received).toBe(1);
    await expect(get('fifo', 'fifo')).rejects.toEqual(code('NOT_A_FILE'));
    expect(readdirSync(got())).toEqual(['file']);
  });

  test('of nothing, and of something outside, fails as a whole', async () => {
    await expect(served.get('nothing', 'x')).rejects.toEqual(code('NOT_FOUND'));
    await expect(served.get('../outside/secret', 'x')).rejects.toEqual(code('BAD_NAME'));
    expect(readdirSync(served.got())).toEqual([]);
  });

  test('R-F1 to a name outside the store is refused by the store', async () => {
    writeFileSync(served.at('f'), 'f');
    mkdirSync(served.at('d'));
    for (const to of ['../escaped', '/tmp/postern-escaped', 'a/../../b', '.', 'a/']) {
      expect((await served.get('f', to)).failures, to).toEqual([`${to} BAD_NAME`]);
      await expect(served.get('d', to), to).rejects.toEqual(code('BAD_NAME'));
    }
    expect(readdirSync(served.got())).toEqual([]);
    expect(readdirSync(served.scene.base).sort()).toEqual(['outside', 'root', 'target']);
  });

  test('adds up what it found, what came and what it says in the end', async () => {
    const { at, get } = served;
    for (let n = 0; n < 40; n += 1) writeFileSync(at(`f${n}`), randomBytes(n * 5000));
    const { events, summary } = await get('', 'to');
    const sum = (type: string) =>
      events.reduce((total, event) => {
        if (event.type !== type) return total;
        if (event.type === 'progress') return total + event.bytes;
        return 'size' in event ? total + event.size : total;
      }, 0);
    expect(sum('found')).toBe(summary.bytes);
    // Small files come in one step, which their end tells.
    const small = events.filter(event => event.type === 'finished' && event.size <= 64 * 1024);
    expect(small.length).toBeGreaterThan(10);
    const smallBytes = small.reduce((total, event) => total + ('size' in event ? event.size : 0), 0);
    expect(sum('started')).toBe(summary.bytes - smallBytes);
    expect(sum('progress')).toBe(summary.bytes - smallBytes);
    expect(sum('finished')).toBe(summary.bytes);
    expect(events.filter(event => event.type === 'counted')).toHaveLength(1);
    expect(events.findLastIndex(event => event.type === 'found')).toBeLessThan(
      events.findIndex(event => event.type === 'counted'),
    );
  });
});

describe('R-F6 where a name is taken', () => {
  const old = (text: string, time = 1_000_000_000): void => {
    writeFileSync(served.got('f'), text);
    utimesSync(served.got('f'), time, time);
  };
  const source = (text: string, time = 1_000_000_000): void => {
    writeFileSync(served.at('f'), text);
    utimesSync(served.at('f'), time, time);
  };
  const content = (): string => readFileSync(served.got('f'), 'utf8');

  test.each([
    ['refuse', 'old', { failed: 1 }],
    ['force', 'newer', { received: 1 }],
    ['update', 'newer', { received: 1 }],
    ['skip', 'old', { skipped: 1 }],
  ] as const)('%s of an older file that differs', async (conflict, expected, counts) => {
    old('old');
    source('newer', 1_000_000_001);
    const { summary, failures } = await served.get('f', 'f', { conflict });
    expect(summary).toMatchObject(counts);
    expect(failures).toEqual(conflict === 'refuse' ? ['f EXISTS'] : []);
    expect(content()).toBe(expected);
    expect(namesBelow(served.got())).toEqual(['f']);
  });

  test('update leaves what is newer, or of the same time', async () => {
    old('ours is newer', 1_000_000_002);
    source('theirs', 1_000_000_001);
    expect((await served.get('f', 'f', { conflict: 'update' })).summary.skipped).toBe(1);
    old('ours', 1_000_000_001);
    expect((await served.get('f', 'f', { conflict: 'update' })).summary.skipped).toBe(1);
    expect(content()).toBe('ours');
  });

  test('the default refuses', async () => {
    old('old');
    source('new!', 1_000_000_001);
    expect((await served.get('f', 'f')).failures).toEqual(['f EXISTS']);
  });

  test.each(['refuse', 'force', 'update', 'skip'] as const)(
    '%s of an identical file counts as done',
    async conflict => {
      source('same');
      old('same');
      const { summary, events } = await served.get('f', 'f', { conflict });
      expect(summary).toEqual({ received: 0, identical: 1, skipped: 0, failed: 0, bytes: 0 });
      expect(events.map(event => event.type)).toEqual(['found', 'finished', 'counted']);
    },
  );

  test('same size and time pass for identical, unless contents are asked for', async () => {
    source('aaaa');
    old('bbbb');
    expect((await served.get('f', 'f')).summary.identical).toBe(1);
    expect((await served.get('f', 'f', { checksum: true })).failures).toEqual(['f EXISTS']);
    expect((await served.get('f', 'f', { checksum: true, conflict: 'force' })).summary.received).toBe(1);
    expect(content()).toBe('aaaa');
  });

  test('another time alone is settled by the contents', async () => {
    source('same', 1_000_000_001);
    old('same');
    expect((await served.get('f', 'f')).summary.identical).toBe(1);
    old('diff');
    expect((await served.get('f', 'f')).failures).toEqual(['f EXISTS']);
    expect((await served.get('f', 'f', { conflict: 'update' })).summary.received).toBe(1);
    expect(content()).toBe('same');
  });

  test('a second download of a whole tree finds everything done', async () => {
    const { at, got, get } = served;
    mkdirSync(at('d/e'), { recursive: true });
    writeFileSync(at('d/e/f'), 'x');
    writeFileSync(at('d/g'), '');
    symlinkSync('e/f', at('d/l'));
    await get('', '');
    const before = snapshot(got());
    const { summary } = await get('', '');
    expect(summary).toEqual({ received: 0, identical: 3, skipped: 0, failed: 0, bytes: 0 });
    expect(snapshot(got())).toEqual(before);
  });

  test.each(['refuse', 'force', 'update', 'skip'] as const)('%s never replaces a folder by a file', async conflict => {
    source('f', 2_000_000_000);
    mkdirSync(served.got('f'));
    expect((await served.get('f', 'f', { conflict })).failures).toEqual(['f EXISTS']);
    expect(lstatSync(served.got('f')).isDirectory()).toBe(true);
  });

  test.each(['refuse', 'force', 'update', 'skip'] as const)('%s never replaces a file by a folder', async conflict => {
    mkdirSync(served.at('f'));
    writeFileSync(served.at('f/inner'), 'inner');
    writeFileSync(served.at('z'), 'z');
    old('file');
    const { failures, summary } = await served.get('', '', { conflict });
    expect(failures).toEqual(expect.arrayContaining(['f EXISTS', 'f/inner EXISTS']));
    expect(summary.received).toBe(1);
    expect(content()).toBe('file');
  });

  test('R-F2 a link at the target is replaced itself or left, and never written through', async () => {
    source('new', 2_000_000_000);
    writeFileSync(served.got('precious'), 'precious');
    const plant = (target: string) => {
      execFileSync('rm', ['-f', served.got('f')]);
      symlinkSync(target, served.got('f'));
    };
    for (const target of ['precious', '../outside/secret', '/nowhere', 'f']) {
      plant(target);
      expect((await served.get('f', 'f')).failures, target).toEqual(['f EXISTS']);
      expect((await served.get('f', 'f', { conflict: 'skip' })).summary.skipped, target).toBe(1);
      expect(readlinkSync(served.got('f')), target).toBe(target);
      await served.get('f', 'f', { conflict: 'force' });
      expect(lstatSync(served.got('f')).isFile(), target).toBe(true);
      expect(content()).toBe('new');
    }
    expect(readFileSync(served.got('precious'), 'utf8')).toBe('precious');
  });

  test('a link in the way of a folder is not passed', async () => {
    mkdirSync(served.at('d'));
    writeFileSync(served.at('d/f'), 'x');
    symlinkSync('../outside/folder', served.got('d'));
    const { failures } = await served.get('', '', { conflict: 'force' });
    expect(failures.map(failure => failure.split(' ')[0])).toEqual(['d', 'd/f']);
    expect(readlinkSync(served.got('d'))).toBe('../outside/folder');
  });

  test.each([
    ['refuse', 'other', { failed: 1 }],
    ['force', 'target', { received: 1 }],
    ['skip', 'other', { skipped: 1 }],
  ] as const)('%s of a link that says something else', async (conflict, expected, counts) => {
    symlinkSync('target', served.at('l'));
    symlinkSync('other', served.got('l'));
    expect((await served.get('', '', { conflict })).summary).toMatchObject(counts);
    expect(readlinkSync(served.got('l'))).toBe(expected);
  });

  /** A small file comes in one step, a larger one by way of a partial. */
  const WAYS = [
    ['small', 'theirs', 'counted'],
    ['larger', 'theirs'.repeat(20_000), 'started'],
  ] as const;

  test.each(WAYS)('a name that is made while a %s file comes is not touched', async (_, text, moment) => {
    source(text);
    const { failures } = await served.get('f', 'f', {
      onEvent: event => {
        if (event.type === moment) writeFileSync(served.got('f'), 'made meanwhile');
      },
    });
    expect(failures).toEqual(['f EXISTS']);
    expect(content()).toBe('made meanwhile');
    expect(finalNames(served.got())).toEqual(['f']);
  });

  test.each(WAYS)('a name that becomes a folder while a %s file comes is not written into', async (_, text, moment) => {
    source(text);
    const { failures } = await served.get('f', 'f', {
      conflict: 'force',
      onEvent: event => {
        if (event.type === moment) mkdirSync(served.got('f'));
      },
    });
    expect(failures).toEqual(['f EXISTS']);
    expect(readdirSync(served.got('f'))).toEqual([]);
  });
});
