import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Line } from '../../../src/line/line.ts';
import { openOffer } from '../../../src/node/files/folder-service.ts';
import { FilesClient } from '../../../src/services/files/reading/client.ts';
import { CONFLICT_POLICIES } from '../../../src/services/files/receiving/conflict.ts';
import {
  makeRemoteFolder,
  moveRemote,
  removeRemote,
  uploadStream,
} from '../../../src/services/files/receiving/upload.ts';
import type { Permission } from '../../../src/services/permission.ts';
import { openDescriptors } from '../../node/files/scene.ts';
import { type Changed, type ChangeOptions, EVERYTHING, serveChanges } from './changed.ts';
import { bytesOf, code, downloading, namesBelow, serve } from './served.ts';
import { wantsOn } from './wants.ts';

const MiB = 1024 * 1024;

let changed: Changed | undefined;

async function setUp(options: ChangeOptions = {}): Promise<Changed> {
  changed = await serveChanges(options);
  return changed;
}

afterEach(async () => {
  expect(changed?.faults ?? []).toEqual([]);
  await changed?.end();
  changed = undefined;
});

async function* streamed(...pieces: readonly (Uint8Array | string)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield typeof piece === 'string' ? Buffer.from(piece) : piece;
}

const old = (path: string): void => utimesSync(path, 1_000_000_000, 1_000_000_000.25);

describe('putting', () => {
  test('a file comes with its bytes, time and mode', async () => {
    const { own, at, put } = await setUp();
    const content = randomBytes(3 * MiB + 1);
    writeFileSync(own('f'), content);
    chmodSync(own('f'), 0o4754);
    old(own('f'));
    const { summary, failures, events } = await put('f', 'there');
    expect(failures).toEqual([]);
    expect(summary).toEqual({ received: 1, identical: 0, skipped: 0, failed: 0, bytes: content.length });
    expect(readFileSync(at('there')).equals(content)).toBe(true);
    expect(statSync(at('there')).mode & 0o7777).toBe(0o754);
    expect(statSync(at('there')).mtimeMs).toBe(statSync(own('f')).mtimeMs);
    expect(events.filter(({ type }) => type === 'finished')).toHaveLength(1);
    expect((await put('f', 'there')).summary).toMatchObject({ received: 0, identical: 1 });
  });

  test('a tree comes with empty folders, links, times, modes and odd names, and again it is all identical', async () => {
    const { own, at, put } = await setUp();
    for (const folder of ['t/empty', 't/a/b/c', 't/locked']) mkdirSync(own(folder), { recursive: true });
    const odd = ['-rf', '~', '$(x)', 'a\nb', ' sp ', '"q"', 'ü', 'e\u0301', '*', `${'n'.repeat(250)}`];
    for (const name of odd) writeFileSync(own(`t/a/${name}`), name);
    writeFileSync(Buffer.concat([Buffer.from(own('t/')), Buffer.from([0x66, 0xff, 0x80])]), 'latin');
    symlinkSync('a/b', own('t/link'));
    symlinkSync('../a/ü', own('t/locked/up'));
    chmodSync(own('t/locked'), 0o750);
    old(own('t/a/b'));
    old(own('t'));
    expect((await put('t', 'deep/t')).failures).toEqual([]);
    expect(namesBelow(at('deep/t'))).toEqual(namesBelow(own('t')));
    expect(readlinkSync(at('deep/t/link'))).toBe('a/b');
    expect(readFileSync(Buffer.concat([Buffer.from(at('deep/t/')), Buffer.from([0x66, 0xff, 0x80])]), 'utf8')).toBe(
      'latin',
    );
    for (const name of ['', '/a/b', '/locked', '/empty', '/a/b/c']) {
      expect(statSync(at(`deep/t${name}`)).mtimeMs, name).toBeCloseTo(statSync(own(`t${name}`)).mtimeMs, 2);
      expect(statSync(at(`deep/t${name}`)).mode, name).toBe(statSync(own(`t${name}`)).mode);
    }
    expect((await put('t', 'deep/t')).summary).toMatchObject({ received: 0, failed: 0, skipped: 0 });
  });

  test("a folder's content goes into the served folder, whose own mode and time stay", async () => {
    const { own, at, put } = await setUp();
    writeFileSync(own('f'), 'f');
    const before = statSync(at()).mode;
    chmodSync(own(), 0o777);
    expect((await put('', '')).failures).toEqual([]);
    expect(readFileSync(at('f'), 'utf8')).toBe('f');
    expect(statSync(at()).mode).toBe(before);
  });

  test('a file cannot become the served folder, nor a folder that is there', async () => {
    const { own, put, at } = await setUp();
    writeFileSync(own('f'), 'f');
    mkdirSync(at('there'));
    expect((await put('f', '', { conflict: 'force' })).failures).toEqual([' EXISTS']);
    for (const conflict of CONFLICT_POLICIES) {
      expect((await put('f', 'there', { conflict })).failures, conflict).toEqual(['there EXISTS']);
    }
  });

  test.each(['../f', '/f', 'a//b', './f', 'a/..', 'f\0'])('R-F1 the target %j is BAD_NAME', async to => {
    const { own, put, client } = await setUp();
    writeFileSync(own('f'), 'f');
    await expect(put('f', to)).rejects.toEqual(code('BAD_NAME'));
    await expect(uploadStream(client, streamed('x'), { to })).rejects.toEqual(code('BAD_NAME'));
    await expect(makeRemoteFolder(client, to)).rejects.toEqual(code('BAD_NAME'));
    await expect(removeRemote(client, to, { recursive: true })).rejects.toEqual(code('BAD_NAME'));
    await expect(moveRemote(client, to, 'x')).rejects.toEqual(code('BAD_NAME'));
    await expect(moveRemote(client, 'x', to)).rejects.toEqual(code('BAD_NAME'));
  });

  test('R-F2 a link that is there is not passed, and one in the tree that leads out is not made', async () => {
    const { own, at, put, scene, client } = await setUp();
    mkdirSync(own('t/sub'), { recursive: true });
    writeFileSync(own('t/sub/f'), 'f');
    symlinkSync('../../../x', own('t/out'));
    mkdirSync(`${scene.base}/outside-put`);
    mkdirSync(at('t'));
    symlinkSync(`${scene.base}/outside-put`, at('t/sub'));
    const { failures } = await put('t', 't', { conflict: 'force' });
    expect([...failures].sort()).toEqual(['t/out BAD_NAME', 't/sub EXISTS', 't/sub/f FORBIDDEN']);
    await expect(uploadStream(client, streamed('x'), { to: 't/sub/f' })).rejects.toEqual(code('FORBIDDEN'));
    await expect(makeRemoteFolder(client, 't/sub/d')).rejects.toBeInstanceOf(LineError);
    await expect(removeRemote(client, 't/sub/f')).rejects.toBeInstanceOf(LineError);
    await expect(moveRemote(client, 't', 't/sub/t')).rejects.toBeInstanceOf(LineError);
    expect(namesBelow(`${scene.base}/outside-put`)).toEqual([]);
  });
});

