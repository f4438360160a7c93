import { LineError } from '../../../errors.ts';
import { abortError, toLineError } from '../../../line/abort.ts';
import type { Line } from '../../../line/line.ts';
import type { Compressor } from '../coding/compressor.ts';
import type { Entry, Excluder, Problem } from '../entry.ts';
import { FilteredStore, isLeftOut, isPartial } from '../exclude.ts';
import { hashFile, type MakeSha256 } from '../hash.ts';
import { FilesClient } from '../reading/client.ts';
import type { Offers } from '../reading/offers.ts';
import { type DownloadSummary, download } from '../receiving/download.ts';
import type { TransferEvent } from '../receiving/events.ts';
import { removeRemote, upload } from '../receiving/upload.ts';
import type { ChangeStore, ReadStore } from '../store.ts';
import { PathSet } from './path-set.ts';
import { planSync } from './sync-plan.ts';

/**
 * Makes one folder like another, one of the two at the other end of a line.
 *
 *   1. Transfer: what differs is replaced, as `download` and `upload` do it, from the old version where there is one.
 *   2. Removal, if asked for and only after a transfer without a failure: what the source does not have, one name at a
 *      time and folders last, so that what is left out stays and its folders with it.
 */

/** Makes `request.to` in `local` like `request.from` at the host. Without `local` there is nothing yet: for plans only. */
export async function syncFromRemote(
  files: FilesClient,
  local: LocalFolder | undefined,
  request: { readonly from: string; readonly to: string },
  options: SyncOptions,
): Promise<SyncSummary> {
  const { from, to } = request;
  const source = remoteSide(files, from, options, options.copyLinks);
  const target = local === undefined ? NOTHING : localSide(local.read, to, options);
  if (options.dryRun === true) return planSync(source, target, options);
  if (local === undefined) throw new LineError('USAGE', 'there is no folder to write to');
  const summary = await download(files, local.write, request, {
    ...transferOptions(options),
    exclude: options.exclude,
  });
  const removal = new Removal(path => local.write.remove(join(to, path), { recursive: false }), options);
  return { ...summary, ...(await removal.run(source, target, summary)) };
}

/** Makes `request.to` at the host like `store`. `offers` as for `upload`; the host asks for `delete` in any case. */
export async function syncToRemote(
  line: Line,
  offers: Offers,
  store: ReadStore,
  request: { readonly to: string },
  options: SyncOptions,
): Promise<SyncSummary> {
  const { to } = request;
  const offered = options.exclude === undefined ? store : new FilteredStore(store, options.exclude);
  const source = localSide(offered, '', options, options.copyLinks);
  const target = remoteSide(new FilesClient(line), to, options);
  if (options.dryRun === true) return planSync(source, target, options);
  const summary = await upload(line, offers, offered, request, transferOptions(options));
  const removal = new Removal(path => removeRemote(line, join(to, path)), options);
  return { ...summary, ...(await removal.run(source, target, summary)) };
}

/** The two gates to one folder of this machine. */
export interface LocalFolder {
  readonly read: ReadStore;
  readonly write: ChangeStore;
}

export interface SyncOptions {
  /** Remove what the source does not have. */
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

/** One of the two folders, wherever it is. Both functions throw `NOT_FOUND` if there is nothing. */
export interface SyncSide {
  stat(): Promise<Entry>;
  list(): AsyncIterable<readonly (Entry | Problem)[]>;
  sha256(path: string): Promise<Uint8Array>;
}

/** Removes from the target what the source does not have. */
class Removal {
  readonly #remove: (path: string) => Promise<void>;
  readonly #options: SyncOptions;
  /** The folders above the present place that the source does not have. */
  readonly #folders: { readonly path: string; keep: boolean }[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #removed = 0;
  #failed = 0;

  constructor(remove: (path: string) => Promise<void>, options: SyncOptions) {
    this.#remove = remove;
    this.#options = options;
  }

  async run(
    source: SyncSide,
    target: SyncSide,
    { failed }: DownloadSummary,
  ): Promise<{ removed: number; failed: number }> {
    const nothing = { removed: 0, failed };
    if (this.#options.delete !== true || failed > 0) return nothing;
    if ((await source.stat()).type !== 'folder') return nothing;
    const present = new PathSet();
    for await (const batch of source.list()) {
      for (const item of batch) {
        // Of a folder that cannot be listed nobody knows what is missing in it.
        if ('error' in item) throw item.error;
        present.add(item.path);
      }
    }
    for await (const batch of target.list()) {
      for (const item of batch) {
        await this.#leaveFoldersBefore(item.path);
        await this.#consider(item, present);
      }
      if (this.#options.signal?.aborted) throw abortError(this.#options.signal);
    }
    await this.#leaveFoldersBefore('');
    await this.#settled();
    return { removed: this.#removed, failed: this.#failed };
  }

  async #consider(item: Entry | Problem, present: PathSet): Promise<void> {
    const isKept = isLeftOut(this.#options.exclude, item) || isPartial(item.path);
    if (isKept || 'error' in item) {
      this.#keepFolders();
      if (!isKept && 'error' in item) this.#fail(item.path, item.error);
      return;
    }
    if (present.has(item.path)) return;
    if (this.#options.mayRemove?.(item.path) === false) {
      this.#keepFolders();
      return;
    }
    if (item.type === 'folder') this.#folders.push({ path: item.path, keep: false });
    else await this.#start(item.path);
  }

  /** What stays keeps the folders that it is in. */
  #keepFolders(): void {
    for (const folder of this.#folders) folder.keep = true;
  }

  async #leaveFoldersBefore(path: string): Promise<void> {
    for (let last = this.#folders.at(-1); last !== undefined; last = this.#folders.at(-1)) {
      if (path.startsWith(`${last.path}/`)) return;
      this.#folders.pop();
      if (last.keep) continue;
      await this.#settled();
      await this.#start(last.path);
    }
  }

  /** Several at once: at the other end each costs a round trip. */
  async #start(path: string): Promise<void> {
    if (this.#underWay.size >= MAX_REMOVALS_UNDER_WAY) await Promise.race(this.#underWay);
    const removing = this.#removeOne(path).finally(() => this.#underWay.delete(removing));
    this.#underWay.add(removing);
  }

  async #settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #removeOne(path: string): Promise<void> {
    try {
      await this.#remove(path);
      this.#removed += 1;
      this.#options.onEvent?.({ type: 'removed', path });
    } catch (thrown) {
      this.#fail(path, thrown);
    }
  }

  #fail(path: string, thrown: unknown): void {
    this.#failed += 1;
    this.#options.onEvent?.({ type: 'failed', path, error: toLineError(thrown) });
  }
}

function transferOptions({ checksum, fsync, compressor, copyLinks, makeSha256, signal, onEvent }: SyncOptions) {
  return { conflict: 'force' as const, checksum, fsync, compressor, copyLinks, makeSha256, signal, onEvent };
}

/** Links are followed in the source alone. */
function remoteSide(files: FilesClient, base: string, { signal }: SyncOptions, followLinks = false): SyncSide {
  return {
    stat: () => files.stat(base, { signal }),
    list: () => files.list(base, { recursive: true, followLinks, signal }),
    sha256: path => files.sha256(join(base, path), { signal }),
  };
}

function localSide(store: ReadStore, base: string, { makeSha256 }: SyncOptions, followLinks = false): SyncSide {
  return {
    stat: () => store.stat(base),
    list: () => store.list(base, { recursive: true, followLinks }),
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
const MAX_REMOVALS_UNDER_WAY = 32;
