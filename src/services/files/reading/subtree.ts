import { LineError } from '../../../errors.ts';
import type { Entry, Problem } from '../entry.ts';
import type { ReadStore, SourceFile } from '../store.ts';

/** One file of a store as a store of its own: `''` is that file, and there is nothing else. */
export class SingleFile implements ReadStore {
  readonly #store: ReadStore;
  readonly #path: string;

  constructor(store: ReadStore, path: string) {
    this.#store = store;
    this.#path = path;
  }

  async stat(path: string): Promise<Entry> {
    return this.#store.stat(this.#checked(path));
  }

  list(path: string): AsyncIterable<readonly (Entry | Problem)[]> {
    this.#checked(path);
    throw new LineError('NOT_A_FILE', 'a file is no folder');
  }

  async open(path: string): Promise<SourceFile> {
    return this.#store.open(this.#checked(path));
  }

  #checked(path: string): string {
    if (path !== '') throw new LineError('NOT_FOUND', 'this was not offered');
    return this.#path;
  }
}
