import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Home, run, startForTest } from '../../support/command.ts';
import { Gate } from '../../support/gate.ts';
import { Served } from '../../support/served.ts';
import { InTerminal } from '../../support/terminal.ts';

const MiB = 1024 * 1024;
/** Many processes are started one after the other, maybe on a machine that is busy. */
const PATIENT = { timeout: 300_000 };

async function serve(...args: string[]): Promise<Served> {
  const served = await Served.start(['--allow', 'chat', ...args]);
  onTestFinished(() => served.stop());
  return served;
}

/** Somebody with a device and a current folder of their own. */
async function person(): Promise<{ readonly home: Home; readonly at: (name?: string) => string }> {
  const home = await Home.make();
  onTestFinished(() => home.remove());
  await mkdir(join(home.path, 'here'));
  return { home, at: (name = '') => join(home.path, 'here', name) };
}

describe('postern chat off a terminal, with files', PATIENT, () => {
  it('puts a file into the room with /send, and fetches it with /get', async () => {
    const served = await serve();
    const [ann, bob] = [await person(), await person()];
    await writeFile(ann.at('notes.txt'), 'these are notes');
    const sent = await run(ann.home, ['chat', served.url, '--as', 'ann', '--commands'], {
      input: '/send notes.txt\n//send is a word\n/sender too\n',
      cwd: ann.at(),
    });
    expect({ status: sent.status, stderr: sent.stderr }).toEqual({ status: 0, stderr: '' });
    expect(
      sent.stdout
        .replaceAll(/^\d\d:\d\d /gm, '')
        .split('\n')
        .sort(),
    ).toEqual(
      ['', '* ann puts notes.txt here, 15 B: /get', 'ann: /send is a word', 'ann: /sender too'].map(line =>
        line.startsWith('*') ? expect.stringMatching(/^\* ann puts notes\.txt here, 15 B: \/get \d+$/) : line,
      ),
    );
    const number = /\/get (\d+)/.exec(sent.stdout)![1];
    const get = (input: string) =>
      run(bob.home, ['chat', served.url, '--as', 'bob', '--commands'], { input, cwd: bob.at() });
    const got = await get(`/get ${number}\n/get ${number} other.txt\n`);
    expect({ status: got.status, stderr: got.stderr }).toEqual({
      status: 0,
      stderr: 'notes.txt is here\nother.txt is here\n',
    });
    for (const name of ['notes.txt', 'other.txt']) expect(await readFile(bob.at(name), 'utf8')).toBe('these are notes');
    expect((await get(`/get ${number}\n`)).stderr).toBe('notes.txt was here\n');
  });

  it('leaves what is there, and tells what cannot be by its line', async () => {
    const served = await serve();
    const { home, at } = await person();
    await writeFile(at('notes.txt'), 'these are notes');
    const chat = (option: string, ...input: string[]) =>
      run(home, ['chat', served.url, '--as', 'ann', option], { input: input.join('\n'), cwd: at() });
    await chat('--commands', '/send notes.txt');
    await writeFile(at('notes.txt'), 'notes of my own');
    const { stderr } = await chat(
      '--json',
      ...['{"get":1}', '{"get":1,"as":"../out"}', '{"get":99}', '{"get":"1"}', '{"file":"nowhere"}', '{"file":"."}'],
      '{"get":-1}',
    );
    expect(stderr).toContain('\\"notes.txt\\" is here already and differs');
    const told = [...stderr.matchAll(/"code":"(\w+)".*"line":(\d)/g)].map(([, code, line]) => `${line} ${code}`);
    expect(told.sort()).toEqual([
      ...['1 EXISTS', '2 BAD_NAME', '3 NOT_FOUND', '4 USAGE', '5 NOT_FOUND', '6 NOT_A_FILE', '7 USAGE'],
    ]);
    const lines = await chat('--commands', '/send', '/get', '/get one', '/get 1 2/3', '/get 0');
    expect(lines.stderr.match(/^postern: line \d: /gm)).toHaveLength(5);
    const missing = await chat('--commands', '/send nowhere');
    expect({ status: missing.status, hint: missing.stderr.includes('hint:') }).toEqual({ status: 6, hint: false });
    expect(await readFile(at('notes.txt'), 'utf8')).toBe('notes of my own');
    expect(await readdir(at())).toEqual(['notes.txt']);
    expect(await readdir(home.path)).not.toContain('out');
  });

  it('takes lines for texts without --commands, because others may have written them', async () => {
    const served = await serve();
    const ann = await person();
    await writeFile(ann.at('secret'), 'a secret');
    const input = '/send secret\n//send secret\n/get 1\n';
    const { status, stdout } = await run(ann.home, ['chat', served.url, '--as', 'ann'], { input, cwd: ann.at() });
    expect(status).toBe(0);
    expect(stdout.replaceAll(/^\d\d:\d\d ann: /gm, '')).toBe(input);
    expect(
      await readdir(join(served.home.path, 'state/postern/chat')).then(([folder]) =>
        readdir(join(served.home.path, 'state/postern/chat', folder!, 'files')),
      ),
    ).toEqual([]);
  });

  it('takes {"file":PATH} and {"get":N} under --json', async () => {
    const served = await serve();
    const ann = await person();
    await writeFile(ann.at('f'), 'content');
    const bot = startForTest(ann.home, ['chat', served.url, '--as', 'ann', '--json'], {
      keepInput: true,
      cwd: ann.at(),
    });
    await bot.until('stdout', /"joined"/);
    bot.child.stdin.write('{"file":"f"}\n');
    const [, id] = await bot.until('stdout', /"id":(\d+),.*"file":\{"id":"[\w-]{22}","name":"f","size":7\}/);
    bot.child.stdin.write(`{"get":${id},"as":"g"}\n`);
    await bot.until('stdout', new RegExp(`"event":"fetched","id":${id},"name":"g","size":7`));
    bot.child.stdin.end('{"file":1}\n{"get":"f"}\n{"file":"f","text":"no"}\n');
    const { status, stderr } = await bot.ended;
    expect(status).toBe(3);
    expect(stderr.match(/"code":"USAGE"/g)).toHaveLength(2);
    expect(await readFile(ann.at('g'), 'utf8')).toBe('content');
  });

  it.each(['up', 'down'] as const)(
    'goes on with a file over another line when one is lost on the way %s',
    async direction => {
      const served = await serve();
      const gate = await Gate.open(served.ready.port, 12 * MiB, direction);
      onTestFinished(() => gate.close());
      const [ann, bob] = [await person(), await person()];
      const content = randomBytes(24 * MiB);
      await writeFile(ann.at('large'), content);
      const through = (isSlow: boolean) => (isSlow ? gate.url : served.url);
      const chat = (who: typeof ann, name: string, isSlow: boolean, input: string) =>
        startForTest(who.home, ['chat', through(isSlow), '--as', name, '--json', '--last', '0'], {
          input,
          cwd: who.at(),
        });
      const cutOnce = async () => {
        while ((gate.passed[0] ?? 0) < 12 * MiB) await new Promise(resolve => setImmediate(resolve));
        gate.lift();
        gate.cut();
      };
      const sending = chat(ann, 'ann', direction === 'up', '{"file":"large"}\n');
      if (direction === 'up') await cutOnce();
      const sent = await sending.ended;
      expect(sent.status).toBe(0);
      const { id } = JSON.parse(/^.*"kind":"file".*$/m.exec(sent.stdout)![0]) as { id: number };
      const fetching = chat(bob, 'bob', direction === 'down', `{"get":${id}}\n`);
      if (direction === 'down') await cutOnce();
      expect((await fetching.ended).status).toBe(0);
      expect((await readFile(bob.at('large'))).equals(content)).toBe(true);
      expect(await readdir(bob.at())).toEqual(['large']);
      // What was there was not sent again.
      expect(gate.passed.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(34 * MiB);
    },
  );
});

describe('postern chat in a terminal, with files', PATIENT, () => {
  it('has /send and /get', async () => {
    const served = await serve();
    const [ann, bob] = [await person(), await person()];
    await writeFile(ann.at('a name.txt'), 'content');
    const talk = async (who: typeof ann, name: string) => {
      const terminal = new InTerminal(who.home, ['chat', served.url, '--as', name], { cwd: who.at() });
      await terminal.until(/else is here|also here/);
      return terminal;
    };
    const sender = await talk(ann, 'ann');
    const fetcher = await talk(bob, 'bob');
    sender.type('/send a name.txt\r');
    await sender.until(/ann puts a name\.txt here, 7 B: \/get 1\nlobby>$/m);
    await fetcher.until(/ann puts a name\.txt here, 7 B: \/get 1\nlobby>$/m);
    fetcher.type('/get 1\r');
    await fetcher.until(/a name\.txt is here, 7 B\nlobby>$/m);
    expect(await readFile(bob.at('a name.txt'), 'utf8')).toBe('content');
    sender.type('/send nowhere\r');
    await sender.until(/nowhere.*(not there|does not exist|no such)/m);
  });
});

describe('a file that takes its time', PATIENT, () => {
  it('shows how far it is, and goes on when the line is back', async () => {
    const served = await serve();
    const gate = await Gate.open(served.ready.port, 12 * MiB, 'up');
    onTestFinished(() => gate.close());
    const ann = await person();
    await writeFile(ann.at('large'), randomBytes(24 * MiB));
    const terminal = new InTerminal(ann.home, ['chat', gate.url, '--as', 'ann'], { cwd: ann.at() });
    await terminal.until(/else is here|also here/);
    terminal.type('/send large\r');
    await terminal.until(/^sending large, [1-9]\d?% of 25\.2 MB$/m);
    gate.lift();
    gate.cut();
    await terminal.until(/^connection lost/m);
    await terminal.until(/ann puts large here, 25\.2 MB: \/get \d+\nlobby>$/m);
    terminal.type('bye\r');
    expect((await terminal.ended).status).toBe(0);
  });

  it('does not keep one from leaving', async () => {
    const served = await serve();
    const gate = await Gate.open(served.ready.port, 4 * MiB, 'up');
    onTestFinished(() => gate.close());
    const ann = await person();
    await writeFile(ann.at('large'), randomBytes(24 * MiB));
    const terminal = new InTerminal(ann.home, ['chat', gate.url, '--as', 'ann'], { cwd: ann.at() });
    await terminal.until(/else is here|also here/);
    terminal.type('/send large\r');
    await terminal.until(/^sending large, /m);
    terminal.type('/quit\r');
    gate.lift();
    gate.cut();
    expect((await terminal.ended).status).toBe(0);
  });
});

describe('postern serve', PATIENT, () => {
  it('takes files as far as --chat-files allows', async () => {
    const ann = await person();
    await writeFile(ann.at('f'), randomBytes(9 * 1024));
    for (const [size, status] of [
      ['0', 9],
      ['8K', 1],
      ['16k', 0],
    ] as const) {
      const served = await serve('--chat-files', size);
      const sent = await run(ann.home, ['chat', served.url, '--as', 'ann', '--commands'], {
        input: '/send f\n',
        cwd: ann.at(),
      });
      expect([size, sent.status]).toEqual([size, status]);
    }
    for (const size of ['', 'much', '1.5M', '-1', '1Q', '999999999999T']) {
      const { status } = await run(ann.home, ['serve', '.', '--chat-files', size], { cwd: ann.at() });
      expect([size, status]).toEqual([size, 2]);
    }
  });
});
