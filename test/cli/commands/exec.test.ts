import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { start, startForTest } from '../support/command.ts';
import { Served } from '../support/served.ts';
import { InTerminal } from '../support/terminal.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start(['--allow', 'read,exec'], { env: { MARK: 'of-the-host', POSTERN_OTHER: 'secret' } });
});
afterAll(() => served.stop());

const exec = (args: readonly string[], input: string | Uint8Array = '') =>
  served.run(['exec', served.url, ...args], { input });

/** Resolves when no process has this number any more. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

describe('exec', () => {
  it.each([0, 1, 2, 7, 126, 127, 128, 255])('passes the status %i through', async status => {
    expect(await exec(['-c', `exit ${status}`])).toMatchObject({ status, stdout: '', stderr: '' });
  });

  it.each([
    ['KILL', 137],
    ['TERM', 143],
    ['INT', 130],
  ])('tells of SIG%s as a shell does', async (signal, status) => {
    expect(await exec(['-c', `kill -${signal} $$`])).toMatchObject({ status, stdout: '', stderr: '' });
  });

  it('keeps standard output and error apart', async () => {
    expect(await exec(['-c', 'echo out; echo err >&2'])).toMatchObject({ status: 0, stdout: 'out\n', stderr: 'err\n' });
  });

  it('passes input and output unchanged', async () => {
    const bytes = randomBytes(5_000_000);
    const { bytes: got, status } = await exec(['--', 'cat'], bytes);
    expect(status).toBe(0);
    expect(createHash('sha256').update(got).digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('takes options before and behind HOST, and none behind the command', async () => {
    const words = ['--json', '-q', '--', '-c'];
    for (const args of [
      ['exec', '--cwd', '/', served.url, '--', 'echo', ...words],
      ['exec', served.url, '--cwd', '/', '--', 'echo', ...words],
      ['exec', '--cwd=/', served.url, 'echo', ...words],
      ['exec', served.url, '-n', '--cwd', '/', 'echo', ...words],
      ['-q', 'exec', served.url, 'echo', ...words],
    ]) {
      expect(await served.run(args)).toMatchObject({ status: 0, stdout: `${words.join(' ')}\n` });
    }
  });

  it.each([
    [['exec']],
    [['exec', 'HOST']],
    [['exec', 'HOST', '-c', 'true', '--', 'true']],
    [['exec', 'HOST', '--env', 'NAME', '--', 'true']],
    [['exec', 'HOST', '--env', '=x', '--', 'true']],
    [['exec', 'HOST', '--env', 'A B=x', '--', 'true']],
    [['exec', 'HOST', '--timeout', '0', '--', 'true']],
    [['exec', 'HOST', '--encoding', 'nope', '--', 'true']],
    [['exec', 'HOST', '--nope', '--', 'true']],
    [['exec', 'HOST/sub', '--', 'true']],
    [['exec', 'HOST', '--', '']],
  ])('%j is wrong usage', async args => {
    const { status, stdout, stderr } = await served.run(args.map(arg => arg.replace('HOST', served.url)));
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^postern: /);
  });

  it('starts in the served folder or in --cwd, with --env', async () => {
    await mkdir(join(served.share, 'sub'), { recursive: true });
    expect((await exec(['--', '/bin/pwd'])).stdout).toBe(`${served.share}\n`);
    expect((await exec(['--cwd', 'sub', '--', '/bin/pwd'])).stdout).toBe(`${served.share}/sub\n`);
    const { stdout } = await exec(['--env', 'A=1', '--env', 'B=x=y', '--', 'env']);
    expect(stdout).toMatch(/^A=1$/m);
    expect(stdout).toMatch(/^B=x=y$/m);
    expect(stdout).toMatch(/^MARK=of-the-host$/m);
    expect(stdout).not.toMatch(/^postern_|orbit/im);
  });

  it('says why a command did not start, as a shell does', async () => {
    expect(await exec(['--', 'no-such-command'])).toMatchObject({
      status: 127,
      stderr: 'postern: "no-such-command": command not found\n',
    });
    await writeFile(join(served.share, 'plain'), '');
    await chmod(join(served.share, 'plain'), 0o644);
    expect(await exec(['--', './plain'])).toMatchObject({ status: 126 });
  });

  it('--timeout ends it with 124', async () => {
    const { status, stderr } = await exec(['--timeout', '0.3', '--', 'sleep', '1000']);
    expect({ status, stderr }).toEqual({ status: 124, stderr: 'postern: ended after 0.3 s\n' });
  });

  it('--detach tells its number and leaves it running', async () => {
    const line = 'while [ ! -e go ]; do sleep 0.05; done; echo done > went';
    const { status, stdout } = await exec(['--detach', '-c', line]);
    expect(status).toBe(0);
    const pid = Number(stdout);
    process.kill(pid, 0);
    await writeFile(join(served.share, 'go'), '');
    await gone(pid);
    expect(await readFile(join(served.share, 'went'), 'utf8')).toBe('done\n');
  });

  it('--encoding makes UTF-8 of both outputs, wherever they are cut', async () => {
    // 中文 and 错误 in GBK, byte by byte.
    const slowly = (bytes: string) => bytes.replace(/../g, 'printf "\\\\x$&"; sleep 0.02; ');
    const { stdout, stderr } = await exec([
      '--encoding',
      'gbk',
      '--',
      'bash',
      '-c',
      `${slowly('d6d0cec4')} exec >&2; ${slowly('b4edcef3')}`,
    ]);
    expect({ stdout, stderr }).toEqual({ stdout: '中文', stderr: '错误' });
    expect((await exec(['--encoding', 'shift_jis', '--', 'printf', '\\223\\372\\226\\173'])).stdout).toBe('日本');
    expect((await exec(['--encoding', 'utf-16le', '--', 'printf', 'h\\000i\\000'])).stdout).toBe('hi');
  });

  it('--json is a line for each piece of output, and how it ended', async () => {
    const { stdout, status } = await exec(['--json', '-c', 'echo text; sleep 0.1; printf "\\377" >&2; exit 3']);
    expect(status).toBe(3);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line) as unknown),
    ).toEqual([
      { type: 'started', pid: expect.any(Number) },
      { type: 'output', stream: 'stdout', data: 'text\n' },
      { type: 'output', stream: 'stderr', base64: '/w==' },
      { type: 'summary', status: 3 },
    ]);
  });

  it('ends when the command does, although our input goes on', async () => {
    const running = startForTest(served.client, ['exec', served.url, '--', 'true']);
    expect((await running.ended).status).toBe(0);
  });

  it('gives an endless input no more than the command takes', async () => {
    const { status, bytes } = await exec(['--', 'head', '-c', '3'], Buffer.alloc(20_000_000, 'y'));
    expect({ status, text: bytes.toString() }).toEqual({ status: 0, text: 'yyy' });
  });
});

/** A process that tells its number, and the one that was asked for. (What `&` starts takes no SIGINT.) */
const FAMILY = 'sh -c "echo \\$\\$; exec sleep 1000" | { read pid; echo $pid; exec sleep 1001; }';

