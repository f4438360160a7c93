import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ended, Home, type Running, run, start, stop } from '../cli/support/command.ts';
import { describeTree, differences, partialsBelow } from '../support/trees.ts';

/**
 * Trees that nobody made for a test, by the command: what comes is what was there, by content, mode, time, links and empty
 * folders. Links that lead out of their tree are told of by name, and are all that is missing.
 */

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

let base: string;
let home: Home;
beforeAll(async () => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'postern-trees-')));
  home = await Home.make();
});
afterAll(async () => {
  rmSync(base, { recursive: true, force: true });
  await home.remove();
});

/** A copy, because tools write into these folders while tests run. */
const copyOf = (tree: string) => (to: string) => execFileSync('cp', ['-a', tree, to], { stdio: 'ignore' });

describe.each<[string, (to: string) => unknown, boolean]>([
  ['node_modules', copyOf(realpathSync(join(PROJECT, 'node_modules'))), true],
  ['/usr/share', copyOf('/usr/share'), existsSync('/usr/share')],
  ['a git repository', to => execFileSync('git', ['clone', '--quiet', '--no-hardlinks', PROJECT, to]), hasGit()],
])('%s', (name, make, isThere) => {
  it.runIf(isThere)('is got, put and synced both ways as it is, and again nothing moves', async () => {
    const place = join(base, name.replaceAll(/\W/g, '-'));
    const [source, share] = [join(place, 'source'), join(place, 'share')];
    execFileSync('mkdir', ['-p', place, share]);
    make(source);
    const all = describeTree(source);
    const running: Running[] = [];
    const serve = async (folder: string, allow: string): Promise<string> => {
      const server = start(home, ['serve', folder, '--json', '--listen', '127.0.0.1:0', '--allow', allow]);
      running.push(server);
      const { port } = JSON.parse((await server.until('stdout', /^.*\n/))[0]) as { port: number };
      return `postern://127.0.0.1:${port}/`;
    };
    const expectSame = (target: string, { status, stderr }: Ended): void => {
      const missing = differences(all, describeTree(target));
      // A line of the difference is `- PATH link TARGET`; the time of a folder is as right where a link is missing.
      expect(missing.filter(line => !/^- .* link /s.test(line))).toEqual([]);
      const told = (line: string): boolean => stderr.includes(/^- (.*) link /s.exec(line)![1]!);
      expect(missing.filter(line => !told(line))).toEqual([]);
      expect(status).toBe(missing.length === 0 ? 0 : 3);
      expect(partialsBelow(target)).toEqual([]);
    };
    try {
      const from = await serve(source, 'read');
      const to = await serve(share, 'read,write,delete');
      const at = (one: string): string => join(place, one);
      const quiet = ['--progress', 'none'];
      expectSame(at('got'), await run(home, ['get', ...quiet, from, at('got')]));
      expectSame(at('share/source'), await run(home, ['put', ...quiet, source, to]));
      expectSame(at('synced'), await run(home, ['sync', ...quiet, from, at('synced')]));
      expectSame(at('share/synced'), await run(home, ['sync', ...quiet, source, `${to}synced`]));
      for (const words of [
        [from, at('synced')],
        [source, `${to}synced`],
      ]) {
        const { stdout } = await run(home, ['sync', '--json', ...quiet, ...words]);
        const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { type: string; received: number };
        expect(summary).toMatchObject({ type: 'summary', received: 0 });
      }
    } finally {
      for (const server of running) await stop(server);
      rmSync(place, { recursive: true, force: true });
    }
  });
});

function hasGit(): boolean {
  return existsSync(join(PROJECT, '.git')) && /\S/.test(execFileSync('git', ['--version'], { encoding: 'utf8' }));
}
