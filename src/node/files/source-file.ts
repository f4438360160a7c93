import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { LineError } from '../../errors.ts';
import type { Entry, EntryType } from '../../services/files/entry.ts';
import { quotePath } from '../../services/files/names.ts';
import { MAX_WHOLE_BYTES, type SourceFile } from '../../services/files/store.ts';
import { toLineError, translating } from '../node-errors.ts';
import type { Found } from './beneath.ts';
import { Descriptor, SMALL_FILE_BYTES } from './descriptor.ts';

/** Opens what has been found as a plain file. A fifo or a device is not even touched: opening one can have effects. */
export function openSource(found: Found, path: string): SourceFile {
  const { fd, stats } = openPlain(found, path);
  return new DiskFile(fd, stats, path);
}

/**
 * Reads a file of at most `MAX_WHOLE_BYTES` at once to the start of `target`, and looks whether it stayed what it was;
 * `undefined` if it is larger than that or than `target`.
 */
export function readWhole(found: Found, path: string, target: Uint8Array): Entry | undefined {
  if (found.stats.size > Math.min(MAX_WHOLE_BYTES, target.length)) return undefined;
  const { fd, stats } = openPlain(found, path);
  try {
    if (stats.size > Math.min(MAX_WHOLE_BYTES, target.length)) return undefined;
    let filled = 0;
    while (filled < stats.size) {
      const count = readSync(fd, target, filled, stats.size - filled, filled);
      if (count === 0) break;
      filled += count;
    }
    const after = fstatSync(fd);
    if (filled < stats.size || after.size !== stats.size || after.mtimeMs !== stats.mtimeMs) throw changed(path);
    return entryOf('', stats);
  } finally {
    closeSync(fd);
  }
}

function openPlain(found: Found, path: string): { readonly fd: number; readonly stats: Stats } {
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
    return { fd, stats };
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

class DiskFile implements SourceFile {
  readonly entry: Entry;
  readonly isSparse: boolean;
  readonly #descriptor: Descriptor;
  readonly #path: string;
  readonly #mtimeMs: number;
  #endedEarly = false;

  constructor(fd: number, stats: Stats, path: string) {
    this.#descriptor = new Descriptor(fd);
    this.#path = path;
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
      throw toLineError(error, quotePath(this.#path));
    }
  }

  async verifyUnchanged(): Promise<void> {
    // The descriptor holds one file: if another has been moved to its name, what was read still is one whole file.
    const stats = translating(quotePath(this.#path), () => fstatSync(this.#descriptor.fd));
    if (this.#endedEarly || stats.size !== this.entry.size || stats.mtimeMs !== this.#mtimeMs)
      throw changed(this.#path);
  }

  async close(): Promise<void> {
    try {
      await this.#descriptor.close();
    } catch (error) {
      throw toLineError(error, quotePath(this.#path));
    }
  }
}

function changed(path: string): LineError {
  return new LineError('CHANGED', `${quotePath(path)} changed while it was read`);
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

export const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;
export const NO_WAIT = constants.O_NONBLOCK ?? 0;
/** Of `stats.blocks`, whatever the disk's own are. */
const STAT_BLOCK_BYTES = 512;
