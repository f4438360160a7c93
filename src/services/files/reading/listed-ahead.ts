import { type Clock, systemClock } from '../../../line/clock.ts';
import { MAX_AHEAD_ENTRIES, MAX_AHEAD_MS } from '../ahead.ts';
import type { Entry, Problem } from '../entry.ts';
import type { ListingOptions, LookOptions, ReadStore, SourceFile, WholeRead } from '../store.ts';

type Listed = readonly (Entry | Problem)[];

/**
 * A store whose content is listed before anybody asks for it, while a login is under way. The first listing of all of it
 * begins with what is known by then; every other one is the store's own, and so is the first when it comes late. What is told
 * of a file is then as old as in any listing whose end is far away: who reads the file meets it as it is.
 */
export class ListedAhead implements ReadStore {
  readonly #store: ReadStore;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #begunAt: number;
  readonly #listing: AsyncIterator<Listed>;
  readonly #batches: Listed[] = [];
  readonly #reading: Promise<void>;
  #failure: { readonly thrown: unknown } | undefined;
  #isTaken = false;
  #isAtEnd = false;

  /** Begins at once. Call `stop` before the store is closed. */
  constructor(store: ReadStore, clock: Pick<Clock, 'now'> = systemClock) {
    this.#store = store;
    this.#clock = clock;
    this.#begunAt = clock.now();
    this.#listing = this.#listAll();
    this.#reading = this.#readAhead();
  }

  /** Lets go of a listing that nobody has come for. */
  async stop(): Promise<void> {
    if (this.#isTaken) return;
    this.#isTaken = true;
    await this.#reading;
    await this.#listing.return?.();
  }

  async *list(path: string, options: ListingOptions): AsyncGenerator<Listed> {
    // Without links to follow, `exclude` has nothing to refuse in a listing.
    const isAll = path === '' && options.recursive && options.followLinks !== true;
    if (this.#isTaken || !isAll) {
      yield* this.#store.list(path, options);
      return;
    }
    const isOld = this.#clock.now() - this.#begunAt > MAX_AHEAD_MS;
    await this.#take();
    try {
      if (isOld) {
        yield* this.#store.list(path, options);
        return;
      }
      for (let batch = this.#batches.shift(); batch !== undefined; batch = this.#batches.shift()) yield batch;
      if (this.#failure !== undefined) throw this.#failure.thrown;
      while (!this.#isAtEnd) {
        const next = await this.#listing.next();
        if (next.done === true) this.#isAtEnd = true;
        else yield next.value;
      }
    } finally {
      await this.#listing.return?.();
    }
  }

  async stat(path: string, options?: LookOptions): Promise<Entry> {
    return this.#store.stat(path, options);
  }

  async readWhole(paths: readonly string[], target: Uint8Array, options?: LookOptions): Promise<readonly WholeRead[]> {
    return (await this.#store.readWhole?.(paths, target, options)) ?? [];
  }

  async open(path: string, options?: LookOptions): Promise<SourceFile> {
    return this.#store.open(path, options);
  }

  /** Also where there is no folder to list, which a store may tell by throwing at once. */
  async *#listAll(): AsyncGenerator<Listed> {
    yield* this.#store.list('', { recursive: true });
  }

  /** From now on nobody else reads the listing. */
  async #take(): Promise<void> {
    this.#isTaken = true;
    await this.#reading;
  }

  async #readAhead(): Promise<void> {
    try {
      for (let entries = 0; !this.#isTaken && !this.#isAtEnd && entries < MAX_AHEAD_ENTRIES; ) {
        const next = await this.#listing.next();
        if (next.done === true) this.#isAtEnd = true;
        else {
          this.#batches.push(next.value);
          entries += next.value.length;
        }
      }
    } catch (thrown) {
      this.#failure = { thrown };
    }
  }
}
