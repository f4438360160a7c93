import { LineError } from '../../../errors.ts';
import type { Entry } from '../entry.ts';
import { hashFile, type MakeSha256 } from '../hash.ts';
import type { FilesClient } from '../reading/client.ts';
import type { ReceiveStore } from '../store.ts';

/**
 * What happens when a file arrives under a name that exists (R-F6): the one policy for every way in. What is identical
 * already counts as received; only what differs is a conflict.
 *
 * `refuse`: leave it and fail with `EXISTS`. `force`: replace. `update`: replace what is older. `skip`: leave it.
 * `rename`: receive under a free name beside it. `backup`: give what is there another name first.
 */
export const CONFLICT_POLICIES = ['refuse', 'force', 'update', 'skip', 'rename', 'backup'] as const;

export type ConflictPolicy = (typeof CONFLICT_POLICIES)[number];

/** Whether a policy can change what was there before, which takes more than the permission to write. */
export function replaces(policy: ConflictPolicy): boolean {
  return policy === 'force' || policy === 'update' || policy === 'backup';
}

export type Verdict =
  /** Nothing is in the way at `to`, or the policy gives it up. `backup`: it gets another name first. */
  | { readonly action: 'receive'; readonly to: string; readonly replace: boolean; readonly backup: boolean }
  | { readonly action: 'leave'; readonly because: 'identical' | 'skipped' };

export interface ConflictOptions {
  readonly policy: ConflictPolicy;
  /** Compare contents even where size and time agree. */
  readonly checksum: boolean;
  /**
   * Whether the content of what is there may be compared with what comes. Not for a sender that may write and not read:
   * it could ask by this, guess after guess, what is in a file. Size and time to the microsecond are compared for all, so
   * that its upload can be run again.
   */
  readonly mayCompare: boolean;
  readonly makeSha256: MakeSha256;
  readonly signal?: AbortSignal | undefined;
}

/** Judges whether the remote file `source` at `from` shall be received at `to`. Throws `EXISTS` for `refuse`. */
export async function judgeConflict(
  files: FilesClient,
  store: ReceiveStore,
  from: string,
  to: string,
  source: Entry,
  options: ConflictOptions,
): Promise<Verdict> {
  const existing = await store.stat(to);
  if (existing === undefined) return receiveAt(to);
  if (existing.type === 'folder') throw new LineError('EXISTS', 'a folder of this name is in the way');
  if (existing.type === 'file' && (await isIdentical(files, store, from, to, source, existing, options))) {
    return { action: 'leave', because: 'identical' };
  }
  switch (options.policy) {
    case 'force':
      return { ...receiveAt(to), replace: true };
    case 'backup':
      return { ...receiveAt(to), backup: true };
    case 'rename':
      return judgeFreeName(files, store, from, to, source, options);
    case 'update':
      return source.mtimeUs > existing.mtimeUs
        ? { ...receiveAt(to), replace: true }
        : { action: 'leave', because: 'skipped' };
    case 'skip':
      return { action: 'leave', because: 'skipped' };
    case 'refuse':
      throw new LineError('EXISTS', 'another file of this name exists');
  }
}

function receiveAt(to: string): Verdict & { action: 'receive' } {
  return { action: 'receive', to, replace: false, backup: false };
}

/** `name (2).txt`, and so on; one of these that is identical already is what an earlier try has received. */
async function judgeFreeName(
  files: FilesClient,
  store: ReceiveStore,
  from: string,
  to: string,
  source: Entry,
  options: ConflictOptions,
): Promise<Verdict> {
  for (const candidate of freeNames(to)) {
    const existing = await store.stat(candidate);
    if (existing === undefined) return receiveAt(candidate);
    if (existing.type !== 'file') continue;
    if (await isIdentical(files, store, from, candidate, source, existing, options)) {
      return { action: 'leave', because: 'identical' };
    }
  }
  throw new LineError('EXISTS', 'there are too many files of this name with a number');
}

/** The names that `rename` tries, in order. */
export function* freeNames(path: string): Generator<string> {
  for (let number = 2; number <= MAX_NUMBERED_NAMES; number += 1) yield numbered(path, number);
}

function numbered(path: string, number: number): string {
  const nameStart = path.lastIndexOf('/') + 1;
  const dot = path.lastIndexOf('.');
  const end = dot > nameStart ? dot : path.length;
  return `${path.slice(0, end)} (${number})${path.slice(end)}`;
}

/** Moves what is at `path` to `path~`, or `path~2` and so on, whichever is free. */
export async function backUp(store: ReceiveStore, path: string): Promise<void> {
  for (let number = 1; number <= MAX_NUMBERED_NAMES; number += 1) {
    try {
      await store.move(path, `${path}~${number === 1 ? '' : number}`);
      return;
    } catch (thrown) {
      if (!(thrown instanceof LineError) || thrown.code !== 'EXISTS') throw thrown;
    }
  }
  throw new LineError('EXISTS', 'there are too many backups of this file');
}

const MAX_NUMBERED_NAMES = 999;

/** Size and time decide where they can; the same size at another time is settled by the contents. */
async function isIdentical(
  files: FilesClient,
  store: ReceiveStore,
  from: string,
  to: string,
  source: Entry,
  existing: Entry,
  options: ConflictOptions,
): Promise<boolean> {
  if (source.size !== existing.size) return false;
  if (source.mtimeUs === existing.mtimeUs && !options.checksum) return true;
  if (!options.mayCompare) return false;
  const file = await store.open(to);
  try {
    const [theirs, ours] = await Promise.all([
      files.sha256(from, { signal: options.signal }),
      hashFile(file, options.makeSha256),
    ]);
    return theirs.every((byte, at) => byte === ours[at]);
  } finally {
    await file.close();
  }
}
