import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { receiveExactly } from '../../src/classic/framing/exactly.ts';
import {
  type Address,
  callExec,
  callHmac,
  obeyControl,
  serveControl,
  serveDesk,
  serveExec,
  serveHmac,
  serveTalk,
} from '../../src/classic/index.ts';
import { MAX_CALLERS, MAX_OUTPUT_BYTES } from '../../src/classic/limits.ts';
import { makePair } from '../../src/classic/net/pair.ts';
import { caller, makeRunner, serve } from './support/programs.ts';

const yes = async (): Promise<boolean> => true;
const { signal } = new AbortController();

/** What the originals get wrong, done to ours. */
describe('commands of a peer', () => {
  it('10 MB to both outputs do not stop each other', async () => {
    const { commands } = await makeRunner();
    const line = 'head -c 5000000 /dev/zero & head -c 5000000 /dev/zero >&2; wait';
    const { stdout, stderr, cut } = await commands.run(line, 'peer', signal);
    expect([stdout.length, stderr.length, cut]).toEqual([5_000_000, 5_000_000, undefined]);
  });

  it('endless output is cut, and its command ended', async () => {
    const { commands, recorded } = await makeRunner();
    const { stdout, cut } = await commands.run('yes', 'peer', signal);
    expect(stdout.length).toBe(MAX_OUTPUT_BYTES);
    expect(cut).toContain('cut at');
    expect(recorded.at(-1)).toMatchObject({ event: 'end', end: { signal: expect.any(String) } });
  });

  it('a command without end is ended, with all that it has started', async () => {
    const { commands } = await makeRunner({ timeoutMs: 300 });
    const { stdout, cut } = await commands.run('echo begun; sleep 1000 & sleep 1000', 'peer', signal);
    expect(Buffer.from(stdout).toString()).toBe('begun\n');
    expect(cut).toContain('ended after');
  });

  it('has no input, so it cannot read what is typed here', async () => {
    const { commands } = await makeRunner();
    const { stdout } = await commands.run('cat; echo end', 'peer', signal);
    expect(Buffer.from(stdout).toString()).toBe('end\n');
  });

  it('what is not on the list does not start, and a list knows no shell', async () => {
    const { commands, recorded } = await makeRunner({ only: ['echo'] });
    const said = async (line: string) => {
      const { stdout, stderr } = await commands.run(line, 'peer', signal);
      return Buffer.from(stdout).toString() + Buffer.from(stderr).toString();
    };
    expect(await said('echo  hello; id | $(id) > x')).toBe('hello; id | $(id) > x\n');
    for (const line of ['id', '/bin/echo x', './echo x', 'sh -c echo', '']) {
      expect(await said(line)).toMatch(/^postern: /);
    }
    expect(recorded.filter(({ event }) => event === 'refused')).toHaveLength(5);
  });

  it('nothing starts that cannot be recorded', async () => {
    const { CommandRunner } = await import('../../src/classic/index.ts');
    const commands = new CommandRunner({
      kind: 'classic.test',
      folder: process.cwd(),
      environment: process.env,
      audit: { record: () => Promise.reject(new Error('the disk is full')) },
    });
    await expect(commands.run('echo hello', 'peer', signal)).rejects.toThrow('the disk is full');
  });

  it('R-A3: a command does not inherit the passphrase', async () => {
    const { folder } = await makeRunner();
    const { CommandRunner } = await import('../../src/classic/index.ts');
    const commands = new CommandRunner({
      kind: 'classic.test',
      folder,
      environment: { ...process.env, POSTERN_PASSWORD: 'hunter2' },
      audit: { record: async () => {} },
    });
    const { stdout } = await commands.run('env', 'peer', signal);
    expect(Buffer.from(stdout).toString()).not.toContain('hunter2');
  });

  it.each(['a\0b', 'no-such-command-here'])('%j is answered, and ends nothing', async line => {
    const { commands } = await makeRunner();
    const { stderr } = await commands.run(line, 'peer', signal);
    expect(stderr.length).toBeGreaterThan(0);
  });
});

describe('a machine that lies to its controller', () => {
  it.each([
    ['struct', 'ffffffff', 'MALFORMED'],
    ['struct', 'ffffff7f', 'SIZE'],
    ['struct', '0a00000068', 'TRUNCATED'],
    ['length', Buffer.from('-1').toString('hex'), 'MALFORMED'],
    ['length', Buffer.from('lots').toString('hex'), 'MALFORMED'],
    ['length', Buffer.from('99999999999999999999').toString('hex'), 'SIZE'],
  ] as const)('%s: %s is %s', async (framing, hex, code) => {
    const { at, ended } = serve(['id', 'q'], (where, options) => serveControl(where, { ...options, framing }));
    const failed = expect(ended).rejects.toMatchObject({ code });
    const socket = await connected(await at);
    await once(socket, 'data');
    socket.end(Buffer.from(hex, 'hex'));
    await failed;
  });

  it('a character that is cut by the border of two answers is whole', async () => {
    const { at, person } = serve(['one', 'two', 'q'], (where, options) =>
      serveControl(where, { ...options, framing: 'raw' }),
    );
    const socket = await connected(await at);
    await once(socket, 'data');
    socket.write(Buffer.concat([Buffer.alloc(1023, 'x'), Buffer.from('d6', 'hex')]));
    await once(socket, 'data');
    socket.write(Buffer.from('d0cec4', 'hex'));
    await once(socket, 'data');
    expect(person.printed).toBe(`>>>${'x'.repeat(1023)}\n>>>中文\n>>>`);
  });

  it('a server that lies to a caller of exec', async () => {
    const at = await lyingServer(socket => {
      socket.once('data', () => socket.end(Buffer.from('ffffff7f', 'hex')));
    });
    await expect(callExec(at, { ...caller(), command: 'id' })).rejects.toMatchObject({ code: 'SIZE' });
  });
});

