import { chmod, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Home, PASSPHRASE, run, startForTest, stop } from '../support/command.ts';
import { Served } from '../support/served.ts';
import { InTerminal } from '../support/terminal.ts';

const EVERYTHING = 'read,write,delete,exec,shell,chat,time,agents';
/** Nobody who could be asked, and nothing that answers. */
const NO_PASSPHRASE = { env: { POSTERN_PASSWORD: undefined } };
const WITH_PASSPHRASE = { env: { POSTERN_PASSWORD: PASSPHRASE } };

async function serve(args: readonly string[] = ['--pair']): Promise<Served> {
  const served = await Served.start(args, WITH_PASSPHRASE);
  onTestFinished(() => served.stop());
  return served;
}

/** A server where this client is paired. */
async function paired(args: readonly string[] = ['--pair']): Promise<Served> {
  const served = await serve(args);
  expect(await served.run(['pair', '--name', 'laptop', served.url])).toMatchObject({ status: 0, stderr: '' });
  return served;
}

describe('postern pair', () => {
  it('tells what is true, and from then on no passphrase is needed', async () => {
    const served = await serve();
    const { status, stdout, stderr } = await served.run(['pair', '--json', '--name', "ann's laptop", served.url]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [entry] = JSON.parse((await run(served.home, ['devices', '--json'])).stdout).devices;
    expect(JSON.parse(stdout)).toEqual({
      host: '127.0.0.1',
      port: served.ready.port,
      name: "ann's laptop",
      device: entry.device,
      server: served.ready.fingerprint,
      allowed: ['read', 'chat', 'time'],
    });
    expect(entry).toMatchObject({ name: "ann's laptop", allow: ['read', 'chat', 'time'] });
    const may = await served.run(['may', served.url], NO_PASSPHRASE);
    expect(may).toMatchObject({ status: 0, stderr: '', stdout: expect.stringMatching(/^read\t/) });
    const events = await served.server.until('stderr', /"event":"login"[^\n]*"name":[^\n]*\n/);
    expect(events[0]).toContain("ann's laptop");
    expect(served.server.stderr).toMatch(/"event":"paired"[^\n]*"allow":\["read","chat","time"\]/);
  });

  it('is told to people in lines', async () => {
    const served = await serve();
    const { stdout } = await served.run(['pair', '--name', 'laptop', served.url]);
    expect(stdout).toMatch(
      /^paired with 127\.0\.0\.1 as laptop: .*\nthis machine {2}[a-z2-7]{32}\nthe server {4}[a-z2-7]{32}\nmay do there {2}read, chat, time\n$/,
    );
  });

  it('R-A14: is refused unless the owner has opened it, and says how it can be', async () => {
    const served = await serve([]);
    const { status, stdout, stderr } = await served.run(['pair', '--name', 'laptop', served.url]);
    expect({ status, stdout }).toEqual({ status: 7, stdout: '' });
    const key = /hint: .*serve --pair.* postern devices add '(line1-x25519 \S+)'/.exec(stderr)?.[1];
    expect(key).toBeDefined();
    expect((await served.run(['may', served.url], NO_PASSPHRASE)).status).toBe(2);
    expect(JSON.parse((await run(served.home, ['devices', '--json'])).stdout)).toEqual({ devices: [] });
    await served.server.until('stderr', /"event":"pair-refused"/);
    // The other way: the owner puts the key in, and the server that runs hears of it.
    const added = await run(served.home, ['devices', 'add', key!, '--name', 'from ann', '--allow', 'read,exec']);
    expect(added).toMatchObject({ status: 0, stdout: '' });
    await expect
      .poll(async () => (await served.run(['pair', '--json', served.url])).status, { timeout: 20_000, interval: 500 })
      .toBe(0);
    // What both allow.
    const may = await served.run(['may', '--json', served.url], NO_PASSPHRASE);
    expect(JSON.parse(may.stdout).allowed).toEqual(['read']);
    expect(JSON.parse((await served.run(['pair', '--json', served.url])).stdout).allowed).toEqual(['read']);
  });

  it('refuses a name that another machine has, and one that is none', async () => {
    const served = await paired();
    const other = await Home.make();
    onTestFinished(() => other.remove());
    const taken = await run(other, ['pair', '--name', 'laptop', served.url]);
    expect(taken).toMatchObject({ status: 7, stderr: expect.stringContaining('hint: choose another --name') });
    expect((await run(other, ['may', served.url], NO_PASSPHRASE)).status).toBe(2);
    for (const name of ['', 'a\u001b[31m', 'x'.repeat(65)]) {
      const { status, stderr } = await run(other, ['pair', '--name', name, served.url]);
      expect(status).toBe(7);
      expect(stderr).not.toContain('\u001b');
    }
  });

  it('tells both what it is where the list cannot be changed', async () => {
    const served = await paired();
    await chmod(join(served.home.path, 'state/postern/authorized_keys'), 0o644);
    const { status, stderr } = await served.run(['pair', '--name', 'other', served.url]);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/cannot change its list.*\nhint: its owner/),
    });
    await served.server.until('stderr', /"event":"fault"[^\n]*chmod 600/);
  });

  it('takes the passphrase, also where the machine is paired', async () => {
    const served = await paired();
    expect((await served.run(['pair', '--name', 'laptop', served.url], NO_PASSPHRASE)).status).toBe(2);
    const wrong = { env: { POSTERN_PASSWORD: 'wrong-wrong-wrong' } };
    expect((await served.run(['pair', '--name', 'laptop', served.url], wrong)).status).toBe(4);
    expect((await served.run(['pair', '--name', 'new name', served.url])).status).toBe(0);
    expect((await run(served.home, ['devices'])).stdout).toMatch(/^new name\t[a-z2-7]{32}\t\S+\tread,chat,time\n$/);
  });
});

