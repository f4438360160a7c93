import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { LineError } from '../../errors.ts';
import { decodeName, encodeName } from '../../protocol/bytes/text.ts';
import { MAX_PATH_LEVELS, quotePath } from '../../services/files/names.ts';
import { codeOf } from '../node-errors.ts';

/**
 * The only place that walks paths on disk (R-F2). It goes from the root down one name at a time and looks at each name
 * before it passes, so that no link leads out, whoever planted it and whenever.
 *
 * - Writing never passes a link.
 * - Reading follows links as long as they stay inside, resolved here and not by the system: a name in a link's target
 *   is walked like any other, `..` goes one folder back in the walk and never above the root.
 *
 * It throws `LineError` for what it refuses and Node's errors for what the system refuses.
 */
export class Beneath {
  readonly #root: Folder;
  readonly #recent = new Map<string, Folder>();
  /** Folders found in place in the batch that is running. */
  #checked: Set<Folder> | undefined;
  #closed = false;

  private constructor(root: Folder) {
    this.#root = root;
  }

  /** `directory` is the user's own word: links in it are followed. */
  static open(directory: string, walk: Walk = 'descriptors'): Beneath {
    if (walk === 'descriptors' && process.platform === 'linux') {
      const root = HeldFolder.openRoot(directory);
      if (root !== undefined) return new Beneath(root);
    }
    return new Beneath(NamedFolder.openRoot(directory));
  }