describe('a command that would be cut', () => {
  it('is not sent', async () => {
    const { commands } = await makeRunner();
    const line = `echo ${'x'.repeat(1024)}`;
    const exec = serve([], (where, options) => serveExec(where, { ...options, commands }));
    await expect(callExec(await exec.at, { ...caller(), command: line })).rejects.toMatchObject({ code: 'USAGE' });
    const control = serve([line], (where, options) => serveControl(where, { ...options, framing: 'struct' }));
    const failed = expect(control.ended).rejects.toMatchObject({ code: 'USAGE' });
    await connected(await control.at);
    await failed;
  });
});

describe('a command that comes in pieces', () => {
  it('is one command, not several', async () => {
    const { commands } = await makeRunner();
    const at = await lyingServer(socket => {
      void (async () => {
        for (const byte of Buffer.from('echo whole'))
          await new Promise(resolve => socket.write(Uint8Array.of(byte), resolve));
        await once(socket, 'data');
        socket.end('q');
      })();
    });
    const obeying = caller();
    await obeyControl(at, { ...obeying, framing: 'raw', commands, mayRun: yes });
    expect(obeying.person.heard.map(({ text }) => text)).toEqual(['echo whole']);
  });
});

describe('callers who come and stay', () => {
  it.each(['desk', 'exec'])('%s: one over the bound is turned away, and the others stay', async program => {
    const { commands } = await makeRunner();
    const { at, person } = serve([], (where, options) =>
      program === 'desk' ? serveDesk(where, options) : serveExec(where, { ...options, commands }),
    );
    const address = await at;
    const callers = await Promise.all(Array.from({ length: MAX_CALLERS }, () => connected(address)));
    const over = await connected(address);
    await once(over, 'close');
    expect(person.notes.filter(note => note.includes('turned away'))).toHaveLength(1);
    expect(callers.filter(socket => socket.readableEnded || socket.destroyed)).toEqual([]);
  });

  it('a peer that says nothing is given up', async () => {
    const [near, far] = await makePair(signal);
    onTestFinished(() => Promise.all([near.close(), far.close()]).then(() => {}));
    await expect(receiveExactly(near, 4, 50)).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('a peer that reads nothing is given up', async () => {
    const [near, far] = await makePair(signal);
    onTestFinished(() => Promise.all([near.close(), far.close()]).then(() => {}));
    await expect(near.send(new Uint8Array(64 * 1024 * 1024), 200)).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('a peer that does not read slows us, and is left when the program stops', async () => {
    const stopping = new AbortController();
    const [near, far] = await makePair(stopping.signal);
    const sending = (async () => {
      for (;;) await near.send(new Uint8Array(1024 * 1024));
    })();
    const failed = expect(sending).rejects.toMatchObject({ name: 'AbortError' });
    stopping.abort();
    await failed;
    await Promise.all([near.close(), far.close()]);
  });

  it('one that hangs up in the middle ends the talk, and nothing else', async () => {
    const { at, ended, person } = serve(['answer'], serveTalk);
    const socket = await connected(await at);
    socket.end('hello');
    await ended.catch(() => {});
    expect(person.heard).toEqual([{ text: 'hello' }]);
  });
});

describe('the challenge', () => {
  it.each([
    ['nothing', ''],
    ['less than an answer', '1e689c55'],
    ['a wrong one', '00'.repeat(16)],
  ])('%s is not taken for an answer', async (_, hex) => {
    const secret = new TextEncoder().encode('wyb');
    const { at, ended, person } = serve([], (where, options) => serveHmac(where, { ...options, secret }));
    const socket = await connected(await at);
    await once(socket, 'data');
    socket.end(Buffer.from(hex, 'hex'));
    expect(await ended).toBe(false);
    expect(person.printed).toBe('不合法的客户端\n');
  });

  it('a caller signs a challenge of 32 bytes, and never less', async () => {
    const at = await lyingServer(socket => socket.end('short'));
    const secret = new TextEncoder().encode('wyb');
    await expect(callHmac(at, { ...caller(), secret })).rejects.toMatchObject({ code: 'TRUNCATED' });
  });
});

async function connected({ host, port }: Address): Promise<Socket> {
  const socket = connect({ host, port });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.resume();
  return socket;
}

async function lyingServer(answer: (socket: Socket) => void): Promise<Address> {
  const server = createServer(socket => {
    socket.on('error', () => {});
    answer(socket);
  });
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port };
}
