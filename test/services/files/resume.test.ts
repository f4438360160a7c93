import { randomBytes } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { Channel } from '../../../src/line/channel.ts';
import type { Line } from '../../../src/line/line.ts';
import { makeSha256 } from '../../../src/node/files/folder-service.ts';
import { thisPlace } from '../../../src/node/files/partial-names.ts';
import { ReadRoot } from '../../../src/node/files/read-root.ts';
import { CHUNK_BYTES } from '../../../src/services/files/comparing/leaves.ts';
import { FilesClient } from '../../../src/services/files/reading/client.ts';
import { filesHost } from '../../../src/services/files/reading/sender.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import { seeded } from '../../support/bytes.ts';
import { code, downloading, type Got, namesBelow, type Served, type ServeOptions, serve } from './served.ts';

const MiB = 1024 * 1024;
const SIZE = 5 * CHUNK_BYTES + 12_345;

let served: Served | undefined;

async function setUp(options: ServeOptions = {}): Promise<Served> {
  served = await serve(options);
  return served;
}

afterEach(async () => {
  expect(served?.faults ?? []).toEqual([]);
  await served?.end();
  served = undefined;
});

function sumOf({ events }: Got, type: 'progress' | 'kept'): number {
  return events.reduce((sum, event) => (event.type === type ? sum + (event as { bytes: number }).bytes : sum), 0);
}

