import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { connect, temporaryInstall } from '../../../src/node/index.ts';
import { Home, PASSPHRASE, run, startForTest, stop } from '../support/command.ts';
import { Gate } from '../support/gate.ts';
import { Served } from '../support/served.ts';

let home: Home;
let share: string;
beforeAll(async () => {
  home = await Home.make();
  share = join(home.path, 'share');
  await mkdir(share);
  await writeFile(join(share, 'notes.txt'), 'hello');
});
afterAll(() => home.remove());

const LOCAL = ['--listen', '127.0.0.1:0'];
const serve = (args: readonly string[], env = {}) => startForTest(home, ['serve', share, ...args], { env });

describe('serve says that it is ready', () => {
  it('with one JSON line first on stdout, which holds no passphrase', async () => {
    const server = serve([...LOCAL, '--json'], { POSTERN_PASSWORD: undefined });
    const [, passphrase] = await server.until('stderr', /^passphrase: (\S+)\n/m);
    const ended = await stop(server);
    const lines = ended.stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      type: 'ready',
      address: '127.0.0.1',
      port: expect.any(Number),
      allow: ['read', 'chat', 'time'],
    });
    expect(passphrase!.split('-')).toHaveLength(4);
    expect(ended.stdout).not.toContain(passphrase);
    // No word by word: `add` and `port` are words of the list too.
    const names = ['type', 'address', 'port', 'key', 'fingerprint', 'allow', 'devices'];
    expect(Object.keys(JSON.parse(lines[0]!) as object)).toEqual(names);
  });

  it('with a passphrase of its own that opens the door', async () => {
    const server = serve([...LOCAL], { POSTERN_PASSWORD: undefined });
    const [, passphrase] = await server.until('stderr', /^passphrase: (\S+)$/m);
    const [, url] = await server.until('stderr', /postern get (postern:\S+)FILE$/m);
    const { status, stdout } = await run(home, ['ls', url!], { env: { POSTERN_PASSWORD: passphrase } });
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'notes.txt\n' });
  });

  it('with the folder, what is allowed, the port, and the line to type', async () => {
    const server = serve([...LOCAL]);
    const [, port] = await server.until('stderr', /^serving .*\/share, read only, on port (\d+)$/m);
    await server.until('stderr', new RegExp(`^on this machine: {2}postern get postern://127.0.0.1:${port}/FILE$`, 'm'));
    expect(server.stderr).not.toContain(PASSPHRASE);
    expect((await stop(server)).stdout).toBe('');
  });

  it('shows a passphrase that it drew even under -q, and then nothing', async () => {
    const server = serve([...LOCAL, '-q'], { POSTERN_PASSWORD: undefined });
    await server.until('stderr', /^passphrase: /);
    expect((await stop(server)).stderr.trim().split('\n')).toHaveLength(1);
  });

  it.each([
    ['127.0.0.1:0', '127.0.0.1'],
    ['[::1]:0', '::1'],
  ])('at --listen %s', async (listen, address) => {
    const server = serve(['--json', '--listen', listen]);
    const [line] = await server.until('stdout', /^.*\n/);
    expect(JSON.parse(line)).toMatchObject({ type: 'ready', address });
  });

  it.each([':0', '0', '*:0', '0.0.0.0:0'])('at --listen %s, naming an address that others can use', async listen => {
    const server = serve(['--listen', listen]);
    const [, host] = await server.until('stderr', /postern get postern:\/\/(\[[^\]]+\]|[^:/]+):\d+\/FILE$/m);
    expect(host).not.toMatch(/^(0\.0\.0\.0|\[::\])$/);
  });
});

