import {
  type BigIntStats,
  closeSync,
  constants,
  type Dir,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  type Stats,
  statSync,
} from 'node:fs';
import { LineError } from '../../errors.ts';
import { encodeName } from '../../protocol/bytes/text.ts';
import type { Entry, EntryType, Problem } from '../../services/files/entry.ts';
import {
  checkPath,
  MAX_PATH_BYTES,
  MAX_PATH_LEVELS,
  type NamePlatform,
  quotePath,
} from '../../services/files/names.ts';
import type { ChangeWatch, ListingOptions, LookOptions, ReadStore, SourceFile } from '../../services/files/store.ts';
import { toLineError, translating } from '../node-errors.ts';
import { Beneath, type Folder, type Found, fromLatin1, isSame, readLink, type Walk } from './beneath.ts';
import { Descriptor, SMALL_FILE_BYTES } from './descriptor.ts';
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

/** Opens what has been found as a plain file. A fifo or a device is not even touched: opening one can have effects. */
export function openSource(found: Found, path: string): SourceFile {
  const { folder, name } = found;
  if (name === undefined || !found.stats.isFile())
    throw new LineError('NOT_A_FILE', `${quotePath(path)} is not a file`);
  // Should it have been swapped for a fifo since, O_NONBLOCK keeps us from waiting for its writer.
  const fd = openSync(folder.at(name), constants.O_RDONLY | NO_FOLLOW | NO_WAIT);
  try {
    folder.checkAfterUse();
    const stats = fstatSync(fd);
    // Windows has no O_NOFOLLOW: there what was opened is compared with what was looked at.
    const isOther = NO_FOLLOW === 0 && (stats.ino !== found.stats.ino || stats.dev !== found.stats.dev);
    if (isOther) throw new LineError('FORBIDDEN', `${quotePath(path)} was swapped for something else meanwhile`);
    if (!stats.isFile()) throw new LineError('NOT_A_FILE', `${quotePath(path)} is not a file`);
    return new DiskFile(fd, stats, path);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

export function entryOf(path: string, stats: Stats, target?: string): Entry {
  const type = typeOf(stats);
  const entry = {
    path,
    type,
    size: type === 'file' ? stats.size : 0,
    mtimeUs: microseconds(stats),
    mode: stats.mode & 0o777,
  };
  return target === undefined ? entry : { ...entry, target };
}

export const PLATFORM: NamePlatform = process.platform === 'win32' ? 'windows' : 'posix';
export const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;
const NO_WAIT = constants.O_NONBLOCK ?? 0;

class DiskFile implements SourceFile {
  readonly entry: Entry;
  readonly isSparse: boolean;
  readonly #descriptor: Descriptor;
  readonly #what: string;
  readonly #mtimeMs: number;
  #endedEarly = false;

  constructor(fd: number, stats: Stats, path: string) {
    this.#descriptor = new Descriptor(fd);
    this.#what = quotePath(path);
    this.#mtimeMs = stats.mtimeMs;
    this.entry = entryOf('', stats);
    this.isSparse = stats.blocks * STAT_BLOCK_BYTES < stats.size;
  }

  /** What was added after the file was opened is not read; `verifyUnchanged` tells of it. */
  async read(target: Uint8Array, position: number): Promise<number> {
    const { size } = this.entry;
    const wanted = Math.min(target.length, size - position);
    if (wanted <= 0) return 0;
    try {
      const part = wanted === target.length ? target : target.subarray(0, wanted);
      const count = await this.#descriptor.readFully(part, position, size <= SMALL_FILE_BYTES);
      if (count < wanted) this.#endedEarly = true;
      return count;
    } catch (error) {
      throw toLineError(error, this.#what);
    }
  }

  async verifyUnchanged(): Promise<void> {
    // The descriptor holds one file: if another has been moved to its name, what was read still is one whole file.
    const stats = translating(this.#what, () => fstatSync(this.#descriptor.fd));
    if (this.#endedEarly || stats.size !== this.entry.size || stats.mtimeMs !== this.#mtimeMs)
      throw new LineError('CHANGED', `${this.#what} changed while it was read`);
  }

  async close(): Promise<void> {
    try {
      await this.#descriptor.close();
    } catch (error) {
      throw toLineError(error, this.#what);
    }
  }
}

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

function typeOf(stats: Stats): EntryType {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  return stats.isSymbolicLink() ? 'link' : 'other';
}

/** A number of milliseconds is exact to a quarter of a microsecond in our time, so that rounding is exact. */
function microseconds(stats: Stats): number {
  return Math.round(stats.mtimeMs * 1000);
}

const BATCH_ENTRIES = 256;
/** What `stat` counts in, whatever the disk does. */
const STAT_BLOCK_BYTES = 512;
