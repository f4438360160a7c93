import { describe, expect, it } from 'vitest';
import type { Channel } from '../../../src/line/channel.ts';
import type { JsonObject } from '../../../src/protocol/bytes/json.ts';
import { EXEC_STDIN_WINDOW_BYTES, MAX_EXEC_ARGUMENTS, MAX_EXEC_VARIABLES } from '../../../src/protocol/limits.ts';
import { exec } from '../../../src/services/exec/caller.ts';
import { joinedLines } from '../../support/lines.ts';
import { collect, commanded, gone } from './commanded.ts';

/** What the host answers when the peer says `message` first. */
async function answer(message: JsonObject): Promise<JsonObject> {
  const { client } = await commanded();
  const channel = client.open('exec.run');
  await channel.send(message);
  return channel.readMessage();
}

/** A running `sleep`, and its channel. */
async function sleeping(): Promise<{ channel: Channel; pid: number; over: () => Promise<void> }> {
  const { client } = await commanded();
  const channel = client.open('exec.run');
  await channel.send({ t: 'run', argv: ['sleep', '1000'] });
  const { pid } = (await channel.readMessage()) as { pid: number };
  return { channel, pid, over: () => gone(pid) };
}

describe('a hostile caller', () => {
  it.each<[string, JsonObject]>([
    ['nothing to run', { t: 'run' }],
    ['both forms', { t: 'run', argv: ['true'], shell: 'true' }],
    ['no list', { t: 'run', argv: 'true' }],
    ['an empty list', { t: 'run', argv: [] }],
    ['no text', { t: 'run', argv: ['echo', 1] }],
    ['a list in a list', { t: 'run', argv: [['echo']] }],
    ['a NUL', { t: 'run', argv: ['echo', 'a\0b'] }],
    ['a NUL in its name', { t: 'run', argv: ['true\0x'] }],
    ['a NUL for the shell', { t: 'run', shell: 'true\0' }],
    ['a NUL in its folder', { t: 'run', argv: ['true'], cwd: '/\0' }],
    ['too many arguments', { t: 'run', argv: Array.from({ length: MAX_EXEC_ARGUMENTS + 1 }, () => 'x') }],
    ['variables that are no list', { t: 'run', argv: ['true'], env: { A: 'b' } }],
    ['a variable that is none', { t: 'run', argv: ['true'], env: [null] }],
    ['a variable with an odd name', { t: 'run', argv: ['true'], env: [{ name: 'A=B', value: '' }] }],
    ['a variable as a function', { t: 'run', argv: ['true'], env: [{ name: 'f()', value: '' }] }],
    ['a variable without a value', { t: 'run', argv: ['true'], env: [{ name: 'A' }] }],
    [
      'too many variables',
      {
        t: 'run',
        argv: ['true'],
        env: Array.from({ length: MAX_EXEC_VARIABLES + 1 }, () => ({ name: 'A', value: '' })),
      },
    ],
    ['no time', { t: 'run', argv: ['true'], timeout_ms: 0 }],
    ['too much time', { t: 'run', argv: ['true'], timeout_ms: 2 ** 31 }],
    ['a flag that is none', { t: 'run', argv: ['true'], detach: 1 }],
    ['something else', { t: 'signal', name: 'SIGKILL' }],
  ])('asks with %s and starts nothing', async (_, message) => {
    await expect(answer(message)).rejects.toMatchObject({ code: 'PROTOCOL' });
  });

  it('that says nothing of what to run, or bytes, starts nothing', async () => {
    const { client, audit } = await commanded();
    const bytes = client.open('exec.run');
    await bytes.write(Buffer.from('rm'));
    await expect(bytes.read()).rejects.toMatchObject({ code: 'PROTOCOL' });
    const silent = client.open('exec.run');
    await silent.end();
    await expect(silent.read()).rejects.toMatchObject({ code: 'PROTOCOL' });
    expect(audit).toEqual([]);
  });

  it.each<[string, JsonObject]>([
    ['a signal that is none', { t: 'signal', name: 'SIGNOPE' }],
    ['a signal by number', { t: 'signal', name: 9 }],
    ['a signal that is a name of an object', { t: 'signal', name: 'toString' }],
    ['a second command', { t: 'run', argv: ['true'] }],
    ['nothing known', { t: 'x' }],
  ])('that sends %s loses its process', async (_, message) => {
    const { channel, over } = await sleeping();
    await channel.send(message);
    await expect(channel.read()).rejects.toMatchObject({ code: 'PROTOCOL' });
    await over();
  });

  it('that sends more input than the window is cut off, and its process ended', async () => {
    const { channel, over } = await sleeping();
    const flood = channel.write(new Uint8Array(EXEC_STDIN_WINDOW_BYTES + 1_000_000)).catch(() => {});
    await expect(channel.read()).rejects.toMatchObject({ code: 'FLOW' });
    await flood;
    await over();
  });

  it('that sends input behind its end is cut off', async () => {
    const { channel, over } = await sleeping();
    await channel.send({ t: 'eof' });
    await channel.write(new Uint8Array(10));
    await expect(channel.read()).rejects.toMatchObject({ code: 'PROTOCOL' });
    await over();
  });

  it('that ends its direction early has gone', async () => {
    const { channel, over } = await sleeping();
    await channel.end();
    await expect(channel.read()).rejects.toMatchObject({ code: 'CANCELLED' });
    await over();
  });

  it('that takes no output and breaks a rule loses its process all the same', async () => {
    const { client } = await commanded();
    const channel = client.open('exec.run');
    await channel.send({ t: 'run', argv: ['yes'] });
    const { pid } = (await channel.readMessage()) as { pid: number };
    // Long enough for the window to fill: another command has come and gone.
    await (await exec(client, { argv: ['sleep', '0.2'] })).wait();
    await channel.send({ t: 'x' });
    await gone(pid);
    channel.reset();
  });
});