describe('serve refuses', () => {
  it.each(['password1', 'tuesday', 'aaaaaaaaaaaa'])('the weak passphrase %s, with the reason', async weak => {
    const { status, stderr, stdout } = await run(home, ['serve', share, ...LOCAL], { env: { POSTERN_PASSWORD: weak } });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^postern: this passphrase would soon be guessed: .+$/m);
    expect(stderr).toMatch(/^hint: /m);
    expect(stderr).not.toContain(weak);
  });

  it('an empty passphrase', async () => {
    const { status } = await run(home, ['serve', share, ...LOCAL], { env: { POSTERN_PASSWORD: '' } });
    expect(status).toBe(2);
  });

  it.each([
    ['--allow', 'read,frobnicate'],
    ['--listen', 'nonsense:port'],
    ['--listen', '::1:80'],
    ['--listen', '127.0.0.1:65536'],
    ['--listen', '127.0.0.1'],
    ['--port', '0x50'],
  ])('%s %s', async (...args) => {
    const { status, stderr } = await run(home, ['serve', share, ...args]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^hint: see postern serve --help$/m);
  });

  it('a folder that is not there (6) and one that is a file (7)', async () => {
    expect((await run(home, ['serve', join(home.path, 'nowhere'), ...LOCAL])).status).toBe(6);
    const file = await run(home, ['serve', join(share, 'notes.txt'), ...LOCAL]);
    expect(file.status).toBe(7);
    expect(file.stderr).not.toContain('postern ls HOST');
  });

  it('a port that is taken, in words', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const { status, stderr } = await run(home, ['serve', share, '--listen', `127.0.0.1:${port}`]);
    taken.close();
    expect(status).toBe(7);
    expect(stderr).toMatch(new RegExp(`\\b${port}\\b.*in use`));
    expect(stderr).toMatch(/^hint: .*another port/m);
  });
});

describe('serve lets in as --allow says', () => {
  it('the list given replaces the usual one, in any order and with spaces', async () => {
    const server = serve([...LOCAL, '--json', '--allow', ' time , read']);
    const [line] = await server.until('stdout', /^.*\n/);
    expect(JSON.parse(line).allow).toEqual(['read', 'time']);
  });

  it('nobody may read where nothing is allowed', async () => {
    const served = await Served.start(['--allow', '']);
    try {
      const { status, stderr } = await served.run(['ls', served.url]);
      expect(status).toBe(7);
      expect(stderr).toMatch(/^hint: postern may HOST/m);
      expect((await served.run(['may', served.url])).stdout).toBe('nothing\n');
    } finally {
      await served.stop();
    }
  });
});

describe('serve ends', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('at %s with %d, closing the lines in good order', async (signal, status) => {
    const served = await Served.start();
    try {
      const { line } = await connect({
        host: '127.0.0.1',
        port: served.ready.port,
        passphrase: PASSPHRASE,
        install: temporaryInstall(),
      });
      const ended = await stop(served.server, signal);
      expect(ended.status).toBe(status);
      expect((await line.closed)?.code).not.toBe('TRUNCATED');
      expect(ended.stderr).toContain('"event":"leave"');
    } finally {
      await served.stop();
    }
  });

  it('at once at the second Ctrl-C, though a line does not close', async () => {
    const server = serve([...LOCAL]);
    const [, port] = await server.until('stderr', /on port (\d+)/);
    await writeFile(join(share, 'big.raw'), randomBytes(24_000_000));
    const between = await Gate.open(Number(port), 4_000_000);
    onTestFinished(() => between.close());
    const getting = startForTest(home, ['get', `${between.url}/big.raw`, '-']);
    await once(getting.child.stdout, 'data');
    server.child.kill('SIGINT');
    await server.until('stderr', /^stopping…$/m);
    const { status, stderr } = await stop(server, 'SIGINT');
    expect(status).toBe(130);
    expect(stderr).not.toMatch(/^leave /m);
  });

  it('says stopping… at Ctrl-C', async () => {
    const server = serve([...LOCAL]);
    await server.until('stderr', /postern/);
    expect((await stop(server, 'SIGINT')).stderr).toMatch(/^stopping…$/m);
  });

  it('tells at SIGUSR1 how many are connected, and opens no debugger', async () => {
    const server = serve([...LOCAL]);
    await server.until('stderr', /postern/);
    server.child.kill('SIGUSR1');
    await server.until('stderr', /^serving 0 connections$/m);
    expect((await stop(server)).stderr).not.toMatch(/debugger/i);
  });
});

