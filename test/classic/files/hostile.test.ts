import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encryptFrame, getFile, keyOfPassword, type PickleValue } from '../../../src/classic/index.ts';
import { MAX_INFLATED_BYTES } from '../../../src/classic/limits.ts';
import { Encrypter } from '../../../src/classic/markov/processor.ts';
import { LineError } from '../../../src/node/index.ts';
import { fromHex, seeded, utf8 } from '../../support/bytes.ts';
import { HOSTILE_NAMES } from '../../support/hostile-names.ts';
import {
  bytesOf,
  callRaw,
  LONG_MS,
  makeFolder,
  noiseFile,
  objectsIn,
  PASSWORD,
  SavedFiles,
  SHORT_MS,
  serveFolder,
  serveRaw,
} from '../support/file-peers.ts';
import { caller } from '../support/programs.ts';

const REFUSAL = 'The given path does not specify a file.';
const SECRET = utf8('what lies outside');

describe('a hostile caller of the file server', () => {
  it('R-F8, R-F1: gets nothing from outside of the folder, by any name', async () => {
    const outside = await makeFolder({ secret: SECRET });
    const folder = await makeFolder({ 'in/notes.txt': utf8('inside') });
    await symlink(join(outside, 'secret'), join(folder, 'link'));
    await symlink(outside, join(folder, 'door'));
    const { at } = await serveFolder(folder);
    const ways = [
      ...HOSTILE_NAMES,
      join(outside, 'secret'),
      '/etc/passwd',
      '//etc/passwd',
      `..${outside}/secret`,
      `./../${outside.split('/').at(-1)}/secret`,
      `in/../../${outside.split('/').at(-1)}/secret`,
      'link',
      'door/secret',
      '././/../x',
      'in',
      './/etc/passwd',
    ];
    for (const path of ways) {
      const { objects } = await callRaw(await at);
      await objects.send(path, LONG_MS);
      expect([path, await objects.receive(LONG_MS)]).toEqual([path, REFUSAL]);
    }
  });

  it('learns of a path no more than that it is no file here', async () => {
    const { at, person } = await serveFolder(await makeFolder());
    for (const path of ['/etc/passwd', '/nothing/at/all', 'missing']) {
      const { objects } = await callRaw(await at);
      await objects.send(path, LONG_MS);
      expect(await objects.receive(LONG_MS)).toBe(REFUSAL);
      expect(await objects.receive(LONG_MS)).toBeUndefined();
    }
    expect(person.notes.join('\n')).toContain('is absolute');
  });

  it.each([
    ['calls os.system', 'cos\nsystem\n(Vtouch owned\ntR.'],
    ['imports and calls', '\x80\x05\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.'],
    ['builds an object', '\x80\x05\x8c\x08builtins\x94\x8c\x09bytearray\x94\x93)\x81.'],
    ['is a list', '\x80\x05]\x94K\x01a.'],
  ])('R-A12: whose pickle %s ends his own connection', async (_, pickle) => {
    await expectEnded(frameOf(deflateSync(Buffer.from(pickle, 'latin1'))), 'is not for us');
  });

  it('R-A12: whose few bytes inflate to a gigabyte is stopped at the limit', async () => {
    const bomb = deflateSync(new Uint8Array(60 * 2 ** 20), { level: 9 });
    expect(bomb.length).toBeLessThan(65_536);
    await expectEnded(frameOf(bomb), 'grows too large');
    await expectEnded(frameOf(deflateSync(new Uint8Array(MAX_INFLATED_BYTES + 1))), 'grows too large');
    // Inflated by deflate's own repetition within a repetition it would be a gigabyte and more.
    await expectEnded(
      frameOf(deflateSync(deflateSync(new Uint8Array(2 ** 28)))),
      'grows too large|is not for us|no pickle',
    );
  });

  it.each([
    ['is no zlib', utf8('hello, world!')],
    ['is cut off', deflateSync(utf8('x'.repeat(100))).subarray(0, 10)],
    ['does not sum up', new Uint8Array(deflateSync(utf8('abc'))).fill(0, -4)],
    ['is one byte', Uint8Array.of(0)],
  ])('whose frame %s, as with another password, ends his own connection', async (_, content) => {
    await expectEnded(frameOf(content), 'another password');
  });

  it.each([
    ['a number', 7],
    ['bytes', utf8('notes.txt')],
    ['nothing', null],
    ['yes', true],
  ] as const)('who sends %s for a name ends his own connection', async (_, object) => {
    await expectEnded(await bytesOf(object as PickleValue), 'the name of a file is due');
  });

  it.each([
    ['a number', 1],
    ['a text', 'yes'],
    ['nothing', null],
  ] as const)('who answers with %s gets no content', async (_, object) => {
    const { at, person } = await serveFolder(await makeFolder({ 'notes.txt': utf8('abc') }));
    const { objects } = await callRaw(await at);
    await objects.send('notes.txt', LONG_MS);
    expect(await objects.receive(LONG_MS)).toBe(3);
    await objects.send(object, LONG_MS);
    expect(await objects.receive(LONG_MS)).toBeUndefined();
    await person.until(({ notes }) => notes.some(note => note.includes('yes or no is due')));
  });

  it('R-A12: who announces more than he sends is let go when the time is up', async () => {
    const { at, person } = await serveFolder(await makeFolder(), { silenceMs: SHORT_MS });
    const { connection } = await callRaw(await at);
    await connection.send((await bytesOf('notes.txt')).subarray(0, 5));
    expect(await connection.receive(1, LONG_MS)).toBeUndefined();
    await person.until(({ notes }) => notes.length > 0);
  });

  it('who says nothing at all is let go when the time is up', async () => {
    const { at } = await serveFolder(await makeFolder(), { silenceMs: SHORT_MS });
    const { connection } = await callRaw(await at);
    expect(await connection.receive(1, LONG_MS)).toBeUndefined();
  });

  it('who does not read what he has asked for is let go when the time is up', async () => {
    let isClosed = false;
    const file = noiseFile(2 ** 40, {
      close: async () => {
        isClosed = true;
      },
    });
    const { at, person } = await serveFolder({ open: async () => file }, { silenceMs: SHORT_MS });
    const { objects } = await callRaw(await at);
    await objects.send('endless', LONG_MS);
    expect(await objects.receive(LONG_MS)).toBe(2 ** 40);
    await objects.send(true, LONG_MS);
    await person.until(({ notes }) => notes.some(note => note.includes('takes nothing')));
    expect(isClosed).toBe(true);
  });

  it('who leaves in the midst of an object ends his own connection', async () => {
    const { at, person } = await serveFolder(await makeFolder());
    const { connection } = await callRaw(await at);
    await connection.send((await bytesOf('notes.txt')).subarray(0, 5));
    await connection.close();
    await person.until(({ notes }) => notes.some(note => note.includes('in the midst')));
  });

  it('who sends noise, whatever it is, takes nothing from others', async () => {
    const folder = await makeFolder({ 'notes.txt': utf8('abc') });
    const { at } = await serveFolder(folder);
    const random = seeded(7);
    for (let round = 0; round < 20; round += 1) {
      const { connection } = await callRaw(await at);
      await connection.send(Uint8Array.from({ length: 100 }, () => Math.floor(random() * 256)));
      await connection.close();
    }
    const saved = new SavedFiles();
    const { signal } = caller();
    await getFile(await at, { password: PASSWORD, path: 'notes.txt', location: 'a', save: saved.save, signal });
    expect(saved.whole.get('a')).toEqual(utf8('abc'));
  });

  it('is not told the end of a file that changed while it was sent', async () => {
    const changed = new LineError('CHANGED', 'changed');
    const file = noiseFile(40_000, { verifyUnchanged: () => Promise.reject(changed) });
    const { at } = await serveFolder({ open: async () => file });
    await expectGetFails(await at, 'TRUNCATED');
  });
});

