import type { LineError } from '../../errors.ts';
import type { Entry, Excluder, Problem } from './entry.ts';

/**
 * The ports through which the files service reaches a disk. Paths are relative, checked by names.ts before they come
 * here, and `''` means the root. Every function throws `LineError` and nothing else.
 */

/** A folder that may be read. Nothing outside it can be reached through it, by any path and any link. */
export interface ReadStore {
  /** What is at `path`. Links are followed as long as they stay inside; one that leaves is `FORBIDDEN`. */
  stat(path: string, options?: LookOptions): Promise<Entry>;
  /**
   * The content of the folder at `path`, streamed in batches without waiting for the whole; a folder comes before what
   * is in it. Links inside are listed, unless `followLinks` has what they lead to in their place. What cannot be read is a
   * `Problem` in its place. Paths of entries are relative to `path`.
   */
  list(path: string, options: ListingOptions): AsyncIterable<readonly (Entry | Problem)[]>;
  /**
   * Reads the files at `paths`, of at most `MAX_WHOLE_BYTES` each, into `target`, one behind the other and in order, for as
   * long as they are small and fit: what it gives may be fewer, even none. A file that changed while it was read has failed,
   * and a failure is the last of them. A store need not have this way, which holds up everybody else.
   */
  readWhole?(paths: readonly string[], target: Uint8Array, options?: LookOptions): Promise<readonly WholeRead[]>;
  /** Opens the file at `path` for reading; links as with `stat`. Not a plain file: `NOT_A_FILE`. */
  open(path: string, options?: LookOptions): Promise<SourceFile>;
  /**
   * Notices changes of what is below the folder at `path`; links as with `stat`, and those below are not followed. Resolves
   * once no change is missed any more. What `exclude` says of a path relative to that folder does not count, as far as it
   * can be told apart.
   */
  watch?(path: string, options?: LookOptions): Promise<ChangeWatch>;
}

export interface LookOptions {
  /** What must not be reached, by its own path without links, whichever link leads there: `NOT_FOUND`. */
  readonly exclude?: Excluder | undefined;
}

export interface ListingOptions extends LookOptions {
  readonly recursive: boolean;
  /**
   * A link is listed as what it leads to. One that leads out is a `FORBIDDEN` problem, as is one back to a folder above
   * it; one that leads to nothing is `NOT_FOUND`.
   */
  readonly followLinks?: boolean | undefined;
}

/** A small file that was read at once, or why it was not; `path` of the entry is `''`. */
export type WholeRead = { readonly entry: Entry } | { readonly failure: LineError };

/** What is read or written in one step, without a partial that could be gone on with. */
export const MAX_WHOLE_BYTES = 64 * 1024;
export interface ChangeWatch {
  /**
   * Resolves at the next change, or at once if there was one since the last call: a few times a second at most, and now and
   * then without a change. One caller at a time. Throws what has ended the watch, `CLOSED` after `close`.
   */
  next(): Promise<void>;
  /** May be called twice. */
  close(): void;
}