describe('the log of serve', () => {
  it('has one line for each login, leave and refusal, with the reason', async () => {
    const server = serve([...LOCAL]);
    const [, url] = await server.until('stderr', /(postern:\/\/\S+)FILE/);
    expect((await run(home, ['ping', url!])).status).toBe(0);
    expect((await run(home, ['ping', url!], { env: { POSTERN_PASSWORD: 'wrong' } })).status).toBe(4);
    await server.until('stderr', /^login time=\S+Z address=127\.0\.0\.1:\d+ agent=postern\/\S+ device=[a-z2-7]+$/m);
    await server.until('stderr', /^leave time=\S+Z address=127\.0\.0\.1:\d+$/m);
    const refused = /^refused time=\S+Z address=127\.0\.0\.1:\d+ code=AUTH reason="[^"\n]+"$/gm;
    await server.until('stderr', new RegExp(refused.source, 'm'));
    expect((await stop(server)).stderr.match(refused)).toHaveLength(1);
  });

  it('is JSON lines on stderr under --json', async () => {
    const served = await Served.start();
    try {
      await served.run(['ping', served.url, '-c', '1']);
      await served.server.until('stderr', /"event":"leave"/);
      const events = served.server.stderr.trimEnd().split('\n');
      expect(events.map(line => JSON.parse(line))).toMatchObject([
        { type: 'status', event: 'login', time: expect.stringMatching(/^\d{4}-.*Z$/) },
        { type: 'status', event: 'leave' },
      ]);
    } finally {
      await served.stop();
    }
  });

  it('R-X2: no field can end its line, forge another one or move a cursor', async () => {
    const server = serve([...LOCAL]);
    const [, port] = await server.until('stderr', /on port (\d+)/);
    const { line } = await connect({
      host: '127.0.0.1',
      port: Number(port),
      passphrase: PASSPHRASE,
      install: temporaryInstall(),
      agent: 'a\nlogin time=0 address=forged\u001b[2J\u009b1m\u202e "x" y=z',
    });
    await line.close();
    await server.until('stderr', /^leave /m);
    const { stderr } = await stop(server);
    const logins = stderr.split('\n').filter(text => text.startsWith('login '));
    expect(logins).toHaveLength(1);
    expect(logins[0]).toMatch(/^login time=\S+ address=127\.0\.0\.1:\d+ agent="a\\.*y=z" device=\S+$/);
    expect(stderr.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  });

  it('survives those who do not speak the protocol', async () => {
    const served = await Served.start();
    try {
      const stranger = connectTcp(served.ready.port, '127.0.0.1');
      stranger.on('error', () => {});
      stranger.end('GET / HTTP/1.1\r\n\r\n\u001b[2J');
      await served.server.until('stderr', /"event":"refused"/);
      expect((await served.run(['ping', '-c', '1', served.url])).status).toBe(0);
    } finally {
      await served.stop();
    }
  });
});

describe('R-A3: the passphrase shows nowhere', () => {
  it('in no output of either side, however much is told', async () => {
    const server = serve([...LOCAL, '-v', '-v']);
    const [, url] = await server.until('stderr', /(postern:\/\/\S+)FILE/);
    const outputs: string[] = [];
    for (const args of [['ls'], ['may'], ['ping'], ['get']]) {
      const place = args[0] === 'get' ? `${url}nowhere` : url!;
      const { stdout, stderr } = await run(home, [...args, '-vv', place]);
      outputs.push(stdout, stderr);
    }
    const wrong = await run(home, ['ls', '-vv', url!], { env: { POSTERN_PASSWORD: 'a-wrong-secret' } });
    expect(wrong.status).toBe(4);
    expect(wrong.stdout + wrong.stderr).not.toContain('a-wrong-secret');
    const ended = await stop(server);
    for (const output of [...outputs, ended.stdout, ended.stderr, wrong.stderr])
      expect(output).not.toContain(PASSPHRASE);
  });

  it.skipIf(process.platform !== 'linux')('in no list of processes', async () => {
    const server = serve([...LOCAL]);
    await server.until('stderr', /postern/);
    expect(await readFile(`/proc/${server.child.pid}/cmdline`, 'utf8')).not.toContain(PASSPHRASE);
  });

  it('lies in no file that is kept', async () => {
    const served = await Served.start();
    try {
      await served.run(['ping', '-c', '1', served.url]);
      for (const side of [served.home, served.client]) {
        const files = await readdir(side.path, { recursive: true, withFileTypes: true });
        for (const file of files) {
          if (!file.isFile()) continue;
          const text = await readFile(join(file.parentPath, file.name), 'latin1');
          expect(text).not.toContain(PASSPHRASE);
        }
      }
    } finally {
      await served.stop();
    }
  });
});