describe('a stream', () => {
  test('that is refused ends while its source has nothing to give', async () => {
    const { at, client } = await setUp();
    writeFileSync(at('there'), 'there');
    const idle: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
    };
    await expect(uploadStream(client, idle, { to: 'there' })).rejects.toEqual(code('EXISTS'));
  });

  test('becomes a file of all its bytes', async () => {
    const { at, client } = await setUp();
    const parts = [randomBytes(MiB), randomBytes(1), randomBytes(100_000)];
    expect(await uploadStream(client, streamed(...parts), { to: 'new/s' })).toBe(MiB + 100_001);
    expect(readFileSync(at('new/s')).equals(Buffer.concat(parts))).toBe(true);
    expect(await uploadStream(client, streamed(), { to: 'empty' })).toBe(0);
    expect(statSync(at('empty')).size).toBe(0);
    expect(namesBelow(at('new'))).toEqual(['s']);
  });

  test('that fails leaves nothing', async () => {
    const { at, client } = await setUp();
    const failing = async function* () {
      yield randomBytes(MiB);
      throw new Error('no more');
    };
    await expect(uploadStream(client, failing(), { to: 's' })).rejects.toThrow('no more');
    await expect.poll(() => namesBelow(at())).toEqual([]);
  });

  test('follows the policy', async () => {
    const { at, client } = await setUp();
    writeFileSync(at('s.txt'), 'before');
    for (const conflict of ['refuse', 'skip'] as const) {
      await expect(uploadStream(client, streamed('x'), { to: 's.txt' }, { conflict })).rejects.toEqual(code('EXISTS'));
    }
    await uploadStream(client, streamed('renamed'), { to: 's.txt' }, { conflict: 'rename' });
    expect(readFileSync(at('s (2).txt'), 'utf8')).toBe('renamed');
    await uploadStream(client, streamed('now'), { to: 's.txt' }, { conflict: 'backup' });
    expect(readFileSync(at('s.txt~'), 'utf8')).toBe('before');
    await uploadStream(client, streamed('forced'), { to: 's.txt' }, { conflict: 'force' });
    expect(readFileSync(at('s.txt'), 'utf8')).toBe('forced');
    expect(namesBelow(at())).toEqual(['s (2).txt', 's.txt', 's.txt~']);
  });
});

