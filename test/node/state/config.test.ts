import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../../../src/node/state/config.ts';
import { stateFolders } from '../../../src/node/state/folders.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'postern-config-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

async function reading(text: string) {
  const folders = stateFolders({}, home);
  await mkdir(folders.config, { recursive: true });
  await writeFile(join(folders.config, 'config.toml'), text);
  return readConfig(folders);
}

describe('readConfig', () => {
  it('is empty without a file', async () => {
    expect(await readConfig(stateFolders({}, home))).toEqual({ hosts: new Map() });
  });

  it('has the hosts by name', async () => {
    const { hosts } = await reading('[hosts.lab]\nhost = "10.0.0.1"\nport = 9000\n[hosts."my box"]\nhost = "::1"\n');
    expect(hosts).toEqual(
      new Map([
        ['lab', { host: '10.0.0.1', port: 9000 }],
        ['my box', { host: '::1' }],
      ]),
    );
  });

  it.each([
    'hosts = 1',
    '[[hosts]]\nhost = "a"',
    '[hosts]\nlab = "10.0.0.1"',
    '[hosts.lab]\nport = 1',
    '[hosts.lab]\nhost = ""',
    '[hosts.lab]\nhost = "a"\nport = 0',
    '[hosts.lab]\nhost = "a"\nport = 1.5',
    '[hosts.lab]\nhost = "a"\nport = "1"',
    'not toml',
  ])('says where %j is wrong', async text => {
    const failure = await reading(text).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'USAGE' });
    expect(String(failure)).toContain('config.toml: ');
  });
});
