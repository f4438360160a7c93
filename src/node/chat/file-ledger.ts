import { LineError } from '../../errors.ts';
import { CHAT_FILE_OVERHEAD_BYTES, MAX_CHAT_FILES } from '../../protocol/limits.ts';

/** A file of a room, or what has come of one. */
interface LedgerFile {
  readonly id: string;
  /** Unknown as long as only partials were found, whose names may be shortened. */
  name: string | undefined;
  /** Of the whole file; `undefined` before. */
  size: number | undefined;
  /** Of partials that nobody is writing. */
  partialBytes: number;
  writers: number;
  changedMs: number;
  isLeaving: boolean;
}

/**
 * The account of all files of a server's rooms: whoever writes has room for it first, however many write at once. An id
 * names one file for ever; the first to write under an id decides its name.
 */
export class FileLedger {
  readonly #maxBytes: number;
  /** By their ids in lower case: on a disk that takes upper and lower case for the same, these are one folder. */
  readonly #files = new Map<string, LedgerFile>();
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Of files and partials, with what each costs besides its bytes. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Enters what an earlier process has left. It may be more than there is room for; then nothing is added. */
  enter(
    id: string,
    found: { readonly name: string | undefined; readonly bytes: number; readonly changedMs: number },
  ): void {
    const file = this.#find(id) ?? this.#open(id, found.changedMs);
    if (found.name === undefined) file.partialBytes += found.bytes;
    else {
      file.name = found.name;
      file.size = (file.size ?? 0) + found.bytes;
    }
    this.#usedBytes += found.bytes;
  }

  /** The size of the file if it is whole and has this name. */
  sizeOf(id: string, name: string): number | undefined {
    const file = this.#find(id);
    return file === undefined || file.id !== id || file.isLeaving || file.name !== name ? undefined : file.size;
  }

  /**
   * Begins to write a file that says to have `size` bytes. `EXISTS` if the id has another name or is whole, `NO_SPACE` if
   * there is no room for it, before anything is written.
   */
  begin(id: string, name: string, size: number, nowMs: number): Writing {
    const known = this.#find(id);
    const isFree = known === undefined || (known.id === id && !known.isLeaving && known.size === undefined);
    if (!isFree || (known?.name ?? name) !== name) throw new LineError('EXISTS', 'this place has its file');
    const added = known === undefined ? CHAT_FILE_OVERHEAD_BYTES : 0;
    if (added + size - (known?.partialBytes ?? 0) > this.#freeBytes) throw noSpace();
    if (known === undefined && this.#files.size >= MAX_CHAT_FILES) throw noSpace();
    const file = known ?? this.#open(id, nowMs);
    file.name = name;
    file.writers += 1;
    return this.#writing(file);
  }

  /** Ids of files that nobody has written since, and nobody writes. */
  idsUnchangedSince(ms: number): readonly string[] {
    const files = [...this.#files.values()].filter(({ writers, changedMs }) => writers === 0 && changedMs <= ms);
    return files.map(({ id }) => id);
  }

  /** From now on nobody finds the file; gives what says that it is gone, or that it stays. `undefined` if it is in use. */
  leave(id: string): ((isGone: boolean) => void) | undefined {
    const file = this.#find(id);
    if (file === undefined || file.id !== id || file.isLeaving || file.writers > 0) return undefined;
    file.isLeaving = true;
    return isGone => {
      file.isLeaving = false;
      if (isGone) this.#close(file);
    };
  }

  get #freeBytes(): number {
    return this.#maxBytes - this.#usedBytes;
  }

  #find(id: string): LedgerFile | undefined {
    return this.#files.get(id.toLowerCase());
  }

  #open(id: string, changedMs: number): LedgerFile {
    const file = { id, name: undefined, size: undefined, partialBytes: 0, writers: 0, changedMs, isLeaving: false };
    this.#files.set(id.toLowerCase(), file);
    this.#usedBytes += CHAT_FILE_OVERHEAD_BYTES;
    return file;
  }

  #close(file: LedgerFile): void {
    this.#files.delete(file.id.toLowerCase());
    this.#usedBytes -= CHAT_FILE_OVERHEAD_BYTES + file.partialBytes + (file.size ?? 0);
  }

  #writing(file: LedgerFile): Writing {
    let heldBytes = 0;
    return {
      adopt: bytes => {
        const known = Math.min(bytes, file.partialBytes);
        file.partialBytes -= known;
        heldBytes += bytes;
        this.#usedBytes += bytes - known;
      },
      reach: bytes => {
        if (bytes <= heldBytes) return;
        if (bytes - heldBytes > this.#freeBytes) throw noSpace();
        this.#usedBytes += bytes - heldBytes;
        heldBytes = bytes;
      },
      isElsewhereWhole: () => file.size !== undefined,
      finish: (outcome, bytes, nowMs) => {
        this.#usedBytes += bytes - heldBytes;
        heldBytes = bytes;
        file.writers -= 1;
        file.changedMs = nowMs;
        if (outcome === 'whole') file.size = bytes;
        else file.partialBytes += bytes;
        const isEmpty = file.writers === 0 && file.size === undefined && file.partialBytes === 0;
        if (isEmpty) this.#close(file);
        return isEmpty;
      },
    };
  }
}

/** One writing of a file, by whoever began it. */
export interface Writing {
  /** Takes over what a partial has. */
  adopt(bytes: number): void;
  /** The file is to reach as far as this: `NO_SPACE` if there is no room. Called before the bytes are written. */
  reach(bytes: number): void;
  /** Somebody else was quicker. */
  isElsewhereWhole(): boolean;
  /** Ends it with what lies on the disk: of the file, or of a partial, 0 if that is gone too. Says whether nothing is left. */
  finish(outcome: 'whole' | 'partial', bytes: number, nowMs: number): boolean;
}

function noSpace(): LineError {
  return new LineError('NO_SPACE', 'the server has no room left for files of rooms');
}
