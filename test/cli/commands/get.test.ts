import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, open, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { MAIN, startForTest, stop } from '../support/command.ts';
import { Gate } from '../support/gate.ts';
import { Served } from '../support/served.ts';
import { InTerminal } from '../support/terminal.ts';

const NOTES = 'The back gate is open.\n';
const BINARY = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, at) => at)), randomBytes(300_000)]);
/** Larger than what lies in buffers between two processes. */
const BIG = randomBytes(24_000_000);

let served: Served;
beforeAll(async () => {
  served = await Served.start();
  const at = (...names: string[]) => join(served.share, ...names);
  await writeFile(at('notes.txt'), NOTES);
  await writeFile(at('binary.raw'), BINARY);
  await writeFile(at('big.raw'), BIG);
  await writeFile(at('empty'), '');
  await mkdir(at('photos', 'sea'), { recursive: true });
  await writeFile(at('photos', 'sea', 'one.raw'), '1');
  await writeFile(at('photos', 'two.raw'), '22');
});
afterAll(() => served.stop());

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const url = (path: string) => `${served.url}/${path}`;

/** `get` in a new folder, and what is in it afterwards. */
async function get(args: readonly string[], env = {}) {
  const cwd = await served.folder();
  const ended = await served.run(['get', ...args], { cwd, env });
  return { ...ended, cwd, there: await tree(cwd) };
}