describe('removing, moving, making folders', () => {
  test('files, links and empty folders are removed; a full folder only recursively', async () => {
    const { at, client, scene } = await setUp();
    mkdirSync(at('d/e'), { recursive: true });
    mkdirSync(`${scene.base}/kept`);
    writeFileSync(`${scene.base}/kept/f`, 'f');
    writeFileSync(at('d/e/f'), 'f');
    symlinkSync(`${scene.base}/kept`, at('d/out'));
    symlinkSync('..', at('d/e/loop'));
    await expect(removeRemote(client, 'd')).rejects.toEqual(code('EXISTS'));
    await removeRemote(client, 'd', { recursive: true });
    expect(namesBelow(at())).toEqual([]);
    expect(readFileSync(`${scene.base}/kept/f`, 'utf8')).toBe('f');
    await expect(removeRemote(client, 'd')).rejects.toEqual(code('NOT_FOUND'));
    await expect(removeRemote(client, '', { recursive: true })).rejects.toEqual(code('BAD_NAME'));
  });

  test('R-F2 what is swapped for a link while it is removed is not followed', async () => {
    const { at, client, scene } = await setUp();
    mkdirSync(`${scene.base}/kept`);
    for (let n = 0; n < 300; n += 1) writeFileSync(`${scene.base}/kept/${n}`, 'f');
    mkdirSync(at('d/e'), { recursive: true });
    for (let n = 0; n < 300; n += 1) writeFileSync(at(`d/e/${n}`), 'f');
    const removing = removeRemote(client, 'd', { recursive: true }).catch((thrown: unknown) => thrown);
    await expect.poll(() => existsSync(at('d/e/0')) && existsSync(at('d/e/299'))).toBe(false);
    if (existsSync(at('d/e'))) {
      rmSync(at('d/e'), { recursive: true });
      symlinkSync(`${scene.base}/kept`, at('d/e'));
    }
    await removing;
    expect(namesBelow(`${scene.base}/kept`)).toHaveLength(300);
  });

  test('moving replaces nothing, and a folder does not go into itself', async () => {
    const { at, client } = await setUp();
    mkdirSync(at('d/sub'), { recursive: true });
    mkdirSync(at('empty'));
    writeFileSync(at('f'), 'f');
    writeFileSync(at('g'), 'g');
    symlinkSync('nowhere', at('link'));
    for (const [from, to] of [
      ['f', 'g'],
      ['f', 'empty'],
      ['f', 'link'],
      ['d', 'empty'],
      ['d', 'g'],
      ['d', 'link'],
    ] as const) {
      await expect(moveRemote(client, from, to), `${from} ${to}`).rejects.toEqual(code('EXISTS'));
    }
    await expect(moveRemote(client, 'd', 'd/sub/d')).rejects.toBeInstanceOf(LineError);
    await expect(moveRemote(client, 'f', 'not/there')).rejects.toEqual(code('NOT_FOUND'));
    await expect(moveRemote(client, 'not', 'there')).rejects.toEqual(code('NOT_FOUND'));
    await expect(moveRemote(client, 'f', 'f')).rejects.toEqual(code('EXISTS'));
    await moveRemote(client, 'f', 'd/sub/f');
    await moveRemote(client, 'd', 'moved');
    await moveRemote(client, 'link', 'moved/link');
    expect(namesBelow(at())).toEqual(['empty/', 'g', 'moved/', 'moved/link', 'moved/sub/', 'moved/sub/f']);
  });

  test('a new folder and those above it are as others are; one that is there is EXISTS', async () => {
    const { at, client } = await setUp();
    await makeRemoteFolder(client, 'a/b/c');
    for (const name of ['a', 'a/b', 'a/b/c']) expect(statSync(at(name)).mode & 0o7777, name).toBe(0o755);
    for (const name of ['a/b', '']) await expect(makeRemoteFolder(client, name)).rejects.toEqual(code('EXISTS'));
    writeFileSync(at('f'), 'f');
    await expect(makeRemoteFolder(client, 'f/g')).rejects.toBeInstanceOf(LineError);
  });
});