describe('a machine that is paired', () => {
  it('needs no passphrase for any command that dials', async () => {
    const served = await paired(['--pair', '--allow', EVERYTHING]);
    const { url } = served;
    await writeFile(join(served.client.path, 'note.txt'), 'hello');
    const agent = startForTest(served.client, ['agent', url, '--name', 'web', '--allow', 'time'], NO_PASSPHRASE);
    await agent.until('stderr', /joined/);
    for (const args of [
      ['put', 'note.txt', url],
      ['ls', url],
      ['get', `${url}/note.txt`, '-'],
      ['mkdir', `${url}/made`],
      ['mv', `${url}/note.txt`, `${url}/made/note.txt`],
      ['sync', `${url}/made`, 'here'],
      ['rm', `${url}/made/note.txt`],
      ['ping', '-c', '1', url],
      ['may', url],
      ['exec', url, '--', 'true'],
      ['agents', url],
      ['chat', url, '--as', 'ann'],
      ['time', url],
      ['time', url, '--on', 'web'],
    ]) {
      const { status, stderr } = await served.run(args, NO_PASSPHRASE);
      expect({ args, status, stderr: /passphrase/.exec(stderr)?.[0] }).toEqual({ args, status: 0, stderr: undefined });
    }
    const shell = new InTerminal(served.client, ['exec', '-t', url, '--', 'true'], NO_PASSPHRASE);
    expect(await shell.ended).toMatchObject({ status: 0 });
  });

  it('R-A15: may do what its entry and the server allow, and no more', async () => {
    const served = await paired(['--pair', '--allow', 'read']);
    await run(served.home, ['devices', 'add', await keyOf(served), '--allow', 'write,read']);
    const may = await served.run(['may', '--json', served.url], NO_PASSPHRASE);
    expect(JSON.parse(may.stdout).allowed).toEqual(['read']);
    const put = await served.run(['put', '-', `${served.url}/x`], NO_PASSPHRASE);
    expect({ status: put.status, stderr: put.stderr }).toEqual({
      status: 7,
      stderr: expect.stringMatching(/^hint: .*pair again for it$/m),
    });
    expect((await served.run(['put', '-', `${served.url}/x`])).stderr).toMatch(/^hint: .*serve --allow grants it$/m);
  });

  it('is let in by the next server of this user too, whatever its passphrase, and though pairing is closed', async () => {
    const served = await paired();
    await stop(served.server);
    const args = ['serve', served.share, '--json', '--listen', `127.0.0.1:${served.ready.port}`];
    const next = startForTest(served.home, args, NO_PASSPHRASE);
    await next.until('stdout', /"type":"ready".*"devices":1/);
    expect(await served.run(['may', served.url], NO_PASSPHRASE)).toMatchObject({ status: 0, stderr: '' });
  });

  it('is taken at its word when a passphrase is given for this call', async () => {
    const served = await paired();
    const wrong = { env: { POSTERN_PASSWORD: 'wrong-wrong-wrong' } };
    const { status, stderr } = await served.run(['may', served.url], wrong);
    expect({ status, stderr }).toMatchObject({ status: 4, stderr: expect.stringContaining('passphrase is wrong') });
    const file = join(served.client.path, 'secret');
    await writeFile(file, 'wrong-wrong-wrong', { mode: 0o600 });
    const byFile = await served.run(['may', '--password-file', file, served.url], NO_PASSPHRASE);
    expect(byFile.status).toBe(4);
  });

  it('that is taken out is not let in, is told the way on, and asks for nothing by itself', async () => {
    const served = await paired();
    expect((await run(served.home, ['devices', 'remove', 'laptop'])).status).toBe(0);
    let last = await served.run(['may', served.url], NO_PASSPHRASE);
    await expect
      .poll(
        async () => {
          last = await served.run(['may', served.url], NO_PASSPHRASE);
          return last.status;
        },
        { timeout: 20_000, interval: 500 },
      )
      .toBe(4);
    expect(last.stderr).toContain(`hint: pair again: postern pair --port ${served.ready.port} 127.0.0.1;`);
    expect(last.stderr).not.toContain('passphrase for');
    expect((await served.run(['may', served.url])).status).toBe(0);
    expect((await served.run(['pair', '--name', 'laptop', served.url])).status).toBe(0);
    expect((await served.run(['may', served.url], NO_PASSPHRASE)).status).toBe(0);
  });

  it('that is taken out loses what it has open', async () => {
    const served = await paired(['--pair', '--allow', 'read,exec,shell,agents']);
    const { url } = served;
    const big = join(served.share, 'big');
    await writeFile(big, '');
    await truncate(big, 64 * 1024 ** 3);
    const command = startForTest(served.client, ['exec', url, '--', 'sh', '-c', 'echo begun; sleep 60'], NO_PASSPHRASE);
    await command.until('stdout', /begun/);
    const agent = startForTest(served.client, ['agent', url, '--name', 'web'], NO_PASSPHRASE);
    await agent.until('stderr', /joined/);
    const shell = new InTerminal(served.client, ['shell', url], NO_PASSPHRASE);
    await served.server.until('stderr', /"event":"exec-start"[^\n]*"kind":"shell.open"/);
    const getting = startForTest(served.client, ['get', `${url}/big`, '--json'], NO_PASSPHRASE);
    await getting.until('stderr', /"bytes":[1-9]/);
    await run(served.home, ['devices', 'remove', 'laptop']);
    expect(await command.ended).toMatchObject({ status: 255 });
    expect(await agent.ended).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('has taken this machine out'),
    });
    expect(await shell.ended).toMatchObject({ status: 255 });
    const { status, stdout, stderr } = await getting.ended;
    expect({ status, failed: stdout.match(/"outcome":"failed"/g) }).toEqual({ status: 4, failed: null });
    expect(stderr.match(/"code":"REVOKED"/g)).toHaveLength(1);
    // Nor does anything go on there, as it does after a line that was lost.
    await served.server.until('stderr', /"event":"exec-end"[^\n]*"kind":"exec.run"/);
    await served.server.until('stderr', /"event":"exec-end"[^\n]*"kind":"shell.open"/);
  });

  it('is not let in by a server with --no-devices, which does not go with --pair', async () => {
    const served = await paired();
    await stop(served.server);
    const args = ['serve', served.share, '--json', '--listen', `127.0.0.1:${served.ready.port}`, '--no-devices'];
    const next = startForTest(served.home, args, WITH_PASSPHRASE);
    await next.until('stdout', /"type":"ready".*"devices":0/);
    const { status, stderr } = await served.run(['may', served.url], NO_PASSPHRASE);
    expect({ status, stderr }).toEqual({ status: 4, stderr: expect.stringContaining('not let in there') });
    expect((await served.run(['may', served.url])).status).toBe(0);
    expect((await served.run(['pair', '--name', 'laptop', served.url])).status).toBe(7);
    await stop(next);
    const both = await run(served.home, [...args, '--pair']);
    expect(both).toMatchObject({ status: 2, stderr: expect.stringContaining("'--no-devices' cannot be used with") });
    // The list is as it was, for the next server.
    expect(JSON.parse((await run(served.home, ['devices', '--json'])).stdout).devices).toHaveLength(1);
  });

  it('is told to who serves, with the way to keep it out', async () => {
    const served = await paired();
    await stop(served.server);
    const next = startForTest(served.home, ['serve', served.share, '--listen', '127.0.0.1:0'], WITH_PASSPHRASE);
    await next.until('stderr', /^1 machine needs no passphrase: see postern devices, or serve with --no-devices$/m);
  });

  it('R-A5: stops at a server with another key before its own is shown', async () => {
    const served = await paired();
    const pins = join(served.client.path, 'state/postern/known_peers');
    // The same address with the key of somebody else, as it looks after an attack.
    const other = (await readFile(pins, 'utf8')).replace(/line1-x25519 \S{4}/, 'line1-x25519 AQEB');
    await writeFile(pins, other, { mode: 0o600 });
    const { status, stderr } = await served.run(['may', served.url], NO_PASSPHRASE);
    expect({ status, stderr }).toEqual({
      status: 4,
      stderr: expect.stringContaining('key of this server has changed'),
    });
    expect(served.server.stderr).not.toMatch(/"event":"login"[^\n]*"name"/);
  });

  it('that forgets the server has to be told the passphrase again', async () => {
    const served = await paired();
    expect((await served.run(['forget', '127.0.0.1'], NO_PASSPHRASE)).status).toBe(0);
    expect((await served.run(['may', served.url], NO_PASSPHRASE)).status).toBe(2);
    expect((await served.run(['may', served.url])).status).toBe(0);
    expect((await served.run(['may', served.url], NO_PASSPHRASE)).status).toBe(2);
  });
});

