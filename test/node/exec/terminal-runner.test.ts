import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type RunningTerminal, TerminalRunner } from '../../../src/node/exec/terminal-runner.ts';
import type { Command } from '../../../src/services/command.ts';
import { ExecPolicy } from '../../../src/services/exec/policy.ts';

const policy = new ExecPolicy({ environment: { PATH: process.env['PATH'], POSTERN_PASSWORD: 'secret' } });

async function start(command: Command): Promise<RunningTerminal> {
  const place = { folder: tmpdir(), term: 'xterm-256color', size: { columns: 80, rows: 24 } };
  const terminal = await new TerminalRunner().start(policy.permit({ command }), place);
  onTestFinished(() => terminal.signal('SIGKILL'));
  return terminal;
}

async function readAll(terminal: RunningTerminal): Promise<string> {
  const parts: Uint8Array[] = [];
  for (let bytes = await terminal.read(); bytes !== undefined; bytes = await terminal.read()) parts.push(bytes);
  return Buffer.concat(parts).toString('latin1');
}

describe.skipIf(process.platform === 'win32')('a terminal', () => {
  it('gives every byte as it is, and then the status', async () => {
    const terminal = await start({ shell: "stty -opost; printf '\\377\\000\\303\\244\\n'; exit 3" });
    expect(await readAll(terminal)).toBe('\u00ff\0\u00c3\u00a4\n');
    expect(await terminal.ended).toEqual({ status: 3 });
  });

  it('tells the signal that ended its process', async () => {
    const terminal = await start({ argv: ['cat'] });
    terminal.signal('SIGKILL');
    await readAll(terminal);
    expect(await terminal.ended).toEqual({ signal: 'SIGKILL' });
  });

  it('takes the terminal from a process that has become another user, as sudo does', async () => {
    const terminal = await start({ shell: 'echo here; exec cat' });
    expect(Buffer.from((await terminal.read())!).toString()).toMatch(/here/);
    const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('not yours'), { code: 'EPERM' });
    });
    terminal.signal('SIGHUP');
    terminal.signal('SIGKILL');
    kill.mockRestore();
    // By the system, which asks nobody.
    expect(await terminal.ended).toEqual({ signal: 'SIGHUP' });
  });

  it('has the process wait for a slow reader, and keeps what it wrote last', async () => {
    const terminal = await start({ shell: 'seq 1 50000; echo last' });
    let text = '';
    // Longer than the library leaves its socket open after the end of the process.
    for (let bytes = await terminal.read(); bytes !== undefined; bytes = await terminal.read()) {
      text += Buffer.from(bytes).toString('latin1');
      if (text.endsWith('last\r\n') || text.length > 320_000) await sleep(300);
    }
    const expected = Array.from({ length: 50_000 }, (_, index) => `${index + 1}\r\n`).join('');
    expect(text).toBe(`${expected}last\r\n`);
  });

  it('gives all that was written before a process that ends at once', async () => {
    const terminal = await start({ shell: 'head -c 30000 /dev/zero | tr "\\0" x' });
    await sleep(100);
    expect(await readAll(terminal)).toBe('x'.repeat(30_000));
  });

  it('ends although a process that it left behind holds it', async () => {
    const terminal = await start({ shell: 'sleep 60 & echo bye' });
    expect(await readAll(terminal)).toBe('bye\r\n');
  });

  it.skipIf(process.platform !== 'linux')('can still end a process that has let go of it', async () => {
    const terminal = await start({ shell: 'trap "" HUP; echo bye; exec <&- >&- 2>&-; while :; do sleep 0.01; done' });
    const reading = readAll(terminal);
    const held = () => readdirSync(`/proc/${terminal.pid}/fd`).filter(name => Number(name) < 3);
    while (held().length > 0) await sleep(1);
    // And we have been told so.
    for (let turns = 0; turns < 20; turns++) await sleep(1);
    terminal.signal('SIGKILL');
    expect(await reading).toBe('bye\r\n');
    expect(await terminal.ended).toEqual({ signal: 'SIGKILL' });
  });

  it('that takes no input blocks nobody, and lets go of it at the end', async () => {
    const terminal = await start({ shell: 'stty raw -echo; echo ready; exec sleep 60' });
    await terminal.read();
    let isTaken = false;
    const typing = terminal.write(new Uint8Array(500_000)).then(() => {
      isTaken = true;
    });
    await new Promise(resolve => setImmediate(resolve));
    expect(isTaken).toBe(false);
    terminal.signal('SIGHUP');
    await readAll(terminal);
    await typing;
    expect(await terminal.ended).toEqual({ signal: 'SIGHUP' });
  });

  it('hands on what is typed, in order, however much', async () => {
    const terminal = await start({ shell: 'stty raw -echo; echo ready; head -c 300000 | sha256sum' });
    await terminal.read();
    const typed = Buffer.alloc(300_000, 'abcdefg');
    for (let at = 0; at < typed.length; at += 16_384) await terminal.write(typed.subarray(at, at + 16_384));
    expect(await readAll(terminal)).toContain(createHash('sha256').update(typed).digest('hex'));
  });

  it('is resized, and takes sizes and signals after its end without a word', async () => {
    const terminal = await start({ shell: 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.01; done' });
    await terminal.read();
    terminal.resize({ columns: 70, rows: 20 });
    expect(await readAll(terminal)).toBe('20 70\r\n');
    terminal.resize({ columns: 1, rows: 1 });
    terminal.signal('SIGTERM');
    await terminal.write(new Uint8Array(1));
  });

  it('hangs up a process that is stopped', async () => {
    const terminal = await start({ shell: 'kill -STOP $$; exit 1' });
    await sleep(0);
    terminal.signal('SIGHUP');
    await readAll(terminal);
    expect(await terminal.ended).toEqual({ signal: 'SIGHUP' });
  });

  it.each([
    ['nonesuch', 127],
    ['./nonesuch', 127],
    ['/', 126],
    ['/etc/passwd', 126],
  ])('does not start for %s', async (name, status) => {
    await expect(start({ argv: [name] })).rejects.toMatchObject({ name: 'StartFailure', status });
  });
});
