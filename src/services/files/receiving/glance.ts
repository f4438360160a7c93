import type { Entry, Problem } from '../entry.ts';
import type { ReceiveStore } from '../store.ts';

type Listed = readonly (Entry | Problem)[];

/**
 * Looks at what is there under the names of a listing, many at a time: most of what is synced again has not changed, and
 * is found so at once. Whatever differs in anything is left to be judged (conflict.ts).
 */
export class Glance {
  readonly #store: ReceiveStore;
  #batch: Listed = [];
  /** Items of the batch before this one have been looked at. */
  #until = 0;
  readonly #unchanged = new Set<Entry>();

  constructor(store: ReceiveStore) {
    this.#store = store;
  }

  /** Whether the file at `batch[at]`, directly in `folder`, is there with the same size, time and mode. */
  async isUnchanged(
    batch: Listed,
    at: number,
    folder: { readonly path: string; readonly to: string },
  ): Promise<boolean> {
    if (this.#store.statAll === undefined) return false;
    if (batch !== this.#batch) {
      this.#batch = batch;
      this.#until = 0;
      this.#unchanged.clear();
    }
    if (at >= this.#until) await this.#lookFrom(at, folder);
    return this.#unchanged.has(batch[at] as Entry);
  }

  /** Looks at all files of this folder that follow without a break. */
  async #lookFrom(at: number, folder: { readonly path: string; readonly to: string }): Promise<void> {
    const prefix = folder.path === '' ? '' : `${folder.path}/`;
    const files: Entry[] = [];
    for (let next = this.#batch[at]; next !== undefined; next = this.#batch[at + files.length]) {
      const isHere = next.path.startsWith(prefix) && !next.path.includes('/', prefix.length);
      if ('error' in next || next.type !== 'file' || !isHere) break;
      files.push(next);
    }
    const base = folder.to === '' ? '' : `${folder.to}/`;
    const there = await this.#store.statAll!(files.map(({ path }) => base + path.slice(prefix.length)));
    for (const [index, file] of files.entries()) if (isSame(file, there[index])) this.#unchanged.add(file);
    this.#until = at + Math.max(1, files.length);
  }
}

function isSame(file: Entry, there: Entry | undefined): boolean {
  if (there?.type !== 'file') return false;
  return file.size === there.size && file.mtimeUs === there.mtimeUs && file.mode === there.mode;
}
