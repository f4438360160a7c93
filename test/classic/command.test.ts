import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Home, type Running, type RunOptions, run, startForTest } from '../cli/support/command.ts';
import { InTerminal } from '../cli/support/terminal.ts';

let home: Home;
beforeAll(async () => {
  home = await Home.make();
});
afterAll(() => home.remove());

const classic = (words: string, options: RunOptions = {}) => run(home, ['classic', ...words.split(' ')], options);

describe('postern classic', () => {
  it.each([[[]], [['--help']], [['-h']], [['help']]])(
    'tells its programs for %j, and the verbs of one',
    async words => {
      const { status, stdout } = await run(home, ['classic', ...words]);
      expect(status).toBe(0);
      expect(stdout).toMatch(/^ {2}talk /m);
      expect((await classic('talk --help')).stdout).toMatch(/^ {2}serve .*\n {2}call /m);
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(82);
    },
  );

  it.each([
    ['talk', /^ {2}serve .*\n {2}call /m],
    ['hello', /^ {2}tcp .*\n {2}udp /m],
    ['hello tcp', /^ {2}serve .*\n {2}call /m],
  ])('tells the verbs of %s without one', async (words, expected) => {
    const { status, stdout, stderr } = await classic(words);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(expected);
  });

  it.each([
    ['tlak serve', /unknown command 'tlak'\nhint: did you mean talk\?/],
    ['talk cal', /unknown command 'cal'/],
    ['talk call here', /HOST:PORT is needed here/],
    ['talk serve --listen 127.0.0.1:65536', /a port is a number/],
    ['control serve --framing json', /raw, length, struct/],
    ['exec serve', /--only CMD…, or --any/],
    ['exec serve --any --only ls', /not both/],
    ['struct 1.5', /no whole number/],
    ['struct 99999999999', /whole numbers from/],
    ['hmac call --password hunter2', /a passphrase is never an argument/],
  ])('%s is wrong usage', async (words, expected) => {
    const { status, stdout, stderr } = await classic(words);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(expected);
    expect(stderr).not.toContain('hunter2');
  });

  it.each([
    ...['0.0.0.0:0', '*:0', ':0', '[::]:0', '192.0.2.1:0', 'example.org:0'].map(address => ['talk', address] as const),
    ...['time', 'qq', 'desk', 'hmac', 'control', 'hello tcp', 'hello udp'].map(verb => [verb, '0.0.0.0:0'] as const),
  ])('R-A11: %s does not listen on %s unless it is told to', async (verb, address) => {
    const { status, stderr } = await classic(`${verb} serve --listen ${address}`);
    expect(status).toBe(7);
    expect(stderr).toContain('--insecure');
  });

  it('says each time that it is not secure, and which verb is; with --insecure under -q too', async () => {
    const { stderr } = await classic('talk call 127.0.0.1:1');
    expect(stderr).toMatch(/^classic talk is not secure: .*; postern chat HOST is\n/);
    const quiet = startForTest(home, ['classic', 'talk', 'serve', '-q', '--insecure', '--listen', '0.0.0.0:0']);
    await quiet.until('stderr', /classic talk is not secure/);
  });

  it('cannot reach: 5', async () => {
    const { status } = await classic('hello tcp call 127.0.0.1:1');
    expect(status).toBe(5);
    const udp = await classic('time ask 127.0.0.1:1 %H');
    expect(udp).toMatchObject({ status: 5, stderr: expect.stringContaining('127.0.0.1:1: cannot be reached') });
  });
});

