import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { codeOf } from '../node-errors.ts';
import { type Folder, fromLatin1 } from './beneath.ts';
import { freshPartialName, PARTIAL_SUFFIX, parsePartialName, stemOf } from './partial-names.ts';
import { NO_FOLLOW } from './read-root.ts';

/** A file on its way in, beside the name that it is to get (partial-names.ts). */
export interface OpenPartial {
  readonly fd: number;
  readonly name: string;
  /** Bytes that were there. */
  readonly size: number;
}

/** Makes and opens a new partial of `name`. */
export function makePartial(folder: Folder, name: string): OpenPartial {
  return withFreshName(name, process.pid, partial => ({
    fd: openSync(folder.at(partial), NEW_FILE, PARTIAL_MODE),
    name: partial,
    size: 0,
  }));
}

/**
 * What earlier sessions left of `name` and nobody is writing, the largest first. Looks through the folder, which is worth
 * it for large files only.
 */
export function findPartials(folder: Folder, name: string): { readonly name: string; readonly size: number }[] {
  return abandonedPartials(folder)
    .filter(partial => partial.stem === stemOf(name))
    .sort((one, other) => other.size - one.size);
}

/**
 * Those of files that the caller has brought to their end itself; they were too small to be gone on with. A partial of any
 * other file is somebody else's and stays (R-F9).
 */
export function removeSuperseded(folder: Folder, isCompleted: (name: string) => boolean): void {
  for (const partial of abandonedPartials(folder)) {
    if (!isCompleted(partial.stem)) continue;
    const file = lstatSync(folder.at(partial.stem), { throwIfNoEntry: false });
    if (file?.isFile()) unlinkSync(folder.at(partial.name));
  }
  folder.checkAfterUse();
}

/** Plain files of this user with one name that look like partials and that no living process writes. */
function abandonedPartials(folder: Folder): { readonly name: string; readonly stem: string; readonly size: number }[] {
  const found: { name: string; stem: string; size: number }[] = [];
  for (const entry of readdirSync(folder.self, 'latin1')) {
    if (!entry.endsWith(PARTIAL_SUFFIX)) continue;
    const name = fromLatin1(entry);
    const parsed = parsePartialName(name);
    if (parsed === undefined) continue;
    const stats = lstatSync(folder.at(name), { throwIfNoEntry: false });
    if (stats === undefined || !isOwn(stats) || isBeingWritten(parsed.pid, stats)) continue;
    found.push({ name, stem: parsed.stem, size: stats.size });
  }
  folder.checkAfterUse();
  return found;
}

/** Takes the largest partial over: by giving it a name of this process, which only one process can do. */
export function adoptPartial(folder: Folder, name: string): OpenPartial | undefined {
  for (const { name: left } of findPartials(folder, name)) {
    const own = freshPartialName(name, process.pid);
    try {
      renameSync(folder.at(left), folder.at(own));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') continue; // Another session was quicker.
      throw error;
    }
    const opened = openOwn(folder, own);
    if (opened !== undefined) return opened;
  }
  return undefined;
}

/** Calls `make` with a new name for a partial of `name`, again if that happens to exist. */
export function withFreshName<T>(name: string, pid: number, make: (freshName: string) => T): T {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return make(freshPartialName(name, pid));
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** Looks again at what was opened: it may have been swapped since it was found. */
function openOwn(folder: Folder, name: string): OpenPartial | undefined {
  const fd = openSync(folder.at(name), constants.O_RDWR | NO_FOLLOW | NO_WAIT);
  const stats = fstatSync(fd);
  if (isOwn(stats)) return { fd, name, size: stats.size };
  closeSync(fd);
  return undefined;
}

/**
 * Only a plain file of this user with one name: a second name could be that of another file of his, which would be
 * written into.
 */
function isOwn(stats: Stats): boolean {
  return stats.isFile() && stats.nlink === 1 && (process.getuid === undefined || stats.uid === process.getuid());
}

/**
 * By a process that lives. One that has got the number of a dead one only costs a new beginning; but in a container each
 * start has the same number, so with this process's own it counts whether the file is older than the process.
 */
function isBeingWritten(pid: number, stats: Stats): boolean {
  if (pid === 0) return false;
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
/** Of the disk's clock behind the system's: the kernel stamps files with the last tick. */
const CLOCK_SLACK_MS = 50;
/** What is not complete is its owner's alone. */
const PARTIAL_MODE = 0o600;
const NEW_FILE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW;
const NO_WAIT = constants.O_NONBLOCK ?? 0;
