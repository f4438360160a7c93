import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Home, type Running, type RunOptions, run, startForTest } from '../../cli/support/command.ts';
import { InTerminal } from '../../cli/support/terminal.ts';
import { makeFolder, PASSWORD, serveFolder, serveRaw } from '../support/file-peers.ts';

let home: Home;
beforeAll(async () => {
  home = await Home.make();
});
afterAll(() => home.remove());

const env = { POSTERN_PASSWORD: PASSWORD };
const content = Uint8Array.from({ length: 100_000 }, (_, at) => (at * 31) % 253);

const files = (words: readonly string[], options: RunOptions = {}) =>
  run(home, ['classic', 'files', ...words], { env, ...options });

describe('postern classic files', () => {
  it('serves a folder, and gets a file of it: by name, into a folder, and told as JSON', async () => {
    const { address } = await served({ 'in/bytes.bin': content, 'notes.txt': new Uint8Array(3) });
    const here = await makeFolder();
    const got = await files(['get', address, 'in/bytes.bin', join(here, 'mine')]);
    expect(got).toMatchObject({ status: 0, stdout: '' });
    expect(got.stderr).toMatch(/^classic files is not secure: .*; postern get is\n.*: 100000 bytes\n$/);
    expect(new Uint8Array(await readFile(join(here, 'mine')))).toEqual(content);
    const told = await files(['get', '--json', address, './notes.txt', here]);
    expect(JSON.parse(told.stdout)).toEqual({ type: 'saved', path: join(here, 'notes.txt'), bytes: 3 });
    expect((await stat(join(here, 'notes.txt'))).mode & 0o111).toBe(0);
  });

  it('replaces nothing unless --force is given', async () => {
    const { address } = await served({ 'notes.txt': content });
    const here = await makeFolder({ mine: Uint8Array.of(1), other: Uint8Array.of(2) });
    await symlink(join(here, 'other'), join(here, 'link'));
    expect(await files(['get', address, 'notes.txt', join(here, 'mine')])).toMatchObject({ status: 7 });
    expect(await files(['get', address, 'notes.txt', join(here, 'link')])).toMatchObject({ status: 7 });
    expect([...(await readFile(join(here, 'mine')))]).toEqual([1]);
    for (const name of ['mine', 'link']) {
      expect(await files(['get', '--force', address, 'notes.txt', join(here, name)])).toMatchObject({ status: 0 });
      expect(new Uint8Array(await readFile(join(here, name)))).toEqual(content);
    }
    expect([...(await readFile(join(here, 'other')))]).toEqual([2]);
  });

  it('asks as the original does, for lines that are typed or piped in', async () => {
    const { address } = await served({ 'notes.txt': content });
    const here = await makeFolder();
    const lines = `notes.txt\nperhaps\nY\n${join(here, 'mine')}\n`;
    const { status, stdout } = await files(['call', address], { input: lines });
    expect(status).toBe(0);
    expect(stdout).toBe(
      [
        'File exists and takes 100000 bytes to download.',
        'Please provide a positive or negative answer.',
        'Progress: 32.8%',
        'Progress: 65.5%',
        'Progress: 98.3%',
        'Progress: 100.0%',
        'Download complete!',
        '',
      ].join('\n'),
    );
    const terminal = new InTerminal(home, ['classic', 'files', 'call', address], { env });
    await terminal.until(/Filename:/);
    terminal.type('nothing\r');
    await terminal.until(/The given path does not specify a file\./);
    expect(await terminal.ended).toMatchObject({ status: 0 });
  });

  it('R-F8: what is no file there, or lies outside, is not found: 6', async () => {
    const { address } = await served({ 'notes.txt': content });
    const here = await makeFolder();
    for (const path of ['missing', '../secret', '/etc/passwd', '.', '']) {
      const { status, stderr } = await files(['get', address, path, join(here, 'x')]);
      expect([path, status]).toEqual([path, 6]);
      expect(stderr).toContain('The given path does not specify a file');
    }
    expect(await readdir(here)).toEqual([]);
  });

  it('a connection that is cut leaves nothing behind', async () => {
    const { at } = await serveRaw(async stream => {
      await stream.receive(60_000);
      await stream.send(10, 60_000);
      await stream.receive(60_000);
      await stream.send(Uint8Array.of(1, 2, 3), 60_000);
    });
    const here = await makeFolder();
    expect(await files(['get', `127.0.0.1:${at.port}`, 'notes.txt', join(here, 'x')])).toMatchObject({ status: 5 });
    expect(await readdir(here)).toEqual([]);
  });

  it('R-X1: what a server says is shown without what a terminal obeys', async () => {
    const { at } = await serveRaw(async stream => {
      await stream.receive(60_000);
      await stream.send('\u001b]0;owned\u0007\u202e no', 60_000);
    });
    const { stdout } = await files(['call', `127.0.0.1:${at.port}`], { input: 'notes.txt\n' });
    expect(stdout).toContain('owned');
    expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
  });

  it('R-X2: what a caller asks for is noted without what a terminal obeys', async () => {
    const { server, address } = await served({});
    await files(['get', address, 'a\u001b[2J\nb\u202e', join(home.path, 'x')]);
    await server.until('stderr', /does not get it/);
    expect(server.stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
  });
});

describe('the password of the file server', () => {
  it('R-A3: comes from a file, and stands in no list of processes', async () => {
    const { at } = await serveFolder(await makeFolder({ 'notes.txt': content }), { password: 'from a file' });
    const file = join(home.path, 'password');
    await writeFile(file, 'from a file\n');
    await chmod(file, 0o600);
    const here = await makeFolder();
    const words = ['get', `127.0.0.1:${(await at).port}`, 'notes.txt', join(here, 'x'), '--password-file', file];
    expect(await files(words)).toMatchObject({ status: 0 });
    const { status, stderr } = await files(['serve', '--password', 'hunter3']);
    expect(status).toBe(2);
    expect(stderr).not.toContain('hunter3');
  });

  it('is asked for where none is given', async () => {
    const folder = await makeFolder({ 'notes.txt': content });
    const terminal = new InTerminal(home, ['classic', 'files', 'serve', folder, '--listen', '127.0.0.1:0'], {
      env: { POSTERN_PASSWORD: undefined },
    });
    await terminal.until(/password: ?/);
    terminal.type(`${PASSWORD}\r`);
    const [, port] = await terminal.until(/listening on 127\.0\.0\.1:(\d+)/);
    expect(terminal.raw).not.toContain(PASSWORD);
    const here = await makeFolder();
    expect(await files(['get', `127.0.0.1:${port}`, 'notes.txt', join(here, 'x')])).toMatchObject({ status: 0 });
    const nobody = await files(['serve', folder], { env: { POSTERN_PASSWORD: undefined } });
    expect(nobody).toMatchObject({ status: 2 });
    expect(nobody.stderr).toContain('--password-file');
  });
});

describe('where the file server listens', () => {
  it('R-A11: on this machine alone, unless --insecure is given', async () => {
    for (const address of ['0.0.0.0:0', ':0', '[::]:0']) {
      const { status, stderr } = await files(['serve', '--listen', address]);
      expect([address, status]).toEqual([address, 7]);
      expect(stderr).toContain('--insecure');
    }
    const open = startForTest(home, ['classic', 'files', 'serve', '-q', '--insecure', '--listen', '0.0.0.0:0'], {
      env,
    });
    await open.until('stderr', /classic files is not secure: .*; postern serve is/);
  });

  it.each([
    [['get', 'here', 'a', 'b'], /HOST:PORT is needed/],
    [['get', '127.0.0.1:1', 'a'], /missing required argument/],
    [['serve', '/nowhere/at/all'], /nowhere/],
  ])('%j is wrong', async (words, expected) => {
    const { status, stderr } = await files([...words]);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(expected);
  });
});

/** Our command over a folder with these files, and a secret beside that folder. */
async function served(
  content: Readonly<Record<string, Uint8Array>>,
): Promise<{ readonly server: Running; readonly address: string }> {
  const outer = await makeFolder({ secret: Uint8Array.of(1), ...prefixed(content) });
  await mkdir(join(outer, 'served'), { recursive: true });
  const words = ['classic', 'files', 'serve', join(outer, 'served'), '--listen', '127.0.0.1:0'];
  const server = startForTest(home, words, { env });
  const [, port] = await server.until('stderr', /listening on 127\.0\.0\.1:(\d+)\n/);
  return { server, address: `127.0.0.1:${port}` };
}

function prefixed(content: Readonly<Record<string, Uint8Array>>): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(content).map(([name, bytes]) => [`served/${name}`, bytes]));
}
