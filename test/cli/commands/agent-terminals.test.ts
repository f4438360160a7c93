import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Home, type Running, run, startForTest, stop } from '../support/command.ts';
import { Gate } from '../support/gate.ts';
import { Served } from '../support/served.ts';
import { InTerminal } from '../support/terminal.ts';

/** The server between them, which itself offers nothing but the way. */
let served: Served;
let agentHome: Home;

beforeAll(async () => {
  served = await Served.start(['--allow', 'agents']);
  agentHome = await Home.make();
  await writeFile(join(agentHome.path, '.profile'), "PS1='there> '\n");
});

afterAll(async () => {
  await served.stop();
  await agentHome.remove();
});

/** A machine whose shell is a plain one with a prompt that is easy to find. */
async function dialIn(name: string, args: readonly string[], url = served.url): Promise<Running> {
  const env = { SHELL: '/bin/sh', LANG: 'C.UTF-8' };
  const running = startForTest(agentHome, ['agent', url, '--name', name, ...args], { env });
  await running.until('stderr', /^joined /m);
  return running;
}

async function openShell(name: string, url = served.url): Promise<InTerminal> {
  const terminal = new InTerminal(served.client, ['shell', url, '--on', name]);
  await terminal.until(/^there>$/m);
  return terminal;
}

describe('shell --on', () => {
  it('is a terminal of the agent; its exit status passes, and the agent tells who opened it', async () => {
    const agent = await dialIn('web1', ['--allow', 'shell']);
    const terminal = await openShell('web1');
    terminal.type('pwd; stty size; env | grep -c POSTERN_\r');
    await terminal.until(new RegExp(`^${agentHome.path}\\n30 100\\n0$`, 'm'));
    const opened = /^exec-start .*kind=shell\.open .*device=[a-z2-7]+ address=127\.0\.0\.1:\d+/m;
    await agent.until('stderr', opened);
    terminal.type('exit 42\r');
    expect(await terminal.ended).toMatchObject({ status: 42 });
    await agent.until('stderr', /^exec-end .*status=42/m);
    await agent.until('stderr', /^reached .*kind=shell\.open outcome=done$/m);
  });

  it('goes on where it was after either line was cut', async () => {
    const ofAgent = await Gate.open(served.ready.port, Number.POSITIVE_INFINITY);
    onTestFinished(() => ofAgent.close());
    const ofOperator = await Gate.open(served.ready.port, Number.POSITIVE_INFINITY);
    onTestFinished(() => ofOperator.close());
    const agent = await dialIn('cut', ['--allow', 'shell'], ofAgent.url);
    const terminal = await openShell('cut', ofOperator.url);
    terminal.type('WORD=kept\r');
    ofAgent.cut();
    await terminal.until(/^connection lost/m);
    terminal.type('echo "once $WORD"\r');
    await agent.until('stderr', /^joined [\s\S]*^joined /m);
    await terminal.until(/once kept$/m);
    ofOperator.cut();
    await terminal.until(/^connection lost/m);
    terminal.type('echo "twice $WORD"; exit 6\r');
    expect(await terminal.ended).toMatchObject({ status: 6 });
    expect(terminal.raw.match(/once kept/g)).toHaveLength(1);
    expect(terminal.raw.match(/twice kept/g)).toHaveLength(1);
  });

  it('ends with the agent, which hangs it up first', async () => {
    const agent = await dialIn('ending', ['--allow', 'shell']);
    const terminal = await openShell('ending');
    await stop(agent, 'SIGINT');
    expect(await terminal.ended).toMatchObject({ status: 129 });
  });

  it('R-A8 is refused by an agent that does not allow it, and by a server without agents', async () => {
    await dialIn('commands', ['--allow', 'exec']);
    const refused = new InTerminal(served.client, ['shell', served.url, '--on', 'commands']);
    expect(await refused.ended).toMatchObject({ status: 7 });
    expect(refused.screen()).toMatch(/^hint: postern may HOST --on commands shows what is allowed there/m);
    const other = await Served.start(['--allow', 'read,exec']);
    onTestFinished(() => other.stop());
    const elsewhere = new InTerminal(other.client, ['shell', other.url, '--on', 'commands']);
    expect(await elsewhere.ended).toMatchObject({ status: 7 });
  });

  it('names a machine that is not there', async () => {
    const terminal = new InTerminal(served.client, ['shell', served.url, '--on', 'nobody']);
    expect(await terminal.ended).toMatchObject({ status: 255 });
    expect(terminal.screen()).toMatch(/^hint: postern agents HOST/m);
  });
});

describe('exec -t --on', () => {
  it('runs a command of the agent in this terminal, and none beside a list of commands', async () => {
    await dialIn('any', ['--allow', 'exec']);
    const tty = new InTerminal(served.client, ['exec', '-t', served.url, '--on', 'any', '--', 'tty']);
    expect(await tty.ended).toMatchObject({ status: 0 });
    expect(tty.screen()).toMatch(/^\/dev\//);
    await dialIn('only', ['--allow', 'exec', '--only', 'tty']);
    const listed = new InTerminal(served.client, ['exec', '-t', served.url, '--on', 'only', '--', 'tty']);
    expect(await listed.ended).toMatchObject({ status: 7 });
  });
});

describe('a terminal on several machines', () => {
  it.each([
    ['exec', ['-t', '--on', 'a,b', '--', 'top']],
    ['exec', ['-t', '--on', 'web*', '--', 'top']],
    ['exec', ['-t', '--all', '--', 'top']],
    ['shell', ['--on', 'a,b']],
  ])('is wrong usage, before anything is dialled: %s %j', async (verb, args) => {
    const ended = await run(served.client, [verb, 'postern://127.0.0.1:1', ...args]);
    expect(ended.status).toBe(2);
    expect(ended.stderr).toContain('a terminal is on one machine');
  });
});
