import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, type FileHandle, link, lstat, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LineError } from '../../errors.ts';

/**
 * Files of which only their owner knows anything: 0600 in a folder of 0700, checked after they are made and each time
 * they are found (R-A4). What has become open to others is tightened again; a secret is refused instead, since somebody
 * may have read it or put another in its place, and a person has to know. No content of a file gets into an error.
 */
export interface PrivateFile {
  readonly path: string;
  /** Refused, not repaired, when others may read or change it. */
  readonly secret: boolean;
}

/** The text of the file, `undefined` if there is none. */
export async function readPrivateFile(file: PrivateFile): Promise<string | undefined> {
  return translated(file.path, async () => {
    const handle = await openExisting(file, constants.O_RDONLY);
    if (handle === undefined) return undefined;
    try {
      await checkFolder(dirname(file.path), file);
      const { size } = await handle.stat();
      if (size > MAX_STATE_BYTES) throw new LineError('ACCESS', `${file.path} is too large to be a file of postern`);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  });
}

/** Another text after each change of the file or of its rights, and for no file. Opens nothing. */
export async function privateFileVersion(file: PrivateFile): Promise<string> {
  return translated(file.path, async () => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await lstat(file.path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return 'none';
      throw error;
    }
  });
}

/** Replaces the file in one step; whoever reads sees the old text or the new one. */
export async function writePrivateFile(file: PrivateFile, text: string): Promise<void> {
  await translated(file.path, async () => {
    const temporary = await writeTemporary(file, text);
    await unlinkIfFailing(temporary, () => rename(temporary, file.path));
    await syncFolder(dirname(file.path));
  });
}

/**
 * Makes the file with all of its text unless it is there; says which. Of several processes at once one makes it, and none
 * sees it half written. (A file system without links has no modes to keep a secret by either.)
 */
export async function createPrivateFile(file: PrivateFile, text: string): Promise<boolean> {
  return translated(file.path, async () => {
    const temporary = await writeTemporary(file, text);
    try {
      await link(temporary, file.path);
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false;
      throw error;
    } finally {
      await unlink(temporary);
    }
    await syncFolder(dirname(file.path));
    return true;
  });
}

/**
 * Adds one line and returns the size of the file with it. Several processes may do so at once: each line is one write at
 * the end of the file. With `sync` it is on the disk when the promise settles, else with the system.
 */
export async function appendPrivateLine(file: PrivateFile, line: string, { sync = true } = {}): Promise<number> {
  return translated(file.path, async () => {
    await makeFolder(dirname(file.path), file);
    const flags = constants.O_RDWR | constants.O_APPEND;
    const handle = (await openExisting(file, flags)) ?? (await openNew(file.path, flags));
    try {
      // A line that a crash or a full disk has cut must not swallow this one.
      const start = (await endsInLine(handle)) ? '' : '\n';
      await handle.writeFile(`${start}${line}\n`);
      if (sync) await handle.sync();
      return (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  });
}

/** Makes sure that the file is there, empty at first, and nobody else's: for a library that opens it by its name. */
export async function ensurePrivateFile(file: PrivateFile): Promise<void> {
  await translated(file.path, async () => {
    await makeFolder(dirname(file.path), file);
    const handle = (await openExisting(file, constants.O_RDWR)) ?? (await openNew(file.path, constants.O_RDWR));
    await handle.close();
  });
}

/** Makes sure that the folder is there and nobody else's, for what is kept in it by other ways. */
export async function ensurePrivateFolder(path: string): Promise<void> {
  await translated(path, () => makeFolder(path, { secret: false }));
}

/** Opens what is there, if it is a plain file of ours with the right mode. */
async function openExisting(file: PrivateFile, flags: number): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(file.path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    if (errorCode(error) === 'ELOOP') throw new LineError('ACCESS', `${file.path} is a link and may not be one`);
    throw error;
  }
  try {
    await checkFile(file, handle);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function checkFile(file: PrivateFile, handle: FileHandle): Promise<void> {
  const found = await handle.stat();
  if (!found.isFile()) throw new LineError('ACCESS', `${file.path} is not a plain file`);
  if (WINDOWS) return;
  if (found.uid !== process.geteuid!()) throw new LineError('ACCESS', `${file.path} belongs to another user`);
  if ((found.mode & OTHERS) === 0) return;
  if (file.secret) throw tooOpen(file.path, FILE_MODE);
  await handle.chmod(FILE_MODE);
}

async function makeFolder(folder: string, how: Pick<PrivateFile, 'secret'>): Promise<void> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  await checkFolder(folder, how);
}

/** The folder may be a link (people move their dotfiles), but what it leads to must be ours alone. */
async function checkFolder(folder: string, { secret }: Pick<PrivateFile, 'secret'>): Promise<void> {
  if (WINDOWS) return;
  const found = await stat(folder);
  if (found.uid !== process.geteuid!()) throw new LineError('ACCESS', `${folder} belongs to another user`);
  if ((found.mode & OTHERS) === 0) return;
  if (secret && (found.mode & OTHERS_WRITE) !== 0) throw tooOpen(folder, FOLDER_MODE);
  await chmod(folder, FOLDER_MODE);
}

/** Opens a new file and makes sure of its mode, whatever the umask and the file system. */
async function openNew(path: string, flags: number): Promise<FileHandle> {
  const handle = await open(path, flags | constants.O_CREAT | constants.O_NOFOLLOW, FILE_MODE);
  if (WINDOWS) return handle;
  try {
    await handle.chmod(FILE_MODE);
    const { mode } = await handle.stat();
    if ((mode & OTHERS) === 0) return handle;
    throw new LineError('ACCESS', `the file system of ${path} keeps no modes, so nothing private can be stored there`);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function writeTemporary(file: PrivateFile, text: string): Promise<string> {
  await makeFolder(dirname(file.path), file);
  const name = `.${basename(file.path)}.${randomBytes(8).toString('hex')}.tmp`;
  const temporary = join(dirname(file.path), name);
  const handle = await openNew(temporary, constants.O_WRONLY | constants.O_EXCL);
  await unlinkIfFailing(temporary, async () => {
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
  return temporary;
}

async function unlinkIfFailing(temporary: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await unlink(temporary);
    throw error;
  }
}

async function endsInLine(handle: FileHandle): Promise<boolean> {
  const { size } = await handle.stat();
  if (size === 0) return true;
  const last = new Uint8Array(1);
  await handle.read(last, 0, 1, size - 1);
  return last[0] === NEWLINE;
}

/** A new name is safe from a power cut only when its folder is written too. */
async function syncFolder(folder: string): Promise<void> {
  if (WINDOWS) return;
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function translated<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof LineError) throw cause;
    const code = errorCode(cause);
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new LineError('NO_SPACE', `no space left for ${path}`, { cause });
    throw new LineError('ACCESS', `cannot read or write ${path}${code === undefined ? '' : ` (${code})`}`, { cause });
  }
}

function tooOpen(path: string, mode: number): LineError {
  return new LineError('ACCESS', `others may read or change ${path}; run: chmod ${mode.toString(8)} ${path}`);
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;
const NEWLINE = 0x0a;
const MAX_STATE_BYTES = 16 * 1024 * 1024;
const WINDOWS = process.platform === 'win32';
