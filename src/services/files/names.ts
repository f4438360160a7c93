import { LineError } from '../../errors.ts';
import { decodeName, encodeName } from '../../protocol/bytes/text.ts';

/** Whose rules a name must keep: those of the disk it is going to be used on. */
export type NamePlatform = 'posix' | 'windows';

export const MAX_NAME_BYTES = 255;
export const MAX_PATH_BYTES = 4096;
export const MAX_PATH_LEVELS = 128;

/**
 * The names of a relative path that a peer sent, or `BAD_NAME`; `''` is the root and has none. This is the only test of
 * a path's text. That the path stays inside its root in spite of links is the business of node/files/beneath.ts.
 */
export function checkPath(path: string, platform: NamePlatform): readonly string[] {
  if (path === '') return [];
  if (platform === 'posix' && PLAIN_PATH.test(path)) return path.split('/');
  if (bytesExceed(path, MAX_PATH_BYTES)) throw badName(path, `is longer than ${MAX_PATH_BYTES} bytes`);
  if (path.startsWith('/')) throw badName(path, 'is absolute');
  const names = path.split('/');
  if (names.length > MAX_PATH_LEVELS) throw badName(path, `is deeper than ${MAX_PATH_LEVELS} folders`);
  for (const name of names) {
    const fault = faultOfName(name, platform);
    if (fault !== undefined) throw badName(path, fault);
  }
  return names;
}

/** As `checkPath`, for whoever has no use for the names; the root's path is refused. */
export function requirePathBelow(path: string, platform: NamePlatform): void {
  if (platform === 'posix' && PLAIN_PATH.test(path)) return;
  if (checkPath(path, platform).length === 0) throw new LineError('BAD_NAME', 'a path without a name');
}

/** The one name that a path consists of, or `BAD_NAME`. */
export function requireName(name: string, platform: NamePlatform): void {
  if (checkPath(name, platform).length !== 1) throw badName(name, 'is not one name');
}

/**
 * A link that a peer makes may point inside only: relative, with at most as many leading `..` as its folder is deep.
 *
 * After a named component no `..` is allowed, even where the text seems to stay inside: if `s` in `s/../x` is itself a
 * link, the system goes to where `s` points and takes the parent of that. Folders are made by us and are never links,
 * so leading `..` count what they seem to count, and each link alone can be judged.
 */
export function checkLinkTarget(linkPath: string, target: string, platform: NamePlatform = 'posix'): void {
  let levelsAbove = checkPath(linkPath, platform).length - 1;
  if (levelsAbove < 0) throw badName(linkPath, 'is no place for a link');
  if (target === '') throw badName(linkPath, 'is a link to nothing');
  if (bytesExceed(target, MAX_PATH_BYTES)) throw badName(linkPath, `is a link longer than ${MAX_PATH_BYTES} bytes`);
  if (target.startsWith('/')) throw badName(linkPath, 'is a link to an absolute path');
  let named = false;
  for (const name of target.split('/')) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (named || levelsAbove === 0) throw badName(linkPath, 'is a link that could leave its folder tree');
      levelsAbove -= 1;
      continue;
    }
    named = true;
    const fault = faultOfName(name, platform);
    if (fault !== undefined) throw badName(linkPath, `is a link whose target ${fault}`);
  }
}

/** A path as errors name it: quoted, without raw control characters or halves of surrogate pairs, and not too long. */
export function quotePath(path: string): string {
  if (path === '') return 'the shared folder';
  return JSON.stringify(path.length > MAX_QUOTED_LENGTH ? `${path.slice(0, MAX_QUOTED_LENGTH)}…` : path);
}

function faultOfName(name: string, platform: NamePlatform): string | undefined {
  if (name === '') return 'holds an empty name';
  if (name === '.' || name === '..') return 'holds a name of dots';
  if (name.includes('\0')) return 'holds a NUL';
  if (bytesExceed(name, MAX_NAME_BYTES)) return `holds a name longer than ${MAX_NAME_BYTES} bytes`;
  if (!name.isWellFormed() && !isEscapedOnce(name)) return 'holds a name in a wrong encoding';
  return platform === 'windows' ? faultOnWindows(name) : undefined;
}

/** Whether the name is what `decodeName` gives for its bytes: no file may be reached under two different strings. */
function isEscapedOnce(name: string): boolean {
  try {
    return decodeName(encodeName(name)) === name;
  } catch {
    // Half of a surrogate pair that stands for no byte.
    return false;
  }
}

// https://learn.microsoft.com/windows/win32/fileio/naming-a-file: `:` opens alternate streams, a trailing dot or space
// is dropped in silence, and a device answers to its name in every folder and with any extension.
function faultOnWindows(name: string): string | undefined {
  if (!name.isWellFormed()) return 'holds a name that is not text';
  if (FORBIDDEN_ON_WINDOWS.test(name)) return 'holds a character that Windows does not allow';
  if (/[. ]$/.test(name)) return 'holds a name that ends with a dot or a space';
  if (DEVICE_ON_WINDOWS.test(name)) return 'holds the name of a device';
  return undefined;
}

/** Compares without encoding what is short enough: one unit of text is at most three bytes. */
function bytesExceed(text: string, limit: number): boolean {
  if (text.length > limit) return true;
  if (text.length * 3 <= limit) return false;
  try {
    return encodeName(text).length > limit;
  } catch {
    // No encoding, no length: the test of each name refuses it.
    return false;
  }
}

function badName(path: string, fault: string): LineError {
  return new LineError('BAD_NAME', `${quotePath(path)} ${fault}`);
}

/**
 * What nearly every path is, and what all rules above allow: a few short names of ASCII without control characters. One
 * look for ten rules.
 */
const PLAIN_PATH = /^(?!\.{1,2}(?:\/|$))[ -.0-~]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[ -.0-~]{1,255}){0,14}$/;

// oxlint-disable-next-line no-control-regex -- the control characters are what is looked for
const FORBIDDEN_ON_WINDOWS = /[\u0000-\u001f<>:"|?*\\/]/;
const DEVICE_ON_WINDOWS = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*(\.|$)/i;
const MAX_QUOTED_LENGTH = 60;
