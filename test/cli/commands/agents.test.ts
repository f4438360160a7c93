import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Home, type Running, run, start, startForTest, stop } from '../support/command.ts';
import { Served } from '../support/served.ts';

let served: Served;
/** Of the machines that dial in. */
const homes: Home[] = [];
const agents: Running[] = [];

interface Machine {
  readonly folder: string;
  readonly home: Home;
  readonly running: Running;
}

beforeAll(async () => {
  served = await Served.start(['--allow', 'agents']);
});

afterAll(async () => {
  for (const agent of agents) await stop(agent);
  await served.stop();
  for (const home of homes) await home.remove();
});

async function makeHome(): Promise<Home> {
  const home = await Home.make();
  homes.push(home);
  return home;
}

/** A machine with a folder that has dialled in. */
async function dialIn(name: string, args: readonly string[], env: Record<string, string> = {}): Promise<Machine> {
  const home = await makeHome();
  const folder = join(home.path, 'folder');
  await mkdir(folder);
  const all = ['agent', served.url, '--name', name, ...args.map(arg => arg.replace('FOLDER', folder))];
  const running = start(home, all, { env });
  agents.push(running);
  await running.until('stderr', /^joined |"joined"/m);
  return { folder, home, running };
}

describe('agent', () => {
  it('tells what it allows and each thing that is done, and ends with Ctrl-C', async () => {
    const { folder, running } = await dialIn('told', ['--allow', 'read,write', '--dir', 'FOLDER']);
    expect(running.stderr).toContain(`this machine is told and allows read, write in ${folder}`);
    await writeFile(join(folder, 'f'), 'x');
    expect(await served.run(['ls', served.url, '--on', 'told'])).toMatchObject({ status: 0, stdout: 'f\n' });
    await running.until(
      'stderr',
      /^reached time=\S+ address=127\.0\.0\.1:\d+ device=\S+ kind=files\.list outcome=done$/m,
    );
    await served.run(['ls', `${served.url}/nothing%1b%5b2J%0ajoined`, '--on', 'told']);
    // R-X1 R-X2: what a peer names is one field of one line.
    await running.until('stderr', /kind=files\.stat path="nothing\\\\x1b\[2J\\\\njoined" outcome=NOT_FOUND/);
    await stop(running, 'SIGINT');
    expect((await running.ended).status).toBe(130);
    expect(await served.run(['ls', served.url, '--on', 'told'])).toMatchObject({ status: 5, stdout: '' });
  });

  it('R-A8 R-F10 without --allow is seen, and refuses every verb', async () => {
    await dialIn('closed', []);
    const work = await served.folder();
    await writeFile(join(work, 'mine'), 'mine');
    const { stdout } = await served.run(['agents', served.url, '--json']);
    expect(JSON.parse(stdout).agents.find(({ name }: { name: string }) => name === 'closed').allow).toEqual([]);
    expect((await served.run(['may', served.url, '--on', 'closed'])).stdout).toBe('nothing\n');
    const verbs: readonly (readonly string[])[] = [
      ['ls', served.url],
      ['ls', '-R', served.url],
      ['get', `${served.url}/f`, work],
      ['get', `${served.url}/f`, '-'],
      ['put', 'mine', served.url],
      ['put', '-', `${served.url}/mine`],
      ['rm', `${served.url}/f`],
      ['mkdir', `${served.url}/f`],
      ['mv', `${served.url}/f`, `${served.url}/g`],
      ['sync', work, served.url],
      ['sync', served.url, work],
      ['exec', served.url, '--', 'true'],
    ];
    for (const verb of verbs) {
      const args = verb[0] === 'exec' ? ['exec', '--on', 'closed', ...verb.slice(1)] : [...verb, '--on', 'closed'];
      const { status } = await served.run(args, { cwd: work });
      expect([...verb, status]).toEqual([...verb, 7]);
    }
  });

  it('ends with 4 at a wrong passphrase, and with 7 for a name that is taken', async () => {
    const home = await makeHome();
    const wrong = await run(home, ['agent', served.url, '--name', 'x'], { env: { POSTERN_PASSWORD: 'no-no-no-no' } });
    expect(wrong.status).toBe(4);
    await dialIn('taken', []);
    const second = await run(await makeHome(), ['agent', served.url, '--name', 'Taken']);
    expect(second).toMatchObject({ status: 7, stderr: expect.stringContaining('belongs to another machine') });
  });

  it.each([
    [['--allow', 'read']],
    [['--allow', 'exec', '--only', '', '--dir', '.']],
    [['--only', 'true']],
    [['--allow', 'chat']],
    [['--allow', 'exec,shell', '--only', 'true', '--dir', '.']],
    [['--allow', 'nothing']],
    [['--name', 'a/b']],
  ])('%j is wrong usage, before anything is dialled', async args => {
    const ended = await run(await makeHome(), ['agent', 'postern://127.0.0.1:1', ...args]);
    expect(ended.status).toBe(args[0] === '--name' ? 7 : 2);
  });

  it('asks nothing of a server that does not allow agents', async () => {
    const other = await Served.start();
    const ended = await run(await makeHome(), ['agent', other.url, '--name', 'x']);
    expect(ended.status).toBe(9);
    expect((await other.run(['agents', other.url])).status).toBe(7);
    await other.stop();
  });
});