describe('the demonstrations', () => {
  it('struct', async () => {
    expect((await classic('struct')).stdout).toBe("b'\\x00\\x10\\x00\\x00'\n(4096,)\n4096\n");
    expect(JSON.parse((await classic('struct 258 --json')).stdout)).toEqual({ number: 258, bytes: [2, 1, 0, 0] });
  });

  it('subprocess, with a line and asked for one', async () => {
    const expected = 'stdout:  out\n\nstderr:  err\n\n';
    const line = 'echo out; echo err >&2';
    expect((await run(home, ['classic', 'subprocess', line])).stdout).toBe(expected);
    expect((await run(home, ['classic', 'subprocess'], { input: `${line}\n` })).stdout).toBe(expected);
    const gbk = ['classic', 'subprocess', '--encoding', 'gbk', "printf '\\326\\320\\316\\304'"];
    expect((await run(home, gbk)).stdout).toContain('stdout:  中文\n');
  });

  it('sticky shows both faults and four cures', async () => {
    const { status, stdout } = await classic('sticky');
    expect(status).toBe(0);
    expect(stdout).toContain("res: b'hello, world!wyb666'");
    expect(stdout).toContain("res: b'he'\n   res2: b'llo, world'");
    expect(stdout.match(/received, sent whole: b'hello, world!' and b'wyb666'/g)).toHaveLength(4);
    expect(stdout.match(/received, sent byte by byte: b'hello, world!' and b'wyb666'/g)).toHaveLength(4);
    expect(stdout).toContain('0d 00 00 00  68 65 6c 6c 6f 2c 20 77 6f 72 6c 64 21');
  });
});

