import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Channel, ChannelItem } from '../../../src/line/channel.ts';
import { encodeBase64url } from '../../../src/protocol/bytes/base64url.ts';
import type { JsonObject } from '../../../src/protocol/bytes/json.ts';
import type { SourceFile } from '../../../src/services/files/store.ts';
import { openDescriptors, SECRET, snapshot } from '../../node/files/scene.ts';
import { joinedLines } from '../../support/lines.ts';
import { code, type Served, serve } from './served.ts';

/** A client that has logged in with `read` and asks for what it likes: it gets what lies inside, or a code (R-F7, R-F8). */

let served: Served;
let outside: string[];

beforeAll(async () => {
  served = await serve();
  const { at, scene } = served;
  mkdirSync(at('folder'));
  writeFileSync(at('folder/file'), 'inside');
  symlinkSync('../outside', at('out'));
  symlinkSync(scene.outside, at('absolute'));
  symlinkSync('../../outside/secret', at('folder/out'));
  symlinkSync('loop', at('loop'));
  outside = snapshot(scene.outside);
});

afterAll(async () => {
  expect(snapshot(served.scene.outside)).toEqual(outside);
  expect(served.faults).toEqual([]);
  await served.end();
});

/** All that a channel says, as text, and the code that ended it. */
async function everythingOf(channel: Channel): Promise<{ text: string; code: string | undefined }> {
  let text = '';
  try {
    for (let item = await channel.read(); item !== undefined; item = await channel.read()) {
      text += item instanceof Uint8Array ? Buffer.from(item).toString('latin1') : JSON.stringify(item);
      if (!(item instanceof Uint8Array) && item['t'] === 'failed') return { text, code: item['code'] as string };
    }
    return { text, code: undefined };
  } catch (thrown) {
    return { text, code: (thrown as { code: string }).code };
  } finally {
    channel.reset();
  }
}

const KINDS = ['files.stat', 'files.list', 'files.get', 'files.hash'];

/** Asks by each kind for `path`, which is fields of a request. */
function ask(kind: string, path: JsonObject): Promise<{ text: string; code: string | undefined }> {
  const channel = served.client.open(kind, kind === 'files.get' ? {} : path);
  // A channel that the host ends at once refuses what comes after, which is told by reading.
  if (kind === 'files.get') channel.send({ t: 'want', id: 0, ...path }).catch(() => {});
  return everythingOf(channel);
}

describe.each(KINDS)('R-F7 R-F8 %s', kind => {
  test.each([
    '..',
    '.',
    '../outside/secret',
    '../outside',
    'folder/../../outside/secret',
    'folder/..',
    './folder/file',
    '/etc/passwd',
    '//etc/passwd',
    'file:///etc/passwd',
    '/',
    'folder//file',
    'folder/',
    'folder/file\0',
    'folder\0/../../outside/secret',
    '\0',
    'n'.repeat(256),
    'd/'.repeat(200),
    `${'n/'.repeat(2500)}n`,
  ])('refuses %j as a name', async path => {
    expect((await ask(kind, { path })).code).toBe('BAD_NAME');
    const bytes = encodeBase64url(Buffer.from(path));
    expect((await ask(kind, { pathb: bytes })).code).toBe('BAD_NAME');
    // With both, the bytes count, and they are no way around.
    expect((await ask(kind, { path: 'folder/file', pathb: bytes })).code).toBe('BAD_NAME');
  });

  test.each([
    '%2e%2e/outside/secret',
    '..%2Foutside%2Fsecret',
    '%2Fetc%2Fpasswd',
    '..\\outside\\secret',
    'C:\\Windows',
    '\uff0e\uff0e/outside/secret',
    '\u2025/outside',
    '~/secret',
    'folder/file%00',
    '__proto__',
    'constructor/prototype',
  ])('takes %j for a name like any other, which is not there', async path => {
    expect((await ask(kind, { path })).code).toBe(process.platform === 'win32' ? 'BAD_NAME' : 'NOT_FOUND');
  });

  test('takes an overlong dot and slash for bytes, not for what they once meant', async () => {
    for (const bytes of [
      [0xc0, 0xae, 0xc0, 0xae, 0x2f, 0x66],
      [0x2e, 0x2e, 0xc0, 0xaf, 0x66],
      [0xff, 0xfe],
    ]) {
      const { code: found } = await ask(kind, { pathb: encodeBase64url(Uint8Array.from(bytes)) });
      expect(['NOT_FOUND', 'BAD_NAME']).toContain(found);
    }
  });

  test('refuses links that leave, and says nothing of what lies behind them', async () => {
    for (const path of [
      'out',
      'out/secret',
      'absolute',
      'absolute/secret',
      'folder/out',
      'out/folder/b/secret',
      'loop',
    ]) {
      const { text, code: found } = await ask(kind, { path });
      expect(found, path).toBe('FORBIDDEN');
      expect(text).not.toContain(SECRET);
      expect(text).not.toContain(served.scene.base);
    }
  });

  test.each<JsonObject>([
    {},
    { path: null },
    { path: 7 },
    { path: ['folder'] },
    { path: { toString: 'folder' } },
    { pathb: '!' },
    { pathb: 'a' },
    { pathb: 'Zh' },
    { pathb: 'Zg==' },
    { pathb: '../../etc' },
    { pathb: null },
    { __proto__: { path: 'folder/file' } },
  ])('ends the channel, and only that, for %j', async path => {
    expect((await ask(kind, path)).code).toBe('PROTOCOL');
    expect(await served.files.stat('folder/file')).toMatchObject({ size: 6 });
  });
});

