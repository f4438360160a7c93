import { abortError, toLineError } from '../../../line/abort.ts';
import type { Entry, Excluder, Problem } from '../entry.ts';
import { isLeftOut, isPartial } from '../exclude.ts';
import type { DownloadSummary } from '../receiving/download.ts';
import { foldPath } from './fold.ts';
import { PathSet } from './path-set.ts';
import type { SyncOptions, SyncSide } from './sync.ts';

export interface RemovalSummary {
  readonly removed: number;
  readonly failed: number;
}

/**
 * Removes from the target what the source does not have: one name at a time and folders last, so that what is left out
 * stays and its folders with it.
 *
 * A target that shows `readme` where the source has `Readme` is either a disk that takes both for one, and then it is the
 * file that was just written, or it has a `readme` besides. Which, another listing of the target tells: does it show `Readme`
 * too? So what folds to a name of the source waits for a second round.
 *
 * Removing changes the times of the folders above. `transferFolders` is to transfer once more what is not hidden: those.
 */
export class Removal {
  readonly #remove: (path: string) => Promise<void>;
  readonly #transferFolders: (hidden: Excluder) => Promise<DownloadSummary>;
  readonly #options: SyncOptions;
  /** Those above what was removed. */
  readonly #touchedFolders = new PathSet();
  /** The folders above the present place that are to go. */
  readonly #folders: { readonly path: string; keep: boolean }[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #removed = 0;
  #failed = 0;

  constructor(
    remove: (path: string) => Promise<void>,
    transferFolders: (hidden: Excluder) => Promise<DownloadSummary>,
    options: SyncOptions,
  ) {
    this.#remove = remove;
    this.#transferFolders = transferFolders;
    this.#options = options;
  }

  async run(source: SyncSide, target: SyncSide, { failed }: DownloadSummary): Promise<RemovalSummary> {
    const nothing = { removed: 0, failed: 0 };
    if (this.#options.delete !== true || failed > 0) return nothing;
    if ((await source.stat('')).type !== 'folder') return nothing;
    const present = new SourceNames();
    for await (const batch of source.list('')) {
      for (const item of batch) {
        // Of a folder that cannot be listed nobody knows what is missing in it.
        if ('error' in item) throw item.error;
        present.add(item.path);
      }
    }
    const doubtful = new PathSet();
    let isInDoubt = false;
    await this.#goThrough(target, path => {
      if (present.has(path) || !present.hasTwin(path)) return !present.has(path);
      doubtful.add(foldPath(path));
      isInDoubt = true;
      return false;
    });
    if (isInDoubt) {
      const shown = await this.#spelledAsInSource(target, present, doubtful);
      await this.#goThrough(
        target,
        path => !present.has(path) && present.hasOneTwin(path) && shown.has(foldPath(path)),
      );
    }
    if (this.#removed > 0) {
      const hidden: Excluder = (path, isFolder) => !isFolder || !this.#touchedFolders.has(path);
      this.#failed += (await this.#transferFolders(hidden)).failed;
    }
    return { removed: this.#removed, failed: this.#failed };
  }

  /** Of what is in doubt that which the target also has in the very spelling of the source, folded. */
  async #spelledAsInSource(target: SyncSide, present: SourceNames, doubtful: PathSet): Promise<PathSet> {
    const shown = new PathSet();
    for await (const batch of target.list('')) {
      for (const { path } of batch) {
        const folded = foldPath(path);
        if (doubtful.has(folded) && present.has(path)) shown.add(folded);
      }
    }
    return shown;
  }

  async #goThrough(target: SyncSide, isToGo: (path: string) => boolean): Promise<void> {
    for await (const batch of target.list('')) {
      for (const item of batch) {
        await this.#leaveFoldersBefore(item.path);
        await this.#consider(item, isToGo);
      }
      if (this.#options.signal?.aborted) throw abortError(this.#options.signal);
    }
    await this.#leaveFoldersBefore('');
    await this.#settled();
  }

  async #consider(item: Entry | Problem, isToGo: (path: string) => boolean): Promise<void> {
    const isKept = isLeftOut(this.#options.exclude, item) || isPartial(item.path);
    const isWanted = !isKept && !('error' in item) && isToGo(item.path);
    if (isWanted && (this.#options.mayRemove?.(item.path) ?? true)) {
      if (!('error' in item) && item.type === 'folder') this.#folders.push({ path: item.path, keep: false });
      else await this.#start(item.path);
      return;
    }
    for (const folder of this.#folders) folder.keep = true;
    if (!isKept && 'error' in item) this.#fail(item.path, item.error);
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
      for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
        this.#touchedFolders.add(path.slice(0, slash));
      }
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

/** The source's paths, as they are and folded. Of most the two are one, and held once. */
class SourceNames {
  readonly #exact = new PathSet();
  /** Of those that fold to something else. */
  readonly #folded = new PathSet();
  /** Folded paths that several of the source share. */
  readonly #shared = new PathSet();

  add(path: string): void {
    const folded = foldPath(path);
    if (this.#hasFolded(folded)) this.#shared.add(folded);
    this.#exact.add(path);
    if (folded !== path) this.#folded.add(folded);
  }

  has(path: string): boolean {
    return this.#exact.has(path);
  }

  hasTwin(path: string): boolean {
    return this.#hasFolded(foldPath(path));
  }

  /** Of several, some may be one on the target's disk and others not: nobody can tell what such a path is, so it stays. */
  hasOneTwin(path: string): boolean {
    return this.hasTwin(path) && !this.#shared.has(foldPath(path));
  }

  #hasFolded(folded: string): boolean {
    return this.#folded.has(folded) || this.#exact.has(folded);
  }
}

const MAX_REMOVALS_UNDER_WAY = 32;
