import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stateFolders } from '../../../src/node/state/folders.ts';
import { KnownClients } from '../../../src/node/state/known-clients.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'postern-clients-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const folders = () => stateFolders({}, home);
const file = () => join(folders().state, 'known_clients');
const key = (fill: number) => Buffer.alloc(16, fill).toString('base64url');
const lines = async () => (await readFile(file(), 'utf8')).trim().split('\n').length;

describe('KnownClients', () => {
  it('knows a client from when it was added, and after a restart', async () => {
    const clients = await KnownClients.load(folders());
    expect(clients.has(key(1))).toBe(false);
    const stored = clients.add(key(1));
    expect(clients.has(key(1))).toBe(true);
    await stored;
    const later = await KnownClients.load(folders());
    expect([later.has(key(1)), later.has(key(2))]).toEqual([true, false]);
  });

  it('stores a client once', async () => {
    const clients = await KnownClients.load(folders());
    await Promise.all([clients.add(key(1)), clients.add(key(1)), clients.add(key(2))]);
    expect(await lines()).toBe(2);
  });

  it('is bounded in memory and on disk; the longest known goes first', async () => {
    const clients = await KnownClients.load(folders(), 3);
    for (let fill = 1; fill <= 100; fill++) await clients.add(key(fill));
    expect(clients.size).toBe(3);
    expect([97, 98, 99, 100].map(fill => clients.has(key(fill)))).toEqual([false, true, true, true]);
    expect(await lines()).toBeLessThanOrEqual(6);
    const later = await KnownClients.load(folders(), 3);
    expect([97, 98, 99, 100].map(fill => later.has(key(fill)))).toEqual([false, true, true, true]);
  });

  it('passes over what is no tag', async () => {
    const clients = await KnownClients.load(folders());
    await clients.add(key(1));
    await appendFile(file(), 'short\n\nAQEB');
    expect((await KnownClients.load(folders())).size).toBe(1);
  });

  it.skipIf(process.platform === 'win32')('is 0600 (R-A4)', async () => {
    const clients = await KnownClients.load(folders(), 1);
    for (const fill of [1, 2, 3, 4]) {
      await clients.add(key(fill));
      expect((await stat(file())).mode & 0o777).toBe(0o600);
    }
  });
});
