import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import type { JsonObject } from '../../../src/protocol/bytes/json.ts';
import { snapshot } from '../../node/files/scene.ts';
import {
  answers,
  file,
  folder,
  HOSTILE_ANSWERS,
  honestAnswer,
  hostilePeer,
  link,
  lists,
  type Script,
  shortened,
} from './hostile-peer.ts';
import { bytesOf, code, finalNames, namesBelow, type Served, serve } from './served.ts';

/**
 * A host that speaks the service badly, by intent or by fault. Whatever it says: the client ends with a code, nothing is
 * written outside, and no file gets its name that is not what was announced (R-F1, R-F3).
 */

let served: Served | undefined;
let outside: string[];

async function facing(script: Script): Promise<Served> {
  served = await serve({ host: hostilePeer(script) });
  outside = snapshot(served.scene.outside);
  return served;
}

afterEach(async () => {
  if (served === undefined) return;
  expect(snapshot(served.scene.outside)).toEqual(outside);
  expect(readdirSync(served.scene.base).sort()).toEqual(['outside', 'root', 'target']);
  await served.end();
  served = undefined;
});

describe('R-F3 a hostile answer to a want', () => {
  test.each(HOSTILE_ANSWERS)('%s', async (_, answer, expected, then) => {
    let isFirst = true;
    const { get, got } = await facing({
      list: lists(file('first', 5), file('second', 5)),
      get: answers(async (channel, id) => {
        const wasFirst = isFirst;
        isFirst = false;
        if (wasFirst) await answer(channel, id);
        else await honestAnswer(channel, id);
      }),
    });
    const failed: string[] = [];
    const getting = get('', '', {
      onEvent: event => {
        if (event.type === 'failed') failed.push(event.error.code);
      },
    });
    if (then === 'ends') {
      await expect(getting).rejects.toEqual(code(expected));
      // What was honest before the violation may have its name.
      expect(finalNames(got()).filter(name => name === 'second')).toEqual([]);
      for (const name of finalNames(got())) expect(readFileSync(got(name), 'utf8')).toBe('hello');
    } else {
      const { summary } = await getting;
      expect(failed).toEqual([expected]);
      expect(summary).toMatchObject({ received: 1, failed: 1 });
      expect(finalNames(got())).toEqual(['second']);
    }
    if (expected === 'MISMATCH' || expected === 'CHANGED') expect(finalNames(got())).toEqual(namesBelow(got()));
  });

  test('a gigabyte where one byte was announced is stopped, not read to its end', async () => {
    const block = new Uint8Array(1024 * 1024);
    let sent = 0;
    const { get, got } = await facing({
      list: lists(file('small', 1)),
      get: answers(async (channel, id) => {
        await channel.send({ t: 'file', id, entry: file('', 1), offset: 0, length: 1 });
        for (; sent < 1024; sent += 1) await channel.write(block);
      }),
    });
    await expect(get('', '')).rejects.toEqual(code('MISMATCH'));
    expect(sent).toBeLessThan(64);
    expect(namesBelow(got())).toEqual([]);
  });

  test('a huge file that turns out not to be wanted is not read to its end, and the next one comes', async () => {
    const block = new Uint8Array(1024 * 1024);
    let sent = 0;
    const { get, got } = await facing({
      list: lists(file('small', 1), file('second', 5)),
      get: answers(async (channel, id, want) => {
        if (want['path'] === 'second') return honestAnswer(channel, id);
        await channel.send({ t: 'file', id, entry: file('', 2 ** 40), offset: 0, length: 2 ** 40 });
        for (; sent < 1024; sent += 1) await channel.write(block);
        throw new LineError('INTERNAL', 'nobody should read as far as this');
      }),
    });
    const { failures } = await get('', '');
    expect(failures).toEqual(['small CHANGED']);
    expect(finalNames(got())).toEqual(['second']);
    expect(sent).toBeLessThan(64);
  });

  test('a single file is as guarded as a folder', async () => {
    const { files } = await facing({ stat: file('', 5), get: answers((channel, id) => shortened(channel, id, 2)) });
    const read = await files.read('x');
    await expect(bytesOf(read.bytes)).rejects.toEqual(code('MISMATCH'));
  });

  test('a part that was not asked for is refused', async () => {
    const { files } = await facing({
      get: answers(async (channel, id) => {
        await channel.send({ t: 'file', id, entry: file('', 100), offset: 0, length: 100 });
      }),
    });
    await expect(files.read('x', { offset: 10, length: 20 })).rejects.toEqual(code('PROTOCOL'));
  });
});