describe('R-F6 conflicts', () => {
  type Transfer = (conflict: (typeof CONFLICT_POLICIES)[number]) => Promise<readonly string[]>;

  /** The same scene in both directions: `theirs` is where it comes from, `ours` where something is in the way. */
  const directions: [string, () => Promise<{ theirs: string; ours: string; run: Transfer }>][] = [
    [
      'up',
      async () => {
        const { own, at, put } = await setUp();
        return { theirs: own(), ours: at(), run: async conflict => (await put('', '', { conflict })).failures };
      },
    ],
    [
      'down',
      async () => {
        const served = await serve();
        onEnd = served.end;
        return {
          theirs: served.at(),
          ours: served.got(),
          run: async conflict => (await served.get('', '', { conflict })).failures,
        };
      },
    ],
  ];
  let onEnd: (() => Promise<void>) | undefined;
  afterEach(async () => {
    await onEnd?.();
    onEnd = undefined;
  });

  for (const [direction, start] of directions) {
    const plant = ({ theirs, ours }: { theirs: string; ours: string }): void => {
      writeFileSync(`${theirs}/f.txt`, 'new');
      writeFileSync(`${ours}/f.txt`, 'before');
      old(`${ours}/f.txt`);
      symlinkSync('new', `${theirs}/l`);
      symlinkSync('before', `${ours}/l`);
      writeFileSync(`${theirs}/older`, 'older');
      old(`${theirs}/older`);
      writeFileSync(`${ours}/older`, 'is newer here');
    };

    test(`${direction}: refuse and skip leave everything`, async () => {
      const scene = await start();
      plant(scene);
      expect([...(await scene.run('refuse'))].sort()).toEqual(['f.txt EXISTS', 'l EXISTS', 'older EXISTS']);
      expect(await scene.run('skip')).toEqual([]);
      expect(namesBelow(scene.ours)).toEqual(['f.txt', 'l', 'older']);
      expect(readFileSync(`${scene.ours}/f.txt`, 'utf8')).toBe('before');
      expect(readlinkSync(`${scene.ours}/l`)).toBe('before');
    });

    test(`${direction}: update replaces what is older, force all`, async () => {
      const scene = await start();
      plant(scene);
      expect(await scene.run('update')).toEqual([]);
      expect(readFileSync(`${scene.ours}/f.txt`, 'utf8')).toBe('new');
      expect(readFileSync(`${scene.ours}/older`, 'utf8')).toBe('is newer here');
      expect(await scene.run('force')).toEqual([]);
      expect(readFileSync(`${scene.ours}/older`, 'utf8')).toBe('older');
      expect(readlinkSync(`${scene.ours}/l`)).toBe('new');
      expect(namesBelow(scene.ours)).toEqual(['f.txt', 'l', 'older']);
    });

    test(`${direction}: rename and backup keep both, and once more changes nothing`, async () => {
      const scene = await start();
      plant(scene);
      const renamed = ['f (2).txt', 'f.txt', 'l', 'l (2)', 'older', 'older (2)'];
      for (let round = 0; round < 3; round += 1) {
        expect(await scene.run('rename')).toEqual([]);
        expect(namesBelow(scene.ours)).toEqual(renamed);
      }
      expect(readFileSync(`${scene.ours}/f.txt`, 'utf8')).toBe('before');
      expect(readFileSync(`${scene.ours}/f (2).txt`, 'utf8')).toBe('new');
      expect(readlinkSync(`${scene.ours}/l (2)`)).toBe('new');
      const backedUp = [...renamed, 'f.txt~', 'l~', 'older~'].sort();
      for (let round = 0; round < 3; round += 1) {
        expect(await scene.run('backup')).toEqual([]);
        expect(namesBelow(scene.ours)).toEqual(backedUp);
      }
      expect(readFileSync(`${scene.ours}/f.txt`, 'utf8')).toBe('new');
      expect(readFileSync(`${scene.ours}/f.txt~`, 'utf8')).toBe('before');
      expect(readlinkSync(`${scene.ours}/l~`)).toBe('before');
      writeFileSync(`${scene.theirs}/f.txt`, 'newer still');
      expect(await scene.run('backup')).toEqual([]);
      expect(readFileSync(`${scene.ours}/f.txt~2`, 'utf8')).toBe('new');
    });

    test(`${direction}: a folder in the way of a file or link stays under every policy`, async () => {
      const scene = await start();
      writeFileSync(`${scene.theirs}/f`, 'f');
      symlinkSync('x', `${scene.theirs}/l`);
      for (const name of ['f', 'l']) mkdirSync(`${scene.ours}/${name}`);
      for (const conflict of CONFLICT_POLICIES) {
        expect([...(await scene.run(conflict))].sort(), conflict).toEqual(['f EXISTS', 'l EXISTS']);
        expect(namesBelow(scene.ours)).toEqual(['f/', 'l/']);
      }
    });
  }
});

