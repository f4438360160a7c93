/** What the files service says of one thing in a folder. */
export interface Entry {
  /**
   * Relative to what was asked for, with `/` between names; `''` is that thing itself. A name that is not UTF-8 is held
   * as bytes/text.ts `decodeName` gives it.
   */
  readonly path: string;
  readonly type: EntryType;
  /** Bytes; 0 for everything but files. */
  readonly size: number;
  /** Modification time in microseconds since 1970, an integer: what a number holds exactly until the year 2255. */
  readonly mtimeUs: number;
  /** Permission bits, at most 0o777: setuid, setgid and the sticky bit never travel (R-F4). */
  readonly mode: number;
  /** Where a link points, as it is written in the link. Only with type `link`. */
  readonly target?: string;
}

/** Whether both tell of the same content, as far as size and time can say. */
export function isSameVersion(one: Entry, other: Entry): boolean {
  return one.size === other.size && one.mtimeUs === other.mtimeUs;
}

export type EntryType = 'file' | 'folder' | 'link' | 'other';

/** One thing that could not be listed; the listing goes on. */
export interface Problem {
  readonly path: string;
  readonly error: import('../../errors.ts').LineError;
}

/** Whether what is at `path`, relative to the top of what is compared, is left out; with a folder all that is in it. */
export type Excluder = (path: string, isFolder: boolean) => boolean;
