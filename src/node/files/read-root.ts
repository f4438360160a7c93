import { type BigIntStats, type Dir, lstatSync, opendirSync, statSync } from 'node:fs';
import { LineError } from '../../errors.ts';
import { encodeName } from '../../protocol/bytes/text.ts';
import type { Entry, Problem } from '../../services/files/entry.ts';
import {
  checkPath,
  MAX_PATH_BYTES,
  MAX_PATH_LEVELS,
  type NamePlatform,
  quotePath,
} from '../../services/files/names.ts';
import type {
  ChangeWatch,
  ListingOptions,
  LookOptions,
  ReadStore,
  SourceFile,
  WholeRead,
} from '../../services/files/store.ts';
import { toLineError, translating } from '../node-errors.ts';
import { Beneath, type Folder, type Found, fromLatin1, isSame, readLink, type Walk } from './beneath.ts';
import { entryOf, openSource, readWhole } from './source-file.ts';
import { Watches, type WatchOptions } from './watch.ts';

/** A folder of this machine that may be read; every file that is read goes through here (R-F7). */
export class ReadRoot implements ReadStore {
  readonly #beneath: Beneath;
  readonly #watches: Watches;

  private constructor(beneath: Beneath, watching: Partial<WatchOptions>) {
    this.#beneath = beneath;
    this.#watches = new Watches(beneath, this.list.bind(this), watching);
  }

  /** `NOT_FOUND` if nothing is there, `NOT_A_FILE` if it is no folder. */
  static async open(directory: string, options: { walk?: Walk } & Partial<WatchOptions> = {}): Promise<ReadRoot> {
    return new ReadRoot(openBeneath(directory, options.walk), options);
  }

  async stat(path: string, options: LookOptions = {}): Promise<Entry> {
    return this.#reading(path, options, found => entryOf('', found.stats));
  }

  /** Small synchronous calls in bounded portions, with a turn for everybody else after each. */
  async *list(path: string, options: ListingOptions): AsyncGenerator<readonly (Entry | Problem)[], void, void> {
    const listing = new Listing(this.#beneath, path, options);
    try {
      this.#reading(path, options, found => listing.start(found));
      for (;;) {
        const batch = listing.next();
        if (batch.length === 0) return;
        yield batch;
        await new Promise(resolve => setImmediate(resolve));
      }
    } finally {
      listing.close();
    }
  }

  async readWhole(
    paths: readonly string[],
    target: Uint8Array,
    options: LookOptions = {},
  ): Promise<readonly WholeRead[]> {
    const files: WholeRead[] = [];
    this.#beneath.batch(() => {
      for (let room = target; files.length < paths.length; ) {
        const path = paths[files.length]!;
        try {
          const entry = this.#reading(path, options, found => readWhole(found, path, room));
          if (entry === undefined) return;
          files.push({ entry });
          room = room.subarray(entry.size);
        } catch (error) {
          files.push({ failure: toLineError(error, quotePath(path)) });
          return;
        }
      }
    });
    return files;
  }

  async open(path: string, options: LookOptions = {}): Promise<SourceFile> {
    return this.#reading(path, options, found => openSource(found, path));
  }

  async watch(path: string, options: LookOptions = {}): Promise<ChangeWatch> {
    return this.#watches.open(checkPath(path, PLATFORM), options.exclude);
  }

  /** Files that are open stay open; a listing under way fails at its next folder, and watches end. */
  async close(): Promise<void> {
    this.#watches.close();
    this.#beneath.close();
  }

  #reading<T>(path: string, options: LookOptions, use: (found: Found) => T): T {
    const names = checkPath(path, PLATFORM);
    return translating(quotePath(path), () =>
      this.#beneath.reading(names, found => {
        refuseExcluded(found, options);
        return use(found);
      }),
    );
  }
}

/** Asked of what was found and held, so that no link can be swapped between this and its use. */
function refuseExcluded({ folder, name, stats }: Found, { exclude }: LookOptions): void {
  const path = [folder.key, name].filter(Boolean).join('/');
  if (path !== '' && exclude?.(path, stats.isDirectory()))
    throw new LineError('NOT_FOUND', 'this leads to what was left out');
}

export function openBeneath(directory: string, walk: Walk | undefined): Beneath {
  // The user's own path, so here and only here the whole of it may be told.
  const what = quotePath(directory);
  return translating(what, () => {
    if (!isFolder(directory)) throw new LineError('NOT_A_FILE', `${what} is not a folder`);
    return Beneath.open(directory, walk);
  });
}

export const PLATFORM: NamePlatform = process.platform === 'win32' ? 'windows' : 'posix';

/** One walk through a folder, depth first; holds the folders from its top down to where it is, and one batch. */
class Listing {
  readonly #beneath: Beneath;
  readonly #prefix: string;
  readonly #levelsAbove: number;
  readonly #options: ListingOptions;
  readonly #levels: Level[] = [];
  #batch: (Entry | Problem)[] = [];
  #round = 0;

