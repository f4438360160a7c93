import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Served } from '../support/served.ts';
import { InTerminal } from '../support/terminal.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start();
  await writeFile(join(served.share, 'notes.txt'), 'hello');
  await mkdir(join(served.share, 'photos'));
  await writeFile(join(served.share, 'photos', 'one.raw'), '1');
});
afterAll(() => served.stop());

describe.skipIf(process.platform === 'win32')('get HOST converses', () => {
  const converse = async (args: readonly string[] = []) => {
    const cwd = await served.folder();
    const terminal = new InTerminal(served.client, ['get', ...args, '-p', String(served.ready.port), '127.0.0.1'], {
      cwd,
    });
    await terminal.until(/file name \(q leaves\): ?$/);
    return { terminal, cwd };
  };

  it('about the file name, the size, going on, and where to put it', async () => {
    const { terminal, cwd } = await converse();
    terminal.type('nowhere.txt\r');
    await terminal.until(/nowhere\.txt: .*\nfile name \(q leaves\): ?$/);
    terminal.type('notes.txt\r');
    await terminal.until(/notes\.txt is 5 B .*continue\? \[y\/N\] ?$/);
    terminal.type('y\r');
    await terminal.until(/where should it go\? \[notes\.txt\] ?$/);
    terminal.type('mine.txt\r');
    expect((await terminal.ended).status).toBe(0);
    expect(terminal.screen()).toMatch(/^mine\.txt {2}5 B {2}100 % {2}done, verified$/m);
    expect(await readFile(join(cwd, 'mine.txt'), 'utf8')).toBe('hello');
  });

  it('and takes the suggested name at Enter', async () => {
    const { terminal, cwd } = await converse(['--yes']);
    terminal.type('photos\r');
    await terminal.until(/where should it go\? \[photos\] ?$/);
    terminal.type('\r');
    expect((await terminal.ended).status).toBe(0);
    expect(await readFile(join(cwd, 'photos', 'one.raw'), 'utf8')).toBe('1');
  });

  it('asks for another file after a no, and again after .. and an empty name', async () => {
    const { terminal } = await converse();
    terminal.type('\r');
    await terminal.until(again(2));
    terminal.type('../secret\r');
    await terminal.until(again(3));
    terminal.type('notes.txt\r');
    await terminal.until(/continue\? \[y\/N\] ?$/);
    terminal.type('n\r');
    await terminal.until(/continue\? \[y\/N\] n\nfile name \(q leaves\): ?$/);
    terminal.type('q\r');
    expect((await terminal.ended).status).toBe(0);
  });

  it('and ends with 7 where the name is taken, leaving what is there', async () => {
    const { terminal, cwd } = await converse(['-y']);
    await writeFile(join(cwd, 'notes.txt'), 'mine');
    terminal.type('notes.txt\r');
    await terminal.until(/where should it go/);
    terminal.type('\r');
    expect((await terminal.ended).status).toBe(7);
    expect(terminal.screen()).toMatch(/^hint: /m);
    expect(await readFile(join(cwd, 'notes.txt'), 'utf8')).toBe('mine');
  });

  it.each([
    ['Ctrl-C', '\u0003'],
    ['the end of input', '\u0004'],
  ])('and ends with 130 at %s', async (_name, key) => {
    const { terminal } = await converse();
    terminal.type(key);
    expect((await terminal.ended).status).toBe(130);
  });
});

/** The question stands there for the nth time. */
const again = (times: number) => new RegExp(`^(?:[^]*file name){${times}}[^]*\\(q leaves\\): ?$`);

describe('get HOST off a terminal', () => {
  it.each([['127.0.0.1'], ['postern']])('ends with 2 and names what answers it', async host => {
    const place = host === 'postern' ? served.url : host;
    const { status, stderr } = await served.run(['get', '-p', String(served.ready.port), place], {
      input: 'notes.txt\n',
    });
    expect(status).toBe(2);
    expect(stderr).toContain('HOST:PATH');
  });

  it('ends with 2 under --no-input on a terminal too', async () => {
    const terminal = new InTerminal(served.client, ['get', '--no-input', served.url]);
    expect((await terminal.ended).status).toBe(2);
  });
});