describe('agents', () => {
  it('lists who is there, off a terminal in tabs, and as JSON', async () => {
    await dialIn('listed', ['--allow', 'read,exec', '--dir', 'FOLDER']);
    const { stdout } = await served.run(['agents', served.url]);
    expect(stdout).toMatch(new RegExp(`^listed\t${process.platform} \\S+\t\\S+Z\tread,exec$`, 'm'));
    const json = JSON.parse((await served.run(['agents', served.url, '--json'])).stdout);
    expect(json.agents).toContainEqual({
      name: 'listed',
      platform: expect.any(String),
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      allow: ['read', 'exec'],
      device: expect.stringMatching(/^[a-z2-7]+$/),
    });
  });
});

describe('--on', () => {
  it('gets and puts byte for byte, and continues a put after the agent was killed', async () => {
    const first = await dialIn('files', ['--allow', 'read,write,delete', '--dir', 'FOLDER']);
    const work = await served.folder();
    const bytes = randomBytes(2_000_000);
    await writeFile(join(first.folder, 'there'), bytes);
    expect((await served.run(['get', `${served.url}/there`, '.', '--on', 'files'], { cwd: work })).status).toBe(0);
    expect((await readFile(join(work, 'there'))).equals(bytes)).toBe(true);
    const big = randomBytes(200_000_000);
    await writeFile(join(work, 'big'), big);
    const putting = startForTest(served.client, ['put', 'big', served.url, '--on', 'files', '--progress', 'json'], {
      cwd: work,
    });
    await putting.until('stderr', /"bytes":[1-9]\d{6}/);
    await stop(first.running, 'SIGKILL');
    const again = start(first.home, [
      'agent',
      served.url,
      '--name',
      'files',
      '--allow',
      'read,write',
      '--dir',
      first.folder,
    ]);
    agents.push(again);
    expect((await putting.ended).status).toBe(0);
    expect((await readFile(join(first.folder, 'big'))).equals(big)).toBe(true);
  });

  it('names a machine that is not there', async () => {
    const { status, stderr } = await served.run(['ls', served.url, '--on', 'nobody']);
    expect(status).toBe(5);
    expect(stderr).toContain('hint: postern agents HOST');
  });

  it('shows nothing of the server itself, and is nothing without the permission there', async () => {
    expect((await served.run(['ls', served.url])).status).toBe(7);
    const other = await Served.start();
    expect((await other.run(['ls', other.url, '--on', 'files'])).status).toBe(7);
    await other.stop();
  });
});