describe('a hostile file server', () => {
  it.each([
    ['MISMATCH', 'sends more than it announced', [10, new Uint8Array(6), new Uint8Array(5), new Uint8Array(0)]],
    ['MISMATCH', 'ends before it has sent what it announced', [10, new Uint8Array(6), new Uint8Array(0)]],
    ['TRUNCATED', 'leaves before it has sent what it announced', [10, new Uint8Array(6)]],
    ['TRUNCATED', 'leaves before the end', [6, new Uint8Array(6)]],
    ['PROTOCOL', 'announces less than nothing', [-1, new Uint8Array(0)]],
    ['PROTOCOL', 'announces more than can be', [2n ** 70n, new Uint8Array(0)]],
    ['PROTOCOL', 'announces a yes, which Python takes for a number', [true, new Uint8Array(1), new Uint8Array(0)]],
    ['PROTOCOL', 'announces nothing', [null]],
    ['PROTOCOL', 'sends text for content', [3, 'abc', '']],
    ['PROTOCOL', 'sends a number for the end', [0, 0]],
  ] as const)('%s: that %s has sent no file', async (code, _, objects) => {
    const { at } = await serveRaw(async (stream, connection) => {
      await stream.receive(LONG_MS);
      for (const object of objects) await stream.send(object as PickleValue, LONG_MS);
      await connection.close();
    });
    await expectGetFails(at, code);
  });

  it('R-A12: that never ends its content is cut off behind what it announced', async () => {
    const { at } = await serveRaw(async stream => {
      await stream.receive(LONG_MS);
      await stream.send(100_000, LONG_MS);
      for (;;) {
        await stream.send(new Uint8Array(32_768), LONG_MS);
        // Both ends are in one process, and small writes alone never give the other a turn.
        await new Promise(resolve => setImmediate(resolve));
      }
    });
    const saved = await expectGetFails(at, 'MISMATCH');
    expect(saved.begun.get('here')).toBeLessThanOrEqual(100_000);
  });

  it('R-A12: that sends pieces which grow is refused', async () => {
    const key = keyOfPassword(PASSWORD);
    const { at } = await serveRaw(async (stream, connection) => {
      await stream.receive(LONG_MS);
      const encrypter = new Encrypter(key.key, key.primer);
      await connection.send(encryptFrame(encrypter, deflateSync(new Uint8Array(60 * 2 ** 20))));
      await connection.receive(1, LONG_MS);
    });
    await expectGetFails(at, 'SIZE');
  });

  it('that sends a program for a size is refused', async () => {
    const { at } = await serveRaw(async (_, connection) => {
      await connection.send(frameOf(deflateSync(Buffer.from('cos\nsystem\n(Vtouch owned\ntR.'))));
      await connection.receive(1, LONG_MS);
    });
    await expectGetFails(at, 'FORBIDDEN');
  });

  it('that says nothing, or has another password, is not waited for without end', async () => {
    const silent = await serveRaw(async (_, connection) => {
      for (; (await connection.receive(1000)) !== undefined; );
    });
    await expectGetFails(silent.at, 'AUTH', SHORT_MS);
    const other = await serveFolder(await makeFolder({ 'notes.txt': utf8('abc') }), { password: 'hunter3' });
    await expectGetFails(await other.at, 'AUTH', SHORT_MS);
  });

  it('that falls silent in the midst of its content is not waited for without end', async () => {
    const { at } = await serveRaw(async (stream, connection) => {
      await stream.receive(LONG_MS);
      await stream.send(10, LONG_MS);
      await stream.send(new Uint8Array(5), LONG_MS);
      for (; (await connection.receive(1000)) !== undefined; );
    });
    await expectGetFails(at, 'TIMEOUT', SHORT_MS);
  });

  it('is told that it does not answer, and what it says is handed on as its own words', async () => {
    const { at } = await serveRaw(async stream => {
      await stream.receive(LONG_MS);
      await stream.send('\u001b[2Jno', LONG_MS);
    });
    await expectGetFails(at, 'NOT_FOUND');
  });
});

