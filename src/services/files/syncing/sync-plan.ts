import { LineError } from '../../../errors.ts';
import { toLineError } from '../../../line/abort.ts';
import type { Entry, Problem } from '../entry.ts';
import { isLeftOut, isPartial } from '../exclude.ts';
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
  /** Folders with something in them that is left out, which therefore stay. */
  readonly #keptFolders = new Set<string>();
  readonly #counts = { received: 0, identical: 0, skipped: 0, failed: 0, bytes: 0, removed: 0 };

  constructor(source: SyncSide, target: SyncSide, options: SyncOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<SyncSummary> {
    const root = await this.#source.stat();
    await this.#readTarget();
    if (root.type === 'folder') {
      for await (const batch of this.#source.list()) for (const item of batch) await this.#compare(item);
    } else await this.#compare(root);
    if (this.#options.delete === true && this.#counts.failed === 0 && root.type === 'folder') this.#planRemovals();
    return this.#counts;
  }

  async #readTarget(): Promise<void> {
    try {
      const root = await this.#target.stat();
      this.#existing.set('', root);
      if (root.type !== 'folder') return;
    } catch (thrown) {
      if (thrown instanceof LineError && thrown.code === 'NOT_FOUND') return;
      throw thrown;
    }
    for await (const batch of this.#target.list()) {
      for (const item of batch) {
        if (isLeftOut(this.#options.exclude, item) || isPartial(item.path)) this.#keepFoldersOf(item.path);
        else if (!('error' in item)) this.#existing.set(item.path, item);
      }
    }
  }

  #keepFoldersOf(path: string): void {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      this.#keptFolders.add(path.slice(0, slash));
    }
  }

  async #compare(item: Entry | Problem): Promise<void> {
    const { path } = item;
    if (isLeftOut(this.#options.exclude, item)) return;
    const existing = this.#existing.get(path);
    this.#existing.delete(path);
    try {
      if ('error' in item) throw item.error;
      if (item.type === 'other') throw new LineError('NOT_A_FILE', 'neither a file nor a folder');
      if (item.type === 'folder') {
        if (existing === undefined) this.#tell(path, 0, 'new');
        else if (existing.type !== 'folder') throw new LineError('EXISTS', 'something else has this name');
        return;
      }
      if (existing?.type === 'folder') throw new LineError('EXISTS', 'a folder of this name is in the way');
      if (existing !== undefined && (await this.#isIdentical(item, existing))) {
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

  async #isIdentical(item: Entry, existing: Entry): Promise<boolean> {
    if (item.type !== existing.type) return false;
    if (item.type === 'link') return item.target === existing.target;
    if (item.size !== existing.size) return false;
    if (item.mtimeUs === existing.mtimeUs && this.#options.checksum !== true) return true;
    const [theirs, ours] = await Promise.all([this.#source.sha256(item.path), this.#target.sha256(item.path)]);
    return theirs.every((byte, at) => byte === ours[at]);
  }

  #planRemovals(): void {
    for (const [path, { type }] of this.#existing) {
      if (path === '' || (type === 'folder' && this.#keptFolders.has(path))) continue;
      this.#counts.removed += 1;
      this.#tell(path, 0, 'remove');
    }
  }

  #tell(path: string, size: number, change: PlannedChange): void {
    this.#options.onEvent?.({ type: 'planned', path, size, change });
  }
}
