import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { FilesClient } from '../../../src/services/files/reading/client.ts';
import type { ChangeStore } from '../../../src/services/files/store.ts';
import { openDescriptors } from '../../node/files/scene.ts';
import { seeded } from '../../support/bytes.ts';
import { filePortsOf, portsOf } from './ports.ts';
import {
  bytesOf,
  code,
  downloading,
  finalNames,
  type Got,
  namesBelow,
  type Served,
  type ServeOptions,
  serve as serveScene,
} from './served.ts';

const MiB = 1024 * 1024;

let served: Served | undefined;

async function serve(options: ServeOptions = {}): Promise<Served> {
  served = await serveScene(options);
  return served;
}

afterEach(async () => {
  expect(served?.faults ?? []).toEqual([]);
  await served?.end();
  served = undefined;
});

/** Runs `action` once, at the first progress of a download. */
function atFirstProgress(action: () => void): { onEvent: (event: { type: string }) => void } {
  let isDone = false;
  return {
    onEvent: event => {
      if (event.type !== 'progress' || isDone) return;
      isDone = true;
      action();
    },
  };
}

describe('when the connection is cut', () => {
  test('what came lies beside the name as a partial, and nothing has the name', async () => {
    const { at, got, get, transports } = await serve();
    const content = randomBytes(20 * MiB);
    writeFileSync(at('big'), content);
    let progress = 0;
    const getting = get('big', 'big', {
      onEvent: event => {
        if (event.type !== 'progress') return;
        progress += event.bytes;
        if (progress > 5 * MiB) transports[0].break();
      },
    });
    await expect(getting).rejects.toEqual(code('TRUNCATED'));
    const [partial, ...more] = namesBelow(got());
    expect(more).toEqual([]);
    expect(partial).toMatch(/^big\.0-[0-9a-f]{8}\.postern-part$/);
    const kept = readFileSync(got(partial));
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.equals(content.subarray(0, kept.length))).toBe(true);
  });

  test('while a folder comes, the files that were whole stay and the others have no name', async () => {
    const { at, got, get, transports } = await serve();
    const content = randomBytes(300_000);
    for (let n = 0; n < 100; n += 1) writeFileSync(at(`f${n}`), content);
    let finished = 0;
    const getting = get('', '', {
      onEvent: event => {
        if (event.type === 'finished') finished += 1;
        if (finished === 30) transports[1].break();
      },
    });
    await expect(getting).rejects.toEqual(code('TRUNCATED'));
    const names = finalNames(got());
    expect(names.length).toBeLessThan(100);
    for (const name of names) expect(readFileSync(got(name)).equals(content), name).toBe(true);
  });

  test('a stream that is being read fails, and does not end', async () => {
    const { at, files, transports } = await serve();
    writeFileSync(at('big'), randomBytes(20 * MiB));
    const file = await files.read('big');
    const reading = bytesOf(file.bytes);
    transports[0].break();
    await expect(reading).rejects.toEqual(code('TRUNCATED'));
  });
});

describe('when the source changes while it is sent', () => {
  test.each<[string, (path: string) => void]>([
    ['grows', path => appendFileSync(path, 'more')],
    ['is truncated', path => truncateSync(path, 2 * MiB)],
    ['is emptied and written anew', path => writeFileSync(path, randomBytes(8 * MiB))],
    ['gets another time', path => utimesSync(path, 1, 1)],
  ])('one that %s is CHANGED, thrown away, and the next file comes', async (_, change) => {
    const { at, got, get } = await serve();
    mkdirSync(at('d'));
    writeFileSync(at('d/big'), randomBytes(20 * MiB));
    utimesSync(at('d/big'), 1_000_000_000, 1_000_000_000);
    writeFileSync(at('d/z'), 'z');
    // The order is the disk's: both stand first in one of two downloads.
    const first = await get('d', 'd', { conflict: 'force', ...atFirstProgressOf('d/big', () => change(at('d/big'))) });
    expect(first.failures).toEqual(['d/big CHANGED']);
    expect(namesBelow(got('d'))).toEqual(['z']);
  });

  test('one that is replaced by another file is sent whole as it was', async () => {
    const { at, got, get } = await serve();
    const before = randomBytes(20 * MiB);
    writeFileSync(at('big'), before);
    writeFileSync(at('other'), 'other');
    const { failures } = await get(
      'big',
      'big',
      atFirstProgress(() => renameSync(at('other'), at('big'))),
    );
    expect(failures).toEqual([]);
    expect(readFileSync(got('big')).equals(before)).toBe(true);
  });

  test('one that is removed is sent whole, and one that is gone before its turn is NOT_FOUND', async () => {
    const { at, got, get } = await serve();
    writeFileSync(at('big'), randomBytes(20 * MiB));
    expect(
      (
        await get(
          'big',
          'big',
          atFirstProgress(() => rmSync(at('big'))),
        )
      ).failures,
    ).toEqual([]);
    writeFileSync(at('gone'), 'gone');
    const { failures } = await get('gone', 'gone', {
      onEvent: event => {
        if (event.type === 'found') rmSync(at('gone'));
      },
    });
    expect(failures).toEqual(['gone NOT_FOUND']);
    expect(namesBelow(got())).toEqual(['big']);
  });

  test('one that changed between listing and sending is CHANGED, and a stream says so at its end', async () => {
    const { at, got, get, files } = await serve();
    writeFileSync(at('f'), 'short');
    const { failures } = await get('f', 'f', {
      onEvent: event => {
        if (event.type === 'found') writeFileSync(at('f'), 'longer than it was');
      },
    });
    expect(failures).toEqual(['f CHANGED']);
    expect(namesBelow(got())).toEqual([]);
    writeFileSync(at('big'), randomBytes(20 * MiB));
    const file = await files.read('big');
    appendFileSync(at('big'), 'more');
    await expect(bytesOf(file.bytes)).rejects.toEqual(code('CHANGED'));
  });
});