it('an object that comes byte by byte, or glued to the next, is one object', async () => {
  const objects = ['notes.txt', 3, true, fromHex('00ff'), new Uint8Array(0)];
  const bytes = await bytesOf(...objects);
  expect(await objectsIn(...[...bytes].map(byte => Uint8Array.of(byte)))).toEqual(objects);
  expect(await objectsIn(bytes)).toEqual(objects);
  await expect(objectsIn(bytes.subarray(0, -1))).rejects.toMatchObject({ code: 'TRUNCATED' });
});

/** A caller sends `bytes` and is ended; the server says why in words that match, and serves the next one. */
async function expectEnded(bytes: Uint8Array, why: string): Promise<void> {
  const folder = await makeFolder();
  const { at, person } = await serveFolder(folder);
  const { connection } = await callRaw(await at);
  await connection.send(bytes);
  expect(await connection.receive(1, LONG_MS)).toBeUndefined();
  await person.until(({ notes }) => notes.length > 0);
  expect(person.notes.join('\n')).toMatch(new RegExp(why));
  await writeFile(join(folder, 'next'), 'next');
  const { objects } = await callRaw(await at);
  await objects.send('next', LONG_MS);
  expect(await objects.receive(LONG_MS)).toBe(4);
}

/** Asks `at` for a file in vain: what it saves must not count as whole. */
async function expectGetFails(
  at: { readonly host: string; readonly port: number },
  code: string,
  silenceMs = LONG_MS,
): Promise<SavedFiles> {
  const saved = new SavedFiles();
  const { signal } = caller();
  const got = getFile(at, {
    password: PASSWORD,
    path: 'notes.txt',
    location: 'here',
    save: saved.save,
    signal,
    silenceMs,
  });
  await expect(got).rejects.toMatchObject({ code });
  expect(saved.whole.size).toBe(0);
  return saved;
}

function frameOf(content: Uint8Array): Uint8Array {
  const { key, primer } = keyOfPassword(PASSWORD);
  return encryptFrame(new Encrypter(key, primer), content);
}
