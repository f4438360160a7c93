import { LineError } from '../../../errors.ts';
import type { Route } from '../../../line/route.ts';
import type { Compressor } from '../coding/compressor.ts';
import type { Entry, Excluder, Problem } from '../entry.ts';
import { FilteredStore, isLeftOut } from '../exclude.ts';
import { hashFile, type MakeSha256 } from '../hash.ts';
import { FilesClient } from '../reading/client.ts';
import type { Offers } from '../reading/offers.ts';
import type { Conflict } from '../receiving/conflict.ts';
import { type DownloadRequest, type DownloadSummary, download } from '../receiving/download.ts';
import type { TransferEvent } from '../receiving/events.ts';
import type { SeenAhead } from '../receiving/seen-ahead.ts';
import { removeRemote, upload } from '../receiving/upload.ts';
import type { ChangeStore, ReadStore } from '../store.ts';
import { Removal, type RemovalSummary } from './removal.ts';
import { planSync } from './sync-plan.ts';
import { TypeChanges } from './type-changes.ts';

/**
 * Makes one folder like another, one of the two at the other end of a line.
 *
 *   1. Transfer: what differs is replaced, as `download` and `upload` do it, from the old version where there is one; what
 *      is the same but for time or mode is given those; what has another type gives way (type-changes.ts).
 *   2. Removal, if asked for and only after a transfer without a failure: what the source does not have (removal.ts).
 */

/** Makes `request.to` in `local` like `request.from` at the host. Without `local` there is nothing yet: for plans only. */
export async function syncFromRemote(
  files: FilesClient,
  local: LocalFolder | undefined,
  request: DownloadRequest,
  options: SyncOptions,
): Promise<SyncSummary> {
  const { from, to } = request;
  const source = remoteSide(files, from, options, options.copyLinks);
  const target = local === undefined ? NOTHING : localSide(local.read, to, options);
  if (options.dryRun === true) return planSync(source, target, options);
  if (local === undefined) throw new LineError('USAGE', 'there is no folder to write to');
  const changes = new TypeChanges(target, to, options);
  const summary = await download(files, local.write, request, {
    ...transferOptions(options, changes),
    exclude: options.exclude,
    seen: options.seen,
  });
  const removal = new Removal(
    path => local.write.remove(join(to, path), { recursive: false }),
    hidden => download(files, local.write, { from, to }, { ...transferOptions(options, undefined), exclude: hidden }),
    options,
  );
  return totals(summary, changes, await removal.run(source, target, summary));
}

/** Makes `request.to` at the host like `store`. `offers` as for `upload`; the host asks for `delete` in any case. */
export async function syncToRemote(
  route: Route,
  offers: Offers,
  store: ReadStore,
  request: { readonly to: string },
  options: SyncOptions,
): Promise<SyncSummary> {
  const { to } = request;
  const offered = options.exclude === undefined ? store : new FilteredStore(store, options.exclude);
  const source = localSide(offered, '', options, options.copyLinks);
  const target = remoteSide(new FilesClient(route), to, options);
  if (options.dryRun === true) return planSync(source, target, options);
  const changes = new TypeChanges(target, to, options);
  const summary = await upload(route, offers, offered, request, transferOptions(options, changes));
  const removal = new Removal(
    path => removeRemote(route, join(to, path)),
    hidden => upload(route, offers, listedWithout(offered, hidden), request, transferOptions(options, undefined)),
    options,
  );
  return totals(summary, changes, await removal.run(source, target, summary));
}

/** The two gates to one folder of this machine. */
export interface LocalFolder {
  readonly read: ReadStore;
  readonly write: ChangeStore;
}

