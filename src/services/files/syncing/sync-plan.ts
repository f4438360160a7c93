import { LineError } from '../../../errors.ts';
import { toLineError } from '../../../line/abort.ts';
import type { Entry, Problem } from '../entry.ts';
import { isLeftOut, isPartial } from '../exclude.ts';
import { folderStays } from '../receiving/conflict.ts';
import { foldPath } from './fold.ts';
import type { PlannedChange, SyncOptions, SyncSide, SyncSummary } from './sync.ts';

/** Tells what a sync would do, without doing it. Holds the target's listing; a real run does not. */
export async function planSync(source: SyncSide, target: SyncSide, options: SyncOptions): Promise<SyncSummary> {
  return new Plan(source, target, options).run();
}

class Plan {
  readonly #source: SyncSide;
  readonly #target: SyncSide;
  readonly #options: SyncOptions;
  readonly #existing = new Map<string, Entry>();
  /** The same paths by their folded form, for names that the target's disk may take for one. */
  readonly #byFold = new Map<string, string>();
  /** What is left out and the folders above it, which therefore stay. */
  readonly #kept = new Set<string>();
  /** Folders that something else is to replace, with all in them, and its path: on some disks in another spelling. */
  readonly #replacedFolders = new Map<string, string>();
  readonly #counts = { received: 0, identical: 0, skipped: 0, failed: 0, bytes: 0, removed: 0 };

  constructor(source: SyncSide, target: SyncSide, options: SyncOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<SyncSummary> {
    const root = await this.#source.stat('');
    await this.#readTarget();
    if (root.type === 'folder') {
      for await (const batch of this.#source.list('')) for (const item of batch) await this.#compare(item);
    } else await this.#compare(root);
    if (this.#options.delete === true) this.#planRemovals(root.type === 'folder' && this.#counts.failed === 0);
    return this.#counts;
  }

  async #readTarget(): Promise<void> {
    try {
      const root = await this.#target.stat('');
      this.#existing.set('', root);
      if (root.type !== 'folder') return;
    } catch (thrown) {
      if (thrown instanceof LineError && thrown.code === 'NOT_FOUND') return;
      throw thrown;
    }
    for await (const batch of this.#target.list('')) {
      for (const item of batch) {
        if ('error' in item || isLeftOut(this.#options.exclude, item) || isPartial(item.path)) this.#keep(item.path);
        else {
          this.#existing.set(item.path, item);
          this.#byFold.set(foldPath(item.path), item.path);
        }
      }
    }
  }

  #keep(path: string): void {
    this.#kept.add(path);
    for (const folder of foldersAbove(path)) this.#kept.add(folder);
  }

  async #compare(item: Entry | Problem): Promise<void> {
    const { path } = item;
    if (isLeftOut(this.#options.exclude, item)) return;
    try {
      if ('error' in item) throw item.error;
      if (item.type === 'other') throw new LineError('NOT_A_FILE', 'neither a file nor a folder');
      const existing = await this.#takeExisting(path);
      if (item.type === 'folder') {
        if (existing?.type !== 'folder') this.#tell(path, 0, existing === undefined ? 'new' : 'replace');
        return;
      }
      if (existing?.type === 'folder') this.#replaceFolder(existing.path, path);
      else if (existing !== undefined && (await this.#isIdentical(item, existing))) {
        this.#counts.identical += 1;
        return;
      }
      this.#counts.received += 1;
      this.#counts.bytes += item.size;
      this.#tell(path, item.size, existing === undefined ? 'new' : 'replace');
    } catch (thrown) {
      this.#counts.failed += 1;
      this.#options.onEvent?.({ type: 'failed', path, error: toLineError(thrown) });
    }
  }

  /** What has this name at the target, perhaps in the spelling of a disk that takes both for one: who asks it finds it. */
  async #takeExisting(path: string): Promise<Entry | undefined> {
    const twin = this.#byFold.get(foldPath(path));
    const isOther = !this.#existing.has(path) && twin !== undefined && this.#existing.has(twin);
    const place = isOther && (await this.#isAtTarget(path)) ? twin : path;
    const existing = this.#existing.get(place);
    if (existing === undefined && this.#kept.has(place) && !isPartial(place)) {
      throw new LineError('EXISTS', 'something that is left out is in the way');
    }
    this.#existing.delete(place);
    return existing;
  }

  async #isAtTarget(path: string): Promise<boolean> {
    try {
      await this.#target.stat(path);
      return true;
    } catch (thrown) {
      if (thrown instanceof LineError && thrown.code === 'NOT_FOUND') return false;
      throw thrown;
    }
  }

  /** As in type-changes.ts. */
  #replaceFolder(path: string, by: string): void {
    if (this.#options.delete !== true || path === '' || this.#kept.has(path)) throw folderStays();
    this.#replacedFolders.set(path, by);
  }

  async #isIdentical(item: Entry, existing: Entry): Promise<boolean> {
    if (item.type !== existing.type) return false;
    if (item.type === 'link') return item.target === existing.target;
    if (item.size !== existing.size) return false;
    if (item.mtimeUs === existing.mtimeUs && this.#options.checksum !== true) return true;
    const [theirs, ours] = await Promise.all([this.#source.sha256(item.path), this.#target.sha256(item.path)]);
    return theirs.every((byte, at) => byte === ours[at]);
  }

  /** `all`: what the source does not have, too, and not only what is in folders that are replaced. */
  #planRemovals(all: boolean): void {
    for (const [path, { type }] of this.#existing) {
      const isToGo = all && path !== '' && !(type === 'folder' && this.#kept.has(path));
      const replaced = foldersAbove(path).find(folder => this.#replacedFolders.has(folder));
      if (!isToGo && replaced === undefined) continue;
      this.#counts.removed += 1;
      // In a folder that is replaced by the name under which the transfer meets it: that is what `mayRemove` is asked.
      const told = replaced === undefined ? path : this.#replacedFolders.get(replaced)! + path.slice(replaced.length);
      this.#tell(told, 0, 'remove');
    }
  }

  #tell(path: string, size: number, change: PlannedChange): void {
    this.#options.onEvent?.({ type: 'planned', path, size, change });
  }
}

function foldersAbove(path: string): string[] {
  const folders: string[] = [];
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    folders.push(path.slice(0, slash));
  }
  return folders;
}
