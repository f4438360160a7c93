import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { LineError } from '../../errors.ts';
import { encodeName } from '../../protocol/bytes/text.ts';
import { type Entry, isSameVersion } from '../../services/files/entry.ts';
import { checkLinkTarget, checkPath, quotePath, requireName } from '../../services/files/names.ts';
import type {
  Attributes,
  ChangeStore,
  MadeFolder,
  ReceivingFile,
  SourceFile,
  WholeFile,
} from '../../services/files/store.ts';
import { releaseMemory } from '../memory.ts';
import { codeOf, toLineError, translating } from '../node-errors.ts';
import { type Beneath, type Folder, fromLatin1, NEW_FOLDER_MODE, type Place, readLink, type Walk } from './beneath.ts';
import { moveToFreeName, replaceBy, setAttributes } from './finishing.ts';
import { PartialFile } from './partial-file.ts';
import { thisPlace } from './partial-names.ts';
import { adoptPartial, copyForeign, findPartials, makePartial, removeSuperseded, withFreshName } from './partials.ts';
import { openBeneath, PLATFORM } from './read-root.ts';
import { entryOf, NO_FOLLOW, NO_WAIT, openSource } from './source-file.ts';
import { WholeFiles } from './whole-files.ts';

/** A folder of this machine that is written into; every file that is received goes through here (R-F1, R-F2). */
export class ReceiveRoot implements ChangeStore {
  readonly #beneath: Beneath;
  readonly #place: string;

  private constructor(beneath: Beneath, place: string) {
    this.#beneath = beneath;
    this.#place = place;
  }

  /** `NOT_FOUND` if nothing is there, unless `make`; `NOT_A_FILE` if it is no folder. */
  static async open(directory: string, options: ReceiveRootOptions = {}): Promise<ReceiveRoot> {
    if (options.make) translating(quotePath(directory), () => mkdirSync(directory, { recursive: true }));
    return new ReceiveRoot(openBeneath(directory, options.walk), options.place ?? thisPlace());
  }

  release(bytes: Uint8Array): void {
    releaseMemory(bytes);
  }

  async stat(path: string): Promise<Entry | undefined> {
    try {
      return this.#lookAt(path);
    } catch (error) {
      const failure = toLineError(error, quotePath(path));
      if (failure.code === 'NOT_FOUND') return undefined;
      throw failure;
    }
  }