describe('R-F10 R-A13 permissions, enforced at the host', () => {
  const changes: Record<string, (all: Changed) => Promise<unknown>> = {
    'put new': ({ put }) => put('new', 'new'),
    'put force': ({ put }) => put('new', 'there', { conflict: 'force' }),
    'put update': ({ put }) => put('new', 'there', { conflict: 'update' }),
    'put backup': ({ put }) => put('new', 'there', { conflict: 'backup' }),
    'stream new': ({ client }) => uploadStream(client, streamed('x'), { to: 'streamed' }),
    'stream force': ({ client }) => uploadStream(client, streamed('x'), { to: 'there' }, { conflict: 'force' }),
    'stream backup': ({ client }) => uploadStream(client, streamed('x'), { to: 'there' }, { conflict: 'backup' }),
    mkdir: ({ client }) => makeRemoteFolder(client, 'made'),
    remove: ({ client }) => removeRemote(client, 'there'),
    move: ({ client }) => moveRemote(client, 'there', 'moved'),
    stat: ({ client }) => new FilesClient(client).stat('there'),
  };
  const needs: Record<string, readonly Permission[]> = {
    'put new': ['write'],
    'put force': ['write', 'delete'],
    'put update': ['write', 'delete'],
    'put backup': ['write', 'delete'],
    'stream new': ['write'],
    'stream force': ['write', 'delete'],
    'stream backup': ['write', 'delete'],
    mkdir: ['write'],
    remove: ['delete'],
    move: ['delete'],
    stat: ['read'],
  };
  const sets = Array.from({ length: 8 }, (_, bits) => EVERYTHING.filter((_name, index) => bits & (1 << index)));

  for (const set of sets) {
    for (const allow of [set, EVERYTHING]) {
      test(`a login with [${set.join()}] at a service with [${allow.join()}]`, async () => {
        for (const [name, change] of Object.entries(changes)) {
          const all = await setUp({ granted: set, allow });
          writeFileSync(all.own('new'), 'new content');
          writeFileSync(all.at('there'), 'there');
          old(all.at('there'));
          const outcome = await change(all).then(
            () => 'done',
            (thrown: unknown) => (thrown as LineError).code,
          );
          const isAllowed = needs[name]!.every(permission => set.includes(permission));
          expect(outcome, name).toBe(isAllowed ? 'done' : 'FORBIDDEN');
          if (!isAllowed) {
            expect(namesBelow(all.at()), name).toEqual(['there']);
            expect(readFileSync(all.at('there'), 'utf8')).toBe('there');
          }
          await all.end();
          changed = undefined;
        }
      });
    }
  }

  test('write alone changes neither bytes, time nor mode of what is there, also of a private folder', async () => {
    const { own, at, put } = await setUp({ allow: ['write'] });
    for (const name of ['private', 'open']) {
      mkdirSync(own(`t/${name}`), { recursive: true });
      writeFileSync(own(`t/${name}/new`), 'new');
      writeFileSync(own(`t/${name}/f`), 'another');
      chmodSync(own(`t/${name}`), 0o777);
      mkdirSync(at(`t/${name}`), { recursive: true });
      writeFileSync(at(`t/${name}/f`), 'there');
    }
    chmodSync(at('t/private'), 0o700);
    chmodSync(at('t/open'), 0o755);
    for (const conflict of ['refuse', 'skip', 'rename'] as const) {
      await put('t', 't', { conflict });
      expect(statSync(at('t/private')).mode & 0o7777, conflict).toBe(0o700);
      expect(statSync(at('t/open')).mode & 0o7777, conflict).toBe(0o755);
      expect(readFileSync(at('t/open/f'), 'utf8')).toBe('there');
    }
    expect(readFileSync(at('t/private/new'), 'utf8')).toBe('new');
  });

  test('write alone finishes a folder that an upload left unfinished', async () => {
    const { own, at, put } = await setUp({ allow: ['write'] });
    mkdirSync(own('t/d'), { recursive: true });
    for (const folder of ['t', 't/d']) chmodSync(own(folder), 0o755);
    writeFileSync(own('t/d/f'), randomBytes(20 * MiB));
    const stop = new AbortController();
    const onEvent = ({ type }: { type: string }): void => void (type === 'progress' && stop.abort());
    await expect(put('t', 't', { signal: stop.signal, onEvent })).rejects.toEqual(code('CANCELLED'));
    expect(statSync(at('t/d')).mode & 0o7777).toBe(0o1700);
    await expect.poll(() => namesBelow(at('t/d')).join()).toMatch(/^f\.0-/);
    expect((await put('t', 't')).failures).toEqual([]);
    for (const folder of ['t', 't/d']) expect(statSync(at(folder)).mode & 0o7777).toBe(0o755);
    expect(namesBelow(at())).toEqual(['t/', 't/d/', 't/d/f']);
  });

  test('a policy that there is not is PROTOCOL', async () => {
    const { client } = await setUp();
    for (const policy of ['', 'Force', '__proto__']) {
      await expect(client.open('files.put', { path: 'x', offer: 'x', policy }).read()).rejects.toEqual(
        code('PROTOCOL'),
      );
    }
  });
});

