import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import {
  EXEC_OUTPUT_QUEUE_BYTES,
  EXEC_STDIN_WINDOW_BYTES,
  MAX_PROCESSES_PER_DEVICE,
  OUR_CREDIT_BYTES,
} from '../../../src/protocol/limits.ts';
import type { AuditEnd } from '../../../src/services/exec/audit.ts';
import { exec } from '../../../src/services/exec/caller.ts';
import { collect, commanded, firstOf, follow, gone, node, thereAndBack } from './commanded.ts';

describe('a command', () => {
  it('is a list of arguments that no shell reads', async () => {
    const { run } = await commanded();
    const words = ['', ' ', '$HOME', '`id`', "'", '"', '\\', '*', ';', '&&', '\n', '-n', '--', 'ü', '\u{1f600}'];
    const { stdout } = await run(node('process.stdout.write(JSON.stringify(process.argv.slice(1)))', '--', ...words));
    expect(JSON.parse(stdout.toString())).toEqual(words);
  });

  it('is a line of the shell when it says so', async () => {
    const { run } = await commanded();
    const { stdout, stderr, end } = await run({ shell: 'echo one two | wc -w; echo aside >&2; exit 9' });
    expect({ stdout: stdout.toString().trim(), stderr: stderr.toString(), ...end }).toMatchObject({
      stdout: '2',
      stderr: 'aside\n',
      status: 9,
    });
  });

  it('passes every status from 0 to 255', async () => {
    const { client } = await commanded();
    const statuses = Array.from({ length: 256 }, (_, status) => status);
    const ends = await Promise.all(
      statuses.map(async status => (await exec(client, { shell: `exit ${status}` })).wait()),
    );
    expect(ends.map(({ status }) => status)).toEqual(statuses);
  });

  it.each(['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGKILL', 'SIGSEGV', 'SIGUSR1'])('tells of an end by %s', async signal => {
    const { run } = await commanded();
    const { end } = await run({ shell: `kill -${signal.slice(3)} $$` });
    expect(end).toMatchObject({ signal });
  });

  it('that does not exist ends with 127, one that cannot be run with 126, and says why', async () => {
    const { run, folder } = await commanded();
    await writeFile(join(folder, 'plain'), 'no program');
    await chmod(join(folder, 'plain'), 0o644);
    expect((await run({ argv: ['no-such-command-here'] })).end).toMatchObject({
      status: 127,
      failure: { code: 'NOT_FOUND' },
    });
    expect((await run({ argv: ['./plain'] })).end).toMatchObject({ status: 126, failure: { code: 'ACCESS' } });
    expect((await run({ argv: [folder] })).end).toMatchObject({ status: 126 });
    expect((await run({ argv: ['x'.repeat(20_000)] })).end).toMatchObject({ status: expect.any(Number) });
  });

  it('starts in the served folder, or where it is told to', async () => {
    const { run, folder } = await commanded();
    await mkdir(join(folder, 'sub'));
    const pwd = async (cwd?: string) => (await run({ argv: ['/bin/pwd'], cwd })).stdout.toString().trim();
    expect(await pwd()).toBe(folder);
    expect(await pwd('sub')).toBe(join(folder, 'sub'));
    expect(await pwd('/')).toBe('/');
    await writeFile(join(folder, 'file'), '');
    await expect(run({ argv: ['pwd'], cwd: 'none' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(run({ argv: ['pwd'], cwd: 'file' })).rejects.toMatchObject({ code: 'NOT_A_FILE' });
  });

  it('has the variables that it is given beside those of the host, and none of ours (R-A3)', async () => {
    process.env['POSTERN_SECRET_TEST'] = 'orbit';
    const { run } = await commanded();
    delete process.env['POSTERN_SECRET_TEST'];
    const { stdout } = await run({ ...node('console.log(JSON.stringify(process.env))'), env: { GIVEN: 'a=b ü' } });
    const environment = JSON.parse(stdout.toString()) as Record<string, string>;
    expect(environment).toMatchObject({ GIVEN: 'a=b ü', PATH: process.env['PATH'] });
    expect(Object.keys(environment).filter(name => /^postern_/i.test(name))).toEqual([]);
  });

  it.each([
    { argv: [] },
    { argv: [''] },
    { argv: ['echo', 'a\0b'] },
    { argv: ['echo', '\ud800'] },
    { shell: 'echo \0' },
    { argv: ['echo'], cwd: 'a\0' },
    { argv: ['echo'], env: { 'A=B': '' } },
    { argv: ['echo'], env: { '': '' } },
    { argv: ['echo'], env: { A: '\0' } },
    { argv: ['echo'], timeoutMs: 0 },
    { argv: ['echo'], timeoutMs: 2 ** 31 },
  ])('%j makes no sense, and is told so here', async request => {
    const { run, audit } = await commanded();
    await expect(run(request)).rejects.toMatchObject({ code: 'USAGE' });
    expect(audit).toEqual([]);
  });

  it('over the size of a message is refused before it is sent', async () => {
    const { run } = await commanded();
    await expect(run({ argv: ['echo', 'x'.repeat(70_000)] })).rejects.toMatchObject({ code: 'SIZE' });
  });
});

describe('input and outputs', () => {
  it('carry every byte unchanged, 64 MiB both ways', { timeout: 120_000 }, async () => {
    const { client } = await commanded();
    const { sent, got, end } = await thereAndBack(client, 64);
    expect(end).toMatchObject({ status: 0 });
    expect(got).toBe(sent);
  });

  it('are apart, and 10 MB on both at once stop nobody', async () => {
    const { run } = await commanded();
    const { stdout, stderr, end } = await run({
      shell: 'head -c 10000000 /dev/zero & head -c 10000000 /dev/zero | tr "\\0" e >&2; wait',
    });
    expect(end).toMatchObject({ status: 0 });
    expect(stdout.equals(Buffer.alloc(10_000_000))).toBe(true);
    expect(stderr.equals(Buffer.alloc(10_000_000, 'e'))).toBe(true);
  });

  it('that nobody reads stop the process, not the line', async () => {
    const { client, run } = await commanded();
    const endless = await exec(client, { argv: ['yes'] });
    expect(await firstOf((await exec(client, { argv: ['echo', 'there'] })).stdout)).toBe('there\n');
    expect((await run({ argv: ['true'] })).end).toMatchObject({ status: 0 });
    await endless.kill();
    expect(await endless.wait()).toMatchObject({ signal: 'SIGTERM' });
  });

  it('that nobody reads come no further than the windows', async () => {
    const { client, recorded } = await commanded();
    const stop = new AbortController();
    const { pid } = await exec(client, { argv: ['yes'] }, { signal: stop.signal });
    // Long enough to fill them.
    await (await exec(client, { argv: ['sleep', '0.5'] })).wait();
    stop.abort();
    const end = await recorded(entry => entry.event === 'end' && entry.pid === pid);
    expect((end as AuditEnd).stdoutBytes).toBeLessThan(OUR_CREDIT_BYTES + EXEC_OUTPUT_QUEUE_BYTES + 1_000_000);
  });

  it('are dropped when nobody has begun to read them', async () => {
    const { client } = await commanded();
    const remote = await exec(client, { shell: 'head -c 30000000 /dev/zero; head -c 30000000 /dev/zero >&2; exit 4' });
    expect(await remote.wait()).toMatchObject({ status: 4 });
  });

  it('end with the process although others hold them open', async () => {
    const { run, audit } = await commanded();
    const { stdout, end } = await run({ shell: 'sleep 1000 & echo $!; exit 5' });
    expect(end).toMatchObject({ status: 5 });
    // It was started to stay, and stays.
    const pid = Number(stdout.toString());
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    expect(audit.at(-1)).toMatchObject({ event: 'end', end: { status: 5 } });
  });

  it('end with the process although others go on to fill them', async () => {
    const { run } = await commanded();
    const { end } = await run({ shell: 'yes & exit 6' });
    expect(end).toMatchObject({ status: 6 });
  });

  it('closed by the asking side ends there, and the process reads on', async () => {
    const { run } = await commanded();
    const { stdout } = await run({ shell: 'cat; echo behind the end' }, 'before\n');
    expect(stdout.toString()).toBe('before\nbehind the end\n');
  });

  it('that the process does not read holds back its writer, and signals pass it by', async () => {
    const { client } = await commanded();
    const remote = await exec(client, { argv: ['sleep', '1000'] });
    const writing = remote.stdin.write(Buffer.alloc(4 * EXEC_STDIN_WINDOW_BYTES)).catch((thrown: unknown) => thrown);
    await remote.kill('SIGINT');
    expect(await remote.wait()).toMatchObject({ signal: 'SIGINT' });
    expect(await writing).toMatchObject({ code: 'CLOSED' });
    await expect(remote.stdin.write(Buffer.from('more'))).rejects.toMatchObject({ code: 'CLOSED' });
    await remote.stdin.end();
    await remote.kill();
  });

  it('that the process closes early is no failure', async () => {
    const { run } = await commanded();
    const { end, stdout } = await run({ shell: 'exec 0<&-; echo closed' }, Buffer.alloc(3_000_000));
    expect({ status: end.status, stdout: stdout.toString() }).toEqual({ status: 0, stdout: 'closed\n' });
  });

  it('in single bytes come in order', async () => {
    const { client } = await commanded();
    const remote = await exec(client, { argv: ['cat'] });
    const text = randomBytes(3000).toString('hex');
    const output = collect(remote.stdout);
    for (const character of text) await remote.stdin.write(Buffer.from(character));
    await remote.stdin.end();
    expect((await output).toString()).toBe(text);
  });
});

describe('the process group', () => {
  const family = { shell: 'sh -c "sleep 1000 & echo \\$!; wait" & echo $$ $!; wait' };

  async function family3(output: AsyncIterable<Uint8Array>): Promise<number[]> {
    let text = '';
    for await (const bytes of output) {
      text += Buffer.from(bytes).toString();
      if (text.trim().split(/\s+/).length === 3) return text.trim().split(/\s+/).map(Number);
    }
    throw new Error(`no family: ${text}`);
  }

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGKILL'] as const)('gets %s as a whole', async signal => {
    const { client } = await commanded();
    // Each of the two tells of itself; the shell between them and us would not.
    const remote = await exec(client, {
      shell: 'sh -c "echo \\$\\$; exec sleep 1000" | { read pid; echo $pid; exec sleep 1001; }',
    });
    const pid = Number(await firstOf(remote.stdout));
    await remote.kill(signal);
    await remote.wait();
    await gone(pid);
  });

  it('ends with a line that is lost, grandchildren too', async () => {
    const { client, recorded } = await commanded();
    const remote = await exec(client, family);
    const pids = await family3(remote.stdout);
    client.abort(new LineError('CANCELLED', 'gone'));
    await Promise.all(pids.map(gone));
    expect(await recorded(({ event }) => event === 'end')).toMatchObject({ end: { signal: expect.any(String) } });
    await expect(remote.wait()).rejects.toBeInstanceOf(LineError);
  });

  it('ends with the signal of the caller, whether or not it has said anything', async () => {
    const { client, recorded } = await commanded();
    const stop = new AbortController();
    const remote = await exec(client, { argv: ['sleep', '1000'] }, { signal: stop.signal });
    stop.abort();
    await expect(remote.wait()).rejects.toMatchObject({ code: 'CANCELLED' });
    await recorded(({ event }) => event === 'end');
    await gone(remote.pid!);
  });

  it('is killed if it does not hear TERM', async () => {
    const { client } = await commanded();
    const stop = new AbortController();
    const deaf = 'trap "" TERM HUP INT; echo $$; while :; do sleep 1; done';
    const remote = await exec(client, { shell: deaf }, { signal: stop.signal });
    await firstOf(remote.stdout);
    stop.abort();
    await gone(remote.pid!);
  });

  it('that is stopped ends all the same', async () => {
    const { client } = await commanded();
    const stop = new AbortController();
    const remote = await exec(client, { argv: ['sleep', '1000'] }, { signal: stop.signal });
    await remote.kill('SIGSTOP');
    stop.abort();
    await gone(remote.pid!);
  });

  it('ends when its time is up, and says so', async () => {
    const { client } = await commanded();
    const remote = await exec(client, { ...family, timeoutMs: 300 });
    const pids = await family3(remote.stdout);
    expect(await remote.wait()).toMatchObject({ timedOut: true, signal: expect.any(String) });
    await Promise.all(pids.map(gone));
  });

  it('ends when serving stops', async () => {
    const { client, stop } = await commanded();
    const remote = await exec(client, { argv: ['sleep', '1000'] });
    await stop();
    expect(await remote.wait()).toMatchObject({ signal: expect.any(String) });
    await expect(exec(client, { argv: ['true'] })).rejects.toMatchObject({ code: 'SHUTDOWN' });
  });

  it('with detach outlives its line', async () => {
    const { client, folder, recorded } = await commanded();
    const request = { shell: 'echo dropped; while [ ! -e go ]; do sleep 0.05; done; echo here > done', detach: true };
    const remote = await exec(client, request);
    expect(remote.pid).toEqual(expect.any(Number));
    expect(await remote.wait()).toEqual({});
    await client.close();
    await writeFile(join(folder, 'go'), '');
    const end = await recorded(({ event }) => event === 'end');
    expect(end).toMatchObject({ pid: remote.pid, end: { status: 0 } });
    expect(await readFile(join(folder, 'done'), 'utf8')).toBe('here\n');
  });

  it('with detach keeps to its time', async () => {
    const { client, recorded } = await commanded();
    await exec(client, { argv: ['sleep', '1000'], detach: true, timeoutMs: 50 });
    expect(await recorded(({ event }) => event === 'end')).toMatchObject({ end: { timedOut: true } });
  });
});

describe('many commands', () => {
  it('200 run at once over one line', async () => {
    const { run } = await commanded();
    const ran = await Promise.all(Array.from({ length: 200 }, (_, at) => run({ argv: ['echo', String(at)] })));
    expect(ran.map(({ stdout }) => Number(stdout.toString()))).toEqual(ran.map((_, at) => at));
  });

  it('beyond the bound of a device are refused, and a place that is free again is given again', async () => {
    const { client, run } = await commanded();
    // Detached ones hold no channel.
    const many = await Promise.all(
      Array.from({ length: MAX_PROCESSES_PER_DEVICE }, () =>
        exec(client, { argv: ['sleep', '1000'], detach: true, timeoutMs: 100_000 }),
      ),
    );
    await expect(run({ argv: ['true'] })).rejects.toMatchObject({ code: 'TOO_MANY' });
    for (const { pid } of many) process.kill(pid!, 'SIGKILL');
    await Promise.all(many.map(({ pid }) => gone(pid!)));
    expect((await run({ argv: ['true'] })).end).toMatchObject({ status: 0 });
  });
});

describe('who may', () => {
  it('a login without the permission may not, whatever else it may', async () => {
    const { run, audit } = await commanded({ allow: ['read', 'write', 'delete', 'shell', 'chat', 'time', 'agents'] });
    await expect(run({ argv: ['true'] })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(audit).toMatchObject([{ event: 'refused', code: 'FORBIDDEN' }]);
  });

  it('with a list has exactly what is on it, and the rest is FORBIDDEN at the host', async () => {
    const { run, folder, audit } = await commanded({ only: ['echo', '/bin/sh'] });
    expect((await run({ argv: ['echo', 'yes'] })).stdout.toString()).toBe('yes\n');
    expect((await run({ argv: ['/bin/sh', '-c', 'exit 3'] })).end).toMatchObject({ status: 3 });
    await writeFile(join(folder, 'echo'), '#!/bin/sh\necho planted\n');
    await chmod(join(folder, 'echo'), 0o755);
    expect((await run({ argv: ['echo', 'yes'] })).stdout.toString()).toBe('yes\n');
    for (const request of [
      { argv: ['ls'] },
      { argv: ['./echo'] },
      { argv: [join(folder, 'echo')] },
      { argv: ['/bin/echo'] },
      { argv: ['sh'] },
      { shell: 'echo' },
      { argv: ['echo'], cwd: folder },
      { argv: ['echo'], env: { PATH: folder } },
    ]) {
      await expect(run(request)).rejects.toMatchObject({ code: 'FORBIDDEN' });
      expect(audit.at(-1)).toMatchObject({ event: 'refused', code: 'FORBIDDEN' });
    }
  });
});

describe('the audit', () => {
  it('has who, what, and how it ended, and no content', async () => {
    const { client, server, audit } = await commanded();
    const request = { shell: 'cat; echo hidden-output >&2; exit 3', env: { NAME: 'hidden-value' } };
    await follow(await exec(client, request), 'hidden-input');
    expect(audit).toMatchObject([
      { event: 'start', id: 1, kind: 'exec.run', request: { command: { shell: request.shell } } },
      { event: 'end', id: 1, end: { status: 3 }, stdinBytes: 12, stdoutBytes: 12, stderrBytes: 14 },
    ]);
    for (const { asker } of audit) {
      expect(asker).toMatchObject({ key: server.peer.key, address: server.peer.address });
    }
    expect(JSON.stringify(audit)).not.toContain('hidden-input');
  });

  it('that cannot be kept keeps the command from starting', async () => {
    const full = new LineError('NO_SPACE', 'no space left for /home/ann/.local/state/postern/audit.jsonl');
    const { run, folder, faults } = await commanded({
      record: async ({ event }) => {
        if (event === 'start') throw full;
      },
    });
    const refusal = run({ shell: 'echo > made' });
    await expect(refusal).rejects.toMatchObject({ code: 'REFUSED', message: expect.not.stringContaining('/home') });
    expect(faults).toEqual([full]);
    await expect(readFile(join(folder, 'made'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