describe('postern devices', () => {
  const KEY = 'line1-x25519 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE';

  async function home(): Promise<Home> {
    const made = await Home.make();
    onTestFinished(() => made.remove());
    return made;
  }

  it('lists nobody, and makes no file for that', async () => {
    const at = await home();
    expect(await run(at, ['devices'])).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(await run(at, ['devices', 'list', '--json'])).toMatchObject({ status: 0, stdout: '{"devices":[]}\n' });
    await expect(stat(join(at.path, 'state/postern/authorized_keys'))).rejects.toThrow();
  });

  it('R-A4: puts in and takes out, in a file that nobody else may read', async () => {
    const at = await home();
    const added = await run(at, ['devices', 'add', ...KEY.split(' '), '--name', 'ann s laptop', '--json']);
    expect(JSON.parse(added.stdout)).toMatchObject({ name: 'ann s laptop', key: KEY, allow: ['read', 'chat', 'time'] });
    const { device } = JSON.parse(added.stdout);
    const file = join(at.path, 'state/postern/authorized_keys');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toMatch(
      /^line1-x25519 \S+ since=\S+ caps=read,chat,time name="ann s laptop"\n$/,
    );
    // Without --allow it keeps what it had.
    await run(at, ['devices', 'add', KEY, '--allow', 'read']);
    await run(at, ['devices', 'add', KEY.split(' ')[1]!, '--name', 'other']);
    expect((await run(at, ['devices'])).stdout).toMatch(new RegExp(`^other\t${device}\t\\S+\tread\n$`));
    expect((await run(at, ['devices', 'remove', device])).status).toBe(0);
    expect((await run(at, ['devices'])).stdout).toBe('');
    expect((await run(at, ['devices', 'remove', 'other'])).status).toBe(6);
  });

  it.skipIf(process.platform === 'win32')('lists in columns where they fit, and else below each other', async () => {
    const at = await home();
    await run(at, ['devices', 'add', KEY, '--name', '机器', '--allow', 'read']);
    for (const [columns, shown] of [
      [80, /^NAME {2}FINGERPRINT {23}SINCE {13}MAY DO AT MOST\n机器 {2}[a-z2-7]{32} {2}\S+ \S+ {2}read$/m],
      [40, /^机器\n {2}[a-z2-7]{32}\n {2}since \S+ \S+\n {2}may do at most read$/m],
    ] as const) {
      const terminal = new InTerminal(at, ['devices'], { columns });
      expect(await terminal.ended).toMatchObject({ status: 0 });
      expect(terminal.screen()).toMatch(shown);
    }
  });

  it('takes out by fingerprint first, so that no name can stand for another machine', async () => {
    const at = await home();
    const { device } = JSON.parse((await run(at, ['devices', 'add', KEY, '--json'])).stdout);
    await run(at, ['devices', 'add', KEY.replace('AQEB', 'AgEB'), '--name', device]);
    await run(at, ['devices', 'remove', device]);
    expect(JSON.parse((await run(at, ['devices', '--json'])).stdout).devices).toMatchObject([{ name: device }]);
  });

  it('names lines that let nobody in', async () => {
    const at = await home();
    await run(at, ['devices', 'add', KEY]);
    const file = join(at.path, 'state/postern/authorized_keys');
    await writeFile(file, `${await readFile(file, 'utf8')}ssh-rsa \u001b[31mAAAA\n`);
    const { status, stdout, stderr } = await run(at, ['devices']);
    expect([status, stdout.split('\n').length]).toEqual([0, 2]);
    expect(stderr).toMatch(/^line 2 of .*authorized_keys cannot be read: it lets nobody in\n$/);
  });

  it.each([
    [['devices', 'ad', KEY], /there is no postern devices ad/],
    [['devices', 'add'], /a key is line1-x25519/],
    [['devices', 'add', 'AAAA'], /a key is line1-x25519/],
    [['devices', 'add', KEY, '--allow', 'everything'], /no permission/],
    [['devices', 'remove'], /which machine/],
    [['devices', '--name', 'x'], /go with postern devices add/],
    [['devices', 'list', 'x'], /nothing more/],
  ])('refuses %j', async (args, why) => {
    const { status, stderr } = await run(await home(), args);
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(why) });
  });
});

/** The key of the first machine that the server lets in. */
async function keyOf(served: Served): Promise<string> {
  return JSON.parse((await run(served.home, ['devices', '--json'])).stdout).devices[0].key;
}