describe('a partial that nobody writes is gone on with', () => {
  const part = (content: Buffer): Buffer => Buffer.from(content);
  test.each<[string, (content: Buffer) => Buffer, number]>([
    ['the same as far as it goes', content => content.subarray(0, 3 * CHUNK_BYTES), 2 * CHUNK_BYTES + 12_345],
    [
      'the same, and ends inside a chunk',
      content => content.subarray(0, 3 * CHUNK_BYTES + 99),
      2 * CHUNK_BYTES + 12_246,
    ],
    [
      'different in the middle',
      content => {
        const copy = part(content);
        copy[2 * CHUNK_BYTES + 5]! ^= 1;
        return copy;
      },
      CHUNK_BYTES,
    ],
    ['all there', content => content, 0],
    ['longer than the file', content => Buffer.concat([content, randomBytes(MiB)]), 0],
    ['of zeros', content => Buffer.alloc(content.length), SIZE],
    ['of something else', content => randomBytes(content.length), SIZE],
    ['too short to be worth it', content => content.subarray(0, 1000), SIZE],
  ])('when it is %s', async (_, makePartial, fetched) => {
    const { at, got, get } = await setUp();
    const content = randomBytes(SIZE);
    writeFileSync(at('f'), content);
    writeFileSync(got('f.0-0123abcd.postern-part'), makePartial(content), { mode: 0o600 });
    const result = await get('f', 'f', { checksum: true });
    expect(result.failures).toEqual([]);
    expect(readFileSync(got('f')).equals(content)).toBe(true);
    expect(namesBelow(got())).toEqual(['f']);
    expect(sumOf(result, 'progress')).toBe(fetched);
    expect(sumOf(result, 'kept')).toBe(fetched === SIZE ? 0 : SIZE - fetched);
    expect(result.summary.bytes).toBe(SIZE);
  });

  test('the largest of several; the others are cleared away once the file is there', async () => {
    const { at, got, get } = await setUp();
    const content = randomBytes(SIZE);
    writeFileSync(at('f'), content);
    writeFileSync(got('f.0-00000001.postern-part'), content.subarray(0, CHUNK_BYTES));
    writeFileSync(got('f.0-00000002.postern-part'), content.subarray(0, 4 * CHUNK_BYTES));
    writeFileSync(got('g.0-00000003.postern-part'), 'of another file');
    const result = await get('f', 'f');
    expect(sumOf(result, 'kept')).toBe(4 * CHUNK_BYTES);
    expect(namesBelow(got())).toEqual(['f', 'g.0-00000003.postern-part']);
  });

  test('R-F9 a partial of a file that this transfer does not bring stays, though that file is there', async () => {
    const { at, got, get } = await setUp();
    mkdirSync(at('d'));
    writeFileSync(at('d/small'), 'new');
    mkdirSync(got('d'));
    writeFileSync(got('d/theirs'), 'whole');
    for (const name of ['theirs', 'small']) writeFileSync(got(`d/${name}.0-00000000.postern-part`), 'part');
    expect((await get('d', 'd')).failures).toEqual([]);
    expect(readdirSync(got('d')).sort()).toEqual(['small', 'theirs', 'theirs.0-00000000.postern-part']);
  });

  test('what a process left that was killed while it gave a file or a link its name is cleared away', async () => {
    const { at, got, get } = await setUp();
    mkdirSync(at('d'));
    writeFileSync(at('d/file'), 'whole');
    symlinkSync('file', at('d/link'));
    await get('d', 'd');
    linkSync(got('d/file'), got('d/file.0-00000000.postern-part'));
    symlinkSync('file', got('d/link.0-00000000.postern-part'));
    const { summary } = await get('d', 'd');
    expect(summary).toMatchObject({ identical: 2, failed: 0 });
    expect(readdirSync(got('d')).sort()).toEqual(['file', 'link']);
    expect(statSync(got('d/file')).nlink).toBe(1);
  });

  test('R-F9 a second name of a file that is replaced is not gone on with', async () => {
    const { at, got, get } = await setUp();
    const before = randomBytes(SIZE);
    writeFileSync(at('f'), randomBytes(SIZE));
    writeFileSync(got('f'), before);
    linkSync(got('f'), got('kept'));
    linkSync(got('f'), got('f.0-00000000.postern-part'));
    const result = await get('f', 'f', { conflict: 'force', delta: false });
    expect(result.failures).toEqual([]);
    expect(sumOf(result, 'kept')).toBe(0);
    expect(readFileSync(got('kept')).equals(before)).toBe(true);
    expect(readFileSync(got('f')).equals(readFileSync(at('f')))).toBe(true);
  });

  test('of a name as long as names can be', async () => {
    const { at, got, get } = await setUp();
    const name = 'ü'.repeat(127);
    const content = randomBytes(SIZE);
    writeFileSync(at(name), content);
    const stop = new AbortController();
    let bytes = 0;
    const onEvent = (event: { type: string; bytes?: number }): void => {
      bytes += event.type === 'progress' ? event.bytes! : 0;
      if (bytes > 3 * CHUNK_BYTES) stop.abort();
    };
    await expect(get(name, name, { signal: stop.signal, onEvent })).rejects.toEqual(code('CANCELLED'));
    const again = await get(name, name);
    expect(again.failures).toEqual([]);
    expect(sumOf(again, 'kept')).toBeGreaterThan(0);
    expect(readFileSync(got(name)).equals(content)).toBe(true);
  });
});

