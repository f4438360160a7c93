import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { codeOf } from '../node-errors.ts';
import { type Folder, fromLatin1 } from './beneath.ts';
import { Descriptor } from './descriptor.ts';
import {
  freshPartialName,
  isPartialOf,
  PARTIAL_SUFFIX,
  type PartialName,
  parsePartialName,
  type Writer,
} from './partial-names.ts';
import { NO_FOLLOW, NO_WAIT } from './source-file.ts';

/** A file on its way in, beside the name that it is to get (partial-names.ts). */
export interface OpenPartial {
  readonly fd: number;
  readonly name: string;
  /** Bytes that were there. */
  readonly size: number;
  /** A descriptor of a foreign partial whose content is still to be copied (`copyForeign`). */
  readonly copyOf?: number;
}

/** Makes and opens a new partial of `name`, for this process at `place`. */
export function makePartial(folder: Folder, name: string, place: string): OpenPartial {
  return withFreshName(name, { pid: process.pid, place }, partial => ({
    fd: openSync(folder.at(partial), NEW_FILE, PARTIAL_MODE),
    name: partial,
    size: 0,
  }));
}

interface FoundPartial {
  readonly name: string;
  readonly parsed: PartialName;
  readonly size: number;
  readonly stats: Stats;
  /** Whether a process that cannot be asked from here may be writing it: it can be read, and that is all. */
  readonly isForeign: boolean;
}

/**
 * What earlier sessions left of `name` and nobody is writing here, the largest first. Looks through the folder, which is
 * worth it for large files only.
 */
export function findPartials(folder: Folder, name: string, place: string): FoundPartial[] {
  return partialsIn(folder, place)
    .filter(({ parsed, stats }) => isPartialOf(parsed, name) && isOwn(stats))
    .sort((one, other) => other.size - one.size || Number(one.isForeign) - Number(other.isForeign));
}

/**
 * Those of files that the caller has brought to their end itself; they were too small to be gone on with, or were copied.
 * A partial of any other file is somebody else's and stays (R-F9), and so does a foreign one until it has lain for a day.
 */
export function removeSuperseded(folder: Folder, isCompleted: (name: string) => boolean, place: string): void {
  for (const { name, parsed, stats, isForeign } of partialsIn(folder, place)) {
    if (!isCompleted(parsed.stem) || (isForeign && Date.now() - stats.mtimeMs < FOREIGN_QUIET_MS)) continue;
    const whole = lstatSync(folder.at(parsed.stem), { throwIfNoEntry: false });
    if (whole !== undefined && isSuperseded(stats, whole)) unlinkSync(folder.at(name));
  }
  folder.checkAfterUse();
}

/** A file of its own, or the second name of the whole one, from a process that was killed while it gave it its name. */
function isSuperseded(partial: Stats, whole: Stats): boolean {
  if (partial.isSymbolicLink()) return whole.isSymbolicLink();
  const isSecondName = partial.ino === whole.ino && partial.dev === whole.dev;
  return whole.isFile() && (isOwn(partial) || isSecondName);
}

/** Files and links of this user that look like partials and that no process known to live writes. */
function partialsIn(folder: Folder, place: string): FoundPartial[] {
  const found: FoundPartial[] = [];
  for (const entry of readdirSync(folder.self, 'latin1')) {
    if (!entry.endsWith(PARTIAL_SUFFIX)) continue;
    const name = fromLatin1(entry);
    const parsed = parsePartialName(name);
    if (parsed === undefined) continue;
    const stats = lstatSync(folder.at(name), { throwIfNoEntry: false });
    if (stats === undefined || !isOurs(stats)) continue;
    const { writer } = parsed;
    const isElsewhere = writer?.place !== undefined && writer.place !== place;
    if (writer !== undefined && !isElsewhere && isBeingWritten(writer.pid, stats)) continue;
    const isForeign = writer !== undefined && writer.place !== place;
    found.push({ name, parsed, size: stats.size, stats, isForeign });
  }
  folder.checkAfterUse();
  return found;
}

/**
 * Takes the largest partial over: by giving it a name of this process, which only one process can do. In the place of a
 * foreign one it makes a new partial, to be filled by `copyForeign`.
 */
export function adoptPartial(folder: Folder, name: string, place: string): OpenPartial | undefined {
  for (const { name: left, isForeign } of findPartials(folder, name, place)) {
    try {
      const opened = isForeign ? openForeign(folder, left, name, place) : takeOver(folder, left, name, place);
      if (opened !== undefined) return opened;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error; // Another session was quicker.
    }
  }
  return undefined;
}