async function tree(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

async function gate(limitBytes: number): Promise<Gate> {
  const opened = await Gate.open(served.ready.port, limitBytes);
  onTestFinished(() => opened.close());
  return opened;
}

describe('get puts', () => {
  it('a file under its own name into the current folder, and says so in one line', async () => {
    const { status, stdout, stderr, cwd, there } = await get([url('notes.txt')]);
    expect({ status, stdout, stderr, there }).toEqual({
      status: 0,
      stdout: '',
      stderr: 'notes.txt  23 B  100 %  done, verified\n',
      there: ['notes.txt'],
    });
    expect(await readFile(join(cwd, 'notes.txt'), 'utf8')).toBe(NOTES);
  });

  it('a sparse and a compressed file, and what links lead to', async () => {
    const share = (name: string) => join(served.share, 'linked', name);
    await mkdir(share(''));
    onTestFinished(() => rm(share(''), { recursive: true }));
    const text = 'again and again '.repeat(100_000);
    await writeFile(share('text'), text);
    const sparse = await open(share('sparse'), 'w');
    await sparse.truncate(30_000_000);
    await sparse.close();
    await symlink('text', share('link'));
    await symlink('/etc/passwd', share('out'));
    const { status, stderr, cwd, there } = await get(['--compress', 'auto', '--copy-links', url('linked')]);
    expect(status).toBe(3);
    expect(stderr).toContain('linked/out');
    expect(there).toEqual(['linked/link', 'linked/sparse', 'linked/text']);
    expect(await readFile(join(cwd, 'linked/link'), 'utf8')).toBe(text);
    expect((await readFile(join(cwd, 'linked/sparse'))).equals(Buffer.alloc(30_000_000))).toBe(true);
    const streamed = await served.run(['get', '--compress=auto', url('linked/sparse'), '-', '--length', '1000000']);
    expect(streamed.stdout).toBe('\0'.repeat(1_000_000));
  });

  it('a file under another name', async () => {
    expect((await get([url('notes.txt'), 'mine.txt'])).there).toEqual(['mine.txt']);
  });

  it('a file into DEST/, which it makes', async () => {
    expect((await get([url('notes.txt'), 'new/'])).there).toEqual(['new/notes.txt']);
  });

  it('a file into a folder that is there', async () => {
    const cwd = await served.folder();
    await mkdir(join(cwd, 'here'));
    expect((await served.run(['get', url('notes.txt'), 'here'], { cwd })).status).toBe(0);
    expect(await tree(cwd)).toEqual(['here/notes.txt']);
  });

  it('several places into one folder, and tells how many files came', async () => {
    const { status, stderr, there } = await get([url('notes.txt'), url('photos'), 'into']);
    expect(status).toBe(0);
    expect(there).toEqual(['into/notes.txt', 'into/photos/sea/one.raw', 'into/photos/two.raw']);
    expect(stderr).toBe('3 files  26 B  100 %  done, verified\n');
  });

  it('a folder with all that is in it', async () => {
    expect((await get([url('photos')])).there).toEqual(['photos/sea/one.raw', 'photos/two.raw']);
    expect((await get([url('photos'), 'copies/'])).there).toEqual([
      'copies/photos/sea/one.raw',
      'copies/photos/two.raw',
    ]);
    expect((await get([url('photos/sea'), 'renamed'])).there).toEqual(['renamed/one.raw']);
  });

  it('the whole share into DEST', async () => {
    const { status, there } = await get(['-p', String(served.ready.port), '127.0.0.1:', 'all']);
    expect(status).toBe(0);
    expect(there).toEqual(
      ['big.raw', 'binary.raw', 'empty', 'notes.txt', 'photos/sea/one.raw', 'photos/two.raw'].map(
        name => `all/${name}`,
      ),
    );
  });

  it('an empty file', async () => {
    const { stderr, there } = await get([url('empty')]);
    expect({ stderr, there }).toEqual({ stderr: 'empty  0 B  100 %  done, verified\n', there: ['empty'] });
  });

  it('what comes after -- as places, whatever they look like', async () => {
    expect((await get(['-q', '--', url('notes.txt'), '-odd'])).there).toEqual(['-odd']);
  });

  it('what it was asked for with options behind the places, and common ones before the verb', async () => {
    const { there, stderr } = await get([url('notes.txt'), 'x', '-q']);
    expect({ there, stderr }).toEqual({ there: ['x'], stderr: '' });
    const cwd = await served.folder();
    const { stdout } = await served.run(['--json', 'get', url('notes.txt')], { cwd });
    expect(JSON.parse(stdout.split('\n')[0]!)).toMatchObject({ type: 'item' });
  });
});

describe('get DEST -', () => {
  it('writes a file byte for byte to standard output and nothing else', async () => {
    const { status, bytes, stderr, there } = await get([url('binary.raw'), '-']);
    expect({ status, stderr, there }).toEqual({ status: 0, stderr: '', there: [] });
    expect(digest(bytes)).toBe(digest(BINARY));
  });

  it('takes a part with --offset and --length', async () => {
    const { bytes } = await get([url('binary.raw'), '-', '--offset', '250', '--length', '10']);
    expect(bytes).toEqual(BINARY.subarray(250, 260));
    expect((await get([url('binary.raw'), '-', '--offset', String(BINARY.length - 3)])).bytes).toEqual(
      BINARY.subarray(-3),
    );
    expect((await get([url('notes.txt'), '-', '--length', '0'])).bytes).toHaveLength(0);
  });

  it.each([
    ['--offset', '-1'],
    ['--offset', '0x10'],
    ['--length', '1e3'],
    ['--offset', '99999999999999999999'],
  ])('refuses %s %s', async (...option) => {
    expect((await get([url('notes.txt'), '-', ...option])).status).toBe(2);
  });

  it('needs - for --offset', async () => {
    expect((await get([url('notes.txt'), '--offset', '1'])).status).toBe(2);
  });

  it('refuses a folder', async () => {
    expect((await get([url('photos'), '-'])).status).toBe(7);
  });

  it.skipIf(process.platform !== 'linux')('says when standard output cannot be written', async () => {
    const [full, home] = [await open('/dev/full', 'w'), served.client];
    onTestFinished(() => full.close());
    const child = spawn(process.execPath, [MAIN, 'get', url('notes.txt'), '-'], {
      env: home.environment(),
      stdio: ['ignore', full.fd, 'pipe'],
    });
    const stderr = await textOf(child.stderr!);
    expect(stderr).toBe('postern: cannot write to standard output\npostern: no space is left\n');
    expect(child.exitCode ?? (await once(child, 'exit'))[0]).toBe(1);
  });

  it('ends quietly with 141 when nobody reads any more', async () => {
    const reading = startForTest(served.client, ['get', url('big.raw'), '-']);
    await once(reading.child.stdout, 'data');
    reading.child.stdout.destroy();
    const { status, stderr } = await reading.ended;
    expect({ status, stderr }).toEqual({ status: 141, stderr: '' });
  });
});

describe('get again', () => {
  /** A folder that has `notes.txt` with this text, younger or older than that of the server. */
  async function having(text: string, age: 'younger' | 'older' = 'older'): Promise<string> {
    const cwd = await served.folder();
    const path = join(cwd, 'notes.txt');
    await writeFile(path, text);
    const seconds = Date.now() / 1000 + (age === 'younger' ? 1000 : -1_000_000);
    await utimes(path, seconds, seconds);
    return cwd;
  }
  const again = async (cwd: string, ...args: string[]) => {
    const { status, stderr } = await served.run(['get', url('notes.txt'), ...args], { cwd });
    return { status, stderr, text: await readFile(join(cwd, 'notes.txt'), 'utf8') };
  };

  it('finds the same file identical', async () => {
    const cwd = await served.folder();
    await again(cwd);
    expect(await again(cwd)).toEqual({ status: 0, stderr: 'notes.txt  identical\n', text: NOTES });
    expect(await again(cwd, '--checksum')).toMatchObject({ status: 0 });
  });

  it('refuses a file that differs, leaves it, and names the ways out', async () => {
    const { status, stderr, text } = await again(await having('mine'));
    expect({ status, text }).toEqual({ status: 7, text: 'mine' });
    expect(stderr.trimEnd().split('\n')).toHaveLength(3);
    expect(stderr).toMatch(/^hint: .*--force, --update, --skip/m);
  });

  it('finds with --checksum what only the content tells', async () => {
    const cwd = await served.folder();
    await again(cwd);
    const path = join(cwd, 'notes.txt');
    const { mtime } = await stat(path);
    await writeFile(path, NOTES.toUpperCase());
    await utimes(path, mtime, mtime);
    expect((await again(cwd, '--checksum')).status).toBe(7);
    expect(await again(cwd, '--checksum', '--force')).toMatchObject({ status: 0, text: NOTES });
  });

  it.each([
    ['--force', 'older', NOTES],
    ['--force', 'younger', NOTES],
    ['--update', 'older', NOTES],
    ['--update', 'younger', 'mine'],
    ['--skip', 'older', 'mine'],
  ] as const)('with %s over what is %s ends with 0', async (option, age, text) => {
    expect(await again(await having('mine', age), option)).toMatchObject({ status: 0, text });
  });

  it('takes one of these options only', async () => {
    expect((await get([url('notes.txt'), '--force', '--skip'])).status).toBe(2);
  });
});

describe('get fails', () => {
  it('with 6 for what is not there, telling where', async () => {
    const { status, stderr } = await get([url('nowhere.txt')]);
    expect(status).toBe(6);
    expect(stderr).toMatch(/^postern: cannot get 127\.0\.0\.1:nowhere\.txt\npostern: .+\nhint: .+\n$/);
  });

  it('with 3 when one of several is missing, and the others arrive', async () => {
    const { status, stderr, there } = await get([url('notes.txt'), url('nowhere'), url('photos'), 'x/']);
    expect(status).toBe(3);
    expect(there).toEqual(['x/notes.txt', 'x/photos/sea/one.raw', 'x/photos/two.raw']);
    expect(stderr).toMatch(/^postern: nowhere: [^"\n]+\npostern: 1 of 4 failed\n$/);
  });

  it('with 3 when one of several machines cannot be reached, and the other serves', async () => {
    const { status, there } = await get([`postern://127.0.0.1:1/gone.txt`, url('notes.txt'), 'x/']);
    expect({ status, there }).toEqual({ status: 3, there: ['x/notes.txt'] });
  });

  it('with 5 where nothing listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as { port: number };
    closed.close();
    await once(closed, 'close');
    const { status, stderr } = await get([`postern://127.0.0.1:${port}/notes.txt`]);
    expect(status).toBe(5);
    expect(stderr).toMatch(/^hint: check the address/m);
  });

  it('with 5 after --connect-timeout where somebody listens and says nothing', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    const { status, stderr } = await get([`postern://127.0.0.1:${port}/x`, '--connect-timeout', '0.3']);
    expect(status).toBe(5);
    expect(stderr).toContain('no login within 0.3 s');
  });

  it('with 4 for a wrong passphrase: one clear line on both sides', async () => {
    const other = await Served.start();
    onTestFinished(() => other.stop());
    const { status, stderr } = await other.run(['get', `${other.url}/x`], { env: { POSTERN_PASSWORD: 'wrong' } });
    expect(status).toBe(4);
    expect(stderr.match(/passphrase is wrong/g)).toHaveLength(1);
    await other.server.until('stderr', /"event":"refused"/);
    expect((await stop(other.server)).stderr.trim().split('\n')).toHaveLength(1);
  });

  it('with 5 when the line is lost, keeps what came, and says how to go on', async () => {
    const between = await gate(4_000_000);
    const cwd = await served.folder();
    const getting = startForTest(served.client, ['get', `${between.url}/big.raw`, '--json', '--no-retry'], { cwd });
    await getting.until('stderr', /"bytes":[1-9]/);
    between.cut();
    const { status, stderr } = await getting.ended;
    expect(status).toBe(5);
    expect(JSON.parse(stderr.trimEnd().split('\n').at(-1)!)).toMatchObject({
      type: 'error',
      code: 'TRUNCATED',
      exit: 5,
    });
    expect(await tree(cwd)).not.toContain('big.raw');
  });

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')('with 7 where it may not write', async () => {
    const cwd = await served.folder();
    await chmod(cwd, 0o555);
    expect((await served.run(['get', url('notes.txt')], { cwd })).status).toBe(7);
  });

  it.each(['%2e%2e/x', 'photos/%2e%2e/notes.txt'])('with 2 for %s', async path => {
    expect((await get([url(path)])).status).toBe(2);
  });
});