describe('what is not ours is left alone', () => {
  test.each<[string, (path: string, other: string) => void]>([
    ['a hard link', (path, other) => linkSync(other, path)],
    ['a symlink', (path, other) => symlinkSync(other, path)],
    ['a folder', path => mkdirSync(path)],
  ])('%s that looks like a partial', async (_, plant) => {
    const { at, got, get } = await setUp();
    const content = randomBytes(SIZE);
    const precious = randomBytes(SIZE);
    writeFileSync(at('f'), content);
    writeFileSync(got('precious'), precious);
    plant(got('f.0-0123abcd.postern-part'), got('precious'));
    const result = await get('f', 'f');
    expect(result.failures).toEqual([]);
    expect(sumOf(result, 'kept')).toBe(0);
    expect(readFileSync(got('precious')).equals(precious)).toBe(true);
    expect(readdirSync(got()).sort()).toEqual(['f', 'f.0-0123abcd.postern-part', 'precious']);
  });

  test.each([
    ['of this process', process.pid],
    ['of another one', process.ppid],
  ])('a partial %s, which lives', async (_, pid) => {
    const { at, got, get } = await setUp();
    const content = randomBytes(SIZE);
    writeFileSync(at('f'), content);
    // The second name is one of the versions before there was a place in it.
    const names = [`f.${pid}-${thisPlace()}-0123abcd.postern-part`, `f.${pid}-0123abcd.postern-part`].sort();
    for (const name of names) writeFileSync(got(name), content);
    expect(sumOf(await get('f', 'f'), 'kept')).toBe(0);
    expect(namesBelow(got())).toEqual(['f', ...names]);
  });

  test('a partial of a dead process is not', async () => {
    const { at, got, get } = await setUp();
    const content = randomBytes(SIZE);
    writeFileSync(at('f'), content);
    writeFileSync(got(`f.999999999-${thisPlace()}-0123abcd.postern-part`), content);
    expect(sumOf(await get('f', 'f'), 'kept')).toBe(SIZE);
    expect(namesBelow(got())).toEqual(['f']);
  });

  test('names that are nearly those of partials', async () => {
    const { at, got, get } = await setUp();
    const content = randomBytes(SIZE);
    writeFileSync(at('f'), content);
    const near = [
      'f.0-0123ABCD.postern-part',
      'f.0-0123abc.postern-part',
      'f.postern-part',
      'xf.0-0123abcd.postern-part',
    ];
    for (const name of near) writeFileSync(got(name), content);
    expect(sumOf(await get('f', 'f'), 'kept')).toBe(0);
    expect(namesBelow(got())).toEqual([...near, 'f'].sort());
  });
});

describe('two at once on one target', () => {
  test('neither corrupts the other: one wins, and what the other says is EXISTS or nothing', async () => {
    const { at, got, client, store } = await setUp();
    const content = randomBytes(SIZE);
    writeFileSync(at('f'), content);
    for (let round = 0; round < 5; round += 1) {
      writeFileSync(got(`f${round}.0-0123abcd.postern-part`), content.subarray(0, 2 * CHUNK_BYTES + round));
      const results = await Promise.all(
        [1, 2, 3].map(() => downloading(new FilesClient(client), store, 'f', `f${round}`)),
      );
      expect(results.filter(({ summary }) => summary.received === 1)).toHaveLength(1);
      for (const { failures } of results) expect(failures.filter(one => !one.endsWith(' EXISTS'))).toEqual([]);
      expect(readFileSync(got(`f${round}`)).equals(content)).toBe(true);
    }
    // What the losers had is found by the next transfer, and cleared away.
    await downloading(new FilesClient(client), store, 'f', 'f0');
    expect(namesBelow(got()).filter(name => name.endsWith('part'))).toEqual([]);
  });
});

test('a source that changes while it is compared or fetched is CHANGED, and no mixture gets the name', async () => {
  for (const moment of ['found', 'started', 'kept', 'progress'] as const) {
    const { at, got, get, end } = await setUp();
    const content = randomBytes(SIZE);
    writeFileSync(at('f'), content);
    utimesSync(at('f'), 1, 1);
    writeFileSync(got('f.0-0123abcd.postern-part'), content.subarray(0, 2 * CHUNK_BYTES));
    let isDone = false;
    const { failures } = await get('f', 'f', {
      onEvent: ({ type }) => {
        if (type !== moment || isDone) return;
        isDone = true;
        writeFileSync(at('f'), randomBytes(SIZE));
      },
    });
    expect(failures, moment).toEqual(['f CHANGED']);
    expect(namesBelow(got()), moment).toEqual([]);
    expect((await get('f', 'f')).failures).toEqual([]);
    expect(readFileSync(got('f')).equals(readFileSync(at('f')))).toBe(true);
    await end();
    served = undefined;
  }
});