describe('what a host can read of its client', () => {
  /** The host's view: questions over the line of the client. */
  function asking(offer?: string): { files: FilesClient } {
    return { files: new FilesClient(changed!.server, offer === undefined ? {} : { offer }) };
  }

  test('nothing without an offer, nor under a wrong, ended or other name', async () => {
    const { own, offers, client } = await setUp();
    writeFileSync(own('f'), 'f');
    await expect(asking().files.stat('')).rejects.toEqual(code('PROTOCOL'));
    for (const name of ['', 'x', '__proto__', 'A'.repeat(22)]) {
      for (const question of [
        asking(name).files.stat(''),
        asking(name).files.sha256(''),
        asking(name).files.read(''),
        asking(name).files.leaves('', 100),
        bytesOf(asking(name).files.list('') as never),
      ]) {
        await expect(question, name).rejects.toEqual(code('FORBIDDEN'));
      }
    }
    const store = await openOffer(own('f'));
    const name = offers.offer(store, client);
    expect((await asking(name).files.stat('')).size).toBe(1);
    offers.withdraw(name);
    await expect(asking(name).files.stat('')).rejects.toEqual(code('FORBIDDEN'));
    await store.close();
  });

  test('an offer to one line is none to another', async () => {
    const { own, offers } = await setUp();
    writeFileSync(own('f'), 'f');
    const store = await openOffer(own('f'));
    const name = offers.offer(store, {} as Line);
    await expect(asking(name).files.stat('')).rejects.toEqual(code('FORBIDDEN'));
    await store.close();
  });

  test('a client that was connected without offers says UNSUPPORTED, and the upload ends', async () => {
    const served = await serveChanges({
      onChannel: async () => {
        throw new LineError('UNSUPPORTED', 'nothing');
      },
    });
    writeFileSync(served.own('f'), 'f');
    await expect(served.put('f', 'f')).rejects.toEqual(code('UNSUPPORTED'));
    expect(namesBelow(served.at())).toEqual([]);
    await served.end();
  });

  test('a single file offers neither its siblings nor its folder', async () => {
    const { own, offers, client } = await setUp();
    writeFileSync(own('f'), 'f');
    writeFileSync(own('secret'), 'secret');
    const store = await openOffer(own('f'));
    const { files } = asking(offers.offer(store, client));
    for (const path of ['secret', 'f', 'f/../secret', '../secret', '.', '..', '/etc/passwd']) {
      await expect(files.stat(path), path).rejects.toBeInstanceOf(LineError);
      await expect(files.read(path), path).rejects.toBeInstanceOf(LineError);
      await expect(files.sha256(path), path).rejects.toBeInstanceOf(LineError);
      await expect(files.leaves(path, 1), path).rejects.toBeInstanceOf(LineError);
    }
    await expect(bytesOf(files.list('') as never)).rejects.toEqual(code('NOT_A_FILE'));
    expect(String(await bytesOf((await files.read('')).bytes))).toBe('f');
    await store.close();
  });

  test('a link in an offered folder leads nowhere outside, a link that is offered itself is followed', async () => {
    const { own, offers, client } = await setUp();
    mkdirSync(own('d'));
    writeFileSync(own('secret'), 'secret');
    symlinkSync('../secret', own('d/out'));
    symlinkSync('/etc/passwd', own('d/passwd'));
    symlinkSync('d/../secret', own('offered'));
    const folder = await openOffer(own('d'));
    const { files } = asking(offers.offer(folder, client));
    for (const path of ['out', 'passwd', '../secret']) {
      await expect(files.read(path), path).rejects.toBeInstanceOf(LineError);
    }
    await folder.close();
    const linked = await openOffer(own('offered'));
    expect((await asking(offers.offer(linked, client)).files.stat('')).size).toBe(6);
    await linked.close();
  });

  test('a channel that was opened in time reads nothing after the upload', async () => {
    const { own, offers, client } = await setUp();
    mkdirSync(own('d'));
    writeFileSync(own('d/large'), '');
    truncateSync(own('d/large'), 200 * MiB);
    writeFileSync(own('d/f'), 'f');
    const store = await openOffer(own('d'));
    const name = offers.offer(store, client);
    const fetcher = asking(name).files.fetcher();
    fetcher.want('large');
    fetcher.want('f');
    const large = await fetcher.next();
    await large!.read();
    offers.withdraw(name);
    await expect(large!.readOn().then(() => large!.bytesLeft)).resolves.toBeGreaterThan(0);
    expect((await fetcher.next())!.failure).toEqual(code('FORBIDDEN'));
    fetcher.close();
    await store.close();
  });

  test('a host that floods with channels costs bounded memory and is told TOO_MANY', async () => {
    const { own, offers, client, server } = await setUp();
    writeFileSync(own('f'), '');
    truncateSync(own('f'), 1024 * MiB);
    const store = await openOffer(own('f'));
    const offer = offers.offer(store, client);
    const outcomes: string[] = [];
    const channels = Array.from({ length: 60 }, () =>
      server.open('files.leaves', { path: '', offer, bytes: 1024 * MiB }),
    );
    for (const channel of channels) {
      channel.read().then(
        () => outcomes.push('leaves'),
        (thrown: LineError) => outcomes.push(thrown.code),
      );
    }
    await expect.poll(() => outcomes.filter(one => one === 'TOO_MANY').length, { timeout: 20_000 }).toBe(44);
    for (const channel of channels) channel.reset();
    await store.close();
  });
});

