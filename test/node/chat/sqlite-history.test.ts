import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../../src/node/chat/open-database.ts';
import { SqliteHistory } from '../../../src/node/chat/sqlite-history.ts';
import { MAX_CHAT_NAMES } from '../../../src/protocol/limits.ts';
import { chatHistoryContract } from '../../contracts/chat-history.ts';
import { code } from '../../services/files/served.ts';

const folders: string[] = [];

afterEach(async () => {
  await Promise.all(folders.splice(0).map(folder => rm(folder, { recursive: true, force: true })));
});

async function emptyFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-chat-'));
  folders.push(folder);
  const path = join(folder, 'history.db');
  await writeFile(path, '');
  return path;
}

chatHistoryContract('a history in SQLite', async () => SqliteHistory.open(await emptyFile()));

describe('a history in SQLite', () => {
  const device = new Uint8Array(32).fill(7);
  const all = { after: 0, before: Number.MAX_SAFE_INTEGER };
  const message = (nonce: string) => ({ room: 'a', nonce, from: 'anna', device, kind: 'text' as const, text: nonce });

  it('is there again when it is opened again: messages, words, names, what was seen, and the ids', async () => {
    const path = await emptyFile();
    const first = await SqliteHistory.open(path);
    await first.append([message('one'), message('two')], 1);
    await first.claimName({ name: 'Anna', key: 'anna' }, device, () => false);
    await first.keepSeen([{ nameKey: 'anna', room: 'a', id: 2 }]);
    while ((await first.trim({ count: 1 }, 0, 10)) > 0);
    await first.close();
    const second = await SqliteHistory.open(path);
    expect(await second.head()).toBe(2);
    expect((await second.read({ room: 'a', device }, all, 9)).map(({ text }) => text)).toEqual(['two']);
    expect((await second.find({ room: 'a', device }, [['two']], all.before, 9)).ids).toEqual([2]);
    expect((await second.find({ room: 'a', device }, [['one']], all.before, 9)).ids).toEqual([]);
    expect(await second.ownerOf('anna')).toMatchObject({ name: 'Anna' });
    expect(await second.seen('anna', 'a')).toBe(2);
    expect(await second.append([message('two')], 9)).toEqual([{ id: 2, timeMs: 1, isRepeated: true }]);
    await second.close();
  });

  it('is of one server at a time', async () => {
    const path = await emptyFile();
    const first = await SqliteHistory.open(path);
    await expect(SqliteHistory.open(path)).rejects.toEqual(code('ACCESS'));
    await first.append([message('one')], 1);
    await first.close();
    await (await SqliteHistory.open(path)).close();
  });

  it('leaves what is no history of this version as it is', async () => {
    const path = await emptyFile();
    await writeFile(path, 'something else that is long enough to be judged by its first bytes, '.repeat(100));
    const before = await readFile(path, 'utf8');
    await expect(SqliteHistory.open(path)).rejects.toEqual(code('ACCESS'));
    expect(await readFile(path, 'utf8')).toBe(before);
    const later = await emptyFile();
    const database = await openDatabase(later);
    database.exec('PRAGMA user_version = 99');
    database.close();
    await expect(SqliteHistory.open(later)).rejects.toEqual(code('ACCESS'));
  });

  it('stores all messages of one moment or none', async () => {
    const history = await SqliteHistory.open(await emptyFile());
    const broken = { ...message('two'), device: undefined as unknown as Uint8Array };
    await expect(history.append([message('one'), broken], 1)).rejects.toThrow();
    expect(await history.read({ room: 'a', device }, all, 9)).toEqual([]);
    await history.append([message('one')], 1);
    expect(await history.count({ room: 'a', device }, all, 9)).toBe(1);
    await history.close();
  });

  it('lets go of the name unused longest of all where there are too many, unless somebody is here under it', async () => {
    const path = await emptyFile();
    await (await SqliteHistory.open(path)).close();
    const database = await openDatabase(path);
    database.exec(`WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${MAX_CHAT_NAMES})
      INSERT INTO names (key, name, device, used) SELECT 'n' || n, 'N' || n, randomblob(32), n FROM n`);
    database.close();
    const history = await SqliteHistory.open(path);
    const isInUse = (key: string) => Number(key.slice(1)) <= 1000;
    await history.claimName({ name: 'Anna', key: 'anna' }, device, isInUse);
    expect(await history.ownerOf('n1000')).toBeDefined();
    expect(await history.ownerOf('n1001')).toBeUndefined();
    expect(await history.ownerOf('n1002')).toBeDefined();
    await expect(history.claimName({ name: 'x', key: 'x' }, device, () => true)).rejects.toEqual(code('TOO_MANY'));
    await history.close();
  });

  it('says UNSUPPORTED where there is no SQLite', async () => {
    const missing = () => Promise.reject(new Error('no such package'));
    await expect(SqliteHistory.open(await emptyFile(), missing)).rejects.toThrow();
  });
});
