import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Walk } from '../../../src/node/files/beneath.ts';
import type { Entry, Problem } from '../../../src/services/files/entry.ts';
import type { SourceFile } from '../../../src/services/files/store.ts';

/** The two ways to walk; both keep every promise that these tests make, the swaps between two calls included. */
export const WALKS: readonly Walk[] = process.platform === 'linux' ? ['descriptors', 'paths'] : ['paths'];

/** What lies outside holds this, so that it is known where it turns up. */
export const SECRET = 'what lies outside';

/** A temporary folder with `root`, which is shared, and `outside`, which nobody may touch. */
export interface Scene {
  readonly base: string;
  readonly root: string;
  readonly outside: string;
  remove(): void;
}

export function makeScene(): Scene {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'postern-files-')));
  const root = join(base, 'root');
  const outside = join(base, 'outside');
  mkdirSync(root);
  mkdirSync(join(outside, 'folder', 'b'), { recursive: true });
  for (const name of ['secret', 'folder/secret', 'folder/b/secret', 'f']) writeFileSync(join(outside, name), SECRET);
  return { base, root, outside, remove: () => rmSync(base, { recursive: true, force: true }) };
}

/** Everything below `folder` but `except`: types, modes, times, contents. */
export function snapshot(folder: string, except?: string): string[] {
  const lines: string[] = [];
  const visit = (path: string) => {
    if (path === except) return;
    const stats = lstatSync(path);
    const content = stats.isFile() ? readFileSync(path, 'latin1') : stats.isSymbolicLink() ? readlinkSync(path) : '';
    lines.push(`${path} ${stats.mode.toString(8)} ${stats.ino} ${stats.nlink} ${stats.mtimeMs} ${content}`);
    if (stats.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
  };
  visit(folder);
  return lines;
}

export async function readAll(file: SourceFile): Promise<string> {
  try {
    const target = Buffer.alloc(file.entry.size + 100);
    return target.subarray(0, await file.read(target, 0)).toString('latin1');
  } finally {
    await file.close();
  }
}

export async function collect(listing: AsyncIterable<readonly (Entry | Problem)[]>): Promise<(Entry | Problem)[]> {
  const all: (Entry | Problem)[] = [];
  for await (const batch of listing) all.push(...batch);
  return all;
}

export function openDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}
