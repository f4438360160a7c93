import { describe, expect, it, onTestFinished } from 'vitest';
import { ChatScene } from '../../support/chat.ts';
import { run, start, startForTest, stop } from '../../support/command.ts';
import { Served } from '../../support/served.ts';

describe('a server of the command', () => {
  it('has rooms unless it is told otherwise, and remembers them after it was killed', async () => {
    const served = await Served.start();
    onTestFinished(() => served.stop());
    expect((await served.run(['chat', served.url, '--as', 'ann'], { input: 'remember this' })).status).toBe(0);
    const again = await served.run(['chat', served.url, '--as', 'ann']);
    expect(again.stdout).toMatch(/^\d\d:\d\d ann: remember this\n$/);
    await stop(served.server, 'SIGKILL');
    const after = start(served.home, ['serve', served.share, '--json', '--listen', '127.0.0.1:0']);
    onTestFinished(async () => void (await stop(after)));
    const { port } = JSON.parse((await after.until('stdout', /^.*\n/))[0]) as { port: number };
    const last = await served.run(['chat', `postern://127.0.0.1:${port}`, '--as', 'ann']);
    expect(last.stdout).toBe(again.stdout);
  });
});

describe('postern chat off a terminal', () => {
  it('sends each line, and prints each message as one line', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    await bob.send('two\nlines\tand a tab');
    await bob.send('waves', { action: true });
    const home = await scene.home();
    const { status, stdout, stderr } = await run(home, ['chat', scene.url, '--as', 'ann'], {
      input: 'hello\n\n  \r\n/etc/passwd is no command here\nlast, without an end',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.replaceAll(/^\d\d:\d\d /gm, '')).toBe(
      'bob: two\\nlines\\tand a tab\n* bob waves\nann: hello\nann: /etc/passwd is no command here\nann: last, without an end\n',
    );
    await bob.send('for your eyes', { to: 'ann' });
    const again = await run(home, ['chat', scene.url, '--as', 'ann', '--last', '1'], { input: '' });
    expect(again.stdout).toMatch(/^\d\d:\d\d bob -> ann: for your eyes\n$/);
  });

  it('leaves at bye and at /quit, and reads no further', async () => {
    const scene = await ChatScene.start();
    for (const word of ['bye', '/quit']) {
      const { stdout } = await run(
        await scene.home(),
        ['chat', scene.url, word.replace('/', ''), '--as', `a.${word.length}`],
        {
          input: `one\n${word}\ntwo\n`,
        },
      );
      expect(stdout).toMatch(/^\d\d:\d\d a\.\d: one\n$/);
    }
  });

  it('sends more at once than the server takes of one device, and waits', async () => {
    const scene = await ChatScene.start(['chat'], { perSecond: 50, burst: 5 });
    const texts = Array.from({ length: 100 }, (_, at) => `message ${at}`);
    const { status, stdout } = await run(await scene.home(), ['chat', scene.url, '--as', 'ann'], {
      input: texts.join('\n'),
    });
    expect(status).toBe(0);
    expect(
      stdout
        .replaceAll(/^\d\d:\d\d ann: /gm, '')
        .trimEnd()
        .split('\n'),
    ).toEqual(texts);
  });

  it('takes and gives JSON under --json, so that a script is a bot', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    await bob.send('old');
    const bot = startForTest(await scene.home(), ['chat', scene.url, '--as', 'bot', '--json'], { keepInput: true });
    const joined = JSON.parse((await bot.until('stdout', /^.*"joined".*$/m))[0]);
    expect(joined).toMatchObject({ type: 'status', event: 'joined', room: 'lobby', name: 'bot', count: 2 });
    expect(joined.members.sort()).toEqual(['bob', 'bot']);
    const old = JSON.parse((await bot.until('stdout', /^.*"message".*$/m))[0]);
    expect(old).toEqual({
      type: 'message',
      id: 1,
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      from: 'bob',
      device: expect.any(String),
      kind: 'text',
      text: 'old',
      old: true,
    });
    await bob.send('what time is it?\u001b[2J');
    await bot.until('stdout', /"text":"what time is it\?\\u001b\[2J","old":false/);
    bot.child.stdin.write('{"text":"noon\\nor so"}\n{"text":"shrugs","action":true}\n{"text":"psst","to":"bob"}\n');
    await bot.until('stdout', /"kind":"text","text":"psst","to":"bob"/);
    bot.child.stdin.end();
    const { status, stdout, stderr } = await bot.ended;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('"kind":"action","text":"shrugs"');
    const texts: string[] = [];
    for await (const { text } of bob.history()) texts.push(text);
    expect(texts).toEqual(['old', 'what time is it?\u001b[2J', 'noon\nor so', 'shrugs', 'psst']);
  });

  it('tells who comes and goes under --json', async () => {
    const scene = await ChatScene.start();
    const bot = startForTest(await scene.home(), ['chat', scene.url, '--as', 'bot', '--json'], { keepInput: true });
    await bot.until('stdout', /"joined"/);
    const bob = await scene.join('bob');
    await bot.until('stdout', /"event":"came","name":"bob"/);
    await bob.rename('rob');
    await bot.until('stdout', /"event":"renamed","from":"bob","to":"rob"/);
    await bob.leave();
    await bot.until('stdout', /"event":"left","name":"rob"/);
    bot.child.stdin.end();
    expect((await bot.ended).stdout).not.toContain('"event":"came","name":"bot"');
  });

  it('tells by line what it cannot send: 3 if the rest went, else its status', async () => {
    const scene = await ChatScene.start();
    const long = 'x'.repeat(9_000);
    const some = await run(await scene.home(), ['chat', scene.url, '--as', 'ann'], { input: `fine\n${long}\n` });
    expect(some).toMatchObject({ status: 3, stderr: expect.stringMatching(/^postern: line 2: .*8192 bytes/m) });
    const all = await run(await scene.home(), ['chat', scene.url, '--as', 'bot', '--json'], {
      input: `[1]\n{"text":5}\n{"text":"x","to":5}\n{"text":"x","action":"yes"}\nno json\n${'y'.repeat(100_000)}\n`,
    });
    expect(all.status).toBe(2);
    const errors = all.stderr
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as { code: string; line?: number });
    expect(errors.map(({ code, line }) => [code, line])).toEqual([
      ...[1, 2, 3, 4, 5, 6].map(line => ['USAGE', line]),
      ['USAGE', undefined],
    ]);
    const nobody = await run(await scene.home(), ['chat', scene.url, '--as', 'bot2', '--json'], {
      input: '{"text":"x","to":"nobody"}\n',
    });
    expect(nobody.status).toBe(6);
  });

  it('goes on over another line, and loses and doubles nothing', async () => {
    const scene = await ChatScene.start();
    const bot = startForTest(await scene.home(), ['chat', scene.url, '--as', 'bot', '--json'], { keepInput: true });
    bot.child.stdin.write('{"text":"one"}\n');
    await bot.until('stdout', /"text":"one"/);
    await scene.close();
    await bot.until('stderr', /"event":"redial","code":"\w+","attempt":1,"wait_ms":\d+/);
    bot.child.stdin.end('{"text":"two"}\n{"text":"three"}\n');
    await scene.open();
    const { status, stdout } = await bot.ended;
    expect(status).toBe(0);
    const said = stdout
      .split('\n')
      .flatMap(line => (line.includes('"message"') ? [JSON.parse(line).text as string] : []));
    expect(said).toEqual(['one', 'two', 'three']);
  });

  it('gives up when the line is lost under --no-retry (5)', async () => {
    const scene = await ChatScene.start();
    const args = ['chat', scene.url, '--as', 'bot', '--json', '--no-retry'];
    const bot = startForTest(await scene.home(), args, { keepInput: true });
    await bot.until('stdout', /"joined"/);
    await scene.close();
    expect((await bot.ended).status).toBe(5);
  });

  it('ends by a signal', async () => {
    const scene = await ChatScene.start();
    const bot = startForTest(await scene.home(), ['chat', scene.url, '--as', 'bot', '--json'], { keepInput: true });
    await bot.until('stdout', /"joined"/);
    bot.child.kill('SIGTERM');
    expect((await bot.ended).status).toBe(143);
  });

  it('takes its name from --as, else from config.toml, else from the login', async () => {
    const scene = await ChatScene.start();
    const home = await scene.home();
    const nameOf = async (...args: string[]): Promise<string> => {
      const { stdout } = await run(home, ['chat', scene.url, '--json', ...args]);
      return (JSON.parse(stdout.split('\n')[0]!) as { name: string }).name;
    };
    expect(await nameOf()).toMatch(/^[\p{L}\p{N}]/u);
    await home.configure('chat_name = "Åsa"\n');
    expect(await nameOf()).toBe('Åsa');
    expect(await nameOf('--as', 'ann')).toBe('ann');
    await home.configure('chat_name = 5\n');
    expect((await run(home, ['chat', scene.url])).status).toBe(2);
  });

  it('refuses what makes no sense (2)', async () => {
    const scene = await ChatScene.start();
    const home = await scene.home();
    for (const args of [[`${scene.url}/path`], [scene.url, '--last', 'many'], [scene.url, '--last', '1001']]) {
      expect((await run(home, ['chat', ...args])).status).toBe(2);
    }
    expect((await run(home, ['chat', scene.url, 'no room'])).status).toBe(7);
  });
});
