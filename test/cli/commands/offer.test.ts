import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Gate } from '../support/gate.ts';
import { Served } from '../support/served.ts';
import { InTerminal, type TerminalOptions } from '../support/terminal.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start();
});
afterAll(() => served.stop());

/** A folder of its own on the server, with these files in it, each of 1 kB. */
async function shared(name: string, files: readonly string[]): Promise<string> {
  for (const file of files) {
    await mkdir(join(served.share, name, file, '..'), { recursive: true });
    await writeFile(join(served.share, name, file), Buffer.alloc(1000, 1));
  }
  return `${served.url}/${name}`;
}

async function getting(args: readonly string[], options: TerminalOptions = {}) {
  const cwd = await served.folder();
  const terminal = new InTerminal(served.client, ['get', ...args], { cwd, ...options });
  return { cwd, terminal };
}

const QUESTION = /Get (?:them|it)\? \[Y\/n\/l to list\] ?$/;

describe.skipIf(process.platform === 'win32')(
  'a folder is offered to a person at the terminal before it is fetched',
  () => {
    it.each(['\r', 'y\r', 'yes\r'])('with its numbers, and fetched after %j', async answer => {
      const url = await shared('photos', ['a.jpg', 'b.jpg', 'more/c.jpg']);
      const { cwd, terminal } = await getting([url]);
      await terminal.until(QUESTION);
      expect(terminal.screen()).toBe('photos: 3 files in 2 folders, 3.0 kB. Get them? [Y/n/l to list]');
      terminal.type(answer);
      expect((await terminal.ended).status).toBe(0);
      expect((await readdir(join(cwd, 'photos'))).sort()).toEqual(['a.jpg', 'b.jpg', 'more']);
    });

    it.each([
      ['n', 'n\r'],
      ['Ctrl-C', '\u0003'],
    ])('and left alone after %s, with 130', async (_name, keys) => {
      const url = await shared('refused', ['one']);
      const { cwd, terminal } = await getting([url]);
      await terminal.until(QUESTION);
      terminal.type(keys);
      expect((await terminal.ended).status).toBe(130);
      expect(await readdir(cwd)).toEqual([]);
    });

    it('R-F5: what was not in the list is not fetched, though it was there when its turn came', async () => {
      const url = await shared('grows', ['listed', 'changed', 'sub/deep']);
      const { cwd, terminal } = await getting([url]);
      await terminal.until(QUESTION);
      await shared('grows', ['late', 'sub/late', 'new/late']);
      await writeFile(join(served.share, 'grows', 'changed'), 'something else');
      terminal.type('y\r');
      expect((await terminal.ended).status).toBe(3);
      for (const name of ['late', 'sub/late', 'new', 'new/late', 'changed']) {
        expect(terminal.screen()).toContain(`postern: grows/${name}: was not in the list that was agreed to`);
      }
      expect((await readdir(join(cwd, 'grows'))).sort()).toEqual(['listed', 'sub']);
      expect(await readdir(join(cwd, 'grows', 'sub'))).toEqual(['deep']);
    });

    it('R-F5, R-X1: l shows every path with its size, escaped, page by page, and what it shows is agreed to', async () => {
      const names = Array.from({ length: 30 }, (_, index) => `file-${String(index).padStart(2, '0')}`);
      const url = await shared('long', [...names, 'evil\u001b]0;owned\u0007\u202e']);
      const { cwd, terminal } = await getting([url], { rows: 12 });
      await terminal.until(QUESTION);
      await shared('long', ['before the list']);
      terminal.type('l\r');
      for (let page = 1; page <= 2; page += 1) {
        await terminal.until(pages(page));
        terminal.type('\r');
      }
      await terminal.until(/^long: 32 files, 32\.0 kB\. Get them\? \[Y\/n\/l to list\] ?$/m);
      const screen = terminal.screen();
      for (const name of [...names, 'before the list', 'evil\\x1b]0;owned\\x07\\u{202e}']) {
        expect(screen).toContain(`    1.0 kB  long/${name}\n`);
      }
      expect(terminal.raw).not.toContain('\u001b]0;');
      terminal.type('y\r');
      expect((await terminal.ended).status).toBe(0);
      expect(await readdir(join(cwd, 'long'))).toHaveLength(32);
    });

    it('R-F5: leaving the list at its first page agrees to no less than all of it, as counted anew', async () => {
      const url = await shared(
        'left',
        Array.from({ length: 30 }, (_, index) => `file-${index}`),
      );
      const { terminal } = await getting([url], { rows: 12 });
      await terminal.until(QUESTION);
      await shared('left', ['one more']);
      terminal.type('l\r');
      await terminal.until(pages(1));
      terminal.type('q\r');
      await terminal.until(/^left: 31 files, 31\.0 kB\. Get them\? \[Y\/n\/l to list\] ?$/m);
    });

    it('through $PAGER, which is given no secret and sees escapes only', async () => {
      const url = await shared('paged', ['a\u001b[2J', 'b']);
      const program = join(served.client.path, 'pager.mjs');
      await writeFile(
        program,
        `let text = ''; for await (const part of process.stdin) text += part;
       console.error('PAGE', text.split('\\n').map(line => line.trim()).sort().join('|'), Object.keys(process.env).some(name => name.startsWith('POSTERN')));`,
      );
      const { terminal } = await getting([url], { env: { PAGER: `${process.execPath} ${program}` } });
      await terminal.until(QUESTION);
      terminal.type('l\r');
      await terminal.until(/^PAGE \|1\.0 kB {2}paged\/a\\x1b\[2J\|1\.0 kB {2}paged\/b false\n(?:.*\n)*.*list\] ?$/m);
    });

    it('by itself where there is no such $PAGER', async () => {
      const url = await shared('unpaged', ['a']);
      const { terminal } = await getting([url], { env: { PAGER: '/nowhere/pager --option' } });
      await terminal.until(QUESTION);
      terminal.type('l\r');
      await terminal.until(/^ {4}1\.0 kB {2}unpaged\/a\nunpaged: .*list\] ?$/m);
    });

    it('together with all that is asked for of the same host', async () => {
      const urls = [await shared('several', ['a', 'b']), await shared('others/deep', ['c'])];
      await writeFile(join(served.share, 'single.txt'), 'single');
      const { cwd, terminal } = await getting([...urls, `${served.url}/single.txt`]);
      await terminal.until(/^3 places: 4 files in 2 folders, 3\.0 kB\. Get them\? \[Y\/n\/l to list\] ?$/m);
      terminal.type('\r');
      expect((await terminal.ended).status).toBe(0);
      expect((await readdir(cwd)).sort()).toEqual(['deep', 'several', 'single.txt']);
    });

    it('once, though the line is lost after it', async () => {
      const big = randomBytes(24_000_000);
      await shared('kept', ['small']);
      await writeFile(join(served.share, 'kept', 'big.raw'), big);
      const between = await Gate.open(served.ready.port, 14_000_000, 'down');
      onTestFinished(() => between.close());
      const { cwd, terminal } = await getting([`${between.url}/kept`]);
      await terminal.until(QUESTION);
      terminal.type('y\r');
      await terminal.until(/[45]\d %/);
      await shared('kept', ['late']);
      between.lift();
      between.cut();
      expect((await terminal.ended).status).toBe(3);
      expect(terminal.screen().match(/Get them\?/g)).toHaveLength(1);
      expect(terminal.screen()).toContain('postern: kept/late: was not in the list');
      expect(big.equals(await readFile(join(cwd, 'kept', 'big.raw')))).toBe(true);
    });
  },
);

describe.skipIf(process.platform === 'win32')('nothing is asked on a terminal', () => {
  it.each([
    ['about single files', ['notes.txt', 'more.txt'], []],
    ['with --yes', ['folder'], ['--yes']],
    ['with --no-input', ['folder'], ['--no-input']],
    ['with --json', ['folder'], ['--json']],
  ])('%s', async (_name, places, options) => {
    await shared('folder', ['a']);
    for (const name of ['notes.txt', 'more.txt']) await writeFile(join(served.share, name), name);
    const { cwd, terminal } = await getting([...places.map(place => `${served.url}/${place}`), ...options]);
    expect((await terminal.ended).status).toBe(0);
    expect(terminal.screen()).not.toContain('Get ');
    expect((await readdir(cwd)).sort()).toEqual([...places].sort());
  });
});

/** The question at the end of a page stands there for the nth time. */
const pages = (count: number) => new RegExp(`^(?:[\\s\\S]*-- Enter for the next page){${count}}[^\\n]*$`);
