import { describe, expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import {
  MAX_TERMINALS,
  MAX_TERMINALS_PER_DEVICE,
  SHELL_AWAY_MS,
  SHELL_INPUT_WINDOW_BYTES,
  SHELL_KILL_GRACE_MS,
  SHELL_OUTPUT_WINDOW_BYTES,
} from '../../../src/protocol/limits.ts';
import { openShell } from '../../../src/services/shell/remote-terminal.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { deviceFor } from '../../support/devices.ts';
import { type Connected, REQUEST, ShellScene, textOf } from './scene.ts';

const START = { t: 'start', term: 'xterm', columns: 80, rows: 24 };
const NOWHERE = { session: 'A'.repeat(22), received: 0 };

/** A session that was opened by hand, and its number. */
async function opened(at: Connected): Promise<{ channel: Channel; id: string }> {
  const channel = at.line.open('shell.open');
  await channel.send(START);
  const { id } = (await channel.readMessage()) as { id: string };
  return { channel, id };
}

describe('a remote terminal', () => {
  it('carries keys, output, sizes, signals and the status', async () => {
    const scene = new ShellScene();
    const { line } = await scene.connect();
    const terminal = await openShell(line, {
      ...REQUEST,
      environment: { LANG: 'C', LC_ALL: '../../x', PATH: '/evil' },
    });
    const program = scene.terminals.last;
    expect(scene.terminals.requests[0]!.request).toEqual({ ...REQUEST, environment: { LANG: 'C' } });
    expect(scene.terminals.requests[0]!.asking).toMatchObject({ kind: 'shell.open', key: scene.device.publicKey });

    await terminal.write(new TextEncoder().encode('ls\r'));
    await program.until(() => program.typedText === 'ls\r');
    terminal.resize({ columns: 100, rows: 50 });
    terminal.signal('SIGINT');
    await program.until(() => program.signals.includes('SIGINT'));
    expect(program.sizes).toEqual([{ columns: 100, rows: 50 }]);
    program.print('bye');
    program.exit({ signal: 'SIGINT' });
    expect(await textOf(terminal.output)).toBe('bye');
    expect(await terminal.wait()).toEqual({ signal: 'SIGINT' });
    await scene.host.close();
    expect(scene.faults).toEqual([]);
  });

  it('runs a command with the permission exec, and a shell not', async () => {
    const scene = new ShellScene({ allow: ['exec'] });
    const { line } = await scene.connect();
    const command = { argv: ['top', '-d', '1'] };
    await openShell(line, { ...REQUEST, command, cwd: 'src', environment: { WORD: 'x' } });
    expect(scene.terminals.requests[0]!.request).toEqual({
      ...REQUEST,
      command,
      cwd: 'src',
      environment: { WORD: 'x' },
    });
    await expect(openShell(line, REQUEST)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const attaching = line.open('shell.attach', NOWHERE);
    await expect(attaching.readMessage()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(scene.terminals.refusals).toEqual(['shell.open FORBIDDEN']);
  });

  it('fails when its line is lost and there is no way back', async () => {
    const scene = new ShellScene();
    const at = await scene.connect();
    const terminal = await openShell(at.line, REQUEST);
    at.break();
    await expect(terminal.wait()).rejects.toMatchObject({ code: 'TRUNCATED' });
    await expect(terminal.write(new Uint8Array(1))).rejects.toMatchObject({ code: 'TRUNCATED' });
    await expect(textOf(terminal.output)).rejects.toMatchObject({ code: 'TRUNCATED' });
  });

  it('that is closed has its process hung up, then killed', async () => {
    const clock = new ManualClock();
    const scene = new ShellScene({ clock });
    const { line } = await scene.connect();
    const terminal = await openShell(line, REQUEST);
    const program = scene.terminals.last;
    terminal.close();
    terminal.close();
    await expect(terminal.wait()).rejects.toMatchObject({ code: 'CANCELLED' });
    await program.until(() => program.signals.includes('SIGHUP'));
    clock.advance(SHELL_KILL_GRACE_MS);
    expect(program.signals).toEqual(['SIGHUP', 'SIGKILL']);
    // Nobody reads it, and still it can say its last words and end.
    program.print(new Uint8Array(2 * SHELL_OUTPUT_WINDOW_BYTES));
    program.exit({ signal: 'SIGKILL' });
    await scene.host.close();
  });

  it('that is closed while its line is lost gives up the way back', async () => {
    const scene = new ShellScene();
    const at = await scene.connect();
    let isTrying = () => {};
    const trying = new Promise<void>(resolve => {
      isTrying = resolve;
    });
    const terminal = await openShell(at.line, REQUEST, {
      redial: (_, signal) => {
        isTrying();
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
    });
    at.break();
    await trying;
    terminal.close();
    await expect(terminal.wait()).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('a program that is faster than its reader', () => {
  it('waits once the window is full, and nothing is lost', async () => {
    const scene = new ShellScene();
    const { channel } = await opened(await scene.connect());
    const program = scene.terminals.last;
    for (let count = 0; count < 100; count++) program.print(new Uint8Array(16_384).fill(count));
    for (let received = 0; received < SHELL_OUTPUT_WINDOW_BYTES; ) {
      received += ((await channel.read()) as Uint8Array).length;
    }
    // One piece more than fits was taken out of the terminal, and waits.
    expect(program.readBytes).toBe(SHELL_OUTPUT_WINDOW_BYTES + 16_384);
    await channel.send({ t: 'received', bytes: 16_384 });
    expect(await channel.read()).toHaveLength(16_384);
    expect(program.readBytes).toBe(SHELL_OUTPUT_WINDOW_BYTES + 2 * 16_384);
  });

  it('is not held up by one that does not read what is typed', async () => {
    const scene = new ShellScene();
    const { line } = await scene.connect();
    const terminal = await openShell(line, REQUEST);
    const program = scene.terminals.last;
    program.takes = () => new Promise(() => {});
    const typing = terminal.write(new Uint8Array(4 * SHELL_INPUT_WINDOW_BYTES));
    typing.catch(() => {});
    program.print(new Uint8Array(4 * SHELL_OUTPUT_WINDOW_BYTES));
    program.exit({ status: 0 });
    expect(await textOf(terminal.output)).toHaveLength(4 * SHELL_OUTPUT_WINDOW_BYTES);
  });
});

describe('a session whose line was lost', () => {
  it('waits for its time, then is hung up and cannot be returned to', async () => {
    const clock = new ManualClock();
    const scene = new ShellScene({ clock });
    const first = await scene.connect();
    const { id } = await opened(first);
    const program = scene.terminals.last;
    first.break();
    const second = await scene.connect();
    while (clock.pendingTimers === 0) await new Promise(resolve => setImmediate(resolve));
    clock.advance(SHELL_AWAY_MS - 1);
    expect(program.signals).toEqual([]);
    clock.advance(1);
    expect(program.signals).toEqual(['SIGHUP']);
    const attaching = second.line.open('shell.attach', { session: id, received: 0 });
    await expect(attaching.readMessage()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    program.exit({ signal: 'SIGHUP' });
  });

  it('R-A8: does not go on for a machine that is not let in any more', async () => {
    const scene = new ShellScene();
    scene.list.replace([deviceFor(scene.device.publicKey, { allow: ['shell'] })]);
    await opened(await scene.connect({ byKey: true }));
    const program = scene.terminals.last;
    scene.list.replace([]);
    await expect.poll(() => program.signals).toEqual(['SIGHUP']);
    program.exit({ signal: 'SIGHUP' });
  });

  it('keeps its last output and its status for who returns', async () => {
    const scene = new ShellScene();
    const first = await scene.connect();
    const terminal = await openShell(first.line, REQUEST, { redial: async () => (await scene.connect()).line });
    const program = scene.terminals.last;
    first.break();
    program.print('last words');
    program.exit({ status: 3 });
    expect(await textOf(terminal.output)).toBe('last words');
    expect(await terminal.wait()).toEqual({ status: 3 });
    await scene.host.close();
  });

  it('is of the device that opened it: another one finds nothing there', async () => {
    const scene = new ShellScene();
    const { id } = await opened(await scene.connect());
    const other = await scene.connect({ device: nodeCrypto.generateKeyPair() });
    const attaching = other.line.open('shell.attach', { session: id, received: 0 });
    await expect(attaching.readMessage()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    // Nor is it found by the kind that needs another permission.
    const own = (await scene.connect()).line.open('exec.attach', { session: id, received: 0 });
    await expect(own.readMessage()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is shown once: who returns takes it over, and who had it is told', async () => {
    const scene = new ShellScene();
    const { channel, id } = await opened(await scene.connect());
    const program = scene.terminals.last;
    program.print('one');
    expect(Buffer.from((await channel.read()) as Uint8Array).toString()).toBe('one');
    const again = (await scene.connect()).line.open('shell.attach', { session: id, received: 3 });
    expect(await again.readMessage()).toEqual({ t: 'session', id, received: 0 });
    await expect(channel.read()).rejects.toMatchObject({ code: 'REFUSED' });
    program.print('two');
    expect(Buffer.from((await again.read()) as Uint8Array).toString()).toBe('two');
    expect(program.signals).toEqual([]);
  });
});

describe('a line that is lost while a terminal is started', () => {
  it('leaves none behind that nobody can return to', async () => {
    const scene = new ShellScene();
    const at = await scene.connect();
    const { terminals } = scene;
    const start = terminals.start.bind(terminals);
    terminals.start = async (request, asking) => {
      at.break();
      await at.line.closed;
      // The other end has heard of it by the next turn.
      await new Promise(resolve => setImmediate(resolve));
      return start(request, asking);
    };
    await expect(opened(at)).rejects.toMatchObject({ code: 'TRUNCATED' });
    await expect.poll(() => terminals.started.length).toBe(1);
    await expect.poll(() => terminals.last.signals).toEqual(['SIGHUP']);
    terminals.last.exit({ signal: 'SIGHUP' });
    await scene.host.close();
  });
});

describe('a host that stops while a terminal is started', () => {
  it('ends that one as well, with KILL if it must', async () => {
    const clock = new ManualClock();
    const scene = new ShellScene({ clock });
    const { terminals } = scene;
    const start = terminals.start.bind(terminals);
    let closing: Promise<void> | undefined;
    terminals.start = async (request, asking) => {
      closing = scene.host.close();
      return start(request, asking);
    };
    const { line } = await scene.connect();
    const opening = openShell(line, REQUEST).catch(() => {});
    await expect.poll(() => closing !== undefined && terminals.started.length).toBe(1);
    await opening;
    expect(terminals.last.signals).toEqual(['SIGHUP']);
    clock.advance(SHELL_KILL_GRACE_MS);
    expect(terminals.last.signals).toEqual(['SIGHUP', 'SIGKILL']);
    terminals.last.exit({ signal: 'SIGKILL' });
    line.abort(new LineError('CANCELLED', ''));
    await closing;
  });
});

describe('R-A11: what a device can have', () => {
  it('is bounded, for one and for all, and given back', async () => {
    const scene = new ShellScene();
    const first = await scene.connect();
    const all = [first];
    for (let count = 0; count < MAX_TERMINALS_PER_DEVICE; count++) await opened(first);
    await expect(opened(first)).rejects.toMatchObject({ code: 'TOO_MANY' });
    for (let others = 1; others < MAX_TERMINALS / MAX_TERMINALS_PER_DEVICE; others++) {
      const at = await scene.connect({ device: nodeCrypto.generateKeyPair() });
      all.push(at);
      for (let count = 0; count < MAX_TERMINALS_PER_DEVICE; count++) await opened(at);
    }
    const last = await scene.connect({ device: nodeCrypto.generateKeyPair() });
    await expect(opened(last)).rejects.toMatchObject({ code: 'TOO_MANY' });
    const closing = scene.host.close();
    for (const program of scene.terminals.started) {
      expect(program.signals).toEqual(['SIGHUP']);
      program.exit({ signal: 'SIGHUP' });
    }
    // Nobody here reads the end, and who is gone is not waited for.
    for (const at of all) at.break();
    await closing;
    await expect(opened(last)).rejects.toMatchObject({ code: 'SHUTDOWN' });
  });
});

describe('a hostile opener', () => {
  it.each([
    ['no start', { t: 'resize', columns: 1, rows: 1 }, 'PROTOCOL'],
    ['a terminal that is a path', { ...START, term: '../../etc/passwd' }, 'PROTOCOL'],
    ['no columns', { ...START, columns: 0 }, 'PROTOCOL'],
    ['a wall', { ...START, rows: 10_001 }, 'PROTOCOL'],
    [
      'too many variables',
      { ...START, env: Array.from({ length: 257 }, () => ({ name: 'A', value: '' })) },
      'PROTOCOL',
    ],
    ['a variable without a name', { ...START, env: [{ name: 'A=B', value: '' }] }, 'PROTOCOL'],
  ])('that sends %s starts nothing', async (_, message, code) => {
    const scene = new ShellScene();
    const channel = (await scene.connect()).line.open('shell.open');
    await channel.send(message);
    await expect(channel.readMessage()).rejects.toMatchObject({ code });
    expect(scene.terminals.started).toEqual([]);
  });

  it.each([
    ['a command with NUL', { ...START, argv: ['ls\0'] }],
    ['a command without a name', { ...START, argv: [''] }],
    ['two commands', { ...START, argv: ['ls'], shell: 'ls' }],
    ['none', START],
  ])('that asks for %s starts nothing', async (_, message) => {
    const scene = new ShellScene();
    const channel = (await scene.connect()).line.open('exec.terminal');
    await channel.send(message);
    await expect(channel.readMessage()).rejects.toMatchObject({ code: 'PROTOCOL' });
    expect(scene.terminals.started).toEqual([]);
  });

  it.each<[string, (channel: Channel) => Promise<void>, string]>([
    ['has received what was not sent', channel => channel.send({ t: 'received', bytes: 1 }), 'PROTOCOL'],
    ['takes back what it has received', channel => channel.send({ t: 'received', bytes: -1 }), 'PROTOCOL'],
    ['sends an unknown message', channel => channel.send({ t: 'exit', status: 0 }), 'PROTOCOL'],
    ['sends a signal that may not be sent', channel => channel.send({ t: 'signal', name: 'SIGSTOP' }), 'PROTOCOL'],
    ['makes a wall', channel => channel.send({ t: 'resize', columns: 1e9, rows: 1 }), 'PROTOCOL'],
  ])('that %s is hung up', async (_, act, code) => {
    const scene = new ShellScene();
    const { channel } = await opened(await scene.connect());
    await act(channel);
    await expect(channel.read()).rejects.toMatchObject({ code });
    expect(scene.terminals.last.signals).toEqual(['SIGHUP']);
  });

  it('R-A12: that types beyond the window is hung up, and what it typed is not kept', async () => {
    const scene = new ShellScene();
    const { channel } = await opened(await scene.connect());
    const program = scene.terminals.last;
    program.takes = () => new Promise(() => {});
    const typing = (async () => {
      for (let count = 0; count < 10; count++) await channel.write(new Uint8Array(16_384));
    })();
    typing.catch(() => {});
    await expect(channel.read()).rejects.toMatchObject({ code: 'FLOW' });
    expect(program.signals).toEqual(['SIGHUP']);
    expect(program.typed).toHaveLength(1);
  });

  it('that returns to more than was sent does not disturb the session', async () => {
    const scene = new ShellScene();
    const at = await scene.connect();
    const { channel, id } = await opened(at);
    const attaching = at.line.open('shell.attach', { session: id, received: 1 });
    await expect(attaching.readMessage()).rejects.toMatchObject({ code: 'PROTOCOL' });
    scene.terminals.last.print('still there');
    expect(Buffer.from((await channel.read()) as Uint8Array).toString()).toBe('still there');
  });
});

describe('a hostile host', () => {
  const answering = async (answers: (channel: Channel) => Promise<void>) => {
    const { joinedLines } = await import('../../support/lines.ts');
    const { client } = await joinedLines({
      onChannel: async channel => {
        await channel.readMessage();
        await answers(channel);
        await channel.read();
      },
    });
    return openShell(client, REQUEST);
  };
  const session = { t: 'session', id: 'A'.repeat(22), received: 0 };

  it('that has taken what was not typed is not believed', async () => {
    await expect(answering(channel => channel.send({ ...session, received: 5 }))).rejects.toMatchObject({
      code: 'PROTOCOL',
    });
    const terminal = await answering(async channel => {
      await channel.send(session);
      await channel.send({ t: 'received', bytes: 5 });
    });
    await expect(terminal.wait()).rejects.toMatchObject({ code: 'PROTOCOL' });
  });

  it('R-A12: that prints beyond the window ends the terminal', async () => {
    const terminal = await answering(async channel => {
      await channel.send(session);
      for (let count = 0; count <= 16; count++) await channel.write(new Uint8Array(16_384));
    });
    await expect(terminal.wait()).rejects.toMatchObject({ code: 'FLOW' });
  });

  it('that ends without a status ends the terminal with an error', async () => {
    const terminal = await answering(async channel => {
      await channel.send(session);
      await channel.end();
    });
    await expect(terminal.wait()).rejects.toMatchObject({ code: 'PROTOCOL' });
  });
});