export interface SourceFile {
  /** As it was when opened; `path` is `''`. */
  readonly entry: Entry;
  /** The disk holds less of it than its size: it may have long runs of zeros. */
  readonly isSparse?: boolean | undefined;
  /** Fills `target` from `position` and returns how many bytes there were: fewer only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Throws `CHANGED` if size, time or identity are no longer what they were when the file was opened. */
  verifyUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** A folder that is written into. No write through it lands outside, whatever links stand in the way (R-F1, R-F2). */
export interface ReceiveStore {
  /** What is at `path`, a link as a link; `undefined` if nothing is there. */
  stat(path: string): Promise<Entry | undefined>;
  /**
   * As `stat` for each of these names in one folder, in less time; `undefined` also for what cannot be looked at. A store
   * need not have this way.
   */
  statIn?(folder: string, names: readonly string[]): Promise<readonly (Entry | undefined)[]>;
  /** Opens an existing file for comparing. */
  open(path: string): Promise<SourceFile>;
  /** Makes the folder at `path` and those above it; one that is there already counts as made. */
  makeFolder(path: string): Promise<MadeFolder>;
  /** Gives a folder its time and mode, after everything in it has been written. */
  finishFolder(path: string, attributes: Attributes): Promise<void>;
  /**
   * Gives the file at `path` another time and mode and leaves its content. Throws `CHANGED` if size or time are no longer
   * those of `judged`, and `NOT_A_FILE` for anything else than a plain file; no link is followed.
   */
  setAttributes(path: string, judged: Entry, attributes: Attributes): Promise<void>;
  /** Makes a link; a target that could leave the root is `BAD_NAME`, an existing name `EXISTS`. */
  makeLink(path: string, target: string, options: { replace: boolean }): Promise<void>;
  /**
   * Removes partials in the folder at `path` that nobody is writing, of files that `isCompleted` says this transfer has
   * brought to their end: of no others (R-F9).
   */
  clearPartials?(path: string, isCompleted: (name: string) => boolean): Promise<void>;
  /** Takes memory that nobody uses any more, if the platform has a way to give it back at once. */
  release?(bytes: Uint8Array): void;
  /** Bytes of a partial of `path` that an earlier session left and nobody is writing any more; 0 if there is none. */
  partialBytes(path: string): Promise<number>;
  /**
   * Starts a file under a temporary name beside `path`, whose folder is made if needed. With `resume` it goes on with
   * such a partial if there is one, which from then on is this session's. A store that is bounded refuses a `byteLength` that
   * there is no room for (`NO_SPACE`).
   */
  create(path: string, options?: { readonly resume?: boolean; readonly byteLength?: number }): Promise<ReceivingFile>;
  /**
   * Small files that are here whole, each in one step: as `create`, `write` and `commit`, and nothing of it stays if that
   * fails. Gives for each, in order, why it failed, if it did. A store need not have this way, which holds up everybody else.
   */
  putWhole?(files: readonly WholeFile[]): Promise<readonly (LineError | undefined)[]>;
  /** Gives what is at `from` another name; nothing that has the new one is replaced (`EXISTS`). */
  move(from: string, to: string): Promise<void>;
  /** Removes a file or a link, or an empty folder; with `recursive` a folder and all in it. Links are never followed. */
  remove?(path: string, options: { readonly recursive: boolean }): Promise<void>;
}

/** A folder in which things can be changed that were there before. */
export interface ChangeStore extends ReceiveStore {
  remove(path: string, options: { readonly recursive: boolean }): Promise<void>;
}

/** `unfinished`: time and mode are still to be set, because an earlier session was cut off; as they are on a `new` one. */
export type MadeFolder = 'new' | 'unfinished' | 'there';

export interface Attributes {
  readonly mtimeUs: number;
  readonly mode: number;
}

export interface WholeFile extends Attributes {
  readonly path: string;
  /** The caller's; not used any more once the promise has settled. */
  readonly bytes: Uint8Array;
  /** What is there is replaced. */
  readonly replace: boolean;
  /**
   * Nothing was there, and what appears meanwhile may be replaced as well, if that is quicker. Not what has another name that
   * this disk takes for the same.
   */
  readonly mayReplace?: boolean;
}

export interface ReceivingFile {
  /** Bytes that were there from an earlier session; what they are worth is for the caller to find out. */
  readonly keptBytes: number;
  /** Cuts off what lies behind `byteLength`. */
  truncate(byteLength: number): Promise<void>;
  /** Writes all of `bytes` at `position`; the buffer is the store's until the promise settles. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Makes what lies there zeros: a hole behind all that was written or kept so far, if the disk can have one. */
  writeZeros(byteLength: number, position: number): Promise<void>;
  /** Reads back what was written, as `SourceFile.read`: for comparing it before it gets its name. */
  read(target: Uint8Array, position: number): Promise<number>;
  /**
   * Gives the file its time and mode and moves it to its name in one step. Without `replace` an existing name is
   * `EXISTS` and the temporary file stays as after `keep`.
   */
  commit(options: Attributes & { replace: boolean; fsync?: boolean }): Promise<void>;
  /** Closes and keeps what was received under the partial's name; the file's own name stays untouched. */
  keep(): Promise<void>;
  /** Closes and removes the temporary file that this object made (never another one, R-F9). */
  discard(): Promise<void>;
}