  constructor(beneath: Beneath, path: string, options: ListingOptions) {
    this.#beneath = beneath;
    this.#prefix = path === '' ? '' : `${path}/`;
    this.#levelsAbove = checkPath(path, PLATFORM).length;
    this.#options = options;
  }

  start(found: Found): void {
    const what = this.#prefix === '' ? '' : this.#prefix.slice(0, -1);
    if (!found.stats.isDirectory()) throw new LineError('NOT_A_FILE', `${quotePath(what)} is not a folder`);
    this.#enter(heldFolder(found), '');
  }

  /** The next entries, none at the end. */
  next(): readonly (Entry | Problem)[] {
    this.#round += 1;
    this.#batch = [];
    while (this.#batch.length < BATCH_ENTRIES) {
      const level = this.#levels.at(-1);
      if (level === undefined) break;
      try {
        if (!this.#takeOne(level)) this.#leave();
      } catch (error) {
        // The rest of this folder cannot be read; those above it can.
        this.#problem(level.path, error);
        this.#leave();
      }
    }
    return this.#batch;
  }

  close(): void {
    while (this.#levels.length > 0) this.#leave();
  }

  /** False at the end of the folder. */
  #takeOne(level: Level): boolean {
    // Between two rounds time has passed: a folder that was moved out of the root meanwhile is not read on.
    if (level.checkedInRound !== this.#round) {
      if (!level.folder.isInPlace())
        throw new LineError('NOT_FOUND', `${this.#quote(level.path)} was moved while it was listed`);
      level.checkedInRound = this.#round;
    }
    const found = level.dir.readSync();
    if (found === null) return false;
    const name = fromLatin1(found.name);
    const path = level.path === '' ? name : `${level.path}/${name}`;
    try {
      const place = level.folder.at(name);
      const stats = lstatSync(place);
      if (this.#options.followLinks === true && stats.isSymbolicLink()) {
        this.#takeLinked(path);
        return true;
      }
      this.#batch.push(entryOf(path, stats, stats.isSymbolicLink() ? readLink(place) : undefined));
      if (this.#options.recursive && stats.isDirectory()) this.#descend(path, () => level.folder.child(name));
    } catch (error) {
      this.#problem(path, error);
    }
    return true;
  }

  /** What the link at `path` leads to, in its place. It is walked to from the root, like all that is read. */
  #takeLinked(path: string): void {
    this.#beneath.reading([...this.#prefix.split('/').slice(0, -1), ...path.split('/')], found => {
      refuseExcluded(found, this.#options);
      const entry = entryOf(path, found.stats);
      if (entry.type !== 'folder' || !this.#options.recursive) {
        this.#batch.push(entry);
      } else {
        this.#descend(path, () => heldFolder(found));
        // Only now: a link that cannot be entered is a problem alone, and no empty folder. What is in it comes later.
        this.#batch.push(entry);
      }
    });
  }

  #descend(path: string, open: () => Folder): void {
    const length = this.#prefix.length + path.length;
    const tooLong = length * 3 > MAX_PATH_BYTES && encodeName(this.#prefix + path).length >= MAX_PATH_BYTES;
    if (tooLong || this.#levelsAbove + this.#levels.length >= MAX_PATH_LEVELS)
      throw new LineError('BAD_NAME', `${this.#quote(path)} lies too deep to be listed`);
    this.#enter(open(), path);
  }

  #enter(folder: Folder, path: string): void {
    try {
      const identity = this.#options.followLinks === true ? statSync(folder.self, { bigint: true }) : undefined;
      if (identity !== undefined && this.#levels.some(level => isSame(level.identity!, identity)))
        throw new LineError('FORBIDDEN', `${this.#quote(path)} leads back to a folder above it`);
      const dir = opendirSync(folder.self as string, { encoding: 'latin1', bufferSize: BATCH_ENTRIES });
      this.#levels.push({ folder, dir, path, identity, checkedInRound: this.#round });
      folder.checkAfterUse();
    } catch (error) {
      if (this.#levels.at(-1)?.folder === folder) this.#leave();
      else folder.close();
      throw error;
    }
  }

  #leave(): void {
    const level = this.#levels.pop()!;
    level.dir.closeSync();
    level.folder.close();
  }

  #problem(path: string, error: unknown): void {
    this.#batch.push({ path, error: toLineError(error, this.#quote(path)) });
  }

  #quote(path: string): string {
    return quotePath(path === '' ? this.#prefix.slice(0, -1) : this.#prefix + path);
  }
}

interface Level {
  readonly folder: Folder;
  readonly dir: Dir;
  readonly path: string;
  /** Known where links are followed, to notice one that leads back. */
  readonly identity: BigIntStats | undefined;
  checkedInRound: number;
}

/** For the caller to close. */
function heldFolder({ folder, name }: Found): Folder {
  return name === undefined ? folder.again() : folder.child(name);
}

function isFolder(directory: string): boolean {
  return statSync(directory).isDirectory();
}

const BATCH_ENTRIES = 256;
/** What `stat` counts in, whatever the disk does. */
