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
  | { readonly action: 'receive'; readonly to: string; readonly over: Over }
  | { readonly action: 'leave'; readonly because: 'skipped' }
  /** `stale`: what is there, if its time or mode are to become those of the source. */
  | { readonly action: 'leave'; readonly because: 'identical'; readonly stale: Entry | undefined };

/**
 * What becomes of what has the name, in the moment in which the new thing gets it: nothing is there; it is replaced; it is
 * given another name; it is a folder, which is removed with all in it.
 */
export type Over = 'nothing' | 'replace' | 'backup' | 'folder';

export interface PolicyOptions {
  readonly policy: ConflictPolicy;
  /** Asked under the policy `ask`, one conflict at a time. */
  readonly onConflict?: ((conflict: Conflict) => Promise<ConflictAnswer>) | undefined;
  /** Whether what is there, a folder with all in it, gives way to something of another type. Without it nothing does. */
  readonly onTypeChange?: ((conflict: Conflict) => Promise<boolean>) | undefined;
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

/** Judges whether `source` shall be received at `to`. Throws `EXISTS` for `refuse`, and for a folder that stays. */
export async function judge(
  store: ReceiveStore,
  to: string,
  source: Entry,
  options: PolicyOptions,
  isIdentical: (path: string, existing: Entry) => Promise<boolean>,
): Promise<Verdict> {
  const existing = await store.stat(to);
  if (existing === undefined) return receiveAt(to, 'nothing');
  const conflict = { path: to, existing, source: { ...source, path: '' } };
  if (existing.type === 'folder') {
    await requireTypeChange(store, conflict, options);
    return receiveAt(to, 'folder');
  }
  if (await isIdentical(to, existing)) {
    const isStale = existing.mtimeUs !== source.mtimeUs || existing.mode !== source.mode;
    const mayTouch = options.policy === 'force' || options.policy === 'update';
    return { action: 'leave', because: 'identical', stale: isStale && mayTouch ? existing : undefined };
  }
  switch (await answerTo(conflict, options)) {
    case 'force':
      return receiveAt(to, 'replace');
    case 'backup':
      return receiveAt(to, 'backup');
    case 'rename':
      return judgeFreeName(store, to, isIdentical);
    case 'update':
      return source.mtimeUs > existing.mtimeUs ? receiveAt(to, 'replace') : { action: 'leave', because: 'skipped' };
    case 'skip':
      return { action: 'leave', because: 'skipped' };
    case 'refuse':
      throw new LineError('EXISTS', 'something else has this name already');
  }
}

/** Removes what is in the way of the folder `source` at `to`, if it is no folder itself and gives way. */
export async function clearForFolder(
  store: ReceiveStore,
  to: string,
  source: Entry,
  options: PolicyOptions,
): Promise<void> {
  const existing = await store.stat(to);
  if (existing === undefined || existing.type === 'folder') return;
  await requireTypeChange(store, { path: to, existing, source: { ...source, path: '' } }, options);
  await store.remove?.(to, { recursive: false });
}

/** Done when what comes is whole: until then what is there stays. */
export async function makeRoom(store: ReceiveStore, path: string, over: Over): Promise<void> {
  if (over === 'backup') await backUp(store, path);
  if (over === 'folder') await store.remove?.(path, { recursive: true });
}

/** Whether one of the two is a folder and the other is not. */
export function isTypeChange({ existing, source }: Conflict): boolean {
  return (existing.type === 'folder') !== (source.type === 'folder');
}

async function requireTypeChange(store: ReceiveStore, conflict: Conflict, options: PolicyOptions): Promise<void> {
  const { onTypeChange, signal } = options;
  const isFolder = conflict.existing.type === 'folder';
  if (onTypeChange === undefined || store.remove === undefined) {
    throw new LineError('EXISTS', isFolder ? 'a folder of this name is in the way' : 'is there and no folder');
  }
  if (await unlessAborted(signal, onTypeChange(conflict))) return;
  throw isFolder ? folderStays() : new LineError('EXISTS', 'something that is left out is in the way');
}

/** Of a sync, whatever the side on which the reason is found. */
export function folderStays(): LineError {
  return new LineError(
    'EXISTS',
    'a folder is in the way: it gives way only with --delete, and if nothing in it is left out or came meanwhile',
  );
}

async function answerTo(conflict: Conflict, { policy, onConflict, signal }: PolicyOptions): Promise<ConflictAnswer> {
  if (policy !== 'ask') return policy;
  return onConflict === undefined ? 'refuse' : unlessAborted(signal, onConflict(conflict));
}

function receiveAt(to: string, over: Over): Verdict {
  return { action: 'receive', to, over };
}

/** `name (2).txt`, and so on; one of these that is identical already is what an earlier try has received. */
async function judgeFreeName(
  store: ReceiveStore,
  to: string,
  isIdentical: (path: string, existing: Entry) => Promise<boolean>,
): Promise<Verdict> {
  for (const candidate of freeNames(to)) {
    const existing = await store.stat(candidate);
    if (existing === undefined) return receiveAt(candidate, 'nothing');
    if (await isIdentical(candidate, existing)) return { action: 'leave', because: 'identical', stale: undefined };
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
async function backUp(store: ReceiveStore, path: string): Promise<void> {
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