describe('a hostile host', () => {
  /** A line whose other side does as it likes on each channel. */
  async function against(host: (channel: Channel) => Promise<void>): Promise<ReturnType<typeof exec>> {
    const { client } = await joinedLines({ onChannel: host });
    return exec(client, { argv: ['true'] });
  }

  it.each<[string, JsonObject]>([
    ['nothing known', { t: 'x' }],
    ['an end before the start', { t: 'exit', status: 0 }],
    ['a number that is none', { t: 'started', pid: 'x' }],
    ['a failure with an odd status', { t: 'failed', status: 0, reason: '' }],
    ['a failure without a reason', { t: 'failed', status: 127 }],
  ])('that answers with %s is told apart from a process', async (_, message) => {
    const remote = against(async channel => {
      await channel.readMessage();
      await channel.send(message);
    });
    await expect(remote).rejects.toMatchObject({ code: expect.stringMatching(/^(?:PROTOCOL|MALFORMED)$/) });
  });

  it.each<[string, (channel: Channel) => Promise<void>]>([
    ['bytes of no output', channel => channel.write(new Uint8Array(1))],
    ['an output that there is not', channel => channel.send({ t: 'stream', to: 'stdin' })],
    ['a status that is none', channel => channel.send({ t: 'exit', status: -1 })],
    ['a signal that is none', channel => channel.send({ t: 'exit', signal: '\x1b[2J' })],
    ['no end', channel => channel.end()],
    ['nothing known', channel => channel.send({ t: 'x' })],
  ])('that sends %s fails the process and both outputs', async (_, misbehave) => {
    const remote = await against(async channel => {
      await channel.readMessage();
      await channel.send({ t: 'started', pid: 1 });
      await misbehave(channel);
    });
    const code = expect.stringMatching(/^(?:PROTOCOL|MALFORMED)$/);
    const outputs = [collect(remote.stdout), collect(remote.stderr)];
    await Promise.all(outputs.map(output => expect(output).rejects.toMatchObject({ code })));
    await expect(remote.wait()).rejects.toMatchObject({ code });
    await expect(remote.stdin.write(new Uint8Array(1))).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('that ends each output in single bytes costs little more than the bytes', async () => {
    const remote = await against(async channel => {
      await channel.readMessage();
      await channel.send({ t: 'started', pid: 1 });
      await channel.send({ t: 'stream', to: 'stdout' });
      for (let at = 0; at < 20_000; at++) await channel.write(new Uint8Array([at & 255]));
      await channel.send({ t: 'exit', status: 0 });
    });
    const parts: number[] = [];
    for await (const bytes of remote.stdout) parts.push(bytes.length);
    expect(parts.reduce((sum, length) => sum + length, 0)).toBe(20_000);
    expect(await remote.wait()).toMatchObject({ status: 0 });
  });
});
