import { createHash } from 'node:crypto';
import { type BigIntStats, type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { LineError } from '../../errors.ts';
import type { Clock, Timer } from '../../line/clock.ts';
import type { Entry, Excluder, Problem } from '../../services/files/entry.ts';
import { MAX_PATH_LEVELS, quotePath } from '../../services/files/names.ts';
import { codeOf, toLineError, translating } from '../node-errors.ts';
import { type Beneath, type Folder, fromLatin1, isSame } from './beneath.ts';

/** Called for a change, and with `false` when this way of noticing has come to its end. */
export type OnChange = (goesOn: boolean) => void;

/** A way to notice changes. */
export interface Way {
  /**
   * Called at the start, and before a change is told: takes up what is new. False if this way does not work, or no more.
   * Throws a `LineError` if there is nothing to watch.
   */
  refresh(): Promise<boolean>;
  close(): void;
}

/** What is known of a folder that is watched. */
interface WatchedFolder {
  readonly watcher: FSWatcher;
  readonly identity: BigIntStats;
  /** Names of the folders in it. */
  readonly children: ReadonlySet<string>;
}

/**
 * One watch of the system for each folder. On Linux it is set on the descriptor's own path and so on the very folder that
 * was walked to. First the watch, then the look at what is in it, so that no folder made in between is missed.
 */
export class FoldersWay implements Way {
  readonly #beneath: Beneath;
  readonly #top: readonly string[];
  readonly #ignores: Excluder;
  readonly #onChange: OnChange;
  readonly #budget: { folders: number };
  readonly #maxFolders: number;
  /** By path relative to the top. */
  readonly #folders = new Map<string, WatchedFolder>();
  /** In which a name has come or gone, and so perhaps a folder. */
  #stale = new Set<string>(['']);
  #closed = false;

  constructor(
    beneath: Beneath,
    top: readonly string[],
    ignores: Excluder,
    onChange: OnChange,
    budget: { folders: number },
    maxFolders: number,
  ) {
    this.#beneath = beneath;
    this.#top = top;
    this.#ignores = ignores;
    this.#onChange = onChange;
    this.#budget = budget;
    this.#maxFolders = maxFolders;
  }

  async refresh(): Promise<boolean> {
    const ahead = [...this.#stale];
    this.#stale = new Set();
    let looked = 0;
    for (let path = ahead.pop(); path !== undefined && !this.#closed; path = ahead.pop()) {
      const children = this.#look(path);
      if (children === undefined) return false;
      for (const child of children) ahead.push(joinPath(path, child));
      looked += 1;
      if (looked % FOLDERS_PER_TURN === 0) await new Promise(resolve => setImmediate(resolve));
    }
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#drop('');
    for (const path of [...this.#folders.keys()]) this.#drop(path);
  }

  /** Watches the folder anew and gives those in it that are not watched yet. `undefined` if there are too many. */
  #look(path: string): string[] | undefined {
    try {
      const names = path === '' ? this.#top : [...this.#top, ...path.split('/')];
      return this.#beneath.folder(names, { make: false }, folder => this.#lookInto(folder, path));
    } catch (error) {
      const code = codeOf(error);
      if (path === '') throw toLineError(error, quotePath(this.#top.join('/')));
      this.#drop(path);
      // It is gone, is something else by now, or is not for us to read: a listing tells no more of it.
      return error instanceof LineError || (code !== undefined && NOT_TO_BE_WATCHED.has(code)) ? [] : undefined;
    }
  }

  #lookInto(folder: Folder, path: string): string[] | undefined {
    const identity = statSync(folder.self, { bigint: true });
    let known = this.#folders.get(path);
    if (known !== undefined && !isSame(known.identity, identity)) {
      this.#drop(path);
      known = undefined;
    }
    if (known === undefined && this.#budget.folders >= this.#maxFolders) return undefined;
    let watcher: FSWatcher;
    try {
      watcher = watch(folder.self, { persistent: false, encoding: 'latin1' }, (event, name) =>
        this.#noticed(path, event, name),
      );
    } catch (error) {
      const code = codeOf(error);
      if (path !== '' && code !== undefined && NOT_TO_BE_WATCHED.has(code)) throw error;
      // The system has no more of them, or none at all.
      return undefined;
    }
    watcher.on('error', () => this.#onChange(false));
    known?.watcher.close();
    if (known === undefined) this.#budget.folders += 1;
    this.#folders.set(path, { watcher, identity, children: known?.children ?? new Set() });
    folder.checkAfterUse();
    const children = new Set<string>();
    if (this.#top.length + path.split('/').length < MAX_PATH_LEVELS) {
      for (const entry of readdirSync(folder.self, { encoding: 'latin1', withFileTypes: true })) {
        const name = fromLatin1(entry.name);
        if (entry.isDirectory() && !this.#ignores(joinPath(path, name), true)) children.add(name);
      }
    }
    folder.checkAfterUse();
    for (const before of known?.children ?? []) if (!children.has(before)) this.#drop(joinPath(path, before));
    this.#folders.set(path, { watcher, identity, children });
    return [...children].filter(name => !this.#folders.has(joinPath(path, name)));
  }

  #noticed(path: string, event: string, name: string | null): void {
    // Also what a folder tells of itself, when it was moved or removed, comes as `rename`.
    if (event === 'rename') this.#stale.add(path);
    if (name !== null && isIgnored(this.#ignores, joinPath(path, fromLatin1(name)))) return;
    this.#onChange(true);
  }

  /** With all that are below it. */
  #drop(path: string): void {
    const known = this.#folders.get(path);
    if (known === undefined) return;
    this.#folders.delete(path);
    this.#stale.delete(path);
    this.#budget.folders -= 1;
    known.watcher.close();
    for (const child of known.children) this.#drop(joinPath(path, child));
  }
}

/** One watch of the system for the folder and all below it. */
export class TreeWay implements Way {
  readonly #beneath: Beneath;
  readonly #top: readonly string[];
  readonly #ignores: Excluder;
  readonly #onChange: OnChange;
  #watcher: FSWatcher | undefined;

  constructor(beneath: Beneath, top: readonly string[], ignores: Excluder, onChange: OnChange) {
    this.#beneath = beneath;
    this.#top = top;
    this.#ignores = ignores;
    this.#onChange = onChange;
  }

  async refresh(): Promise<boolean> {
    if (this.#watcher !== undefined) return true;
    return translating(quotePath(this.#top.join('/')), () =>
      this.#beneath.folder(this.#top, { make: false }, folder => {
        try {
          this.#watcher = watch(folder.self, { persistent: false, recursive: true }, (_event, name) => {
            if (name === null || !isIgnored(this.#ignores, name.replaceAll('\\', '/'))) this.#onChange(true);
          });
        } catch {
          // Not on this disk, or not on this system.
          return false;
        }
        this.#watcher.on('error', () => this.#onChange(false));
        folder.checkAfterUse();
        return true;
      }),
    );
  }

  close(): void {
    this.#watcher?.close();
  }
}

/** Lists the folder every few seconds, and less often if that takes long, and compares what there is. */
export class ListingWay implements Way {
  readonly #list: () => AsyncIterable<readonly (Entry | Problem)[]>;
  readonly #ignores: Excluder;
  readonly #onChange: OnChange;
  readonly #clock: Clock;
  #last: string | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(
    list: () => AsyncIterable<readonly (Entry | Problem)[]>,
    ignores: Excluder,
    onChange: OnChange,
    clock: Clock,
  ) {
    this.#list = list;
    this.#ignores = ignores;
    this.#onChange = onChange;
    this.#clock = clock;
  }

  async refresh(): Promise<boolean> {
    if (this.#last === undefined) await this.#compare();
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #compare(): Promise<void> {
    const startedAt = this.#clock.now();
    const digest = await this.#digest();
    if (this.#closed) return;
    const hasChanged = this.#last !== undefined && this.#last !== digest;
    this.#last = digest;
    if (hasChanged) this.#onChange(true);
    const pauseMs = Math.max(LISTING_PAUSE_MS, LISTING_SHARE * (this.#clock.now() - startedAt));
    this.#timer = this.#clock.after(pauseMs, () => void this.#compare());
  }

  /** What cannot be listed is also something to compare: it may be listed one day. */
  async #digest(): Promise<string> {
    const hash = createHash('sha256');
    try {
      for await (const batch of this.#list()) {
        if (this.#closed) break;
        for (const item of batch) {
          const isFolder = !('error' in item) && item.type === 'folder';
          if (!this.#ignores(item.path, isFolder)) hash.update(`${factsOf(item)}\0\0`);
        }
      }
    } catch (thrown) {
      if (this.#last === undefined) throw thrown;
      hash.update(toLineError(thrown, 'the folder').code);
    }
    return hash.digest('base64');
  }
}

function factsOf(item: Entry | Problem): string {
  if ('error' in item) return [item.path, item.error.code].join('\0');
  return [item.path, item.type, item.size, item.mtimeUs, item.mode, item.target ?? ''].join('\0');
}

/** An event does not say whether it is of a folder. */
function isIgnored(ignores: Excluder, path: string): boolean {
  return ignores(path, false) && ignores(path, true);
}

export function joinPath(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

const NOT_TO_BE_WATCHED: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP']);
const LISTING_PAUSE_MS = 3000;
/** Listing takes at most so small a part of the time: several of them may go on at once. */
const LISTING_SHARE = 20;
const FOLDERS_PER_TURN = 32;