  async statIn(path: string, names: readonly string[]): Promise<readonly (Entry | undefined)[]> {
    try {
      return this.#beneath.folder(checkPath(path, PLATFORM), { make: false }, folder =>
        names.map(name => {
          try {
            requireName(name, PLATFORM);
            return lookAt(folder, name);
          } catch {
            // `stat` will tell why.
            return undefined;
          }
        }),
      );
    } catch {
      return names.map(() => undefined);
    }
  }

  async open(path: string): Promise<SourceFile> {
    const names = checkPath(path, PLATFORM);
    if (names.length === 0) throw notAFile(path);
    return translating(quotePath(path), () =>
      this.#beneath.writing(names, { make: false }, (folder, name) =>
        openSource({ folder, name, stats: lstatSync(folder.at(name)) }, path),
      ),
    );
  }

  /** New folders are the owner's alone until `finishFolder`. */
  async makeFolder(path: string): Promise<MadeFolder> {
    const names = checkPath(path, PLATFORM);
    return translating(quotePath(path), () => {
      const isNew = names.length > 0 && this.#beneath.writing(names, { make: true }, makeIfMissing);
      return this.#beneath.folder(names, { make: true }, folder => {
        if (isNew) return 'new';
        const { mode, uid } = statSync(folder.self);
        folder.checkAfterUse();
        return (mode & 0o7777) === NEW_FOLDER_MODE && uid === process.getuid?.() ? 'unfinished' : 'there';
      });
    });
  }

  /** Never the root: its mode and time are its owner's business (R-F4). On Windows folders keep their own. */
  async finishFolder(path: string, attributes: Attributes): Promise<void> {
    const names = namesBelowRoot(path);
    translating(quotePath(path), () =>
      this.#beneath.folder(names, { make: false }, folder => {
        if (PLATFORM === 'windows') return;
        const fd = folder.openForReading();
        try {
          setAttributes(fd, attributes);
        } finally {
          closeSync(fd);
        }
      }),
    );
  }

  async setAttributes(path: string, judged: Entry, attributes: Attributes): Promise<void> {
    const names = namesBelowRoot(path);
    // Windows has no modes, so every file would be opened each time for nothing.
    if (PLATFORM === 'windows' && attributes.mtimeUs === judged.mtimeUs) return;
    translating(quotePath(path), () =>
      this.#beneath.writing(names, { make: false }, (folder, name) => {
        const fd = openForAttributes(folder, name, path);
        try {
          folder.checkAfterUse();
          const now = entryOf('', fstatSync(fd));
          if (!isSameVersion(now, judged)) {
            throw new LineError('CHANGED', `${quotePath(path)} changed after it was compared`);
          }
          setAttributes(fd, attributes);
        } finally {
          closeSync(fd);
        }
      }),
    );
  }

  async makeLink(path: string, target: string, options: { replace: boolean }): Promise<void> {
    const names = namesBelowRoot(path);
    checkLinkTarget(path, target, PLATFORM);
    const content = target.isWellFormed() ? target : Buffer.from(encodeName(target));
    translating(quotePath(path), () =>
      this.#beneath.writing(names, { make: true }, (folder, name) => {
        if (options.replace) replaceByLink(folder, name, content, this.#place);
        else symlinkSync(content, folder.at(name));
        folder.checkAfterUse();
      }),
    );
  }

  async partialBytes(path: string): Promise<number> {
    const names = namesBelowRoot(path);
    try {
      return translating(quotePath(path), () =>
        this.#beneath.writing(names, { make: false }, (folder, name) => {
          const [largest] = findPartials(folder, name, this.#place);
          return largest?.size ?? 0;
        }),
      );
    } catch (error) {
      const failure = toLineError(error, quotePath(path));
      if (failure.code === 'NOT_FOUND') return 0;
      throw failure;
    }
  }

  async clearPartials(path: string, isCompleted: (name: string) => boolean): Promise<void> {
    const names = checkPath(path, PLATFORM);
    translating(quotePath(path), () =>
      this.#beneath.folder(names, { make: false }, folder => removeSuperseded(folder, isCompleted, this.#place)),
    );
  }

  async create(path: string, options: { readonly resume?: boolean } = {}): Promise<ReceivingFile> {
    const names = namesBelowRoot(path);
    const opened = translating(quotePath(path), () =>
      this.#beneath.writing(names, { make: true }, (folder, name) => {
        const adopted = options.resume ? adoptPartial(folder, name, this.#place) : undefined;
        const partial = adopted ?? makePartial(folder, name, this.#place);
        try {
          folder.checkAfterUse();
        } catch (error) {
          closeSync(partial.fd);
          if (partial.copyOf !== undefined) closeSync(partial.copyOf);
          throw error;
        }
        return partial;
      }),
    );
    const { copyOf } = opened;
    return new PartialFile(this.#beneath, names, copyOf === undefined ? opened : await copyForeign(opened, copyOf));
  }

  async putWhole(files: readonly WholeFile[]): Promise<readonly (LineError | undefined)[]> {
    const failures: (LineError | undefined)[] = [];
    while (failures.length < files.length) this.#putNext(files, failures);
    return failures;
  }

  /** Files that follow each other in one folder: it is walked to once for all of them, and for each that fails. */
  #putNext(files: readonly WholeFile[], failures: (LineError | undefined)[]): void {
    const { path } = files[failures.length]!;
    try {
      const names = namesBelowRoot(path);
      const prefix = path.slice(0, path.length - names.at(-1)!.length);
      this.#beneath.writing(names, { make: true }, folder => {
        const whole = new WholeFiles(folder, this.#place);
        for (let file = files[failures.length]; file?.path.startsWith(prefix); file = files[failures.length]) {
          const name = file.path.slice(prefix.length);
          if (name.includes('/')) break;
          requireName(name, PLATFORM);
          whole.put(name, file);
          failures.push(undefined);
        }
      });
    } catch (error) {
      failures.push(toLineError(error, quotePath(files[failures.length]!.path)));
    }
  }

  async move(from: string, to: string): Promise<void> {
    const source = namesBelowRoot(from);
    const target = namesBelowRoot(to);
    translating(quotePath(from), () =>
      this.#beneath.writing(source, { make: false }, (fromFolder, fromName) => {
        // Held anew: the walk to the target may close folders that were used lately.
        const held = fromFolder.again();
        try {
          const place = held.at(fromName);
          const isFolder = lstatSync(place).isDirectory();
          translating(quotePath(to), () =>
            this.#beneath.writing(target, { make: false }, (folder, name) => {
              if (isFolder) moveFolder(place, folder.at(name));
              else moveToFreeName(place, folder.at(name));
              folder.checkAfterUse();
            }),
          );
          held.checkAfterUse();
        } finally {
          held.close();
        }
      }),
    );
  }

  async remove(path: string, options: { readonly recursive: boolean }): Promise<void> {
    const names = namesBelowRoot(path);
    const isFolder = translating(quotePath(path), () =>
      this.#beneath.writing(names, { make: false }, (folder, name) => {
        const place = folder.at(name);
        if (lstatSync(place).isDirectory()) return true;
        unlinkSync(place);
        folder.checkAfterUse();
        return false;
      }),
    );
    if (!isFolder) return;
    if (options.recursive) await this.#removeContent(names);
    translating(quotePath(path), () =>
      this.#beneath.writing(names, { make: false }, (folder, name) => {
        rmdirSync(folder.at(name));
        folder.checkAfterUse();
      }),
    );
  }

  /** One name at a time, each walked to anew; a link is removed and never followed. A turn for others in between. */
  async #removeContent(names: readonly string[]): Promise<void> {
    const children = translating(quotePath(names.join('/')), () =>
      this.#beneath.folder(names, { make: false }, folder => {
        const found = readdirSync(folder.self, 'latin1').map(fromLatin1);
        folder.checkAfterUse();
        return found;
      }),
    );
    for (const child of children) {
      await this.remove([...names, child].join('/'), { recursive: true });
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  /** Files being received stay open, but cannot be committed any more. */
  async close(): Promise<void> {
    this.#beneath.close();
  }

  #lookAt(path: string): Entry | undefined {
    const names = checkPath(path, PLATFORM);
    if (names.length === 0) return this.#beneath.reading(names, found => entryOf('', found.stats));
    return this.#beneath.writing(names, { make: false }, lookAt);
  }
}

