import type { Entry, Problem } from '../entry.ts';
import type { ReceiveStore } from '../store.ts';
import type { TransferredFile } from './events.ts';
import type { SeenAhead } from './seen-ahead.ts';
import { join } from './steps.ts';

type Listed = readonly (Entry | Problem)[];

/**
 * Looks at what is there under the names of a listing, many at a time: most of what is synced again has not changed, and
 * is found so at once. Whatever differs in anything is left to be judged (conflict.ts).
 */
export class Glance {
  readonly #store: ReceiveStore;
  readonly #isWanted: (file: Entry) => boolean;
  readonly #seen: SeenAhead | undefined;
  /** Of items before `#until` of the batch it is known whether they are unchanged. */
  #batch: Listed = [];
  #until = 0;
  readonly #unchanged = new Set<number>();

  /** Of files that are not wanted nothing is said. What `seen` knows is not looked at. */
  constructor(store: ReceiveStore, isWanted: (file: Entry) => boolean, seen: SeenAhead | undefined) {
    this.#store = store;
    this.#isWanted = isWanted;
    this.#seen = seen;
  }

  /** Whether `isUnchanged` knows of this item, or `look` would have to look. */
  hasSeen(batch: Listed, at: number): boolean {
    return batch === this.#batch && at < this.#until;
  }

  /** Whether `look` has told of the item, seen before. */
  isUnchanged(at: number): boolean {
    return this.#unchanged.has(at);
  }

  /**
   * Looks at all files from `batch[at]` on that lie directly in `folder`, up to the first item that is no such file. Tells
   * which of them are there with the same size, time and mode, by their paths in the store.
   */
  async look(batch: Listed, at: number, folder: PlacedFolder): Promise<readonly TransferredFile[]> {
    if (batch !== this.#batch) this.#unchanged.clear();
    this.#batch = batch;
    const prefix = folder.path === '' ? '' : `${folder.path}/`;
    const files: Entry[] = [];
    const names: string[] = [];
    for (let next = batch[at]; next !== undefined; next = batch[at + files.length]) {
      if ('error' in next || next.type !== 'file' || !next.path.startsWith(prefix)) break;
      const name = next.path.slice(prefix.length);
      if (name.includes('/')) break;
      files.push(next);
      names.push(name);
    }
    this.#until = at + Math.max(1, files.length);
    const there = this.#seen?.in(folder.to, names) ?? (await this.#store.statIn?.(folder.to, names));
    const unchanged: TransferredFile[] = [];
    for (let index = 0; index < files.length; index += 1) {
      const file = files[index]!;
      if (!isSame(file, there?.[index]) || !this.#isWanted(file)) continue;
      this.#unchanged.add(at + index);
      unchanged.push({ path: join(folder.to, names[index]!), size: file.size });
    }
    return unchanged;
  }
}

/** A folder by its path in the listing and in the store. */
export interface PlacedFolder {
  readonly path: string;
  readonly to: string;
}

function isSame(file: Entry, there: Entry | undefined): boolean {
  if (there?.type !== 'file') return false;
  return file.size === there.size && file.mtimeUs === there.mtimeUs && file.mode === there.mode;
}
