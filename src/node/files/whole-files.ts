import { randomInt } from 'node:crypto';
import { closeSync, fstatSync, lstatSync, openSync, unlinkSync, writeSync } from 'node:fs';
import type { WholeFile } from '../../services/files/store.ts';
import { codeOf } from '../node-errors.ts';
import type { Folder, Place } from './beneath.ts';
import { moveToFreeName, PERMISSION_BITS, replaceBy, setAttributes, setTime } from './finishing.ts';
import { partialNameOf } from './partial-names.ts';
import { NEW_FILE, withName } from './partials.ts';

/**
 * Small files that are here whole, put one after the other into one folder. A file takes several system calls and little
 * else, so what holds for all of them is found out once.
 */
export class WholeFiles {
  readonly #folder: Folder;
  readonly #place: string;
  #number = randomInt(2 ** 32);
  /** Modes that a new file of this folder gets as they are asked for: no umask and no rule of the folder is in the way. */
  readonly #exactModes = new Set<number>();
  #tellsCase: boolean | undefined;

  constructor(folder: Folder, place: string) {
    this.#folder = folder;
    this.#place = place;
  }

  /** In one step, none of whose calls waits for anybody. */
  put(name: string, file: WholeFile): void {
    const mode = file.mode & PERMISSION_BITS;
    const { fd, partialName } = this.#open(name, mode);
    const partial = this.#folder.at(partialName);
    const target = this.#folder.at(name);
    try {
      try {
        writeWhole(fd, file.bytes);
        if (this.#isExact(fd, mode)) setTime(fd, file.mtimeUs);
        else setAttributes(fd, file);
      } finally {
        closeSync(fd);
      }
      (file.replace || (file.mayReplace && this.#isNoTwin(name, partialName)) ? replaceBy : moveToFreeName)(
        partial,
        target,
      );
    } catch (error) {
      // Made in this very call, so it is ours to remove; once it has its name there is nothing to find.
      removeIfThere(partial);
      throw error;
    }
    this.#folder.checkAfterUse();
  }

  #open(name: string, mode: number): { readonly fd: number; readonly partialName: string } {
    return withName(
      () => {
        this.#number = (this.#number + 1) >>> 0;
        return partialNameOf(name, { pid: process.pid, place: this.#place }, this.#number);
      },
      // It is whole in a moment, so it may have its mode from the beginning; but its owner can take it up, should it stay.
      partialName => ({ fd: openSync(this.#folder.at(partialName), NEW_FILE, mode | OWNER_WRITES), partialName }),
    );
  }

  #isExact(fd: number, mode: number): boolean {
    if (this.#exactModes.has(mode)) return true;
    if ((fstatSync(fd).mode & PERMISSION_BITS) !== mode) return false;
    this.#exactModes.add(mode);
    return true;
  }

  /**
   * Whether no other name can mean what has this one, as `readme` and `README` do on some disks and in some folders, and
   * `\u00e9` and `e\u0301` on others.
   */
  #isNoTwin(name: string, partialName: string): boolean {
    if (!ASCII.test(name)) return false;
    this.#tellsCase ??= lstatSync(this.#folder.at(partialName.toUpperCase()), { throwIfNoEntry: false }) === undefined;
    return this.#tellsCase;
  }
}

function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}

function removeIfThere(place: Place): void {
  try {
    unlinkSync(place);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

const OWNER_WRITES = 0o200;
const ASCII = /^\p{ASCII}*$/u;