describe('exec and signals', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
  ] as const)('%s reaches the command and all that it started', async (signal, status) => {
    const running = startForTest(served.client, ['exec', served.url, '-c', FAMILY]);
    const [, pid] = await running.until('stdout', /^(\d+)\n/);
    running.child.kill(signal);
    expect((await running.ended).status).toBe(status);
    await gone(Number(pid));
  });

  it('the command decides what becomes of it', async () => {
    const line = 'trap "echo heard; exit 9" INT; echo ready; while :; do sleep 0.05; done';
    const running = startForTest(served.client, ['exec', served.url, '-c', line]);
    await running.until('stdout', /ready/);
    running.child.kill('SIGINT');
    expect(await running.ended).toMatchObject({ status: 9, stdout: 'ready\nheard\n' });
  });

  it('the second one ends us, and the host ends what is left', async () => {
    const line = 'trap "echo heard" INT; echo $$; while :; do sleep 0.05; done';
    const running = startForTest(served.client, ['exec', served.url, '-c', line]);
    const [, pid] = await running.until('stdout', /^(\d+)\n/);
    running.child.kill('SIGINT');
    await running.until('stdout', /heard/);
    running.child.kill('SIGINT');
    await running.ended;
    await gone(Number(pid));
  });

  it('a client that is killed takes the command with it', async () => {
    const running = startForTest(served.client, ['exec', served.url, '-c', 'sleep 1000 & echo $! $$; wait']);
    const [, child, shell] = await running.until('stdout', /^(\d+) (\d+)\n/);
    running.child.kill('SIGKILL');
    await Promise.all([gone(Number(child)), gone(Number(shell))]);
  });

  it('a reader that goes away ends the command', async () => {
    const running = start(served.client, ['exec', served.url, '-c', 'echo $$; exec yes']);
    const [, pid] = await running.until('stdout', /^(\d+)\n/);
    running.child.stdout.destroy();
    expect((await running.ended).status).toBe(141);
    await gone(Number(pid));
  });

  it('a host that stops ends the command', async () => {
    const other = await Served.start(['--allow', 'exec']);
    const running = startForTest(other.client, ['exec', other.url, '-c', 'echo $$; exec sleep 1000']);
    const [, pid] = await running.until('stdout', /^(\d+)\n/);
    await other.stop();
    const { status } = await running.ended;
    expect([129, 143, 255]).toContain(status);
    await gone(Number(pid));
  });
});