export interface ReceiveRootOptions {
  /** Make the folder if it is not there. */
  readonly make?: boolean;
  readonly walk?: Walk;
  /** Where the number of this process means something: what `thisPlace` gives; another one only for tests. */
  readonly place?: string;
}

function lookAt(folder: Folder, name: string): Entry | undefined {
  const place = folder.at(name);
  // Most often nothing is there, and an error for each new file would cost more than all the rest.
  const stats = lstatSync(place, { throwIfNoEntry: false });
  const entry = stats && entryOf('', stats, stats.isSymbolicLink() ? readLink(place) : undefined);
  folder.checkAfterUse();
  return entry;
}

/** False if something of this name, be it a folder or not, is there. */
function makeIfMissing(folder: Folder, name: string): boolean {
  try {
    mkdirSync(folder.at(name), { mode: NEW_FOLDER_MODE });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return false;
  }
  folder.checkAfterUse();
  return true;
}

/** A folder has no second name to be moved by: what is at the target is looked at first, and an empty folder may lose. */
function moveFolder(from: Place, to: Place): void {
  if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) {
    throw new LineError('EXISTS', 'something of this name is there already');
  }
  renameSync(from, to);
}

function replaceByLink(folder: Folder, name: string, content: Place, place: string): void {
  const temporary = withFreshName(name, { pid: process.pid, place }, fresh => {
    symlinkSync(content, folder.at(fresh));
    return folder.at(fresh);
  });
  try {
    replaceBy(temporary, folder.at(name));
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  }
}

function namesBelowRoot(path: string): readonly string[] {
  const names = checkPath(path, PLATFORM);
  if (names.length === 0) throw new LineError('BAD_NAME', 'the shared folder itself cannot be written');
  return names;
}

/** Only a plain file is opened, and no link followed. Windows sets times through what may be written alone. */
function openForAttributes(folder: Folder, name: string, path: string): number {
  const place = folder.at(name);
  if (!lstatSync(place).isFile()) throw notAFile(path);
  const access = PLATFORM === 'windows' ? constants.O_RDWR : constants.O_RDONLY;
  const fd = openSync(place, access | NO_FOLLOW | NO_WAIT);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw notAFile(path);
}

function notAFile(path: string): LineError {
  return new LineError('NOT_A_FILE', `${quotePath(path)} is not a file`);
}
