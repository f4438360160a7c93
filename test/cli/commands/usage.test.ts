import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSPHRASE } from '../support/command.ts';
import { Served } from '../support/served.ts';
import { InTerminal } from '../support/terminal.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start();
  await writeFile(join(served.share, 'notes.txt'), 'hello');
});
afterAll(() => served.stop());

const postern = (...args: string[]) => served.run(args);

describe('help', () => {
  it.each([[[]], [['-h']], [['--help']], [['help']]])('for %j is on stdout and fits a screen', async args => {
    const { status, stdout, stderr } = await postern(...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(24);
    for (const line of lines) expect(line.length).toBeLessThan(80);
    expect(lines.slice(-3).every(line => line.startsWith('  postern '))).toBe(true);
  });

  it('names every command', async () => {
    const { stdout } = await postern('--help');
    for (const verb of ['serve', 'get', 'rm', 'mkdir', 'mv', 'chat', 'ping', 'may', 'demo']) {
      expect(stdout).toMatch(new RegExp(`^ {2}(?:\\w+, )*${verb}\\b`, 'm'));
    }
    // Those that share a line are found all the same.
    expect((await postern('mkdr')).stderr).toContain('did you mean mkdir?');
  });

  it.each([[['help', 'get']], [['get', '-h']], [['get', '--help']], [['get', 'lab:x', '--help']]])(
    'of a command for %j',
    async args => {
      const { status, stdout, stderr } = await postern(...args);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(/^Usage: postern get /);
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    },
  );

  it('tells version, Node and platform with --version, and not with -v', async () => {
    const { status, stdout } = await postern('--version');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^postern \d+\.\d+\.\d+ \(Node v\d+\.\d+\.\d+, \S+ \S+\)\n$/);
    expect((await postern('-v')).status).toBe(2);
  });
});

describe('wrong usage ends with 2 and at most two lines and where to read on', () => {
  it.each([
    [['lss', 'lab'], /^postern: unknown command 'lss'\nhint: did you mean ls\? see postern --help\n$/],
    [['help', 'lss'], /^postern: unknown command 'lss'\nhint: .*see postern --help\n$/],
    [['ls', '--jsn', 'lab'], /^postern: unknown option '--jsn'\nhint: did you mean --json\? see postern ls --help\n$/],
    [['ls', '--xyzzy=secret', 'lab'], /^postern: unknown option '--xyzzy'\nhint: see postern ls --help\n$/],
    [['get'], /^postern: missing required argument 'place'\nhint: see postern get --help\n$/],
    [['ping', 'lab:7700'], /^postern: HOST has no path here\nhint: a port is --port 7700, or postern:\/\/lab:7700\n$/],
    [['chat', '[::1]:7700'], /^postern: HOST has no path here: rooms .*\nhint: a port is --port 7700, or .*7700\n$/],
    [['forget', 'lab:notes.txt'], /^postern: HOST has no path here\nhint: see postern forget --help\n$/],
    [['may', 'a', 'b'], /^postern: too many arguments for 'may': expected 1, got 2\nhint: see postern may --help\n$/],
    [['get', 'a:b', '--offset', 'x'], /^postern: .*a whole number is needed\nhint: see postern get --help\n$/],
    [['ls', '-p', '0', 'lab'], /^postern: a port is a number from 1 to 65535\nhint: see postern ls --help\n$/],
    [['ls', 'lab', '--connect-timeout', '0'], /^postern: .*\nhint: see postern ls --help\n$/],
    [['ls', 'lab', '--color', 'pink'], /^postern: .*auto, always, never\nhint: see postern ls --help\n$/],
    [['ls', 'postern://user:hunter2@lab/x'], /^postern: .*no password\nhint: see postern ls --help\n$/],
  ] as [string[], RegExp][])('%j', async (args, expected) => {
    const { status, stdout, stderr } = await postern(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/hunter2|secret/);
  });

  it('and is one JSON line under --json', async () => {
    const { status, stderr } = await postern('ls', '--json', '--jsn', 'lab');
    expect(status).toBe(2);
    expect(JSON.parse(stderr)).toMatchObject({ type: 'error', code: 'USAGE', exit: 2 });
  });
});

