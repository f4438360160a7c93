import { LineError } from '../../errors.ts';
import type { Entry, Excluder, Problem } from './entry.ts';
import { compileIgnorePattern, matchesIgnorePattern } from './ignore-pattern.ts';
import type { ListingOptions, ReadStore, SourceFile, WholeRead } from './store.ts';

/**
 * Patterns as in .gitignore, relative to the top, one a string; the last one that matches counts. What is in a folder that
 * is left out cannot be taken back. `?` and `[…]` stand for a character, where git has them stand for a byte.
 */
export function excluder(patterns: readonly string[]): Excluder {
  const rules = patterns.map(compileIgnorePattern).filter(rule => rule !== undefined);
  const matches = (path: string, isFolder: boolean): boolean => {
    const names = path.split('/');
    return (
      rules.findLast(rule => (isFolder || !rule.foldersOnly) && matchesIgnorePattern(rule, names))?.excludes ?? false
    );
  };
  // The neighbours in a listing have their folder in common.
  let last = { folder: '', isOut: false };
  const isOut = (path: string, isFolder: boolean): boolean => {
    const slash = path.lastIndexOf('/');
    if (slash > 0) {
      const folder = path.slice(0, slash);
      if (last.folder !== folder) last = { folder, isOut: isOut(folder, true) };
      if (last.isOut) return true;
    }
    return matches(path, isFolder);
  };
  return isOut;
}

/** What is left of a listing. */
export function isLeftOut(exclude: Excluder | undefined, item: Entry | Problem): boolean {
  if (exclude === undefined || item.path === '') return false;
  return exclude(item.path, 'error' in item || item.type === 'folder');
}

/** What belongs to a transfer under way, or one to go on with, and to neither side (node/files/partial-names.ts). */
export function isPartial(path: string): boolean {
  return /\.\d{1,10}-(?:[0-9a-f]{8}-)?[0-9a-f]{8}\.postern-part$/.test(path);
}

/** A store without what is left out: who reads it can neither see nor open that, nor by any link that leads there. */
export class FilteredStore implements ReadStore {
  readonly #store: ReadStore;
  readonly #exclude: Excluder;

  constructor(store: ReadStore, exclude: Excluder) {
    this.#store = store;
    this.#exclude = exclude;
  }

  async stat(path: string): Promise<Entry> {
    const entry = await this.#store.stat(path, { exclude: this.#exclude });
    this.#check(path, entry.type === 'folder');
    return entry;
  }

  async *list(path: string, options: ListingOptions): AsyncGenerator<readonly (Entry | Problem)[]> {
    this.#check(path, true);
    for await (const batch of this.#store.list(path, { ...options, exclude: this.#exclude })) {
      yield batch.filter(item => !isLeftOut(this.#exclude, path === '' ? item : below(path, item)));
    }
  }

  async readWhole(paths: readonly string[], target: Uint8Array): Promise<readonly WholeRead[]> {
    const firstLeftOut = paths.findIndex(path => this.#isLeftOut(path, false));
    if (firstLeftOut === 0) return [{ failure: leftOut() }];
    const included = firstLeftOut === -1 ? paths : paths.slice(0, firstLeftOut);
    return (await this.#store.readWhole?.(included, target, { exclude: this.#exclude })) ?? [];
  }

  async open(path: string): Promise<SourceFile> {
    this.#check(path, false);
    return this.#store.open(path, { exclude: this.#exclude });
  }

  #check(path: string, isFolder: boolean): void {
    if (this.#isLeftOut(path, isFolder)) throw leftOut();
  }

  #isLeftOut(path: string, isFolder: boolean): boolean {
    return path !== '' && this.#exclude(path, isFolder);
  }
}

function leftOut(): LineError {
  return new LineError('NOT_FOUND', 'this was left out');
}

function below(folder: string, item: Entry | Problem): Entry | Problem {
  return { ...item, path: `${folder}/${item.path}` };
}