describe('R-F3 a want', () => {
  test.each<JsonObject>([
    { id: -1 },
    { id: 1.5 },
    { id: '0' },
    { id: 2 ** 53 },
    { offset: -1 },
    { offset: 2 ** 53 },
    { offset: 1e308 },
    { offset: '0' },
    { length: -1 },
    { length: 2 ** 53 },
    { length: 0.1 },
    { length: 'all' },
    { t: 'file' },
    { t: 'wants' },
    { t: 7 },
  ])('with %j ends the channel, and only that', async more => {
    const channel = served.client.open('files.get');
    channel.send({ t: 'want', id: 0, path: 'folder/file', ...more }).catch(() => {});
    expect((await everythingOf(channel)).code).toBe('PROTOCOL');
    expect(await served.files.stat('folder/file')).toMatchObject({ size: 6 });
  });

  test('of the largest offset and length together does not overflow', async () => {
    const channel = served.client.open('files.get');
    const most = Number.MAX_SAFE_INTEGER;
    await channel.send({ t: 'want', id: most, path: 'folder/file', offset: most, length: most });
    await channel.send({ t: 'want', id: 0, path: 'folder/file', offset: 1, length: most });
    await channel.end();
    const { text } = await everythingOf(channel);
    expect(text).toContain(`"id":${most}`);
    expect(text).toContain('"offset":6,"length":0');
    expect(text).toContain('"offset":1,"length":5}nside');
  });

  test('in bytes ends the channel', async () => {
    const channel = served.client.open('files.get');
    channel.write(Buffer.from('{"t":"want"}')).catch(() => {});
    expect((await everythingOf(channel)).code).toBe('PROTOCOL');
  });

  test('ten thousand of them, sent before the first answer is read, are answered in order', async () => {
    const channel = served.client.open('files.get');
    const total = 10_000;
    const sending = (async () => {
      for (let id = 0; id < total; id += 1) await channel.send({ t: 'want', id, path: 'nothing' });
      await channel.end();
    })();
    let next = 0;
    for (let item = await channel.read(); item !== undefined; item = await channel.read()) {
      expect((item as JsonObject)['id']).toBe(next);
      next += 1;
    }
    await sending;
    expect(next).toBe(total);
  });

  test('of somebody who never reads the answers waits at the client once the host’s window is full', async () => {
    let opened = 0;
    const flooded = await serve({
      readStore: root => ({
        stat: path => root.stat(path),
        list: (path, options) => root.list(path, options),
        open: path => {
          opened += 1;
          return root.open(path);
        },
      }),
    });
    writeFileSync(flooded.at('large'), '');
    truncateSync(flooded.at('large'), 64 * 1024 * 1024);
    const channel = flooded.client.open('files.get');
    const padding = 'x'.repeat(1000);
    let sent = 0;
    const flooding = (async () => {
      for (; sent < 100_000; sent += 1) await channel.send({ t: 'want', id: sent, path: 'large', padding });
    })().catch(() => {});
    await settled(flooded, () => sent);
    expect(opened).toBe(1);
    // 4 MiB of credit, and what waits at the client to be sent.
    expect(sent * 1000).toBeLessThan(6 * 1024 * 1024);
    channel.reset();
    await flooding;
    await flooded.end();
  });
});