  /** Finds what is at `names` and hands it to `use`, which must be done with it when it returns. */
  reading<T>(names: readonly string[], use: (found: Found) => T): T {
    const name = names.at(-1);
    if (name === undefined) return use(foundFolder(this.#openRoot()));
    const folder = this.#fromRecent(names.slice(0, -1).join('/'));
    if (folder !== undefined) {
      const stats = lstatSync(folder.at(name));
      if (!stats.isSymbolicLink()) return use({ folder, name, stats });
    }
    return this.#followingLinks(names, use);
  }

  /**
   * Hands the folder of the last name to `use`; no link is passed on the way. With `make`, folders that are not there
   * are made, and something else in the way is `EXISTS`.
   */
  writing<T>(names: readonly string[], options: { make: boolean }, use: (folder: Folder, name: string) => T): T {
    const name = names.at(-1);
    if (name === undefined) throw new LineError('BAD_NAME', 'the shared folder itself cannot be written');
    return this.folder(names.slice(0, -1), options, folder => use(folder, name));
  }

  /** As `writing`, for the folder at `names` itself. */
  folder<T>(names: readonly string[], options: { make: boolean }, use: (folder: Folder) => T): T {
    const recent = this.#fromRecent(names.join('/'));
    if (recent !== undefined) return use(recent);
    let folder = this.#openRoot();
    for (const name of names) {
      const parent = folder;
      try {
        folder = options.make ? madeChild(parent, name) : pathChild(parent, name);
      } finally {
        if (parent !== this.#root) parent.close();
      }
    }
    this.#remember(folder);
    return use(folder);
  }

  /** Runs many uses as one: a held folder that was used lately is asked only once whether it still is in its place. */
  batch<T>(uses: () => T): T {
    this.#checked = new Set();
    try {
      return uses();
    } finally {
      this.#checked = undefined;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const folder of this.#recent.values()) folder.close();
    this.#recent.clear();
    this.#root.close();
  }

  #followingLinks<T>(names: readonly string[], use: (found: Found) => T): T {
    const stack = [this.#openRoot()];
    const ahead = names.toReversed();
    let links = 0;
    let steps = 0;
    const follow = (link: Place) => {
      links += 1;
      if (links > MAX_LINKS) throw forbidden(names, 'leads through too many links');
      const target = readLink(link);
      if (target.startsWith('/') || (process.platform === 'win32' && /^[\\]|:/.test(target)))
        throw forbidden(names, 'is or passes a link to an absolute path');
      ahead.push(...target.split(SEPARATOR).reverse());
    };
    try {
      for (;;) {
        const folder = stack.at(-1)!;
        const name = ahead.pop();
        steps += 1;
        if (steps > MAX_STEPS) throw forbidden(names, 'leads through too many links');
        if (name === undefined) return use(foundFolder(folder));
        if (name === '' || name === '.') continue;
        if (name === '..') {
          if (stack.length === 1) throw forbidden(names, 'leads out of the shared folder');
          stack.pop()!.close();
        } else if (ahead.length === 0) {
          const stats = lstatSync(folder.at(name));
          if (!stats.isSymbolicLink()) {
            if (stack.length > 1) this.#remember(stack.pop()!);
            return use({ folder, name, stats });
          }
          follow(folder.at(name));
        } else {
          if (stack.length > MAX_PATH_LEVELS) throw new LineError('BAD_NAME', `${quoteNames(names)} is too deep`);
          const child = childOrLink(folder, name);
          if (child !== undefined) stack.push(child);
          else follow(folder.at(name));
        }
      }
    } finally {
      for (const folder of stack) if (folder !== this.#root) folder.close();
    }
  }

  #openRoot(): Folder {
    if (this.#closed) throw new LineError('CLOSED', 'the shared folder is closed already');
    if (!this.#root.isInPlace()) throw new LineError('NOT_FOUND', 'the shared folder was moved away');
    return this.#root;
  }

  /**
   * A folder that was used lately, if it still is where it was. Somebody on this machine may have moved it, even out
   * of the root, and then what is held must not be used any more: so this is asked at every use.
   */
  #fromRecent(key: string): Folder | undefined {
    const root = this.#openRoot();
    if (key === '') return root;
    const folder = this.#recent.get(key);
    if (folder === undefined) return undefined;
    if (this.#checked?.has(folder)) return folder;
    this.#recent.delete(key);
    if (folder.isInPlace()) {
      this.#recent.set(key, folder);
      if (folder.isHeld) this.#checked?.add(folder);
      return folder;
    }
    folder.close();
    return undefined;
  }

  /** Takes over the folder; it lives at least until the next call. */
  #remember(folder: Folder): void {
    if (folder === this.#root) return;
    this.#recent.get(folder.key)?.close();
    this.#recent.delete(folder.key);
    this.#recent.set(folder.key, folder);
    if (this.#recent.size <= MAX_RECENT_FOLDERS) return;
    const [oldestKey, oldest] = this.#recent.entries().next().value!;
    this.#recent.delete(oldestKey);
    oldest.close();
  }
}

/** `paths` is what is used where the system gives no descriptors of folders; asked for by tests elsewhere. */
export type Walk = 'descriptors' | 'paths';

/** What Node's calls take as a path; bytes where a name is not UTF-8. */
export type Place = string | Buffer;

/** A thing inside the root. Without `name` it is the folder itself. `stats` are never those of a link. */
export interface Found {
  readonly folder: Folder;
  readonly name: string | undefined;
  readonly stats: Stats;
}

/** A folder inside the root that has been walked to. Whoever gets one from `child` or `again` closes it. */
export interface Folder {
  /** The names from the root to here, links resolved. */
  readonly key: string;
  readonly self: Place;
  /** Whether what is done through `self` and `at` is done in this very folder, wherever it may have gone. */
  readonly isHeld: boolean;
  /** Where to find `name`, which must be one name, in this folder. */
  at(name: string): Place;
  /** Opens a folder in here; `ENOTDIR` if it is a link or anything else. */
  child(name: string): Folder;
  again(): Folder;
  /** A descriptor of the folder that can be read and flushed; the caller closes it. */
  openForReading(): number;
  /** Whether the folder still is at `key` beneath the root. */
  isInPlace(): boolean;
  /** To be called after each use of `at` or `self`: throws if the use may have gone elsewhere. */
  checkAfterUse(): void;
  close(): void;
}

/**
 * Linux: a folder is held by a descriptor, and `/proc/self/fd/N/name` is what openat(N, "name") is in C: the walk
 * begins at the very folder that was checked, wherever it has been moved and whatever has its old name now. So with
 * one name a call there is free of races, provided it does not follow a link in that name.
 */
class HeldFolder implements Folder {
  readonly isHeld = true;
  readonly key: string;
  readonly self: string;
  readonly #fd: number;
  readonly #root: HeldFolder;
  readonly #keyBytes: string;
  /** Of the root only: where it was when last asked, with `/` at the end. */
  #place = '';
  #closed = false;

  private constructor(fd: number, key: string, root: HeldFolder | undefined) {
    this.#fd = fd;
    this.#root = root ?? this;
    this.key = key;
    this.self = `/proc/self/fd/${fd}`;
    this.#keyBytes = ASCII.test(key) ? key : Buffer.from(encodeName(key)).toString('latin1');
  }

  /** `undefined` where /proc is not to be had, for instance in a small container. */
  static openRoot(directory: string): HeldFolder | undefined {
    const fd = openSync(directory, O_PATH | constants.O_DIRECTORY);
    try {
      const through = statSync(`/proc/self/fd/${fd}/.`, { bigint: true });
      if (isSame(through, fstatSync(fd, { bigint: true }))) return new HeldFolder(fd, '', undefined);
    } catch {
      // No /proc, or another one than ours: the caller takes the other way.
    }
    closeSync(fd);
    return undefined;
  }

  at(name: string): Place {
    return join(this.self, name);
  }

  child(name: string): HeldFolder {
    const fd = openSync(this.at(name), O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    return new HeldFolder(fd, joinKey(this.key, name), this.#root);
  }

  again(): HeldFolder {
    return new HeldFolder(openSync(this.self, O_PATH | constants.O_DIRECTORY), this.key, this.#root);
  }

  openForReading(): number {
    return openSync(this.self, constants.O_RDONLY | constants.O_DIRECTORY);
  }

  /**
   * The kernel says where a held folder is now: one call, however deep it lies. Where the root lies is asked again only
   * if the answer does not fit.
   */
  isInPlace(): boolean {
    if (this.key === '') return true;
    try {
      const place = readlinkSync(this.self, 'latin1');
      if (place === this.#root.#place + this.#keyBytes) return true;
      this.#root.#place = folderPlace(readlinkSync(this.#root.self, 'latin1'));
      return place === this.#root.#place + this.#keyBytes;
    } catch {
      // A path longer than the kernel tells counts as moved: it costs another walk, no more.
      return false;
    }
  }

  checkAfterUse(): void {
    // Nothing to check: the descriptor cannot have meant another folder.
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }
}

/**
 * Elsewhere: a folder is remembered by its path and by what was there, device and inode, in each folder down from the
 * root. This is compared before and after each use. The promise is weaker: links that lie there are never passed, but
 * who can write in the root on this machine and swaps a folder in just the moment between check and use can make one
 * call land elsewhere. It is noticed right after: nothing read is handed on and nothing more is written.
 */
class NamedFolder implements Folder {
  readonly isHeld = false;
  readonly key: string;
  readonly self: Place;
  readonly #parent: NamedFolder | undefined;
  readonly #identity: BigIntStats;

  private constructor(self: Place, key: string, parent: NamedFolder | undefined) {
    this.#identity = lstatSync(self, { bigint: true });
    if (!this.#identity.isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
    this.self = self;
    this.key = key;
    this.#parent = parent;
  }

  static openRoot(directory: string): NamedFolder {
    return new NamedFolder(realpathSync(directory), '', undefined);
  }

  at(name: string): Place {
    return join(this.self, name);
  }

  child(name: string): NamedFolder {
    const child = new NamedFolder(this.at(name), joinKey(this.key, name), this);
    this.checkAfterUse();
    return child;
  }

  again(): NamedFolder {
    return this;
  }

  openForReading(): number {
    const fd = openSync(this.self, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0));
    if (isSame(fstatSync(fd, { bigint: true }), this.#identity)) return fd;
    closeSync(fd);
    throw this.#swapped();
  }

  isInPlace(): boolean {
    const now = lstatSync(this.self, { bigint: true, throwIfNoEntry: false });
    if (now === undefined || !now.isDirectory() || !isSame(now, this.#identity)) return false;
    return this.#parent?.isInPlace() ?? true;
  }

  checkAfterUse(): void {
    if (!this.isInPlace()) throw this.#swapped();
  }

  close(): void {
    // It holds nothing.
  }

  #swapped(): LineError {
    return new LineError('FORBIDDEN', `${quotePath(this.key)} was swapped for something else meanwhile`);
  }
}

/** What a link says, byte for byte. */
export function readLink(link: Place): string {
  return fromLatin1(readlinkSync(link, 'latin1'));
}

/** Asking Node for names in Latin-1 loses no byte and is fast; here they become what `decodeName` gives. */
export function fromLatin1(bytes: string): string {
  return ASCII.test(bytes) ? bytes : decodeName(Buffer.from(bytes, 'latin1'));
}

export function isSame(one: BigIntStats, other: BigIntStats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

/** `undefined` if it is a link. */
function childOrLink(folder: Folder, name: string): Folder | undefined {
  try {
    return folder.child(name);
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR' && lstatSync(folder.at(name)).isSymbolicLink()) return undefined;
    throw error;
  }
}

function pathChild(folder: Folder, name: string): Folder {
  const child = childOrLink(folder, name);
  if (child !== undefined) return child;
  throw new LineError('FORBIDDEN', `${quotePath(joinKey(folder.key, name))} is a link, which writing does not follow`);
}

function madeChild(folder: Folder, name: string): Folder {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return folder.child(name);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOTDIR')
        throw new LineError('EXISTS', `${quotePath(joinKey(folder.key, name))} is not a folder`, { cause: error });
      if (code !== 'ENOENT' || attempt > 0) throw error;
    }
    try {
      mkdirSync(folder.at(name), { mode: NEW_FOLDER_MODE });
    } catch (error) {
      // Another one made it at the same moment: whether it is a folder is seen in the second round.
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    folder.checkAfterUse();
  }
}

function folderPlace(path: string): string {
  return path === '/' ? path : `${path}/`;
}

function foundFolder(folder: Folder): Found {
  return { folder, name: undefined, stats: statSync(folder.self) };
}

function join(folder: Place, name: string): Place {
  if (typeof folder === 'string' && name.isWellFormed()) return `${folder}/${name}`;
  return Buffer.concat([Buffer.from(folder as string), Buffer.from('/'), encodeName(name)]);
}

function joinKey(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

function forbidden(names: readonly string[], fault: string): LineError {
  return new LineError('FORBIDDEN', `${quoteNames(names)} ${fault}`);
}

function quoteNames(names: readonly string[]): string {
  return quotePath(names.join('/'));
}

/** Linux only, and equal on all processors Node runs on; walks through folders that may be passed but not read. */
const O_PATH = 0o10000000;
const SEPARATOR = process.platform === 'win32' ? /[\\/]/ : '/';
const ASCII = /^\p{ASCII}*$/u;
/**
 * Its owner's alone. The sticky bit, which means nothing where nobody else may write, marks a folder that its transfer
 * has not finished: nothing else makes such folders. Systems other than Linux make them without it.
 */
export const NEW_FOLDER_MODE = 0o1700;
const MAX_RECENT_FOLDERS = 64;
/** As many links as Linux follows. */
const MAX_LINKS = 40;
/** Names passed in one walk: a chain of links with long targets must not hold up everybody else. */
const MAX_STEPS = 2048;
