import { type Clock, systemClock } from '../../../line/clock.ts';
import { MAX_AHEAD_ENTRIES, MAX_AHEAD_MS } from '../ahead.ts';
import type { Entry, Problem } from '../entry.ts';
import type { ReadStore } from '../store.ts';
import { isInside, join } from './steps.ts';

/**
 * What a folder to write into held a moment ago, looked at while a login was under way: most of what is transferred again has
 * not changed, and this is where that is found out. Only whole folders are told of, and none when the look is old; whoever
 * is told of none looks for himself.
 */
export class SeenAhead {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #store: Pick<ReadStore, 'list'>;
  readonly #path: string;
  readonly #folders = new Map<string, ReadonlyMap<string, Entry>>();
  #begunAt = 0;
  #looking: Promise<void> | undefined;
  #isStopped = false;

  /** Of the folder at `path`. */
  constructor(store: Pick<ReadStore, 'list'>, path: string, clock: Pick<Clock, 'now'> = systemClock) {
    this.#store = store;
    this.#path = path;
    this.#clock = clock;
  }

  /** Once, however often it is called. Needs the store until `stop`. */
  begin(): void {
    if (this.#looking !== undefined || this.#isStopped) return;
    this.#begunAt = this.#clock.now();
    this.#looking = this.#look();
  }

  /** What is there of `names` in `folder`, as `ReceiveStore.statIn` has it; `undefined` if this does not know. */
  in(folder: string, names: readonly string[]): readonly (Entry | undefined)[] | undefined {
    const seen = this.#isOld ? undefined : this.#folders.get(folder);
    return seen === undefined ? undefined : names.map(name => seen.get(name));
  }

  /** Looks no further, and forgets. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#folders.clear();
    await this.#looking;
  }

  get #isOld(): boolean {
    return this.#clock.now() - this.#begunAt > MAX_AHEAD_MS;
  }

  async #look(): Promise<void> {
    const open = [new OpenFolder('')];
    const leave = (): void => {
      const left = open.pop()!;
      if (left.isWhole && !this.#isStopped) this.#folders.set(join(this.#path, left.path), left.entries);
    };
    let looked = 0;
    try {
      for await (const batch of this.#store.list(this.#path, { recursive: true })) {
        for (const item of batch) this.#note(item, open, leave);
        looked += batch.length;
        if (this.#isStopped || this.#isOld || looked >= MAX_AHEAD_ENTRIES) return;
      }
      while (open.length > 0) leave();
    } catch {
      // Whoever looks for himself will meet it, and tell.
    }
  }

  #note(item: Entry | Problem, open: OpenFolder[], leave: () => void): void {
    // The trouble may be with a folder that the listing is in.
    const troubled = 'error' in item ? open.find(folder => folder.path === item.path) : undefined;
    if (troubled !== undefined) {
      troubled.isWhole = false;
      return;
    }
    while (!isInside(item.path, open.at(-1)!.path)) leave();
    open.at(-1)!.add(item);
    if (!('error' in item) && item.type === 'folder') open.push(new OpenFolder(item.path));
  }
}

/** One that the listing is in, by its path in the listing. */
class OpenFolder {
  readonly path: string;
  readonly entries = new Map<string, Entry>();
  isWhole = true;

  constructor(path: string) {
    this.path = path;
  }

  add(item: Entry | Problem): void {
    const name = this.path === '' ? item.path : item.path.slice(this.path.length + 1);
    if ('error' in item) this.isWhole = false;
    else this.entries.set(name, item);
  }
}