describe('exec --on', () => {
  beforeAll(async () => {
    for (const name of ['web1', 'web2', 'web3']) {
      await dialIn(name, ['--allow', 'exec', '--dir', 'FOLDER'], { MARK: name === 'web3' ? 'other' : 'same' });
    }
    await dialIn('only', ['--allow', 'exec', '--dir', 'FOLDER', '--only', 'echo']);
  });

  it('is as on the machine itself for one', async () => {
    const ended = await served.run(['exec', served.url, '--on', 'web1', '-c', 'cat; echo err >&2; exit 7'], {
      input: 'in',
    });
    expect(ended).toMatchObject({ status: 7, stdout: 'in', stderr: 'err\n' });
  });

  it('runs what the agent lists and nothing else', async () => {
    const echo = await served.run(['exec', served.url, '--on', 'only', '--', 'echo', 'fine']);
    expect(echo).toMatchObject({ status: 0, stdout: 'fine\n' });
    expect((await served.run(['exec', served.url, '--on', 'only', '--', 'env'])).status).toBe(7);
    expect((await served.run(['exec', served.url, '--on', 'only', '-c', 'echo x'])).status).toBe(7);
  });

  it('puts the name before each line of many, and ends with 0 if all did', async () => {
    const { status, stdout, stderr } = await served.run([
      'exec',
      served.url,
      '--on',
      'web*',
      '-c',
      'echo $MARK; printf unended; echo err >&2',
    ]);
    expect(status).toBe(0);
    expect(stdout.split('\n').sort().join(' ')).toBe(
      ' web1: same web1: unended web2: same web2: unended web3: other web3: unended',
    );
    expect(stderr.split('\n').sort().join(' ')).toBe(' web1: err web2: err web3: err');
  });

  it('names in a summary where it failed, and ends with 3', async () => {
    const ended = await served.run(['exec', served.url, '--on', 'web1,web3,away', '-c', 'test $MARK = same']);
    expect(ended.status).toBe(3);
    expect(ended.stderr).toContain('failed on 2 of 3 machines');
    expect(ended.stderr).toMatch(/web3: ended with 1/);
    expect(ended.stderr).toMatch(/away: no machine away is there now/);
  });

  it('--group shows once what several printed alike', async () => {
    const { stdout, status } = await served.run(['exec', served.url, '--on', 'web?', '--group', '-c', 'echo $MARK']);
    expect(status).toBe(0);
    expect(stdout).toContain('web1, web2:\nsame\n');
    expect(stdout).toContain('web3:\nother\n');
  });

  it('--json has an event for each piece, and a summary', async () => {
    const { stdout, status } = await served.run(['exec', served.url, '--all', '--json', '--', 'echo', 'x']);
    const events = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(status).toBe(3);
    expect(events).toContainEqual({ type: 'output', machine: 'web1', stream: 'stdout', data: 'x\n' });
    expect(events).toContainEqual({ type: 'item', machine: 'only', outcome: 'done' });
    const summary = events.at(-1);
    expect(summary).toMatchObject({ type: 'summary', machines: expect.any(Number) });
    // Those that allow no commands.
    expect(summary.failed).toContainEqual(expect.objectContaining({ machine: 'closed' }));
  });

  it('does not hang for a machine that goes away in the middle', async () => {
    const { running } = await dialIn('dying', ['--allow', 'exec', '--dir', 'FOLDER']);
    const work = startForTest(served.client, [
      'exec',
      served.url,
      '--on',
      'dying,web1',
      '-c',
      'echo begun; [ $MARK ] || sleep 600',
    ]);
    await work.until('stdout', /dying: begun/);
    await work.until('stdout', /web1: begun/);
    await stop(running, 'SIGKILL');
    expect(await work.ended).toMatchObject({ status: 3, stderr: expect.stringMatching(/dying: .*gone/) });
  });

  it.each([
    [['--on', 'nobody*', '--', 'true'], 255],
    [['--on', 'web1', '--all', '--', 'true'], 2],
    [['--all', '--parallel', '0', '--', 'true'], 2],
  ])('%j ends with %i', async (args, status) => {
    expect((await served.run(['exec', served.url, ...args])).status).toBe(status);
  });
});