export interface SyncOptions {
  /** Remove what the source does not have, and folders where it has something else. */
  readonly delete?: boolean | undefined;
  /** With `delete`: what of the target may go, by its path there; the rest stays. A dry run does not ask. Default: all. */
  readonly mayRemove?: ((path: string) => boolean) | undefined;
  /** Change nothing: `planned` events tell what would happen. */
  readonly dryRun?: boolean | undefined;
  /** What is neither transferred nor removed. */
  readonly exclude?: Excluder | undefined;
  /** Compare and verify by SHA-256 of what lies on both disks. */
  readonly checksum?: boolean | undefined;
  readonly fsync?: boolean | undefined;
  /** These two as of `DownloadOptions`. */
  readonly compressor?: Compressor | undefined;
  readonly copyLinks?: boolean | undefined;
  /** As of `DownloadOptions`, of a sync from the host. */
  readonly seen?: SeenAhead | undefined;
  readonly makeSha256: MakeSha256;
  readonly signal?: AbortSignal | undefined;
  /** Must not throw. */
  readonly onEvent?: ((event: SyncEvent) => void) | undefined;
}

export type SyncEvent =
  | TransferEvent
  /** Of a dry run; the path is relative to what is compared. */
  | { readonly type: 'planned'; readonly path: string; readonly size: number; readonly change: PlannedChange }
  /** As in `planned`. */
  | { readonly type: 'removed'; readonly path: string };

export type PlannedChange = 'new' | 'replace' | 'remove';

/** Of a dry run: what would have been. */
export interface SyncSummary extends DownloadSummary {
  readonly removed: number;
}

/** One of the two folders, wherever it is; `''` is that folder. All functions throw `NOT_FOUND` if there is nothing. */
export interface SyncSide {
  stat(path: string): Promise<Entry>;
  list(path: string): AsyncIterable<readonly (Entry | Problem)[]>;
  sha256(path: string): Promise<Uint8Array>;
}

/** Lists less than there is. Unlike what is left out, what it does not list may still be what a link leads to. */
function listedWithout(store: ReadStore, hidden: Excluder): ReadStore {
  return {
    stat: (path, options) => store.stat(path, options),
    open: (path, options) => store.open(path, options),
    async *list(path, options) {
      for await (const batch of store.list(path, options)) yield batch.filter(item => !isLeftOut(hidden, item));
    },
  };
}

/** Without `changes` nothing gives way any more, and only failures are told of. */
function transferOptions(options: SyncOptions, changes: TypeChanges | undefined) {
  const { checksum, fsync, compressor, copyLinks, makeSha256, signal, onEvent } = options;
  return {
    conflict: 'force' as const,
    checksum,
    fsync,
    compressor,
    copyLinks,
    makeSha256,
    signal,
    onTypeChange: changes === undefined ? undefined : (conflict: Conflict) => changes.givesWay(conflict),
    onEvent: (event: TransferEvent) => {
      changes?.hear(event);
      if (changes !== undefined || event.type === 'failed') onEvent?.(event);
    },
  };
}

function totals(summary: DownloadSummary, changes: TypeChanges, removal: RemovalSummary): SyncSummary {
  return { ...summary, failed: summary.failed + removal.failed, removed: changes.removed + removal.removed };
}

/** Links are followed in the source alone. */
function remoteSide(files: FilesClient, base: string, { signal }: SyncOptions, followLinks = false): SyncSide {
  return {
    stat: path => files.stat(join(base, path), { signal }),
    list: path => files.list(join(base, path), { recursive: true, followLinks, signal }),
    sha256: path => files.sha256(join(base, path), { signal }),
  };
}

function localSide(store: ReadStore, base: string, { makeSha256 }: SyncOptions, followLinks = false): SyncSide {
  return {
    stat: path => store.stat(join(base, path)),
    list: path => store.list(join(base, path), { recursive: true, followLinks }),
    sha256: async path => {
      const file = await store.open(join(base, path));
      try {
        return await hashFile(file, makeSha256);
      } finally {
        await file.close();
      }
    },
  };
}

function notThere(): never {
  throw new LineError('NOT_FOUND', 'there is nothing yet');
}

function join(folder: string, name: string): string {
  return folder === '' || name === '' ? folder + name : `${folder}/${name}`;
}

const NOTHING: SyncSide = { stat: async () => notThere(), list: notThere, sha256: async () => notThere() };
