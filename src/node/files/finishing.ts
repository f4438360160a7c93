import { fchmodSync, futimesSync, linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { LineError } from '../../errors.ts';
import type { Attributes } from '../../services/files/store.ts';
import { codeOf } from '../node-errors.ts';
import type { Place } from './beneath.ts';

/** What a file gets last: its time and mode, and its name. */

export function setAttributes(fd: number, { mtimeUs, mode }: Attributes): void {
  setTime(fd, mtimeUs);
  try {
    fchmodSync(fd, mode & PERMISSION_BITS);
  } catch (error) {
    // FAT and its like have no modes: then the file has what its disk gives to all.
    if (!WITHOUT_MODES.has(codeOf(error) ?? '')) throw error;
  }
}

export function setTime(fd: number, mtimeUs: number): void {
  futimesSync(fd, new Date(), timeForNode(mtimeUs));
}

/**
 * Node takes seconds as a number, which holds them to a quarter of a microsecond, and cuts to microseconds: half of one
 * more keeps it from cutting one away. A negative number it would take for "now", but not a date, which knows
 * milliseconds only (lib/internal/fs/utils.js, toUnixTimestamp).
 */
function timeForNode(mtimeUs: number): number | Date {
  return mtimeUs < 0 ? new Date(Math.floor(mtimeUs / 1000)) : (mtimeUs + 0.5) / 1e6;
}

/** In one step and without touching what may be there, be it a file or a link: a second name, then the first removed. */
export function moveToFreeName(partial: Place, target: Place): void {
  try {
    linkSync(partial, target);
  } catch (error) {
    if (!WITHOUT_HARD_LINKS.has(codeOf(error) ?? '')) throw error;
    // FAT and some network disks. Between look and move another program could make the same name, and would lose it.
    if (lstatSync(target, { throwIfNoEntry: false }) !== undefined)
      throw new LineError('EXISTS', 'a file of this name is there already', { cause: error });
    renameSync(partial, target);
    return;
  }
  unlinkSync(partial);
}

/** In one step; a link at the target is replaced itself, a folder never is. */
export function replaceBy(partial: Place, target: Place): void {
  try {
    renameSync(partial, target);
  } catch (error) {
    if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory())
      throw new LineError('EXISTS', 'a folder of this name is there already', { cause: error });
    throw error;
  }
}

/** Without setuid, setgid and sticky (R-F4). */
export const PERMISSION_BITS = 0o777;
const WITHOUT_HARD_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);
const WITHOUT_MODES = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);