describe('a pair of processes', () => {
  it('talks', async () => {
    const { server, address } = await listening(['talk', 'serve'], { input: '你好\nbye\n' });
    const { status, stdout } = await classic(`talk call ${address}`, { input: '在吗\n再见\n' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '你好\n' });
    expect(await server.ended).toMatchObject({ status: 0, stdout: '在吗\n再见\n' });
  });

  it('speaks JSON lines with --json', async () => {
    const server = startForTest(home, ['classic', 'qq', 'serve', '--json', '--listen', '127.0.0.1:0'], {
      input: 'hi\n',
    });
    const [line] = await server.until('stdout', /^.*\n/);
    const { port } = JSON.parse(line) as { port: number };
    await classic(`qq call 127.0.0.1:${port}`, { input: 'hello\n' });
    const [, second] = await server.until('stdout', /\n(.*)\n/);
    const from = expect.stringMatching(/^127\.0\.0\.1:\d+$/);
    expect(JSON.parse(Buffer.from(second!, 'latin1').toString())).toEqual({
      type: 'message',
      from,
      text: '来自老王的消息: hello',
      color: 'blue',
    });
  });

  it('checks the secret, which comes from the environment or a file: 4 if it is another', async () => {
    const file = join(home.path, 'secret');
    await writeFile(file, 'another\n', { mode: 0o600 });
    for (const [option, expected] of [
      ['', 0],
      [` --password-file ${file}`, 4],
    ] as const) {
      const { server, address } = await listening(['hmac', 'serve']);
      expect((await classic(`hmac call ${address}${option}`)).status).toBe(0);
      expect((await server.ended).status).toBe(expected);
    }
  });

  it('runs commands of a list, and records them', async () => {
    const { address } = await listening(['exec', 'serve', '--only', 'echo']);
    const { stdout } = await run(home, ['classic', 'exec', 'call', address, '-c', 'echo 你好']);
    expect(stdout).toBe('返回的消息:你好\n\n');
    const refused = await run(home, ['classic', 'exec', 'call', address, '-c', 'id']);
    expect(refused.stdout).toContain('postern: ');
    const { readFile } = await import('node:fs/promises');
    const audit = await readFile(join(home.path, 'state/postern/audit.jsonl'), 'utf8');
    expect(audit).toMatch(/"kind":"classic\.exec".*"argv":\["echo"/);
    expect(audit).toMatch(/"event":"refused".*"argv":\["id"/);
  });

  it('asks the time with and without an address', async () => {
    const { address } = await listening(['time', 'serve']);
    expect((await run(home, ['classic', 'time', 'ask', address, '%Y'])).stdout).toMatch(/^\d{4}\n$/);
    expect((await classic(`time ask %Y ${address}`)).status).toBe(2);
  });
});

describe('at a terminal', () => {
  it('a talk prompts as the original does, and Ctrl-C ends it', async () => {
    const { address } = await listening(['talk', 'serve'], { input: '你好\n有\n' });
    const terminal = new InTerminal(home, ['classic', 'talk', 'call', address]);
    await terminal.until(/>>>$/);
    terminal.type('在吗\r');
    await terminal.until(/>>>在吗\n你好\n>>>$/);
    terminal.type('\x03');
    expect(await terminal.ended).toMatchObject({ status: 130 });
  });

  it('a serving side that nobody calls is ended by Ctrl-C', async () => {
    for (const verb of ['talk', 'time', 'desk']) {
      const terminal = new InTerminal(home, ['classic', verb, 'serve', '--listen', '0']);
      await terminal.until(/listening on 127\.0\.0\.1/);
      terminal.type('\x03');
      expect(await terminal.ended).toMatchObject({ status: 130 });
    }
  });

  it('--no-input does not ask what can be read from standard input', async () => {
    const { address } = await listening(['talk', 'serve'], { input: '' });
    const terminal = new InTerminal(home, ['classic', 'talk', 'call', address, '--no-input']);
    expect(await terminal.ended).toMatchObject({ status: 2 });
  });
});

describe('obey', () => {
  it('asks at the terminal before each command', async () => {
    const controller = createServer();
    onTestFinished(() => void controller.close());
    controller.listen(0, '127.0.0.1');
    await once(controller, 'listening');
    const address = `127.0.0.1:${(controller.address() as { port: number }).port}`;
    const terminal = new InTerminal(home, ['classic', 'control', 'obey', address]);
    const [socket] = (await once(controller, 'connection')) as [Socket];
    socket.write('echo first\x1b]0;owned\x07');
    await terminal.until(/run "echo first\\u001b\]0;owned.*" here\? \[y\/N\]/);
    terminal.type('n\r');
    expect(String(await once(socket, 'data'))).toContain('postern: refused');
    socket.write('echo second');
    await terminal.until(/run "echo second" here\? \[y\/N\]/);
    terminal.type('y\r');
    expect(String(await once(socket, 'data'))).toContain('second\n');
    socket.end('q');
    expect(await terminal.ended).toMatchObject({ status: 0 });
    expect(terminal.raw).not.toContain('\x1b]0;');
  });

  it('does not dial where nobody can be asked', async () => {
    const { status, stderr } = await classic('control obey 127.0.0.1:1');
    expect(status).toBe(2);
    expect(stderr).toMatch(/--only CMD… or --yes/);
  });
});

describe('R-X1: what a peer sends does not reach the terminal raw', () => {
  const HOSTILE = '\x1b]0;owned\x07\x1b[2J\r\n\x9b5n\u202eevil\x7f';
  const RAW = /[\x00-\x09\x0b-\x1a\x1c-\x1f\x7f\x80-\x9f\u202e]|\x1b(?!\[(?:3\d|39|0)m)/;

  it.each(['', '\x1b[31m', '\x1b[5;31m'])('in a message of qq that begins with %j', async paint => {
    const env = { POSTERN_FORCE_TTY: '80', FORCE_COLOR: '1' };
    const { server, port } = await listening(['qq', 'serve'], { env });
    const socket = createSocket('udp4');
    onTestFinished(() => void socket.close());
    socket.send(`${paint}${HOSTILE}\x1b[0m`, port, '127.0.0.1');
    await server.ended;
    const { stdout } = await server.ended;
    expect(stdout).toContain('owned');
    expect(stdout).not.toMatch(RAW);
    if (paint === '\x1b[31m') expect(stdout).toContain('\x1b[31m');
  });

  it('in a talk, and in the output of a machine that obeys', async () => {
    const env = { POSTERN_FORCE_TTY: '80' };
    for (const [words, speaksFirst] of [
      [['talk', 'serve'], true],
      [['control', 'serve'], false],
    ] as const) {
      const { server, port } = await listening(words, { env, input: 'id\nq\n' });
      const { connect } = await import('node:net');
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      if (!speaksFirst) await once(socket, 'data');
      socket.write(`${HOSTILE}`);
      await server.until('stdout', /vil/);
      socket.destroy();
      expect((await server.ended).stdout.replaceAll('\r\n', '\n')).not.toMatch(RAW);
    }
  });
});

/** A serving side on a port of its own, and its address once it has said it. */
async function listening(
  words: readonly string[],
  options: RunOptions = {},
): Promise<{ server: Running; address: string; port: number }> {
  const server = startForTest(home, ['classic', ...words, '--listen', '127.0.0.1:0'], options);
  const [, port] = await server.until('stderr', /listening on 127\.0\.0\.1:(\d+)\n/);
  return { server, address: `127.0.0.1:${port}`, port: Number(port) };
}
