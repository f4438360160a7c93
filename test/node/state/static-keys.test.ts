import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stateFolders } from '../../../src/node/state/folders.ts';
import { fingerprint, parsePublicKey, publicKeyText } from '../../../src/node/state/public-key.ts';
import { loadStaticKey } from '../../../src/node/state/static-keys.ts';
import { bundleProgram } from '../../cli/fixtures/bundled.ts';
import { fakeProvider } from './fake-provider.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'postern-keys-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const folders = () => stateFolders({}, home);
const keyFile = () => join(folders().data, 'host.key');

describe('loadStaticKey', () => {
  it('makes a key at first use and finds the same one again', async () => {
    const first = await loadStaticKey(fakeProvider, 'host', folders());
    const second = await loadStaticKey(fakeProvider, 'host', folders());
    expect(second.publicKey).toEqual(first.publicKey);
  });

  it('keeps two keys apart, one for each purpose', async () => {
    const host = await loadStaticKey(fakeProvider, 'host', folders());
    const device = await loadStaticKey(fakeProvider, 'device', folders());
    expect(device.publicKey).not.toEqual(host.publicKey);
    expect((await readdir(folders().data)).sort()).toEqual(['device.key', 'host.key']);
  });

  it.skipIf(process.platform === 'win32')(
    'stores it 0600 under 0700, and refuses it when it is found open (R-A4)',
    async () => {
      await loadStaticKey(fakeProvider, 'host', folders());
      expect((await stat(keyFile())).mode & 0o777).toBe(0o600);
      expect((await stat(folders().data)).mode & 0o777).toBe(0o700);
      await chmod(keyFile(), 0o640);
      await expect(loadStaticKey(fakeProvider, 'host', folders())).rejects.toMatchObject({ code: 'ACCESS' });
    },
  );

  it('ends with one key for many callers at once', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => loadStaticKey(fakeProvider, 'host', folders())));
    expect(new Set(keys.map(key => publicKeyText(key.publicKey))).size).toBe(1);
  });

  it('ends with one key for processes that start at once', async () => {
    const provider = fileURLToPath(new URL('fake-provider.ts', import.meta.url));
    const program = await bundleProgram(
      `import { loadStaticKey } from './node/state/static-keys.ts';
       import { publicKeyText } from './node/state/public-key.ts';
       import { fakeProvider } from ${JSON.stringify(provider)};
       const { publicKey } = await loadStaticKey(fakeProvider, 'host');
       console.log(publicKeyText(publicKey));`,
    );
    const env = { ...process.env, XDG_DATA_HOME: join(home, 'data') };
    const shown = await Promise.all(
      Array.from({ length: 6 }, () =>
        textOf(spawn(process.execPath, [program.path], { env, stdio: ['ignore', 'pipe', 'inherit'] }).stdout),
      ),
    );
    expect(new Set(shown).size).toBe(1);
    expect(shown[0]).toMatch(/^line1-x25519 /);
    await program.remove();
  });

  it('refuses a damaged file without telling what is in it', async () => {
    await loadStaticKey(fakeProvider, 'host', folders());
    const [header, key] = (await readFile(keyFile(), 'utf8')).split('\n') as [string, string];
    for (const text of [
      '',
      key,
      `${header}\n`,
      `${header}\n${key.slice(1)}\n`,
      `${header}\n${key}\n${key}\n`,
      `x\n${key}\n`,
    ]) {
      await writeFile(keyFile(), text);
      const failure = await loadStaticKey(fakeProvider, 'host', folders()).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'ACCESS' });
      expect(String(failure)).not.toContain(key.slice(1));
    }
  });
});

describe('the printed forms of a key', () => {
  const key = Uint8Array.from({ length: 32 }, (_, index) => index);

  it('are inverse to each other', () => {
    expect(publicKeyText(key)).toBe('line1-x25519 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8');
    expect(parsePublicKey(publicKeyText(key))).toEqual(key);
  });

  it.each([
    'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8',
    'line1-x25519 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9',
    'line1-x25519 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
    'line1-x25519 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg',
    'line1-x25519 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 x',
    'line1-x25519',
    '',
  ])('have one spelling: not %j', text => {
    expect(() => parsePublicKey(text)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });

  it('are 32 letters to read aloud (Python: base64.b32encode(sha256(b"line1 static"+bytes(range(32))).digest()[:20]))', () => {
    expect(fingerprint(key)).toBe('il3ylikva7uphlpsye3ndannmcqgpsvy');
  });
});

describe('stateFolders', () => {
  it('follows the XDG variables and ignores one that is not absolute', () => {
    const environment = { XDG_DATA_HOME: '/d', XDG_STATE_HOME: 'relative', XDG_CONFIG_HOME: '' };
    expect(stateFolders(environment, '/home/ann')).toEqual({
      data: '/d/postern',
      state: '/home/ann/.local/state/postern',
      config: '/home/ann/.config/postern',
    });
  });
});
