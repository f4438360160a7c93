import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { describeConflict } from '../../../src/cli/commands/files/transfer/conflicts.ts';
import { Gate } from '../support/gate.ts';
import { Served } from '../support/served.ts';
import { InTerminal } from '../support/terminal.ts';

let served: Served;
let writeOnly: Served;
beforeAll(async () => {
  served = await Served.start(['--allow', 'read,write,delete']);
  writeOnly = await Served.start(['--allow', 'read,write']);
});
afterAll(() => Promise.all([served.stop(), writeOnly.stop()]));

const QUESTION = /\[r\]eplace, \[s\]kip, \[k\]eep both, \[b\]ackup, \[q\]uit; .*: ?$/;

/** The question stands there again after an answer. */
const again = (answer: string) => new RegExp(`for all: ${answer}\\n(?:.*\\n)*.*for all: ?$`);

/** Files of the names here and there, which differ. */
async function differing(names: readonly string[], at: Served = served) {
  const cwd = await at.folder();
  for (const name of names) {
    await writeFile(join(cwd, name), 'here');
    await writeFile(join(at.share, name), 'it is there');
    await utimes(join(at.share, name), 1_000_000_000, 1_000_000_000);
  }
  const url = (name = '') => `${at.url}/${name}`;
  return { cwd, here: (name: string) => readFile(join(cwd, name), 'utf8'), url };
}