describe('R-F1 a hostile listing', () => {
  test.each([
    '..',
    '.',
    '../escaped',
    '../target/../escaped',
    'a/../../escaped',
    '/tmp/postern-escaped',
    '//escaped',
    'a//b',
    'a/',
    'a/.',
    'nul\0',
    `${'n'.repeat(256)}`,
    'd/'.repeat(200),
    '',
  ])('the name %j is a failure of its own, and the rest goes on', async path => {
    const { get, got } = await facing({
      list: lists(file(path, 5), folder(path), link(path, 'x'), file('good', 5)),
      get: answers((channel, id) => honestAnswer(channel, id)),
    });
    const { failures, summary } = await get('', '');
    expect(failures).toHaveLength(3);
    expect(failures.every(failure => failure.endsWith(' BAD_NAME'))).toBe(true);
    expect(summary.received).toBe(1);
    expect(namesBelow(got())).toEqual(['good']);
  });

  test('backslashes and drive letters are plain characters here, or refused on Windows', async () => {
    const names = ['..\\..\\escaped', 'C:\\escaped', 'C:escaped', '\\\\server\\share'];
    const { get, got } = await facing({
      list: lists(...names.map(name => file(name, 5))),
      get: answers((channel, id) => honestAnswer(channel, id)),
    });
    await get('', '');
    expect(namesBelow(got())).toEqual(process.platform === 'win32' ? [] : names.sort());
  });

  test.each([['/etc/passwd'], ['../outside'], ['../../outside/secret'], ['a/../..'], ['\0'], [''], ['/'], ['..']])(
    'a link to %j is not made',
    async target => {
      const { get, got } = await facing({ list: lists(link('l', target), folder('d'), link('d/l', `../${target}`)) });
      const { failures } = await get('', '');
      expect(failures.slice(0, 1)).toEqual(['l BAD_NAME']);
      expect(namesBelow(got()).filter(name => name === 'l')).toEqual([]);
    },
  );

  test('nothing is written through a link that the host has just sent', async () => {
    const { get, got } = await facing({
      list: lists(folder('d'), link('l', 'd'), file('l/x', 5), folder('l/y'), link('l', 'd/../d')),
      get: answers((channel, id) => honestAnswer(channel, id)),
    });
    const { failures } = await get('', '', { conflict: 'force' });
    expect(failures.map(failure => failure.split(' ')[0])).toEqual(expect.arrayContaining(['l/x', 'l/y', 'l']));
    expect(namesBelow(got()).filter(name => !name.startsWith('l'))).toEqual(['d/']);
    expect(readdirSync(got('d'))).toEqual([]);
  });

  test('R-F4 setuid, setgid and sticky bits are masked, and a wilder mode ends the listing', async () => {
    const { get, got } = await facing({
      list: lists(file('f', 5, { mode: 0o7755 }), folder('d', { mode: 0o7700 })),
      get: answers(async (channel, id) => {
        await channel.send({ t: 'file', id, entry: file('', 5, { mode: 0o6755 }), offset: 0, length: 5 });
        await channel.write(Buffer.from('hello'));
        await channel.send({ t: 'end', id });
      }),
    });
    await get('', '');
    expect(statSync(got('f')).mode & 0o7777).toBe(0o755);
    expect(statSync(got('d')).mode & 0o7777).toBe(0o700);
  });

  test.each([
    ['a negative size', { size: -1 }],
    ['a fractional size', { size: 1.5 }],
    ['a size of 2^53', { size: 2 ** 53 }],
    ['a size that is null', { size: null }],
    ['a fractional time', { mtime_us: 0.5 }],
    ['a mode above 0o7777', { mode: 0o10000 }],
    ['a negative mode', { mode: -1 }],
    ['a path that is a number', { path: 7 }],
    ['a path that is a list', { path: ['x'] }],
    ['a path with half of a surrogate pair', { path: 'a\ud800' }],
    ['a target with half of a surrogate pair', { type: 'link', target: '\udc00' }],
    ['an unknown type', { type: 'device' }],
    ['a type out of the prototype', { type: 'toString' }],
    ['pathb that is not base64url', { pathb: '../x' }],
    ['pathb with left-over bits', { pathb: 'Zh' }],
  ])('%s ends the listing', async (_, more) => {
    const { get, got } = await facing({ list: lists(file('good', 0, more)) });
    await expect(get('', '')).rejects.toEqual(code('MALFORMED'));
    expect(namesBelow(got())).toEqual([]);
  });

  test.each<[string, (channel: Channel) => Promise<void>]>([
    ['no list of entries', channel => channel.send({ t: 'entries' })],
    ['entries that are an object', channel => channel.send({ t: 'entries', entries: { length: 1 } })],
    ['an entry that is null', channel => channel.send({ t: 'entries', entries: [null] })],
    ['an unknown message', channel => channel.send({ t: 'file' })],
    ['bytes', channel => channel.write(new Uint8Array(5))],
    ['an end without done', channel => channel.end()],
  ])('%s ends the download', async (_, list) => {
    const { get } = await facing({ list });
    await expect(get('', '')).rejects.toEqual(expect.objectContaining({ name: 'LineError' }));
  });

  test('__proto__ is a name like any other', async () => {
    const { get, got } = await facing({
      list: lists(folder('__proto__'), file('__proto__/constructor', 5)),
      get: answers((channel, id) => honestAnswer(channel, id)),
    });
    expect((await get('', '')).summary).toMatchObject({ received: 1, failed: 0 });
    expect(namesBelow(got())).toEqual(['__proto__/', '__proto__/constructor']);
    expect(Object.hasOwn(Object.prototype, 'path')).toBe(false);
  });

  test('a folder that comes after its files, twice or as a file does no harm', async () => {
    const { get, got } = await facing({
      list: lists(
        file('d/a', 5),
        folder('d'),
        folder('d', { mode: 0o755 }),
        file('d', 5),
        file('d/b', 5),
        file('d/b', 5),
      ),
      get: answers((channel, id) => honestAnswer(channel, id)),
    });
    const { failures } = await get('', '');
    expect(failures).toEqual(['d EXISTS', 'd/b EXISTS']);
    expect(finalNames(got())).toEqual(['d/', 'd/a', 'd/b']);
  });

  test('R-F5 the host is asked for what it listed, and nothing comes that no event named before', async () => {
    const asked: unknown[] = [];
    const { get, got } = await facing({
      list: lists(folder('d'), file('d/a', 5), file('b', 5)),
      get: answers(async (channel, id, want) => {
        asked.push(want['path']);
        await honestAnswer(channel, id);
      }),
    });
    const { events } = await get('shared', 'to');
    expect(asked).toEqual(['shared/d/a', 'shared/b']);
    const found = new Map<string, number>();
    for (const event of events) {
      if (event.type === 'found') found.set(event.path, event.size);
      if (event.type === 'started') expect(found.get(event.path)).toBe(event.size);
    }
    expect(finalNames(got()).filter(name => !name.endsWith('/'))).toEqual([...found.keys()].sort());
  });

  test.each(['folders', 'files', 'problems', 'links'])(
    'an endless listing of %s is stopped by the signal',
    async what => {
      let listed = 0;
      const endless = async (channel: Channel): Promise<void> => {
        for (;;) {
          const entries = Array.from({ length: 100 }, () => {
            listed += 1;
            if (what === 'folders') return folder(`d${listed}`);
            if (what === 'problems') return { path: `p${listed}`, code: 'ACCESS', reason: 'no' };
            return what === 'links' ? link(`l${listed}`, '/') : file(`f${listed}`, 5);
          });
          await channel.send({ t: 'entries', entries });
          // A network lets others have a turn too; the one in memory does not.
          await new Promise(resolve => setImmediate(resolve));
        }
      };
      const { get, got } = await facing({ list: endless, get: answers((channel, id) => honestAnswer(channel, id)) });
      const controller = new AbortController();
      // One sign of life of the download every so often: of folders there is none but the disk.
      let events = 0;
      const timer = setInterval(() => {
        if (listed >= 1_000) controller.abort();
      }, 1);
      const getting = get('', '', {
        signal: controller.signal,
        onEvent: () => {
          events += 1;
          if (events === 1_000) controller.abort();
        },
      });
      await expect(getting).rejects.toEqual(code('CANCELLED'));
      clearInterval(timer);
      // The host was never read far ahead of what was done with it.
      expect(listed - Math.max(events, namesBelow(got()).length)).toBeLessThan(60_000);
    },
  );

  test('when the wants fail, a listing that never ends does not hold the download', async () => {
    const { get } = await facing({
      list: async channel => {
        await channel.send({ t: 'entries', entries: [file('a', 5)] });
        await channel.read();
        await channel.read();
      },
      get: async () => {
        throw new LineError('SHUTDOWN', 'the host stops');
      },
    });
    await expect(get('', '')).rejects.toEqual(code('SHUTDOWN'));
  });

  test('when the wants fail, a listing without an end is not carried on with', async () => {
    let listed = 0;
    const { get, got } = await facing({
      list: async channel => {
        for (;;) {
          listed += 1;
          await channel.send({ t: 'entries', entries: [file(`f${listed}`, 5), folder(`d${listed}`)] });
          await new Promise(resolve => setImmediate(resolve));
        }
      },
      get: async () => {
        throw new LineError('SHUTDOWN', 'the host stops');
      },
    });
    await expect(get('', '')).rejects.toEqual(code('SHUTDOWN'));
    expect(finalNames(got()).filter(name => name.startsWith('f'))).toEqual([]);
  });
});

