import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPassphrase, obtainPassphrase, takePassphrase } from '../../src/cli/secrets.ts';
import { childEnvironment } from '../../src/services/exec/policy.ts';
import { bundleProgram } from './fixtures/bundled.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-secrets-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function passwordFile(content: string | Uint8Array, mode = 0o600): Promise<string> {
  const path = join(await mkdtemp(join(folder, 'f-')), 'password');
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

describe('findPassphrase', () => {
  it.each([
    ['orbit', 'orbit'],
    ['orbit\n', 'orbit'],
    ['orbit\r\n', 'orbit'],
    ['orbit\n\n', 'orbit\n'],
    [' or bit ', ' or bit '],
    ['日本語\n', '日本語'],
  ])('reads %j from a file as %j', async (content, text) => {
    const found = await findPassphrase({ passwordFile: await passwordFile(content) });
    expect(found).toEqual({ text, generated: false });
  });

  it('reads stdin to its end for -', async () => {
    const found = await findPassphrase({ passwordFile: '-', stdin: pieces('or', 'bit', '\n') });
    expect(found?.text).toBe('orbit');
  });

  it('prefers the file to the environment, and has nothing without either', async () => {
    const path = await passwordFile('file');
    expect((await findPassphrase({ passwordFile: path, fromEnvironment: 'environment' }))?.text).toBe('file');
    expect((await findPassphrase({ fromEnvironment: 'environment' }))?.text).toBe('environment');
    expect(await findPassphrase({})).toBeUndefined();
  });

  it.each([0o640, 0o604, 0o620, 0o602, 0o644])('refuses a file of mode %o, saying what to run (R-A4)', async mode => {
    const path = await passwordFile('orbit', mode);
    const failure = await findPassphrase({ passwordFile: path }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'ACCESS' });
    expect(String(failure)).toContain(`chmod 600 ${path}`);
  });

  it('takes a pipe whatever its mode', async () => {
    const program = await bundleProgram(
      `import { findPassphrase } from './cli/secrets.ts';
       console.log((await findPassphrase({ passwordFile: '/dev/fd/0' })).text);`,
    );
    const shown = execFileSync('sh', ['-c', `echo orbit | "${process.execPath}" "${program.path}"`]);
    expect(shown.toString()).toBe('orbit\n');
    await program.remove();
  });

  it.each([
    ['is missing', () => Promise.resolve(join(folder, 'missing'))],
    ['is a folder', () => Promise.resolve(folder)],
    ['is empty', () => passwordFile('\n')],
    ['is not UTF-8', () => passwordFile(Uint8Array.of(0x66, 0xff))],
    ['is too long', () => passwordFile('x'.repeat(2000))],
  ])('is USAGE when the file %s', async (_, make) => {
    await expect(findPassphrase({ passwordFile: await make() })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('takes an empty variable for a mistake, not for an empty passphrase (R-A14)', async () => {
    await expect(findPassphrase({ fromEnvironment: '' })).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('the environment', () => {
  it('gives the passphrase once (R-A3)', () => {
    const environment = { POSTERN_PASSWORD: 'orbit', HOME: '/home/ann' };
    expect(takePassphrase(environment)).toBe('orbit');
    expect(environment).toEqual({ HOME: '/home/ann' });
    expect(takePassphrase(environment)).toBeUndefined();
  });

  it('of a child holds nothing of ours (R-A3)', () => {
    const ours = {
      POSTERN_PASSWORD: 'orbit',
      POSTERN_ANYTHING: '1',
      postern_lower: '2',
      PATH: process.env['PATH'],
      GONE: undefined,
    };
    const environment = childEnvironment(ours);
    expect(environment).toEqual({ PATH: process.env['PATH'] });
    const seen = execFileSync(process.execPath, ['-p', 'JSON.stringify(process.env)'], { env: environment });
    expect(seen.toString()).not.toMatch(/postern|orbit/i);
    expect(ours.POSTERN_PASSWORD).toBe('orbit');
  });
});

describe('obtainPassphrase', () => {
  it('names every way when nobody can be asked', async () => {
    const failure = await obtainPassphrase({ question: 'passphrase for lab', noInput: true }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'USAGE' });
    expect(String(failure)).toMatch(/--password-file FILE.*--password-file -.*POSTERN_PASSWORD/);
  });

  it.runIf(process.platform === 'linux')('keeps the passphrase out of the list of processes (R-A3)', async () => {
    const program = await bundleProgram(
      `import { obtainPassphrase, takePassphrase } from './cli/secrets.ts';
       const fromEnvironment = takePassphrase(process.env);
       const { text } = await obtainPassphrase({ question: 'passphrase', fromEnvironment });
       console.log(text.length);
       process.stdin.resume();`,
    );
    const env = { ...process.env, POSTERN_PASSWORD: 'orbit-velvet' };
    const child = spawn(process.execPath, [program.path], { stdio: ['pipe', 'pipe', 'inherit'], env });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    expect(line.toString()).toBe('12\n');
    expect(await readFile(`/proc/${child.pid}/cmdline`, 'utf8')).not.toContain('orbit');
    child.stdin.end();
    await once(child, 'close');
    await program.remove();
  });
});