describe.skipIf(process.platform === 'win32')(
  'where a name exists and differs, a person at the terminal is asked',
  () => {
    it.each([
      ['r', { 'get-r': 'it is there' }],
      ['s', { 'get-s': 'here' }],
      ['k', { 'get-k': 'here', 'get-k (2)': 'it is there' }],
      ['b', { 'get-b': 'it is there', 'get-b~': 'here' }],
    ])('by get, and %s does what it says', async (letter, expected) => {
      const name = `get-${letter}`;
      const { cwd, here, url } = await differing([name]);
      const terminal = new InTerminal(served.client, ['get', url(name)], { cwd });
      await terminal.until(QUESTION);
      expect(terminal.screen()).toMatch(
        /^get-. is here already and differs:\nhere 4 B of .* \(newer\), there 11 B of 2001-09-0\d \d\d:\d\d$/m,
      );
      terminal.type('what\r');
      await terminal.until(again('what'));
      terminal.type(`${letter}\r`);
      expect((await terminal.ended).status).toBe(0);
      expect((await readdir(cwd)).sort()).toEqual(Object.keys(expected).sort());
      for (const [path, content] of Object.entries(expected)) expect(await here(path)).toBe(content);
    });

    it('once for all by a capital letter', async () => {
      const names = ['all-1', 'all-2', 'all-3'];
      const { cwd, here, url } = await differing(names);
      const terminal = new InTerminal(served.client, ['get', ...names.map(url)], { cwd });
      await terminal.until(QUESTION);
      terminal.type('s\r');
      await terminal.until(again('s'));
      terminal.type('R\r');
      expect((await terminal.ended).status).toBe(0);
      expect(await Promise.all(names.map(here))).toEqual(['here', 'it is there', 'it is there']);
    });

    it('by put, in the words of that direction', async () => {
      const { cwd, url } = await differing(['put-1']);
      const terminal = new InTerminal(served.client, ['put', 'put-1', url()], { cwd });
      await terminal.until(QUESTION);
      expect(terminal.screen()).toMatch(
        /^put-1 is there already and differs:\nhere 4 B of .* \(newer\), there 11 B of 2001/m,
      );
      terminal.type('b\r');
      expect((await terminal.ended).status).toBe(0);
      expect(await readFile(join(served.share, 'put-1'), 'utf8')).toBe('here');
      expect(await readFile(join(served.share, 'put-1~'), 'utf8')).toBe('it is there');
    });

    it('and is offered only what the server allows', async () => {
      const { cwd, url } = await differing(['put-2'], writeOnly);
      const terminal = new InTerminal(writeOnly.client, ['put', 'put-2', url()], { cwd });
      await terminal.until(/^\[s\]kip, \[k\]eep both, \[q\]uit; .*: ?$/m);
      terminal.type('r\r');
      await terminal.until(again('r'));
      terminal.type('k\r');
      expect((await terminal.ended).status).toBe(0);
      expect(await readFile(join(writeOnly.share, 'put-2'), 'utf8')).toBe('it is there');
      expect(await readFile(join(writeOnly.share, 'put-2 (2)'), 'utf8')).toBe('here');
    });

    it('and not again about the same when the line is lost', async () => {
      const { cwd, here } = await differing(['asked-once']);
      const big = randomBytes(24_000_000);
      await writeFile(join(served.share, 'big.raw'), big);
      const between = await Gate.open(served.ready.port, 14_000_000, 'down');
      onTestFinished(() => between.close());
      const places = ['asked-once', 'big.raw'].map(name => `${between.url}/${name}`);
      const terminal = new InTerminal(served.client, ['get', ...places], { cwd });
      await terminal.until(QUESTION);
      terminal.type('s\r');
      await terminal.until(/\[#+-+\] {2}[45]\d %/);
      between.lift();
      between.cut();
      expect((await terminal.ended).status).toBe(0);
      expect(terminal.screen().match(/already and differs/g)).toHaveLength(1);
      expect(await here('asked-once')).toBe('here');
      expect(big.equals(await readFile(join(cwd, 'big.raw')))).toBe(true);
    });

    it.each([
      ['q', 'q\r'],
      ['Ctrl-C', '\u0003'],
      ['the end of input', '\u0004'],
    ])('and ends it with 130 by %s, leaving what is there', async (_name, keys) => {
      const { cwd, here, url } = await differing(['quit-1', 'quit-2']);
      const terminal = new InTerminal(served.client, ['get', url('quit-1'), url('quit-2')], { cwd });
      await terminal.until(QUESTION);
      terminal.type(keys);
      expect((await terminal.ended).status).toBe(130);
      expect([await here('quit-1'), await here('quit-2')]).toEqual(['here', 'here']);
      expect(terminal.screen().split('\n').at(-1)).toMatch(/^postern: (?:stopped|cancelled) at the question$/);
    });

    it.each([['--yes'], ['--no-input'], ['--json']])('but not under %s: refused with 7', async option => {
      const { cwd, here, url } = await differing(['not-asked']);
      const terminal = new InTerminal(served.client, ['get', option, url('not-asked')], { cwd });
      expect((await terminal.ended).status).toBe(7);
      expect(await here('not-asked')).toBe('here');
    });
  },
);

describe('off a terminal', () => {
  it.each([[{}], [{ POSTERN_FORCE_TTY: '80' }]])('nobody is asked: refused with 7, with %j too', async env => {
    const { cwd, here, url } = await differing(['refused']);
    const { status, stderr } = await served.run(['get', url('refused')], { cwd, env, input: 'r\n' });
    expect(status).toBe(7);
    expect(stderr).toMatch(/^hint: .*--force.*--rename/m);
    expect(await here('refused')).toBe('here');
  });
});

describe('the question', () => {
  const file = (size: number, mtimeMs: number) =>
    ({ path: '', type: 'file', size, mtimeUs: mtimeMs * 1000, mode: 0o644 }) as const;

  it('tells sizes apart that look alike, and names what is no file (R-X1)', () => {
    const conflict = { path: 'a\u001b', existing: file(12_001, 0), source: file(12_002, 0) };
    const [first, second] = describeConflict(conflict, 'get');
    expect(first).toBe('a\\x1b is here already and differs:');
    expect(second).toMatch(/^here 12,001 B of [-\d: ]+, there 12,002 B of [-\d: ]+$/);
    const link = { path: '', type: 'link', size: 0, mtimeUs: 9, mode: 0o777, target: 'x\n' } as const;
    expect(describeConflict({ ...conflict, source: link }, 'put')[1]).toMatch(
      /^here a link to x\\n, there 12\.0 kB of [-\d: ]+$/,
    );
  });
});

describe.skipIf(process.platform === 'win32')('a partial', () => {
  it('that is continued is told of', async () => {
    const cwd = await served.folder();
    const big = Buffer.alloc(12_000_000, 7);
    await mkdir(join(cwd, 'to'));
    await writeFile(join(served.share, 'part.raw'), big);
    await writeFile(join(cwd, 'to', 'part.raw.0-00000000.postern-part'), big.subarray(0, 9_000_000));
    const terminal = new InTerminal(served.client, ['get', `${served.url}/part.raw`, 'to/'], { cwd });
    expect((await terminal.ended).status).toBe(0);
    expect(terminal.screen()).toMatch(/^continuing part\.raw at 75 %\npart\.raw {2}12\.0 MB {2}100 %/m);
  });
});
