import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Served } from '../support/served.ts';
import { InTerminal } from '../support/terminal.ts';

/** Everything that a terminal would obey: ESC, a newline, a C1 control, a change of reading direction, a bell. */
const HOSTILE = 'a\u001b[31mred\nnext\u009b1m\u202egnp.\u0007';
const BYTES = Buffer.concat([Buffer.from('byte-'), Buffer.from([0xff, 0xc0])]);

let served: Served;
beforeAll(async () => {
  served = await Served.start();
  const at = (...names: string[]) => join(served.share, ...names);
  await writeFile(at('notes.txt'), 'hello', { mode: 0o644 });
  await writeFile(at('a b#?%41'), 'odd');
  await mkdir(at('photos', 'sea'), { recursive: true });
  await writeFile(at('photos', 'sea', 'one.raw'), '1');
  await mkdir(at('hostile'));
  await writeFile(at('hostile', HOSTILE), 'x');
  await mkdir(at('bytes'));
  await writeFile(Buffer.concat([Buffer.from(`${at('bytes')}/`), BYTES]), 'bytes');
});
afterAll(() => served.stop());

const ls = (...args: string[]) => served.run(['ls', ...args]);

describe('ls off a terminal', () => {
  it('has one name a line, sorted', async () => {
    const { status, stdout, stderr } = await ls(served.url);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe('a b#?%41\nbytes\nhostile\nnotes.txt\nphotos\n');
  });

  it('-l has tabs between type, size, time and name', async () => {
    const { stdout } = await ls('-l', served.url);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map(line => line.split('\t'));
    expect(rows.map(row => [row[0], row[1], row[3]])).toContainEqual(['file', '5', 'notes.txt']);
    expect(rows.map(row => [row[0], row[3]])).toContainEqual(['folder', 'photos']);
    for (const row of rows) expect(row[2]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
  });

  it('-R has all that is in the folder, by path', async () => {
    const { stdout } = await ls('-R', `${served.url}/photos`);
    expect(stdout).toBe('sea\nsea/one.raw\n');
  });

  it('-0 ends names with NUL and leaves them raw', async () => {
    const { stdout } = await ls('-0', `${served.url}/hostile`);
    expect(stdout).toBe(`${HOSTILE}\0`);
  });

  it('keeps a name byte for byte that is no UTF-8', async () => {
    const { bytes } = await ls(`${served.url}/bytes`);
    expect(bytes).toEqual(Buffer.concat([BYTES, Buffer.from('\n')]));
  });

  it('has colours only if they are asked for', async () => {
    const list = async (args: string[], env = {}) => (await served.run(['ls', ...args, served.url], { env })).stdout;
    expect(await list([])).not.toContain('\u001b');
    expect(await list(['--color=always'])).toContain('\u001b[34mphotos\u001b[39m\n');
    expect(await list([], { FORCE_COLOR: '1', NO_COLOR: '1' })).toContain('\u001b[34mphotos');
    expect(await list(['--color=never'], { FORCE_COLOR: '1' })).not.toContain('\u001b');
  });

  it('lists a single file as itself', async () => {
    expect((await ls(`${served.url}/photos/sea/one.raw`)).stdout).toBe('one.raw\n');
  });
});

describe('ls --json', () => {
  it('is one document', async () => {
    const { stdout } = await ls('--json', `${served.url}/`);
    const { entries } = JSON.parse(stdout) as { entries: Record<string, unknown>[] };
    expect(entries.find(entry => entry['name'] === 'notes.txt')).toEqual({
      name: 'notes.txt',
      path: 'notes.txt',
      type: 'file',
      size: 5,
      modified: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/),
      mode: '0644',
    });
    expect(entries.find(entry => entry['name'] === 'photos')).toMatchObject({ type: 'folder' });
  });

  it('names entries of a tree by path and by name', async () => {
    const { stdout } = await ls('--json', '-R', `${served.url}/photos`);
    expect(JSON.parse(stdout).entries).toMatchObject([
      { name: 'sea', path: 'sea', type: 'folder' },
      { name: 'one.raw', path: 'sea/one.raw', type: 'file', size: 1 },
    ]);
  });

  it('holds hostile names as they are, and no raw control character', async () => {
    const { stdout } = await ls('--json', `${served.url}/hostile`);
    expect(JSON.parse(stdout).entries[0].name).toBe(HOSTILE);
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  });

  it('gives the bytes of a name that is no UTF-8 in base64', async () => {
    const [entry] = JSON.parse((await ls('--json', `${served.url}/bytes`)).stdout).entries;
    expect(Buffer.from(entry.path_base64, 'base64')).toEqual(BYTES);
  });

  it('ends with an error line on stderr when it fails', async () => {
    const { status, stdout, stderr } = await ls('--json', `${served.url}/nowhere`);
    expect({ status, stdout }).toEqual({ status: 6, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({ type: 'error', code: 'NOT_FOUND', exit: 6 });
  });
});

describe('places of ls', () => {
  it.each([
    ['a%20b%23%3F%2541', 0],
    ['a b#?%2541', 0],
    ['photos//sea/./', 0],
    ['bytes/byte-%FF%C0', 0],
    ['nowhere', 6],
    ['notes.txt/below', 6],
    ['%2e%2e', 2],
    ['photos/%2E./notes.txt', 2],
    ['photos/../notes.txt', 2],
    ['100%', 2],
    ['%00', 2],
  ])('in a URL: %s ends with %d', async (path, status) => {
    expect((await ls(`${served.url}/${path}`)).status).toBe(status);
  });

  it.each([
    ['127.0.0.1', 0],
    ['127.0.0.1:photos', 0],
    ['127.0.0.1:/photos/', 0],
    ['127.0.0.1:a b#?%41', 0],
    ['127.0.0.1:a%20b', 6],
    ['127.0.0.1:..', 2],
    ['127.0.0.1:photos/..', 2],
    ['./127.0.0.1:photos', 2],
    ['::1', 2],
    ['', 2],
  ])('with -p: %j ends with %d', async (place, status) => {
    expect((await ls('-p', String(served.ready.port), place)).status).toBe(status);
  });

  it('by an alias of the configuration', async () => {
    const config = join(served.client.path, 'config', 'postern');
    await mkdir(config, { recursive: true });
    await writeFile(join(config, 'config.toml'), `[hosts.lab]\nhost = "127.0.0.1"\nport = ${served.ready.port}\n`);
    expect((await ls('lab:photos')).stdout).toBe('sea\n');
  });
});

describe.skipIf(process.platform === 'win32')('ls on a terminal (R-X1)', () => {
  it.each([[[]], [['-l']], [['-R']], [['--color=always', '-lR']]])('with %j escapes hostile names', async args => {
    const terminal = new InTerminal(served.client, ['ls', ...args, `${served.url}/hostile`]);
    expect((await terminal.ended).status).toBe(0);
    expect(terminal.screen()).toContain('a\\x1b[31mred\\nnext\\u{9b}1m\\u{202e}gnp.\\x07');
    // Colours and clearing the line are ours; nothing else may reach the terminal.
    const raw = terminal.raw.replaceAll(/\p{Cc}\[(?:\d*m|K)|\r|\n/gu, '');
    expect(raw).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  });

  it('-l has columns for people', async () => {
    const terminal = new InTerminal(served.client, ['ls', '-l', served.url]);
    await terminal.ended;
    expect(terminal.screen()).toMatch(/^ +5 B {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}notes\.txt$/m);
    expect(terminal.screen()).toMatch(/^ +folder {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}photos\/$/m);
  });

  it('paints folders, and does not under NO_COLOR or --color=never', async () => {
    const raw = async (args: string[], env = {}) => {
      const terminal = new InTerminal(served.client, ['ls', ...args, served.url], { env });
      await terminal.ended;
      return terminal.raw;
    };
    expect(await raw([])).toContain('\u001b[34mphotos/');
    expect(await raw([], { NO_COLOR: '1' })).not.toContain('\u001b[34m');
    expect(await raw(['--color=never'])).not.toContain('\u001b[34m');
  });
});