describe('hostile answers to the other questions', () => {
  test.each([
    [{}],
    [{ t: 'entry' }],
    [{ t: 'entry', entry: 5 }],
    [{ t: 'entry', entry: null }],
    [{ t: 'entry', entry: [file('', 1)] }],
    [{ t: 'entry', entry: { ...file('', 1), size: 1e300 } }],
  ])('stat refuses %j', async answer => {
    const { files } = await facing({ stat: file('', 1) });
    expect(await files.stat('x')).toMatchObject({ type: 'file', size: 1 });
    await served!.end();
    const second = await serve({ host: channel => channel.send(answer as JsonObject) });
    await expect(second.files.stat('x')).rejects.toEqual(code('MALFORMED'));
    await second.end();
    served = undefined;
  });

  test.each([
    ['a short hash', 'AAAA'],
    ['a long hash', 'A'.repeat(44)],
    ['no base64url', '!'.repeat(43)],
    ['hex', 'ab'.repeat(32)],
  ])('sha256 refuses %s', async (_, sha256) => {
    const { files } = await facing({ hash: channel => channel.send({ t: 'hash', size: 1, sha256 }) });
    await expect(files.sha256('x')).rejects.toEqual(code('MALFORMED'));
  });

  test('sha256 refuses a message of another type', async () => {
    const sha256 = Buffer.alloc(32).toString('base64url');
    const { files } = await facing({ hash: channel => channel.send({ t: 'entry', sha256 }) });
    await expect(files.sha256('x')).rejects.toEqual(code('PROTOCOL'));
  });

  test('--checksum does not trust a hash that differs from what came', async () => {
    const sha256 = Buffer.alloc(32, 7).toString('base64url');
    const { get, got } = await facing({
      list: lists(file('f', 5)),
      get: answers((channel, id) => honestAnswer(channel, id)),
      hash: channel => channel.send({ t: 'hash', size: 5, sha256 }),
    });
    const { failures } = await get('', '', { checksum: true });
    expect(failures).toEqual(['f MISMATCH']);
    expect(namesBelow(got())).toEqual([]);
  });

  test('a host that never answers is left by the signal, and the file that was there stays', async () => {
    const { get, got } = await facing({ list: lists(file('f', 5)), get: () => new Promise(() => {}) });
    mkdirSync(got('d'));
    writeFileSync(got('f'), 'old');
    const controller = new AbortController();
    const getting = get('', '', {
      conflict: 'force',
      signal: controller.signal,
      onEvent: event => {
        if (event.type === 'counted') controller.abort();
      },
    });
    await expect(getting).rejects.toEqual(code('CANCELLED'));
    expect(readFileSync(got('f'), 'utf8')).toBe('old');
  });
});
