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
  /** Under way, until somebody takes it. */
  #ahead: Ahead | undefined;
  #isOver = false;

  constructor(store: ReadStore, clock: Pick<Clock, 'now'> = systemClock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Once, however often it is called. Call `stop` before the store is closed. */
  begin(): void {
    if (this.#ahead === undefined && !this.#isOver) this.#ahead = new Ahead(this.#store, this.#clock.now());
  }

  /** Lets go of a listing that nobody has come for. */
  async stop(): Promise<void> {
    await this.#take()?.end();
  }

  async *list(path: string, options: ListingOptions): AsyncGenerator<Listed> {
    // Without links to follow, `exclude` has nothing to refuse in a listing.
    const isAll = path === '' && options.recursive && options.followLinks !== true;
    const ahead = isAll ? this.#take() : undefined;
    if (ahead === undefined || this.#clock.now() - ahead.begunAt > MAX_AHEAD_MS) {
      await ahead?.end();
      yield* this.#store.list(path, options);
    } else yield* ahead.all();
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

  /** Belongs to the caller from now on. */
  #take(): Ahead | undefined {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    this.#isOver = true;
    return ahead;
  }
}

/** A listing that is read before anybody asks for it. */
class Ahead {
  readonly begunAt: number;
  readonly #listing: AsyncIterator<Listed>;
  readonly #batches: Listed[] = [];
  readonly #reading: Promise<void>;
  #failure: { readonly thrown: unknown } | undefined;
  #isTaken = false;
  #isAtEnd = false;

  constructor(store: ReadStore, begunAt: number) {
    this.begunAt = begunAt;
    this.#listing = listAll(store);
    this.#reading = this.#readAhead();
  }

  /** All of it, from what is here on. */
  async *all(): AsyncGenerator<Listed> {
    this.#isTaken = true;
    await this.#reading;
    try {
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

  async end(): Promise<void> {
    this.#isTaken = true;
    await this.#reading;
    await this.#listing.return?.();
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

/** Also where there is no folder to list, which a store may tell by throwing at once. */
async function* listAll(store: ReadStore): AsyncGenerator<Listed> {
  yield* store.list('', { recursive: true });
}