describe('when this disk fails', () => {
  test('one file that finds no room is told by name, what it had is kept, and the rest goes on', async () => {
    const { at, got, get } = await serve({ receiveStore: root => failingWrites(root, 'd/full', 'NO_SPACE') });
    mkdirSync(at('d'));
    for (const name of ['a', 'full', 'b', 'c']) writeFileSync(at(`d/${name}`), randomBytes(12 * MiB));
    const { failures, summary } = await get('d', 'd');
    expect(failures).toEqual(['d/full NO_SPACE']);
    expect(summary).toMatchObject({ received: 3, failed: 1 });
    expect(finalNames(got())).toEqual(['d/', 'd/a', 'd/b', 'd/c']);
  });

  test('every file is told by name if there is no room at all', async () => {
    const { at, got, get } = await serve({
      receiveStore: root => ({
        ...portsOf(root),
        create: () => Promise.reject(new LineError('NO_SPACE', 'full')),
      }),
    });
    for (let n = 0; n < 30; n += 1) writeFileSync(at(`f${n}`), randomBytes(n * 100_000));
    const { failures, summary } = await get('', '');
    expect(failures).toHaveLength(30);
    expect(summary).toMatchObject({ received: 0, failed: 30 });
    expect(namesBelow(got())).toEqual([]);
  });

  test('a file that fails here and changes there at the same time takes no other with it', async () => {
    const { at, get } = await serve({ receiveStore: root => failingWrites(root, 'first', 'NO_SPACE') });
    writeFileSync(at('first'), randomBytes(MiB - 1));
    const { failures } = await get(
      'first',
      'first',
      atFirstProgress(() => appendFileSync(at('first'), 'x')),
    );
    expect(failures).toEqual(['first NO_SPACE']);
  });

  test('a fault of a store that is no LineError is INTERNAL, by name', async () => {
    const { at, get } = await serve({
      receiveStore: root => ({ ...portsOf(root), makeFolder: () => Promise.reject(new TypeError('a bug')) }),
    });
    mkdirSync(at('d'));
    writeFileSync(at('f'), 'f');
    const { failures, summary } = await get('', '');
    expect(failures).toEqual(['d INTERNAL']);
    expect(summary.received).toBe(1);
  });
});

describe('when it is cancelled', () => {
  test('before it begins, nothing is asked and nothing made', async () => {
    const { at, got, get } = await serve();
    writeFileSync(at('f'), 'f');
    await expect(get('', 'to', { signal: AbortSignal.abort() })).rejects.toEqual(code('CANCELLED'));
    expect(namesBelow(got())).toEqual([]);
  });

  test('at any point, everything settles, whole files alone have names, and no descriptor is left', async () => {
    const { at, got, get, client } = await serve();
    const contents = new Map<string, Buffer>();
    for (let n = 0; n < 40; n += 1) {
      const path = `d${n % 7}/${n}`;
      mkdirSync(at(`d${n % 7}`), { recursive: true });
      contents.set(path, randomBytes(n % 10 === 0 ? MiB : n * 1000));
      writeFileSync(at(path), contents.get(path)!);
    }
    const countEvents = (await get('', 'all')).events.length;
    await client.ping();
    const before = openDescriptors();
    const random = seeded(7);
    for (let round = 0; round < 25; round += 1) {
      const controller = new AbortController();
      const stopAt = Math.floor(random() * countEvents);
      const withReason = round % 2 === 0;
      let seen = 0;
      const outcome = await get('', `to${round}`, {
        signal: controller.signal,
        onEvent: () => {
          seen += 1;
          if (seen === stopAt) controller.abort(withReason ? new LineError('TIMEOUT', 'enough') : undefined);
        },
      }).catch((thrown: unknown) => thrown);
      if (outcome instanceof Error) expect(outcome).toEqual(code(withReason ? 'TIMEOUT' : 'CANCELLED'));
      for (const name of finalNames(got(`to${round}`)).filter(name => !name.endsWith('/'))) {
        expect(readFileSync(got(`to${round}/${name}`)).equals(contents.get(name)!), name).toBe(true);
      }
    }
    // Folders that were written into are remembered, up to 64 of them, whatever was cancelled.
    await expect.poll(openDescriptors, { timeout: 20_000 }).toBeLessThanOrEqual(before + 64 + 8);
    // The line is as good as before.
    expect((await get('', 'again')).failures).toEqual([]);
    expect(finalNames(got('again'))).toEqual(namesBelow(at()));
  });

  test('while the contents of two files are compared', async () => {
    const { at, got, get } = await serve();
    const content = randomBytes(30 * MiB);
    writeFileSync(at('f'), content);
    writeFileSync(got('f'), content);
    const controller = new AbortController();
    const getting = get('f', 'f', {
      checksum: true,
      signal: controller.signal,
      onEvent: event => {
        if (event.type === 'found') setImmediate(() => controller.abort());
      },
    });
    await expect(getting).rejects.toEqual(code('CANCELLED'));
    expect(namesBelow(got())).toEqual(['f']);
  });
});