describe('exec that is refused', () => {
  it('without the permission ends with 7', async () => {
    const reading = await Served.start(['--allow', 'read']);
    const { status, stderr } = await reading.run(['exec', reading.url, '--', 'true']);
    await reading.stop();
    expect(status).toBe(7);
    expect(stderr).toMatch(/^postern: cannot run this on 127\.0\.0\.1\npostern: .+\n/);
  });

  it.each(['LD_PRELOAD', 'BASH_ENV', 'NODE_OPTIONS', 'POSTERN_PASSWORD', 'PYTHONPATH'])(
    'for the variable %s ends with 7',
    async name => {
      expect((await exec(['--env', `${name}=/tmp/x`, '--', 'true'])).status).toBe(7);
    },
  );

  it('by a wrong passphrase or a host that is not there ends with 255, as all that is ours', async () => {
    const wrong = { env: { POSTERN_PASSWORD: 'orbit-velvet-canyon-turnip' } };
    expect((await served.run(['exec', served.url, '--', 'true'], wrong)).status).toBe(255);
    expect((await served.run(['exec', 'postern://127.0.0.1:1', '--', 'true'])).status).toBe(255);
    expect((await exec(['--cwd', 'none', '--', 'true'])).status).toBe(255);
  });
});

describe('exec in a terminal (R-X1)', () => {
  it('shows colours, and every other sequence as text', async () => {
    const output = '\\033[31mred\\033[0m \\033]0;title\\007\\033[2J over\\rwritten\\n';
    const terminal = new InTerminal(served.client, ['exec', served.url, '--', 'printf', output]);
    expect((await terminal.ended).status).toBe(0);
    expect(terminal.raw).toContain('\x1b[31mred\x1b[0m');
    expect(terminal.screen()).toContain('red \\x1b]0;title\\x07\\x1b[2J over\\rwritten');
    expect(terminal.raw).not.toContain('\x1b]0');
    expect(terminal.raw).not.toContain('\x1b[2J');
  });

  it('passes lines that are typed, and Ctrl-C', async () => {
    const terminal = new InTerminal(served.client, [
      'exec',
      served.url,
      '-c',
      'read a; echo "got $a"; exec sleep 1000',
    ]);
    terminal.type('something\r');
    await terminal.until(/got something/);
    terminal.type('\x03');
    expect((await terminal.ended).status).toBe(130);
  });
});

describe('serve --allow exec', () => {
  it('says what it means', async () => {
    const running = startForTest(served.home, ['serve', served.share, '--listen', '127.0.0.1:0', '--allow', 'exec']);
    await running.until('stderr', /^serving .*exec: whoever logs in can run commands as you/m);
  });

  it('records who ran what in a private file and in its log, and no content', async () => {
    await exec(['--env', 'LANG=hidden-value', '-c', 'echo hidden-$((1+1)); cat', '-q'], 'hidden-input');
    await exec(['--', 'printf', '\u2028\x1b]0;x\x07\n{"forged":1}']);
    const path = join(served.home.path, 'state/postern/audit.jsonl');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const text = await readFile(path, 'utf8');
    const entries = text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>);
    const started = entries.find(({ event, shell }) => event === 'start' && String(shell).includes('hidden-$'))!;
    expect(started).toMatchObject({
      kind: 'exec.run',
      env: ['LANG'],
      address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
    const ended = entries.find(({ event, id }) => event === 'end' && id === started['id'])!;
    expect(ended).toMatchObject({
      device: started['device'],
      status: 0,
      stdin_bytes: 12,
      stdout_bytes: 21,
      stderr_bytes: 0,
    });
    expect(text).not.toMatch(/hidden-(?:2|input|value)/);
    expect(text).toMatch(/^[ -~\n]*$/);
    const logged = served.server.stderr.split('\n').filter(line => line.includes('"event":"exec-'));
    expect(logged.length).toBeGreaterThan(4);
    for (const line of logged) expect(JSON.parse(line)).toMatchObject({ type: 'status', id: expect.any(Number) });
    expect(served.server.stderr).not.toMatch(/hidden-(?:2|input|value)|[\x1b\u2028]/);
  });
});
