import { LineError } from '../../../errors.ts';
import { unlessAborted } from '../../../line/abort.ts';
import type { Entry } from '../entry.ts';
import { hashFile, type MakeSha256 } from '../hash.ts';
import type { FilesClient } from '../reading/client.ts';
import type { ReceiveStore } from '../store.ts';

/**
 * What happens when something arrives under a name that exists (R-F6): the one policy for every way in, be it a file, a
 * link or a stream. What is identical already counts as received; only what differs is a conflict.
 *
 * `refuse`: leave it and fail with `EXISTS`. `ask`: as `onConflict` says, `refuse` where there is nobody to ask. `force`:
 * replace. `update`: replace what is older. `skip`: leave it. `rename`: receive under a free name beside it. `backup`: give
 * what is there another name first.
 */
export const CONFLICT_POLICIES = ['refuse', 'ask', 'force', 'update', 'skip', 'rename', 'backup'] as const;

export type ConflictPolicy = (typeof CONFLICT_POLICIES)[number];

/** What can be done about one conflict. */
export type ConflictAnswer = Exclude<ConflictPolicy, 'ask'>;

/** Something that differs from what has its name already. */
export interface Conflict {
  /** In the store that receives. */
  readonly path: string;
  /** Both with `''` for their path. */
  readonly existing: Entry;
  readonly source: Entry;
}

/** Whether a policy can change what was there before, which takes more than the permission to write. */
export function replaces(policy: ConflictPolicy): boolean {
  return policy === 'force' || policy === 'update' || policy === 'backup';
}

export type Verdict =
  /** Nothing is in the way at `to`, or the policy gives it up. `backup`: it gets another name first. */
  | { readonly action: 'receive'; readonly to: string; readonly replace: boolean; readonly backup: boolean }
  | { readonly action: 'leave'; readonly because: 'identical' | 'skipped' };

export interface PolicyOptions {
  readonly policy: ConflictPolicy;
  /** Asked under the policy `ask`, one conflict at a time. */
  readonly onConflict?: ((conflict: Conflict) => Promise<ConflictAnswer>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ConflictOptions extends PolicyOptions {
  /** Compare contents even where size and time agree. */
  readonly checksum: boolean;
  /**
   * Whether the content of what is there may be compared with what comes. Not for a sender that may write and not read:
   * it could ask by this, guess after guess, what is in a file. Size and time to the microsecond are compared for all, so
   * that its upload can be run again.
   */
  readonly mayCompare: boolean;
  readonly makeSha256: MakeSha256;
}

/** Judges whether the remote file `source` at `from` shall be received at `to`. Throws as `judge`. */
export async function judgeFile(
  files: FilesClient,
  store: ReceiveStore,
  from: string,
  to: string,
  source: Entry,
  options: ConflictOptions,
): Promise<Verdict> {
  return judge(store, to, source, options, (at, existing) =>
    isSameFile(files, store, from, at, source, existing, options),
  );
}

/** Judges whether the link `source` shall be made at `to`. Throws as `judge`. */
export async function judgeLink(
  store: ReceiveStore,
  to: string,
  source: Entry,
  options: PolicyOptions,
): Promise<Verdict> {
  return judge(
    store,
    to,
    source,
    options,
    async (_, existing) => existing.type === 'link' && existing.target === source.target,
  );
}

/** Judges whether `source` shall be received at `to`. Throws `EXISTS` for `refuse`, and for a folder in the way. */
export async function judge(
  store: ReceiveStore,
  to: string,
  source: Entry,
  options: PolicyOptions,
  isIdentical: (path: string, existing: Entry) => Promise<boolean>,
): Promise<Verdict> {
  const existing = await store.stat(to);
  if (existing === undefined) return receiveAt(to);
  if (existing.type === 'folder') throw new LineError('EXISTS', 'a folder of this name is in the way');
  if (await isIdentical(to, existing)) return { action: 'leave', because: 'identical' };
  switch (await answerTo({ path: to, existing, source: { ...source, path: '' } }, options)) {
    case 'force':
      return { ...receiveAt(to), replace: true };
    case 'backup':
      return { ...receiveAt(to), backup: true };
    case 'rename':
      return judgeFreeName(store, to, isIdentical);
    case 'update':
      return source.mtimeUs > existing.mtimeUs
        ? { ...receiveAt(to), replace: true }
        : { action: 'leave', because: 'skipped' };
    case 'skip':
      return { action: 'leave', because: 'skipped' };
    case 'refuse':
      throw new LineError('EXISTS', 'something else has this name already');
  }
}

async function answerTo(conflict: Conflict, { policy, onConflict, signal }: PolicyOptions): Promise<ConflictAnswer> {
  if (policy !== 'ask') return policy;
  return onConflict === undefined ? 'refuse' : unlessAborted(signal, onConflict(conflict));
}

function receiveAt(to: string): Verdict & { action: 'receive' } {
  return { action: 'receive', to, replace: false, backup: false };
}

/** `name (2).txt`, and so on; one of these that is identical already is what an earlier try has received. */
async function judgeFreeName(
  store: ReceiveStore,
  to: string,
  isIdentical: (path: string, existing: Entry) => Promise<boolean>,
): Promise<Verdict> {
  for (const candidate of freeNames(to)) {
    const existing = await store.stat(candidate);
    if (existing === undefined) return receiveAt(candidate);
    if (await isIdentical(candidate, existing)) return { action: 'leave', because: 'identical' };
  }
  throw new LineError('EXISTS', 'there are too many things of this name with a number');
}

/** The names that `rename` tries, in order. */
function* freeNames(path: string): Generator<string> {
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
async function isSameFile(
  files: FilesClient,
  store: ReceiveStore,
  from: string,
  to: string,
  source: Entry,
  existing: Entry,
  options: ConflictOptions,
): Promise<boolean> {
  if (existing.type !== 'file' || source.size !== existing.size) return false;
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
