import { LineError } from '../../errors.ts';
import { CHAT_FILE_ID_CHARACTERS } from '../../protocol/limits.ts';
import type { Entry } from '../../services/files/entry.ts';
import type { Attributes, ChangeStore, ReceivingFile, SourceFile } from '../../services/files/store.ts';
import { parsePartialName } from '../files/partial-names.ts';
import type { FileLedger, Writing } from './file-ledger.ts';

/**
 * Where uploads to rooms arrive: of the gate behind it there is only `ID/NAME`, one new file for each id, as far as there is
 * room. Nothing can be replaced, moved or removed through it, and nothing made but files.
 */
export class ArrivingFiles implements ChangeStore {
  readonly #gate: ChangeStore;
  readonly #ledger: FileLedger;
  readonly #nowMs: () => number;

  constructor(gate: ChangeStore, ledger: FileLedger, nowMs: () => number) {
    this.#gate = gate;
    this.#ledger = ledger;
    this.#nowMs = nowMs;
  }

  async stat(path: string): Promise<Entry | undefined> {
    requireRoomPath(path);
    return this.#gate.stat(path);
  }

  async partialBytes(path: string): Promise<number> {
    requireRoomPath(path);
    return this.#gate.partialBytes(path);
  }

  async create(
    path: string,
    options: { readonly resume?: boolean; readonly byteLength?: number } = {},
  ): Promise<ReceivingFile> {
    const { id, name } = requireRoomPath(path);
    const { byteLength = 0 } = options;
    const writing = this.#ledger.begin(id, name, byteLength, this.#nowMs());
    const release: Release = async (outcome, bytes) => {
      if (!writing.finish(outcome, bytes, this.#nowMs())) return;
      // Whoever begins anew meanwhile makes the folder again.
      await this.#gate.remove(id, { recursive: false }).catch(() => {});
    };
    let file: ReceivingFile;
    try {
      file = await this.#gate.create(path, options);
    } catch (thrown) {
      await release('partial', 0);
      throw thrown;
    }
    const arriving = new ArrivingFile(file, writing, release);
    try {
      writing.adopt(file.keptBytes);
      writing.reach(byteLength);
      return arriving;
    } catch (thrown) {
      await arriving.discard();
      throw thrown;
    }
  }

  async open(): Promise<SourceFile> {
    throw notOffered();
  }

  async makeFolder(): Promise<never> {
    throw new LineError('NOT_A_FILE', 'rooms take files, no folders');
  }

  async finishFolder(): Promise<void> {
    throw notOffered();
  }

  async setAttributes(): Promise<void> {
    throw notOffered();
  }

  async makeLink(): Promise<void> {
    throw notOffered();
  }

  async move(): Promise<void> {
    throw notOffered();
  }

  async remove(): Promise<void> {
    throw notOffered();
  }

  release(bytes: Uint8Array): void {
    this.#gate.release?.(bytes);
  }
}

/** The two names of a path of a room's file. `FORBIDDEN` for any other path, and for names that partials have. */
export function requireRoomPath(path: string): { readonly id: string; readonly name: string } {
  const [id, name, ...more] = path.split('/');
  if (!isFileId(id!) || name === undefined || name === '' || more.length > 0) throw notOffered();
  if (parsePartialName(name) !== undefined) throw new LineError('BAD_NAME', 'a file that is still on its way');
  return { id: id!, name };
}

/** 128 bits that the sender draws: who was not told of a file cannot ask for it. */
export function isFileId(id: string): boolean {
  return id.length === CHAT_FILE_ID_CHARACTERS && /^[\w-]+$/.test(id);
}

/** Ends a writing, with what lies on the disk then. */
type Release = (outcome: 'whole' | 'partial', bytes: number) => Promise<void>;

/** Counts each byte before it is written. */
class ArrivingFile implements ReceivingFile {
  readonly #file: ReceivingFile;
  readonly #writing: Writing;
  readonly #release: Release;
  /** How far the file goes. */
  #byteLength: number;
  #isRefused = false;

  constructor(file: ReceivingFile, writing: Writing, release: Release) {
    this.#file = file;
    this.#writing = writing;
    this.#release = release;
    this.#byteLength = file.keptBytes;
  }

  get keptBytes(): number {
    return this.#file.keptBytes;
  }

  async truncate(byteLength: number): Promise<void> {
    this.#reach(byteLength);
    await this.#file.truncate(byteLength);
    this.#byteLength = byteLength;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    if (bytes.length > 0) this.#reach(position + bytes.length);
    await this.#file.write(bytes, position);
  }

  async writeZeros(byteLength: number, position: number): Promise<void> {
    if (byteLength > 0) this.#reach(position + byteLength);
    await this.#file.writeZeros(byteLength, position);
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return this.#file.read(target, position);
  }

  /** The file is the owner's alone and never a program, whatever its sender says. */
  async commit(options: Attributes & { fsync?: boolean }): Promise<void> {
    await this.#file.commit({ ...options, mode: FILE_MODE, replace: false });
    await this.#release('whole', this.#byteLength);
  }

  /** What there is no room for will not be gone on with, and what somebody else has finished neither. */
  async keep(): Promise<void> {
    if (this.#isRefused || this.#writing.isElsewhereWhole()) return this.discard();
    await this.#file.keep();
    await this.#release('partial', this.#byteLength);
  }

  async discard(): Promise<void> {
    await this.#file.discard();
    await this.#release('partial', 0);
  }

  #reach(byteLength: number): void {
    try {
      this.#writing.reach(byteLength);
    } catch (thrown) {
      this.#isRefused = true;
      throw thrown;
    }
    this.#byteLength = Math.max(this.#byteLength, byteLength);
  }
}

function notOffered(): LineError {
  return new LineError('FORBIDDEN', 'a room has nothing there');
}

const FILE_MODE = 0o600;
