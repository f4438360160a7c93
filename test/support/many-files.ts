import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { type Ended, Home, type Running, start, stop } from '../cli/support/command.ts';
import { peakMegabytes, TELLS_PEAKS } from './peak-memory.ts';

const PEAK_SCRIPT = fileURLToPath(new URL('peak-memory.cjs', import.meta.url));

export interface ManyFilesFigures {
  readonly verb: string;
  readonly seconds: number;
  /** The most memory that each process ever held; 0 where the system does not tell. */
  readonly clientMegabytes: number;
  readonly serverMegabytes: number;
}

/** Where there is room for two trees of so many files, or why there is none. */
export function placeForFiles(files: number): { readonly path: string } | { readonly missing: string } {
  for (const path of ['/dev/shm', tmpdir()]) {
    try {
      accessSync(path, constants.W_OK);
      if (statfsSync(path).ffree > 2.1 * files) return { path };
    } catch {
      // Not there, or not ours.
    }
  }
  return { missing: `neither /dev/shm nor ${tmpdir()} has room for ${2 * files} files` };
}

/**
 * Gets a tree of empty files by the command, syncs it to an empty place, and once more where nothing has changed: all
 * names come, the first of them before the listing is complete, and each run gives its figures.
 */
export async function checkManyFiles(
  place: string,
  { folders, filesPerFolder }: { readonly folders: number; readonly filesPerFolder: number },
): Promise<ManyFilesFigures[]> {
  const base = mkdtempSync(join(place, 'postern-many-'));
  const home = await Home.make();
  const [source, target] = [join(base, 'source'), join(base, 'target')];
  execFileSync(process.execPath, ['-e', MAKE_FILES, source, String(folders), String(filesPerFolder)]);
  const all = folders * filesPerFolder;
  const serving: Running[] = [];

  const serve = async (): Promise<{ url: string; pid: number }> => {
    const server = start(home, ['serve', source, '--json', '--listen', '127.0.0.1:0']);
    serving.push(server);
    const { port } = JSON.parse((await server.until('stdout', /^.*\n/))[0]) as { port: number };
    return { url: `postern://127.0.0.1:${port}/`, pid: server.child.pid! };
  };
  const run = async (verb: string, args: readonly string[]): Promise<{ ended: Ended; figures: ManyFilesFigures }> => {
    // Each with a server of its own, whose peak is then that of this run.
    const { url, pid } = await serve();
    const env = { NODE_OPTIONS: `--require=${PEAK_SCRIPT}`, PEAK_FILE: join(home.path, 'peak') };
    const startedAt = performance.now();
    const words = [args[0]!, '--yes', '--progress', 'json', ...args.slice(1), url, target];
    const ended = await start(home, words, TELLS_PEAKS ? { env } : {}).ended;
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    expect(ended.status, ended.stderr.slice(-1000)).toBe(0);
    const clientMegabytes = TELLS_PEAKS ? peakMegabytes(env.PEAK_FILE) : 0;
    const serverMegabytes = TELLS_PEAKS ? peakMegabytes(`/proc/${pid}/status`) : 0;
    for (const server of serving.splice(0)) await stop(server);
    return { ended, figures: { verb, seconds, clientMegabytes, serverMegabytes } };
  };
  const expectAll = (): void => {
    const names = readdirSync(target);
    expect(names).toHaveLength(folders);
    for (const name of names) expect(readdirSync(join(target, name))).toHaveLength(filesPerFolder);
  };

  try {
    mkdirSync(target);
    const got = await run('get', ['get']);
    expectAll();
    expectArrivalsBeforeTheLast(got.ended.stderr, all);
    rmSync(target, { recursive: true });
    const first = await run('first sync', ['sync', '--delete']);
    expectAll();
    const second = await run('sync again', ['sync', '--delete']);
    expect(second.ended.stderr).toContain(`${all} identical`);
    expectAll();
    return [got.figures, first.figures, second.figures];
  } finally {
    for (const server of serving) await stop(server);
    rmSync(base, { recursive: true });
    await home.remove();
  }
}

/**
 * What the progress told while it was going on: files came while the total still grew, which is ahead of them by a bounded number.
 * A quick run tells nothing of its middle.
 */
function expectArrivalsBeforeTheLast(stderr: string, all: number): void {
  const middle = stderr
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as { type: string; items?: number; total_items?: number })
    .filter(({ type, items = 0 }) => type === 'status' && items > 0 && items < all - AHEAD_AT_MOST);
  // So many take half a minute, of which something is told each second.
  if (all >= 1_000_000) expect(middle).not.toEqual([]);
  expect(middle.filter(({ total_items: total = 0 }) => total >= all)).toEqual([]);
}

/** Planned and not yet arrived: well over the steps and wants that a download keeps ahead. */
const AHEAD_AT_MOST = 5_000;

/** Synchronous calls in a process of its own: some thirty times as fast as promises for a million. */
const MAKE_FILES = `
  const { closeSync, mkdirSync, openSync } = require('node:fs');
  const [root, folders, files] = process.argv.slice(1);
  for (let folder = 0; folder < Number(folders); folder += 1) {
    const path = root + '/folder-' + folder;
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < Number(files); file += 1) closeSync(openSync(path + '/file-' + file, 'wx'));
  }
`;