describe('a hostile host', () => {
  const unchanged = (paths: readonly unknown[], sizes: readonly unknown[]) => ({
    t: 'events',
    events: [{ type: 'unchanged', paths, sizes }],
  });
  test.each<[string, readonly Record<string, unknown>[], LineError['code']]>([
    ['an unknown message', [{ t: 'x' }], 'PROTOCOL'],
    ['an unknown event', [{ t: 'events', events: [{ type: 'x', path: '' }] }], 'MALFORMED'],
    ['an event without a path', [{ t: 'events', events: [{ type: 'started', size: 1 }] }], 'MALFORMED'],
    ['events that are no list', [{ t: 'events', events: {} }], 'MALFORMED'],
    ['an event that is no object', [{ t: 'events', events: [1] }], 'MALFORMED'],
    [
      'an outcome that there is not',
      [{ t: 'events', events: [{ type: 'finished', paths: ['x'], sizes: [1], outcome: 'x' }] }],
      'MALFORMED',
    ],
    ['fewer sizes than files', [unchanged(['x', 'y'], [1])], 'MALFORMED'],
    ['more sizes than files', [unchanged(['x'], [1, 1])], 'MALFORMED'],
    ['a negative size', [unchanged(['x'], [-1])], 'MALFORMED'],
    ['a size that is no number', [unchanged(['x'], ['1'])], 'MALFORMED'],
    ['a file that is no path', [unchanged([1], [1])], 'MALFORMED'],
    ['more files than an event may have', [unchanged(Array(1025).fill('x'), Array(1025).fill(1))], 'MALFORMED'],
    ['a summary of no numbers', [{ t: 'summary', received: 'x' }], 'MALFORMED'],
    [
      'a negative summary',
      [{ t: 'summary', received: -1, identical: 0, skipped: 0, failed: 0, bytes: 0 }],
      'MALFORMED',
    ],
    ['nothing', [], 'PROTOCOL'],
  ])('that says %s ends the upload', async (_, messages, expected) => {
    const { own, put } = await setUp({
      host: async channel => {
        for (const message of messages) await channel.send(message);
      },
    });
    writeFileSync(own('f'), 'f');
    await expect(put('f', 'f')).rejects.toEqual(code(expected));
  });

  test('that sends bytes, or pretends codes of the login, is told as what it is', async () => {
    const sending = await setUp({ host: async channel => channel.write(new Uint8Array(10)) });
    writeFileSync(sending.own('f'), 'f');
    await expect(sending.put('f', 'f')).rejects.toBeInstanceOf(LineError);
    await sending.end();
    const pretending = await setUp({
      host: async channel => {
        await channel.send({ t: 'events', events: [{ type: 'failed', path: 'f', code: 'PIN', reason: 'x' }] });
        await channel.send({ t: 'summary', received: 0, identical: 0, skipped: 0, failed: 1, bytes: 0 });
      },
    });
    writeFileSync(pretending.own('f'), 'f');
    expect((await pretending.put('f', 'f')).failures).toEqual(['f INTERNAL']);
  });
});