test('cut anywhere, it is completed with at most two chunks again', async () => {
  const random = seeded(11);
  const size = 8 * CHUNK_BYTES + 7;
  const content = randomBytes(size);
  for (let round = 0; round < 8; round += 1) {
    const first = await setUp();
    writeFileSync(first.at('f'), content);
    const cutAt = Math.floor(random() * size);
    let bytes = 0;
    const getting = first.get('f', 'f', {
      onEvent: event => {
        bytes += event.type === 'progress' ? event.bytes : 0;
        if (bytes > cutAt) first.transports[0].break();
      },
    });
    await getting.catch(() => {});
    const left = readdirSync(first.got()).filter(name => name.endsWith('part'));
    const second = await serve();
    writeFileSync(second.at('f'), content);
    utimesSync(second.at('f'), statSync(first.at('f')).mtime, statSync(first.at('f')).mtime);
    for (const name of left) renameSync(first.got(name), second.got(name));
    if (left.length > 0) {
      const result = await second.get('f', 'f');
      expect(result.failures).toEqual([]);
      expect(sumOf(result, 'progress')).toBeLessThanOrEqual(size - bytes + 2 * CHUNK_BYTES);
      expect(readFileSync(second.got('f')).equals(content)).toBe(true);
    }
    await second.end();
    await first.end();
    served = undefined;
  }
});

describe('hostile leaves', () => {
  const size = 3 * CHUNK_BYTES;

  /** A host that is honest but for its leaves. */
  async function lying(leaves: (channel: Channel, honest: () => Promise<void>) => Promise<void>): Promise<Served> {
    let honest: ((channel: Channel, line: Line) => Promise<void>) | undefined;
    const all = await setUp({
      host: channel =>
        channel.kind === 'files.leaves'
          ? leaves(channel, () => honest!(channel, all.server))
          : honest!(channel, all.server),
    });
    const root = await ReadRoot.open(all.at());
    honest = dispatchChannels([filesHost(root, makeSha256)], ['read']);
    return all;
  }

  const entry = (all: Served) => {
    const { mtimeMs } = statSync(all.at('f'));
    return { path: '', type: 'file', size, mtime_us: Math.floor(mtimeMs * 1000), mode: 0o644 };
  };

  test.each<[string, number, string[]]>([
    ['too many', 4 * 16, ['f MISMATCH']],
    ['a megabyte of them', MiB, ['f MISMATCH']],
    ['too few', 2 * 16, ['f MISMATCH']],
    ['none', 0, ['f MISMATCH']],
    ['of a wrong length', 3 * 16 - 1, ['f MISMATCH']],
    ['of another key', 3 * 16, []],
  ])('%s: what is wrong never gets the name', async (_, byteLength, failures) => {
    const all: Served = await lying(async channel => {
      await channel.send({ t: 'leaves', entry: entry(all) });
      await channel.write(randomBytes(byteLength));
    });
    const content = randomBytes(size);
    writeFileSync(all.at('f'), content);
    utimesSync(all.at('f'), 1_700_000_000, 1_700_000_000);
    writeFileSync(all.got('f.0-0123abcd.postern-part'), content);
    const result = await all.get('f', 'f');
    expect(result.failures).toEqual(failures);
    if (failures.length > 0) {
      expect(namesBelow(all.got())).toEqual([]);
      return;
    }
    expect(sumOf(result, 'progress')).toBe(size);
    expect(readFileSync(all.got('f')).equals(content)).toBe(true);
  });

  test('of another file than was listed are CHANGED', async () => {
    const all: Served = await lying(async channel => {
      await channel.send({ t: 'leaves', entry: { ...entry(all), size: 2 ** 50 } });
    });
    writeFileSync(all.at('f'), randomBytes(size));
    writeFileSync(all.got('f.0-0123abcd.postern-part'), randomBytes(size));
    expect((await all.get('f', 'f')).failures[0]).toMatch(/CHANGED|MISMATCH/);
    expect(namesBelow(all.got())).toEqual([]);
  });
});