function takeOver(folder: Folder, left: string, name: string, place: string): OpenPartial | undefined {
  const own = freshPartialName(name, { pid: process.pid, place });
  renameSync(folder.at(left), folder.at(own));
  const opened = openOwn(folder, own, constants.O_RDWR);
  return opened === undefined ? undefined : { ...opened, name: own };
}

function openForeign(folder: Folder, left: string, name: string, place: string): OpenPartial | undefined {
  const foreign = openOwn(folder, left, constants.O_RDONLY);
  if (foreign === undefined) return undefined;
  try {
    return { ...makePartial(folder, name, place), copyOf: foreign.fd };
  } catch (error) {
    closeSync(foreign.fd);
    throw error;
  }
}

/**
 * Fills the new partial from a foreign one, which may change meanwhile: what the copy is worth is found out by comparing
 * it with the source, like all that lay there. Closes `copyOf`. Where it fails, the copy ends.
 */
export async function copyForeign({ fd, name }: OpenPartial, copyOf: number): Promise<OpenPartial> {
  try {
    // A disk that can lets both share what is the same. Through /proc it is the very files that are open.
    await copyFile(`/proc/self/fd/${copyOf}`, `/proc/self/fd/${fd}`, constants.COPYFILE_FICLONE);
  } catch {
    await copyBytes(new Descriptor(copyOf), new Descriptor(fd)).catch(() => {});
  } finally {
    closeSync(copyOf);
  }
  // What was copied had a mode too.
  if (process.platform !== 'win32') fchmodSync(fd, PARTIAL_MODE);
  return { fd, name, size: fstatSync(fd).size };
}

async function copyBytes(source: Descriptor, target: Descriptor): Promise<void> {
  const block = new Uint8Array(COPY_BLOCK_BYTES);
  for (let position = 0, count = block.length; count === block.length; position += count) {
    count = await source.readFully(block, position, false);
    await target.writeFully(block.subarray(0, count), position, false);
  }
}

/** Calls `make` with a new name for a partial of `name`, again if that happens to exist. */
export function withFreshName<T>(name: string, writer: Writer | undefined, make: (freshName: string) => T): T {
  return withName(() => freshPartialName(name, writer), make);
}

/** Calls `make` with what `draw` gives, again if something of that name exists. */
export function withName<T>(draw: () => string, make: (name: string) => T): T {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return make(draw());
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** Looks again at what was opened: it may have been swapped since it was found. */
function openOwn(
  folder: Folder,
  name: string,
  mode: number,
): { readonly fd: number; readonly size: number } | undefined {
  const fd = openSync(folder.at(name), mode | NO_FOLLOW | NO_WAIT);
  const stats = fstatSync(fd);
  if (isOwn(stats)) return { fd, size: stats.size };
  closeSync(fd);
  return undefined;
}

/**
 * Only a plain file of this user with one name: a second name could be that of another file of his, which would be
 * written into.
 */
function isOwn(stats: Stats): boolean {
  return stats.isFile() && stats.nlink === 1 && isOurs(stats);
}

function isOurs(stats: Stats): boolean {
  const isPlain = stats.isFile() || stats.isSymbolicLink();
  return isPlain && (process.getuid === undefined || stats.uid === process.getuid());
}

/**
 * By a process that lives. One that has got the number of a dead one only costs a new beginning; but in a container each
 * start has the same number, so with this process's own it counts whether the file is older than the process.
 */
function isBeingWritten(pid: number, stats: Stats): boolean {
  if (pid === process.pid) {
    // Two ways to tell the start, so that a clock that was set meanwhile, in either direction, does no harm.
    const startMs = Math.min(performance.timeOrigin, Date.now() - process.uptime() * 1000);
    return stats.ctimeMs >= startMs - CLOCK_SLACK_MS;
  }
  return isAlive(pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

const MAX_ATTEMPTS = 8;
const COPY_BLOCK_BYTES = 1024 * 1024;
/** A transfer writes now and then; one that has not for a day is over, wherever it was. */
const FOREIGN_QUIET_MS = 24 * 3600 * 1000;
/** Of the disk's clock behind the system's: the kernel stamps files with the last tick. */
const CLOCK_SLACK_MS = 50;
/** What is not complete is its owner's alone. */
const PARTIAL_MODE = 0o600;
export const NEW_FILE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW;