describe('a hostile client', () => {
  const entry = (path: string, over: Partial<Record<string, unknown>> = {}) => ({
    path,
    type: 'file',
    size: 1,
    mtime_us: 1,
    mode: 0o644,
    ...over,
  });

  async function offering(answers: ChangeOptions['onChannel'], allow = EVERYTHING): Promise<Changed> {
    return setUp({ allow, onChannel: answers! });
  }

  const put = (all: Changed, to = 'to') => all.client.open('files.put', { path: to, offer: 'x', policy: 'refuse' });

  async function outcomeOf(channel: ReturnType<typeof put>): Promise<string[]> {
    const seen: string[] = [];
    try {
      for (;;) {
        const message = await channel.readMessage();
        for (const event of (message['events'] ?? []) as { type: string; path: string; code: string }[]) {
          if (event.type === 'failed') seen.push(`${event.path} ${event.code}`);
        }
        if (message['t'] === 'summary') return seen;
      }
    } catch (thrown) {
      return [...seen, (thrown as LineError).code];
    } finally {
      channel.reset();
    }
  }

  test('names that lead out, or were not announced, are refused one by one', async () => {
    const all = await offering(async channel => {
      if (channel.kind === 'files.stat')
        await channel.send({ t: 'entry', entry: entry('', { type: 'folder', size: 0 }) });
      if (channel.kind === 'files.list') {
        const paths = ['../x', '/x', 'a/../../x', '.', '', 'ok'];
        await channel.send({ t: 'entries', entries: paths.map(path => entry(path)) });
        await channel.send({ t: 'done' });
      }
      if (channel.kind === 'files.get') {
        for await (const { id } of wantsOn(channel)) {
          await channel.send({ t: 'file', id, entry: entry('../../x'), offset: 0, length: 1 });
          await channel.write(Uint8Array.of(1));
          await channel.send({ t: 'end', id });
        }
      }
    });
    const failures = await outcomeOf(put(all));
    expect(failures.filter(failure => !failure.endsWith('BAD_NAME'))).toEqual([]);
    expect(failures).toHaveLength(5);
    expect(namesBelow(all.at())).toEqual(['to/', 'to/ok']);
  });

  test.each<[string, (want: { id: number }) => readonly (Record<string, unknown> | Uint8Array)[], RegExp]>([
    [
      'another size',
      ({ id }) => [
        { t: 'file', id, entry: entry('', { size: 9 }), offset: 0, length: 9 },
        new Uint8Array(9),
        { t: 'end', id },
      ],
      /^to CHANGED$/,
    ],
    ['another number', ({ id }) => [{ t: 'file', id: id + 1, entry: entry(''), offset: 0, length: 1 }], /PROTOCOL/],
    ['another length', ({ id }) => [{ t: 'file', id, entry: entry(''), offset: 0, length: 2 }], /PROTOCOL/],
    [
      'more bytes',
      ({ id }) => [{ t: 'file', id, entry: entry(''), offset: 0, length: 1 }, new Uint8Array(100)],
      /MISMATCH/,
    ],
    [
      'fewer bytes',
      ({ id }) => [
        { t: 'file', id, entry: entry(''), offset: 0, length: 1 },
        { t: 'end', id },
      ],
      /MISMATCH/,
    ],
  ])('%s than announced gives no file its name', async (_, answer, expected) => {
    const all = await offering(async channel => {
      if (channel.kind === 'files.stat') await channel.send({ t: 'entry', entry: entry('') });
      if (channel.kind !== 'files.get') return;
      for await (const want of wantsOn(channel)) {
        for (const item of answer(want)) {
          await (item instanceof Uint8Array ? channel.write(item) : channel.send(item));
        }
      }
    });
    expect((await outcomeOf(put(all))).join()).toMatch(expected);
    await expect.poll(() => namesBelow(all.at())).not.toContain('to');
  });

  test('an endless listing of failures whose events nobody reads does not pile up at the host', async () => {
    let listed = 0;
    let isOver = false;
    const all = await offering(async channel => {
      if (channel.kind === 'files.stat')
        await channel.send({ t: 'entry', entry: entry('', { type: 'folder', size: 0 }) });
      if (channel.kind !== 'files.list') {
        for await (const _ of channel);
        return;
      }
      try {
        for (;;) {
          const entries = Array.from({ length: 200 }, (_, n) => entry(`${listed + n}`, { type: 'other' }));
          await channel.send({ t: 'entries', entries });
          listed += entries.length;
        }
      } finally {
        isOver = true;
      }
    });
    const channel = put(all);
    let last = -1;
    for (let still = 0; still < 50; ) {
      await new Promise(resolve => setImmediate(resolve));
      await all.client.ping();
      still = listed === last && last > 0 ? still + 1 : 0;
      last = listed;
    }
    expect(listed).toBeLessThan(300_000);
    channel.reset();
    await expect.poll(() => isOver, { timeout: 20_000 }).toBe(true);
  });

  test('an upload whose own messages are read by hand comes whole', async () => {
    const all = await setUp();
    writeFileSync(all.own('large'), '');
    truncateSync(all.own('large'), 64 * MiB);
    const store = await openOffer(all.own('large'));
    const offer = all.offers.offer(store, all.client);
    const channel = all.client.open('files.put', { path: 'large', offer, policy: 'refuse' });
    expect(await outcomeOf(channel)).toEqual([]);
    expect(statSync(all.at('large')).size).toBe(64 * MiB);
    await store.close();
  });

  test('RESET at any point leaves no name that is not whole, no descriptor, and a line as good as before', async () => {
    const all = await setUp();
    mkdirSync(all.own('t'));
    for (let n = 0; n < 10; n += 1) writeFileSync(all.own(`t/${n}`), randomBytes(n * 300_000));
    await all.put('t', 'warm');
    const before = openDescriptors();
    for (let stopAt = 1; stopAt < 40; stopAt += 3) {
      const controller = new AbortController();
      let seen = 0;
      const outcome = await all
        .put('t', `to${stopAt}`, {
          signal: controller.signal,
          onEvent: () => {
            seen += 1;
            if (seen === stopAt) controller.abort();
          },
        })
        .catch((thrown: unknown) => thrown);
      if (outcome instanceof Error) expect(outcome).toEqual(code('CANCELLED'));
    }
    await expect.poll(openDescriptors, { timeout: 20_000 }).toBeLessThanOrEqual(before + 64 + 8);
    for (const name of namesBelow(all.at()).filter(one => /\/\d$/.test(one))) {
      expect(readFileSync(all.at(name)).equals(readFileSync(all.own(`t/${name.split('/')[1]}`))), name).toBe(true);
    }
    expect((await all.put('t', 'again')).failures).toEqual([]);
  });

  test('what it says of the same file twice is judged each time, and none is replaced', async () => {
    const all = await offering(
      async channel => {
        if (channel.kind === 'files.stat')
          await channel.send({ t: 'entry', entry: entry('', { type: 'folder', size: 0 }) });
        if (channel.kind === 'files.list') {
          await channel.send({ t: 'entries', entries: [entry('f'), entry('f', { mtime_us: 2 })] });
          await channel.send({ t: 'done' });
        }
        if (channel.kind !== 'files.get') return;
        let value = 0;
        for await (const { id } of wantsOn(channel)) {
          value += 1;
          await channel.send({ t: 'file', id, entry: entry('', { mtime_us: value }), offset: 0, length: 1 });
          await channel.write(Uint8Array.of(value));
          await channel.send({ t: 'end', id });
        }
      },
      ['write'],
    );
    expect(await outcomeOf(put(all))).toEqual(['to/f EXISTS']);
    expect([...readFileSync(all.at('to/f'))]).toEqual([1]);
  });
});

test('an upload and a download of the same line at the same time both come whole', async () => {
  const { own, at, put, client, store } = await setUp();
  writeFileSync(own('up'), randomBytes(20 * MiB));
  writeFileSync(at('down'), randomBytes(20 * MiB));
  const [, got] = await Promise.all([put('up', 'up'), downloading(new FilesClient(client), store, 'down', 'copy')]);
  expect(got.failures).toEqual([]);
  expect(readFileSync(at('up')).equals(readFileSync(own('up')))).toBe(true);
  expect(readFileSync(at('copy')).equals(readFileSync(at('down')))).toBe(true);
});
