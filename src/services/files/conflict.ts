import { LineError } from '../../errors.ts';
import type { FilesClient } from './client.ts';
import type { Entry } from './entry.ts';
import { hashFile, type MakeSha256 } from './hash.ts';
import type { ReceiveStore } from './store.ts';

/**
 * What happens when a file arrives under a name that exists (R-F6): the one policy for every way in. What is identical
 * already counts as received; only what differs is a conflict.
 *
 * `refuse`: leave it and fail with `EXISTS`. `force`: replace. `update`: replace what is older. `skip`: leave it.
 */
export type ConflictPolicy = 'refuse' | 'force' | 'update' | 'skip';

export type Verdict =
  /** Nothing is there, or the policy gives it up. */
  | { readonly action: 'receive'; readonly replace: boolean }
  | { readonly action: 'leave'; readonly because: 'identical' | 'skipped' };

export interface ConflictOptions {
  readonly policy: ConflictPolicy;
  /** Compare contents even where size and time agree. */
  readonly checksum: boolean;
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
  if (existing === undefined) return { action: 'receive', replace: false };
  if (existing.type === 'folder') throw new LineError('EXISTS', 'a folder of this name is in the way');
  if (existing.type === 'file' && (await isIdentical(files, store, from, to, source, existing, options))) {
    return { action: 'leave', because: 'identical' };
  }
  switch (options.policy) {
    case 'force':
      return { action: 'receive', replace: true };
    case 'update':
      return source.mtimeUs > existing.mtimeUs
        ? { action: 'receive', replace: true }
        : { action: 'leave', because: 'skipped' };
    case 'skip':
      return { action: 'leave', because: 'skipped' };
    case 'refuse':
      throw new LineError('EXISTS', 'another file of this name exists');
  }
}

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