describe('a client that never reads', () => {
  test('makes the host read a file no further than its credit', async () => {
    let bytesRead = 0;
    const slow = await serve({
      readStore: root => ({
        stat: path => root.stat(path),
        list: (path, options) => root.list(path, options),
        open: async path => {
          const file = await root.open(path);
          const counting: SourceFile = {
            entry: file.entry,
            read: async (target, position) => {
              const count = await file.read(target, position);
              bytesRead += count;
              return count;
            },
            verifyUnchanged: () => file.verifyUnchanged(),
            close: () => file.close(),
          };
          return counting;
        },
      }),
    });
    writeFileSync(slow.at('huge'), '');
    truncateSync(slow.at('huge'), 1024 ** 3);
    const before = openDescriptors();
    const channel = slow.client.open('files.get');
    await channel.send({ t: 'want', id: 0, path: 'huge' });
    await settled(slow, () => bytesRead);
    expect(bytesRead).toBeGreaterThan(0);
    expect(bytesRead).toBeLessThan(32 * 1024 * 1024);
    channel.reset();
    await expect.poll(openDescriptors, { timeout: 20_000 }).toBeLessThanOrEqual(before);
    await slow.end();
  });

  test('makes the host walk a tree no further than its credit, and leaves no descriptor', async () => {
    let listed = 0;
    let isClosed = false;
    const slow = await serve({
      readStore: root => ({
        stat: path => root.stat(path),
        open: path => root.open(path),
        async *list() {
          try {
            for (;;) {
              yield Array.from({ length: 256 }, () => {
                listed += 1;
                return { path: `${listed}`.repeat(10), type: 'file' as const, size: 1, mtimeUs: 1, mode: 0o644 };
              });
              await new Promise(resolve => setImmediate(resolve));
            }
          } finally {
            isClosed = true;
          }
        },
      }),
    });
    const channel = slow.client.open('files.list', { path: '', recursive: true });
    await settled(slow, () => listed);
    expect(listed).toBeLessThan(200_000);
    expect(isClosed).toBe(false);
    channel.reset();
    await expect.poll(() => isClosed, { timeout: 20_000 }).toBe(true);
    await slow.end();
  });

  test('and lets its line go leaves nothing open at the host', async () => {
    const left = await serve();
    writeFileSync(left.at('large'), '');
    truncateSync(left.at('large'), 1024 ** 3);
    const before = openDescriptors();
    for (let n = 0; n < 10; n += 1) {
      const channel = left.client.open('files.get');
      await channel.send({ t: 'want', id: 0, path: 'large' });
      left.client.open('files.list', { path: '', recursive: true });
      left.client.open('files.hash', { path: 'large' });
    }
    await left.client.ping();
    left.transports[0].break();
    await left.server.closed;
    await expect.poll(openDescriptors, { timeout: 20_000 }).toBeLessThanOrEqual(before);
    expect(left.faults).toEqual([]);
    await left.end();
  });
});

describe('a channel of no known kind', () => {
  test.each([
    '',
    'files',
    'files.',
    'files.get ',
    'FILES.GET',
    'files.put',
    'constructor',
    '__proto__',
    'toString',
    'exec',
  ])('R-A8 %j is UNSUPPORTED', async kind => {
    const channel = served.client.open(kind, { path: 'folder/file' });
    const item: Promise<ChannelItem | undefined> = channel.read();
    await expect(item).rejects.toEqual(code('UNSUPPORTED'));
  });

  test('a request cannot name another kind than the channel', async () => {
    const { client, server } = await joinedLines({
      onChannel: async channel => channel.send({ kind: channel.kind }),
    });
    const channel = client.open('a', { kind: 'b' });
    expect(await channel.readMessage()).toEqual({ kind: 'a' });
    channel.reset();
    await client.close();
    expect(await server.closed).toBeUndefined();
  });
});

/** Resolves when `count` has stopped: it stayed the same for many turns and round trips. */
async function settled({ client }: Served, count: () => number): Promise<void> {
  for (let last = -1, still = 0; still < 100; ) {
    await new Promise(resolve => setImmediate(resolve));
    await client.ping();
    still = count() === last && last > 0 ? still + 1 : 0;
    last = count();
  }
}
