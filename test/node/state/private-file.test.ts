import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  appendPrivateLine,
  createPrivateFile,
  readPrivateFile,
  writePrivateFile,
} from '../../../src/node/state/private-file.ts';

let base: string;
let folder: string;
let path: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'postern-private-'));
  folder = join(base, 'share', 'postern');
  path = join(folder, 'thing');
});
afterEach(() => rm(base, { recursive: true, force: true }));

const mode = async (of: string) => ((await stat(of)).mode & 0o777).toString(8);
const secret = () => ({ path, secret: true });
const plain = () => ({ path, secret: false });
const access = expect.objectContaining({ code: 'ACCESS' });

const makers = [
  ['writePrivateFile', writePrivateFile],
  ['createPrivateFile', createPrivateFile],
  ['appendPrivateLine', appendPrivateLine],
] as const;

describe.skipIf(process.platform === 'win32')('a private file', () => {
  it.each(makers)('made by %s is 0600 under folders of 0700, whatever the umask (R-A4)', async (_, make) => {
    for (const umask of [0, 0o022, 0o077]) {
      const before = process.umask(umask);
      try {
        await make(secret(), 'text');
      } finally {
        process.umask(before);
      }
      expect([await mode(path), await mode(folder), await mode(join(base, 'share'))]).toEqual(['600', '700', '700']);
      expect((await readPrivateFile(secret()))?.trim()).toBe('text');
      expect(await readdir(folder)).toEqual(['thing']);
      await rm(join(base, 'share'), { recursive: true });
    }
  });

  it('is absent until it is made', async () => {
    expect(await readPrivateFile(secret())).toBeUndefined();
  });

  it.each([0o640, 0o604, 0o620, 0o602, 0o610, 0o666])('that is secret is refused with mode %o (R-A4)', async found => {
    await writePrivateFile(secret(), 'sesame');
    await chmod(path, found);
    const failure = await readPrivateFile(secret()).catch((error: unknown) => error);
    expect(failure).toEqual(access);
    expect(String(failure)).toContain(`chmod 600 ${path}`);
    expect(String(failure)).not.toContain('sesame');
    expect(await mode(path)).toBe(found.toString(8));
  });

  it('that is not secret is tightened when it is found open (R-A4)', async () => {
    await appendPrivateLine(plain(), 'one');
    for (const use of [() => readPrivateFile(plain()), () => appendPrivateLine(plain(), 'two')]) {
      await chmod(path, 0o666);
      await chmod(folder, 0o777);
      await use();
      expect([await mode(path), await mode(folder)]).toEqual(['600', '700']);
    }
  });

  it('that is secret is refused in a folder that others may write, and closes one that they may read (R-A4)', async () => {
    await writePrivateFile(secret(), 'sesame');
    await chmod(folder, 0o770);
    await expect(readPrivateFile(secret())).rejects.toThrow(`chmod 700 ${folder}`);
    await expect(writePrivateFile(secret(), 'other')).rejects.toEqual(access);
    await chmod(folder, 0o755);
    expect(await readPrivateFile(secret())).toBe('sesame');
    expect(await mode(folder)).toBe('700');
  });

  it.each(makers.slice(2))('is never reached through a link by %s', async (_, make) => {
    const elsewhere = join(base, 'elsewhere');
    await writeFile(elsewhere, 'untouched', { mode: 0o600 });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await symlink(elsewhere, path);
    await expect(make(plain(), 'text')).rejects.toEqual(access);
    await expect(readPrivateFile(plain())).rejects.toEqual(access);
    expect(await readFile(elsewhere, 'utf8')).toBe('untouched');
  });

  it('replaces a link instead of writing through it', async () => {
    const elsewhere = join(base, 'elsewhere');
    await writeFile(elsewhere, 'untouched');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await symlink(elsewhere, path);
    await writePrivateFile(plain(), 'text');
    expect((await lstat(path)).isFile()).toBe(true);
    expect(await readFile(elsewhere, 'utf8')).toBe('untouched');
  });

  it('that is a folder or a device is refused', async () => {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await expect(readPrivateFile(plain())).rejects.toEqual(access);
    await expect(writePrivateFile(plain(), 'text')).rejects.toEqual(access);
    expect(await readdir(folder)).toEqual(['thing']);
  });

  it('is made once, however many make it at once, and never seen half written', async () => {
    const texts = Array.from({ length: 20 }, (_, index) => `${index}`.repeat(10_000));
    const made = await Promise.all(texts.map(text => createPrivateFile(secret(), text)));
    expect(made.filter(Boolean)).toHaveLength(1);
    expect(await readPrivateFile(secret())).toBe(texts[made.indexOf(true)]);
    expect(await readdir(folder)).toEqual(['thing']);
  });

  it('keeps every line that is added at once', async () => {
    const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`);
    await Promise.all(lines.map(line => appendPrivateLine(plain(), line)));
    const text = (await readPrivateFile(plain()))!;
    expect(text.split('\n').filter(Boolean).sort()).toEqual(lines.sort());
  });

  it('does not glue a line to one that was cut', async () => {
    await writePrivateFile(plain(), 'cu');
    await appendPrivateLine(plain(), 'whole');
    expect(await readPrivateFile(plain())).toBe('cu\nwhole\n');
  });
});