describe('the passphrase', () => {
  it.each([['--password', 'hunter2'], ['--password=hunter2'], ['--passphrase', 'hunter2'], ['--pass=hunter2']])(
    'R-A3: is no argument: %s',
    async (...option) => {
      const { status, stderr } = await postern('ls', ...option, served.url);
      expect(status).toBe(2);
      expect(stderr).toMatch(/^hint: .*--password-file FILE/m);
      expect(stderr).not.toContain('hunter2');
    },
  );

  it('comes from a private file, or from standard input', async () => {
    const file = join(served.client.path, 'passphrase');
    await writeFile(file, `${PASSPHRASE}\n`, { mode: 0o600 });
    const env = { POSTERN_PASSWORD: undefined };
    expect((await served.run(['ls', '--password-file', file, served.url], { env })).status).toBe(0);
    const piped = await served.run(['ls', '--password-file', '-', served.url], { env, input: `${PASSPHRASE}\n` });
    expect(piped.status).toBe(0);
  });

  it.skipIf(process.platform === 'win32')('R-A4: comes from no file that others may read', async () => {
    const file = join(served.client.path, 'open');
    await writeFile(file, PASSPHRASE);
    await chmod(file, 0o644);
    const { status, stderr } = await served.run(['ls', '--password-file', file, served.url]);
    expect(status).toBe(7);
    expect(stderr).toContain(`chmod 600 ${file}`);
    expect(stderr).not.toContain(PASSPHRASE);
  });

  it('where nobody can be asked ends with 2 and the ways to give it', async () => {
    const { status, stderr } = await served.run(['ls', served.url], { env: { POSTERN_PASSWORD: undefined } });
    expect(status).toBe(2);
    for (const way of ['--password-file FILE', '--password-file -', 'POSTERN_PASSWORD']) expect(stderr).toContain(way);
  });

  it.skipIf(process.platform !== 'linux')(
    'R-A3: is asked for unseen, and stands in no environment of ours',
    async () => {
      const terminal = new InTerminal(served.client, ['ls', served.url], { env: { POSTERN_PASSWORD: undefined } });
      await terminal.until(/^passphrase for 127\.0\.0\.1: ?$/);
      expect(await readFile(`/proc/${terminal.pid}/cmdline`, 'latin1')).not.toContain(PASSPHRASE);
      terminal.type(`${PASSPHRASE}\r`);
      expect((await terminal.ended).status).toBe(0);
      expect(terminal.raw).not.toMatch(/orbit|turtle/);
      expect(terminal.screen()).toMatch(/^notes\.txt$/m);
    },
  );

  it('R-A3: is neither argument nor environment of anything that postern starts', async () => {
    const seen = join(served.client.path, 'seen');
    const spy = join(served.client.path, 'spy.cjs');
    const line = "JSON.stringify({ argv: process.argv, env: process.env }) + '\\n'";
    await writeFile(spy, `require('node:fs').appendFileSync(${JSON.stringify(seen)}, ${line});`);
    const { status, stdout } = await served.run(['demo'], {
      env: { NODE_OPTIONS: `--require=${spy}`, POSTERN_COLOUR: 'also ours' },
    });
    expect(status).toBe(0);
    const [, drawn] = /passphrase: (\S+)/.exec(stdout)!;
    const [, ...started] = (await readFile(seen, 'utf8')).trimEnd().split('\n');
    expect(started.length).toBeGreaterThan(3);
    for (const child of started) {
      expect(child).not.toContain(drawn);
      expect(child).not.toContain(PASSPHRASE);
      expect(child).not.toContain('POSTERN_');
    }
  });

  it('ends at Ctrl-C with 130 and the terminal as it was', async () => {
    const terminal = new InTerminal(served.client, ['ls', served.url], { env: { POSTERN_PASSWORD: undefined } });
    await terminal.until(/^passphrase/);
    terminal.type('\u0003');
    expect((await terminal.ended).status).toBe(130);
    expect(terminal.screen().split('\n')).toHaveLength(2);
  });
});