describe('get and the key of the server', () => {
  it('ends with 4 when it has changed, names the way out, and the way out works', async () => {
    const first = await Served.start();
    onTestFinished(() => first.stop());
    expect((await first.run(['ls', first.url])).status).toBe(0);
    const port = String(first.ready.port);
    await stop(first.server);

    const second = await Served.start(['--listen', `127.0.0.1:${port}`]);
    onTestFinished(() => second.stop());
    const args = ['get', '-p', port, '127.0.0.1:', 'x'];
    const changed = await first.run(args);
    expect(changed.status).toBe(4);
    const [, forget] = /^hint: .*run: postern (forget \S+ \S+ \S+);/m.exec(changed.stderr)!;
    expect((await first.run(forget!.split(' '))).status).toBe(0);
    expect((await first.run(args)).status).toBe(0);
  });
});

describe('get --json', () => {
  it('has items and a summary on stdout', async () => {
    const { stdout, stderr } = await get(['--json', url('notes.txt'), url('photos'), 'x/']);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>);
    expect(lines.at(-1)).toEqual({
      type: 'summary',
      received: 3,
      identical: 0,
      skipped: 0,
      failed: 0,
      bytes: 26,
      kept: 0,
    });
    expect(lines.slice(0, -1)).toContainEqual({ type: 'item', path: 'notes.txt', size: 23, outcome: 'received' });
    for (const line of stderr.trimEnd().split('\n')) expect(JSON.parse(line)).toMatchObject({ type: 'status' });
  });

  it('has each failure as an item on stdout and as an error on stderr', async () => {
    const { stdout, stderr } = await get(['--json', url('notes.txt'), url('nowhere'), 'x/']);
    const errors = stderr
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)
      .filter(({ type }) => type === 'error');
    expect(errors).toMatchObject([{ path: 'nowhere', code: 'NOT_FOUND' }]);
    expect(stdout).toContain('"outcome":"failed"');
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ received: 1, failed: 1 });
  });

  it('ends with one error line when all of it failed', async () => {
    const { stderr, stdout } = await get(['--json', url('nowhere')]);
    const errors = stderr
      .trimEnd()
      .split('\n')
      .filter(line => line.includes('"type":"error"'));
    expect(errors).toHaveLength(1);
    expect(stderr.trimEnd().endsWith(errors[0]!)).toBe(true);
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ type: 'summary', failed: 1 });
  });
});

