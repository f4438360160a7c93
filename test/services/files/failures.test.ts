import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { ChangeStore, ReadStore, SourceFile } from '../../../src/services/files/store.ts';
import { filePortsOf, portsOf, readPortsOf } from './ports.ts';
import { finalNames } from './served.ts';
import { DIRECTIONS, fill, makeSync, type SyncScene } from './synced.ts';

const MiB = 1024 * 1024;

/** What fails is told by its path, everything else arrives, and the summary counts both. */
async function expectFailures({ source, target, sync }: SyncScene, expected: readonly string[]): Promise<void> {
  const { summary, failures } = await sync();
  expect(failures).toEqual(expected);
  expect(summary.failed).toBe(expected.length);
  const failed = expected.map(failure => failure.split(' ')[0]!);
  const whole = finalNames(source).filter(name => !failed.some(path => name === path || name.startsWith(`${path}/`)));
  expect(finalNames(target).filter(name => !failed.includes(name.replace(/\/$/, '')))).toEqual(whole);
  for (const name of whole.filter(one => !one.endsWith('/'))) {
    expect(readFileSync(join(target, name)).equals(readFileSync(join(source, name))), name).toBe(true);
  }
  expect(summary.received).toBe(whole.filter(name => !name.endsWith('/')).length);
}

const around = (): Record<string, Uint8Array> => ({
  'a/first': randomBytes(1000),
  'd/other': randomBytes(3 * MiB),
  'd/small': randomBytes(10),
  'z/last': randomBytes(1000),
});

/** A target of which some functions fail for one path. */
const failing = (failures: (store: ChangeStore) => Partial<ChangeStore>) => (root: ChangeStore) => ({
  ...portsOf(root),
  ...failures(root),
});

const refused = (): Promise<never> => Promise.reject(new LineError('ACCESS', 'the operating system does not allow it'));