describe('many at once', () => {
  const plant = (at: Served['at']): void => {
    for (let n = 0; n < 40; n += 1) {
      mkdirSync(at(`d${n % 4}`), { recursive: true });
      writeFileSync(at(`d${n % 4}/${n}`), randomBytes(n % 8 === 0 ? MiB : n * 500));
    }
  };

  test('downloads over one line all come whole', async () => {
    const { at, got, get, client } = await serve();
    plant(at);
    await client.ping();
    const before = openDescriptors();
    const results = await Promise.all(Array.from({ length: 12 }, (_, n) => get('', `to${n}`)));
    for (const [n, { failures }] of results.entries()) {
      expect(failures).toEqual([]);
      expectSame(at(), got(`to${n}`));
    }
    await expect.poll(openDescriptors, { timeout: 20_000 }).toBeLessThanOrEqual(before + 64 + 8);
  });

  test('downloads over many lines at once all come whole', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => serveScene()));
    await Promise.all(
      all.map(async ({ at, got, get, end, faults }) => {
        plant(at);
        const results: Got[] = await Promise.all([get('', 'a'), get('', 'b')]);
        for (const { failures } of results) expect(failures).toEqual([]);
        expectSame(at(), got('a'));
        expectSame(at(), got('b'));
        expect(faults).toEqual([]);
        await end();
      }),
    );
  });

  test('a hundred small questions at a time are all answered, again and again', async () => {
    const { at, files } = await serve();
    writeFileSync(at('f'), 'content');
    for (let round = 0; round < 5; round += 1) {
      const sizes = await Promise.all(Array.from({ length: 100 }, async () => (await files.stat('f')).size));
      expect(new Set(sizes)).toEqual(new Set([7]));
    }
  });

  test('two clients of one line and one store fetch the same name: one wins, the other fails or finds it done', async () => {
    const { at, got, client, store } = await serve();
    writeFileSync(at('f'), randomBytes(3 * MiB));
    const results = await Promise.all(
      Array.from({ length: 5 }, () => downloading(new FilesClient(client), store, 'f', 'f')),
    );
    const received = results.filter(({ summary }) => summary.received === 1);
    expect(received).toHaveLength(1);
    for (const { failures } of results) expect(failures.filter(failure => failure !== 'f EXISTS')).toEqual([]);
    expectSame(at('f'), got('f'));
  });
});

function expectSame(theirs: string, ours: string): void {
  const file = readIfFile(theirs);
  if (file !== undefined) {
    expect(Buffer.compare(file, readFileSync(ours))).toBe(0);
    return;
  }
  const names = namesBelow(theirs);
  expect(namesBelow(ours)).toEqual(names);
  for (const name of names) {
    const content = readIfFile(`${theirs}/${name}`);
    if (content !== undefined) expect(Buffer.compare(content, readFileSync(`${ours}/${name}`)), name).toBe(0);
  }
}

function readIfFile(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch {
    // A folder.
    return undefined;
  }
}

function atFirstProgressOf(path: string, action: () => void) {
  let isDone = false;
  return {
    onEvent: (event: { type: string; path?: string }) => {
      if (event.type !== 'progress' || event.path !== path || isDone) return;
      isDone = true;
      action();
    },
  };
}

/** Writes to `path` fail from the second block on, or from the first if there is one only. */
function failingWrites(store: ChangeStore, path: string, failure: LineError['code']): ChangeStore {
  return {
    ...portsOf(store),
    create: async name => {
      const file = await store.create(name);
      if (name !== path) return file;
      const fails = (): Promise<never> => Promise.reject(new LineError(failure, 'full'));
      return { ...filePortsOf(file), write: fails, writeZeros: fails };
    },
  };
}