describe('get stopped', () => {
  /** A download that stands still in the middle. */
  async function halfway(args: readonly string[] = []) {
    const between = await gate(4_000_000);
    const cwd = await served.folder();
    const getting = startForTest(served.client, ['get', `${between.url}/big.raw`, ...args], { cwd });
    await getting.until('stderr', /^big\.raw: [1-9]\d* %/m);
    return { getting, cwd };
  }

  it('by Ctrl-C says so at once, ends with 130, and keeps a partial', async () => {
    const { getting, cwd } = await halfway();
    getting.child.kill('SIGINT');
    const { status, stderr } = await getting.ended;
    expect(status).toBe(130);
    expect(stderr).toMatch(/^stopping…$/m);
    const there = await tree(cwd);
    expect(there).toHaveLength(1);
    expect(there[0]).toMatch(/\.postern-part$/);
    expect((await stat(join(cwd, there[0]!))).size).toBeGreaterThan(0);
  });

  it('by SIGTERM ends with 143 without a word', async () => {
    const { getting } = await halfway();
    getting.child.kill('SIGTERM');
    const { status, stderr } = await getting.ended;
    expect(status).toBe(143);
    expect(stderr).not.toMatch(/stopping|postern:/);
  });

  it('tells at SIGUSR1 how far it is, and opens no debugger', async () => {
    const { getting } = await halfway(['-q', '--progress=plain']);
    const before = getting.stderr.length;
    getting.child.kill('SIGUSR1');
    await getting.until('stderr', new RegExp(`^[^]{${before},}big\\.raw: .* of 24\\.0 MB.*\\n`));
    expect((await stop(getting, 'SIGKILL')).stderr).not.toMatch(/debugger/i);
  });
});

