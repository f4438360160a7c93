import { type BigIntStats, fstatSync, ftruncateSync, lstatSync, unlinkSync } from 'node:fs';
import { LineError } from '../../errors.ts';
import { quotePath } from '../../services/files/names.ts';
import type { Attributes, ReceivingFile } from '../../services/files/store.ts';
import { codeOf, toLineError, translating } from '../node-errors.ts';
import { type Beneath, type Folder, isSame, type Place } from './beneath.ts';
import { Descriptor, SMALL_FILE_BYTES } from './descriptor.ts';
import { moveToFreeName, replaceBy, setAttributes } from './finishing.ts';
import { type OpenPartial, withFreshName } from './partials.ts';
import { PLATFORM } from './read-root.ts';

/**
 * A file on its way in. It is known by its descriptor; its folder is walked to anew for every step that needs a name,
 * and such a step is only taken if the partial's name there still means the very file that is open (R-F9).
 */
export class PartialFile implements ReceivingFile {
  readonly #beneath: Beneath;
  readonly #names: readonly string[];
  readonly keptBytes: number;
  #partial: string;
  readonly #what: string;
  readonly #descriptor: Descriptor;
  /** `ended`: closed, with the partial left in place. `gone`: moved to its name or removed. */
  #state: 'receiving' | 'ended' | 'gone' = 'receiving';
  #ending: Promise<BigIntStats> | undefined;
  /** Behind it nothing was written or kept, nor is anything under way. */
  #reach: number;
  /** The last thing before `#reach` is a hole, which the file must still be made long enough for. */
  #endsInHole = false;
  #failure: LineError | undefined;

  constructor(beneath: Beneath, names: readonly string[], opened: OpenPartial) {
    this.#beneath = beneath;
    this.#names = names;
    this.#partial = opened.name;
    this.keptBytes = opened.size;
    this.#what = quotePath(names.join('/'));
    this.#reach = opened.size;
    this.#descriptor = new Descriptor(opened.fd);
  }

  async truncate(byteLength: number): Promise<void> {
    this.#reach = byteLength;
    this.#endsInHole = false;
    await this.#descriptor.idle();
    translating(this.#what, () => ftruncateSync(this.#descriptor.fd, byteLength));
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    if (this.#state !== 'receiving') throw new LineError('CLOSED', `${this.#what} is closed already`);
    this.#reached(position + bytes.length, false);
    try {
      const small = position === 0 && bytes.length <= SMALL_FILE_BYTES;
      await this.#descriptor.writeFully(bytes, position, small);
    } catch (error) {
      this.#failure ??= toLineError(error, this.#what);
      throw toLineError(error, this.#what);
    }
  }

  /** Where bytes may lie, of an earlier session or of an older version, zeros are written over them. */
  async writeZeros(byteLength: number, position: number): Promise<void> {
    const end = position + byteLength;
    const written = Math.min(end, this.#reach);
    for (let at = position; at < written; at += ZEROS.length) {
      await this.write(ZEROS.subarray(0, written - at), at);
    }
    this.#reached(end, true);
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    if (this.#state !== 'receiving') throw new LineError('CLOSED', `${this.#what} is closed already`);
    try {
      await this.#makeLastHole();
      return await this.#descriptor.readFully(target, position, target.length <= SMALL_FILE_BYTES);
    } catch (error) {
      throw toLineError(error, this.#what);
    }
  }

  async commit(options: Attributes & { replace: boolean; fsync?: boolean }): Promise<void> {
    if (this.#state !== 'receiving') throw new LineError('CLOSED', `${this.#what} is closed already`);
    this.#state = 'ended';
    try {
      await this.#descriptor.idle();
      if (this.#failure !== undefined) throw this.#failure;
      await this.#makeLastHole();
      setAttributes(this.#descriptor.fd, options);
      if (options.fsync) await this.#descriptor.flush();
      // Closed before it is moved: Windows moves no file that is open.
      const identity = await this.#end();
      this.#withPartial(identity, options.replace ? replaceBy : moveToFreeName);
      this.#state = 'gone';
      if (options.fsync) await this.#flushFolder();
    } catch (error) {
      this.#setAside(await this.#end());
      throw toLineError(error, this.#what);
    }
  }

  #reached(end: number, byHole: boolean): void {
    if (end <= this.#reach) return;
    this.#reach = end;
    this.#endsInHole = byHole;
  }

  async #makeLastHole(): Promise<void> {
    if (this.#endsInHole) await this.truncate(this.#reach);
  }

  async keep(): Promise<void> {
    if (this.#state !== 'receiving') return;
    this.#state = 'ended';
    const identity = await this.#end();
    if (identity.size === 0n) {
      await this.discard();
      return;
    }
    this.#setAside(identity);
  }

  /** To be found by whoever goes on with it. */
  #setAside(identity: BigIntStats): void {
    if (this.#state === 'gone') return;
    try {
      // Under a name without a process: whoever wants it next need not ask whether this one still lives.
      this.#withPartial(identity, (partial, _target, folder, name) => {
        this.#partial = withFreshName(name, undefined, free => {
          moveToFreeName(partial, folder.at(free));
          return free;
        });
      });
    } catch (error) {
      // It stays under its present name, or was taken away: either way it is kept as well as can be.
      if (!(error instanceof LineError) && codeOf(error) === undefined) throw error;
    }
  }

  async discard(): Promise<void> {
    const isThere = this.#state !== 'gone';
    this.#state = 'gone';
    const identity = await this.#end();
    if (!isThere) return;
    try {
      this.#withPartial(identity, partial => unlinkSync(partial));
    } catch (error) {
      const failure = toLineError(error, this.#what);
      // Somebody moved it, or put something else there, which is not ours to remove.
      if (!WAS_TAKEN_AWAY.has(failure.code)) throw failure;
    }
  }

  #withPartial(
    identity: BigIntStats,
    use: (partial: Place, target: Place, folder: Folder, name: string) => void,
  ): void {
    this.#beneath.writing(this.#names, { make: false }, (folder, name) => {
      const partial = folder.at(this.#partial);
      const there = lstatSync(partial, { bigint: true, throwIfNoEntry: false });
      if (there === undefined || !isSame(there, identity))
        throw new LineError('NOT_FOUND', `the partial of ${this.#what} was moved away`);
      use(partial, folder.at(name), folder, name);
      folder.checkAfterUse();
    });
  }

  async #flushFolder(): Promise<void> {
    // Windows has no such call for folders.
    if (PLATFORM === 'windows') return;
    const fd = this.#beneath.folder(this.#names.slice(0, -1), { make: false }, folder => folder.openForReading());
    const folder = new Descriptor(fd);
    try {
      await folder.flush();
    } finally {
      await folder.close();
    }
  }

  #end(): Promise<BigIntStats> {
    this.#ending ??= this.#close();
    return this.#ending;
  }

  async #close(): Promise<BigIntStats> {
    try {
      await this.#descriptor.idle();
      const identity = fstatSync(this.#descriptor.fd, { bigint: true });
      await this.#descriptor.close();
      return identity;
    } catch (error) {
      throw toLineError(error, this.#what);
    }
  }
}

/** Written from and never into. */
const ZEROS = new Uint8Array(1024 * 1024);
const WAS_TAKEN_AWAY: ReadonlySet<string> = new Set(['NOT_FOUND', 'FORBIDDEN']);