describe.each(DIRECTIONS)('told by name, %s', direction => {
  test.each([10, 12 * MiB])('a file of %i bytes for which the disk has no room', async size => {
    const changeStore = failing(root => ({
      create: async (path, options) => {
        const file = await root.create(path, options);
        if (path !== 'd/full') return file;
        return { ...filePortsOf(file), write: () => Promise.reject(new LineError('NO_SPACE', 'full')) };
      },
    }));
    const scene = await makeSync(direction, { changeStore });
    fill(scene.source, { ...around(), 'd/full': randomBytes(size) });
    await expectFailures(scene, ['d/full NO_SPACE']);
  });

  test('a file, a link and a folder that the target may not make, and times that it may not set', async () => {
    const changeStore = failing(root => ({
      create: (path, options) => (/closed|d\/file/.test(path) ? refused() : root.create(path, options)),
      makeFolder: path => (path === 'closed' ? refused() : root.makeFolder(path)),
      makeLink: (path, target, options) => (path === 'd/link' ? refused() : root.makeLink(path, target, options)),
      setAttributes: refused,
      finishFolder: (path, attributes) => (path === 'z' ? refused() : root.finishFolder(path, attributes)),
    }));
    const scene = await makeSync(direction, { changeStore });
    fill(scene.source, { ...around(), 'closed/in': '', 'd/file': '' });
    symlinkSync('small', join(scene.source, 'd/link'));
    for (const folder of [scene.source, scene.target]) fill(folder, { touched: 'same' });
    utimesSync(join(scene.target, 'touched'), 5, 5);
    const { failures, summary } = await scene.sync();
    expect(failures).toEqual(['closed', 'closed/in', 'd/file', 'd/link', 'touched', 'z'].map(name => `${name} ACCESS`));
    expect(summary).toMatchObject({ failed: 6, received: 4 });
  });

  test('a file that the source may not read, and a folder that it may not list', async () => {
    const sourceStore = (root: ReadStore): ReadStore => ({
      ...readPortsOf(root),
      open: path => (path === 'd/secret' ? refused() : root.open(path)),
      list: async function* (path, options) {
        for await (const batch of root.list(path, options)) {
          yield batch.filter(item => !item.path.startsWith('closed/'));
          const closed = batch.find(item => item.path === 'closed');
          if (closed !== undefined) yield [{ path: closed.path, error: new LineError('ACCESS', 'not allowed') }];
        }
      },
    });
    const scene = await makeSync(direction, { sourceStore });
    fill(scene.source, { ...around(), 'd/secret': 'secret', 'closed/in': '' });
    await expectFailures(scene, ['closed ACCESS', 'd/secret ACCESS']);
  });

  test.skipIf(process.getuid?.() === 0 || process.platform === 'win32')('what the system itself refuses', async () => {
    const scene = await makeSync(direction);
    fill(scene.source, { ...around(), 'd/secret': 'secret', 'shut/in': '' });
    mkdirSync(join(scene.target, 'shut'));
    chmodSync(join(scene.source, 'd/secret'), 0);
    chmodSync(join(scene.target, 'shut'), 0o500);
    const { failures } = await scene.sync();
    expect(failures).toEqual(['d/secret ACCESS', 'shut/in ACCESS']);
  });

  test.each<[string, (path: string) => void]>([
    ['grows', path => appendFileSync(path, 'more')],
    ['is truncated', path => truncateSync(path, 5 * MiB)],
    ['gets another time', path => utimesSync(path, 5, 5)],
  ])('a file that %s while it is read', async (_, change) => {
    const sourceStore = (root: ReadStore): ReadStore => ({
      ...readPortsOf(root),
      open: async path => {
        const file = await root.open(path);
        return path === 'd/changing' ? before(file, 4 * MiB, () => change(join(scene.source, path))) : file;
      },
    });
    const scene: SyncScene = await makeSync(direction, { sourceStore });
    fill(scene.source, { ...around(), 'd/changing': randomBytes(20 * MiB) });
    await expectFailures(scene, ['d/changing CHANGED']);
    expect(existsSync(join(scene.target, 'd/changing'))).toBe(false);
  });

  test('a file that was removed, or became a folder, after it was listed', async () => {
    const sourceStore = (root: ReadStore): ReadStore => ({
      ...readPortsOf(root),
      open: path => {
        if (path === 'd/gone' || path === 'd/folder') rmSync(join(scene.source, path));
        if (path === 'd/folder') mkdirSync(join(scene.source, path));
        return root.open(path);
      },
    });
    const scene: SyncScene = await makeSync(direction, { sourceStore });
    fill(scene.source, { ...around(), 'd/gone': 'gone', 'd/folder': '' });
    await expectFailures(scene, ['d/folder NOT_A_FILE', 'd/gone NOT_FOUND']);
  });

  test('R-F2 a name, or a folder above it, that becomes something else while the file comes', async () => {
    const outside = (): string => join(scene.target, '../outside');
    const swaps: Record<string, () => void> = {
      'd/folder': () => mkdirSync(join(scene.target, 'd/folder')),
      'd/link': () => symlinkSync('../../outside/secret', join(scene.target, 'd/link')),
      'moved/in': () => {
        renameSync(join(scene.target, 'moved'), join(outside(), 'moved'));
        symlinkSync('../outside/moved', join(scene.target, 'moved'));
      },
    };
    const changeStore = failing(root => ({
      create: async (path, options) => {
        const file = await root.create(path, options);
        const commit: typeof file.commit = async attributes => {
          swaps[path]?.();
          return file.commit(attributes);
        };
        return { ...filePortsOf(file), commit };
      },
    }));
    const scene: SyncScene = await makeSync(direction, { changeStore });
    fill(scene.source, { ...around(), 'd/folder': 'x', 'd/link': 'x', 'moved/in': 'x' });
    const { failures, summary } = await scene.sync();
    // The folder that was moved away cannot be given its time either.
    expect(failures).toEqual(['d/folder EXISTS', 'd/link EXISTS', 'moved FORBIDDEN', 'moved/in FORBIDDEN']);
    expect(summary).toMatchObject({ failed: 4, received: 4 });
    expect(readlinkSync(join(scene.target, 'd/link'))).toBe('../../outside/secret');
    expect(readFileSync(join(outside(), 'secret'), 'utf8')).toBe('what lies outside');
    expect(existsSync(join(outside(), 'moved/in'))).toBe(false);
  });

  test('what could not be removed', async () => {
    const changeStore = failing(root => ({
      remove: (path, options) => (path === 'd/stuck' ? refused() : root.remove(path, options)),
    }));
    const scene = await makeSync(direction, { changeStore });
    fill(scene.source, around());
    fill(scene.target, { 'd/stuck': '', 'd/gone': '' });
    const { failures, summary } = await scene.sync({ delete: true });
    expect(failures).toEqual(['d/stuck ACCESS']);
    expect(summary).toMatchObject({ received: 4, removed: 1, failed: 1 });
  });
});

/** `act` happens once, before the first read behind `position`. */
function before(file: SourceFile, position: number, act: () => void): SourceFile {
  let isDone = false;
  return {
    entry: file.entry,
    read: (target, at) => {
      if (at + target.length > position && !isDone) {
        isDone = true;
        act();
      }
      return file.read(target, at);
    },
    verifyUnchanged: () => file.verifyUnchanged(),
    close: () => file.close(),
  };
}