describe.skipIf(process.platform === 'win32')('get on a terminal', () => {
  it('leaves one line: what came, how much, and that it is verified', async () => {
    const cwd = await served.folder();
    const terminal = new InTerminal(served.client, ['get', url('binary.raw')], { cwd });
    expect((await terminal.ended).status).toBe(0);
    expect(terminal.screen()).toMatch(/^binary\.raw {2}300\.3 kB {2}100 % {2}done, verified$/);
  });

  it.each([30, 80])('draws a bar that fits %d columns, follows a resize, and clears away at Ctrl-C', async columns => {
    const between = await gate(4_000_000);
    const cwd = await served.folder();
    const terminal = new InTerminal(served.client, ['get', `${between.url}/big.raw`], { cwd, columns });
    await terminal.until(/\b1\d %/);
    terminal.resize(60, 20);
    await terminal.until(/^big\.raw {2}1\d % {2}3\.\d MB of 24\.0 MB {2}/);
    terminal.resize(90, 20);
    await terminal.until(/^big\.raw {2}\[##-+\] {2}1\d % {2}3\.\d MB of 24\.0 MB {2}.+ left$/);
    terminal.type('\u0003');
    expect((await terminal.ended).status).toBe(130);
    expect(terminal.screen()).toMatch(/^(\^C)?stopping…$/);
    expect(terminal.raw).not.toContain('\u001b[?25l');
    expect((await tree(cwd))[0]).toMatch(/\.postern-part$/);
  });

  it('asks for the passphrase without showing it, and shows no progress meanwhile', async () => {
    const cwd = await served.folder();
    const env = { POSTERN_PASSWORD: undefined };
    const terminal = new InTerminal(served.client, ['get', url('notes.txt')], { cwd, env });
    await terminal.until(/^passphrase for 127\.0\.0\.1: ?$/);
    terminal.type('orbit-velvet-canyon-turtle\r');
    expect((await terminal.ended).status).toBe(0);
    expect(terminal.raw).not.toMatch(/orbit|turtle/);
    expect(terminal.screen().split('\n').at(-1)).toBe('notes.txt  23 B  100 %  done, verified');
  });

  it('names files of a peer escaped', async () => {
    await writeFile(join(served.share, 'evil\u001b]0;x\u0007\n\u202e'), 'x');
    const cwd = await served.folder();
    const terminal = new InTerminal(served.client, ['get', url('evil%1B%5D0;x%07%0A%E2%80%AE')], { cwd });
    expect((await terminal.ended).status).toBe(0);
    expect(terminal.screen()).toContain('evil\\x1b]0;x\\x07\\n\\u{202e}  1 B  100 %');
    for (const sent of ['\u001b]', '\u0007', '\u202e']) expect(terminal.raw).not.toContain(sent);
  });
});
