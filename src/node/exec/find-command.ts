import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, resolve } from 'node:path';
import { LineError } from '../../errors.ts';
import { StartFailure } from '../../services/exec/runner.ts';
import { codeOf, toLineError } from '../node-errors.ts';

/**
 * The file that would run as `name` in `folder`: the library for terminals does not tell that there is none, its process
 * just ends. Throws a `StartFailure`.
 */
export async function findCommand(name: string, folder: string, path: string | undefined): Promise<string> {
  const places = name.includes('/') ? [folder] : (path ?? DEFAULT_PATH).split(delimiter);
  let failure = new StartFailure(127, `${quoted(name)}: command not found`);
  for (const place of places) {
    const file = resolve(folder, place, name);
    try {
      await access(file, constants.X_OK);
      if ((await stat(file)).isFile()) return file;
    } catch (thrown) {
      if (codeOf(thrown) !== 'EACCES') continue;
    }
    failure = new StartFailure(126, `${quoted(name)}: cannot be run`);
  }
  throw failure;
}

/** Where a process starts that was asked for in `asked`, relative to `served`. Throws `NOT_FOUND`, `ACCESS` and `NOT_A_FILE`. */
export async function findFolder(served: string, asked: string | undefined): Promise<string> {
  const folder = resolve(served, asked ?? '.');
  const what = asked === undefined ? 'the served folder' : quoted(asked);
  const found = await stat(folder).catch((thrown: unknown) => {
    throw toLineError(thrown, what);
  });
  if (!found.isDirectory()) throw new LineError('NOT_A_FILE', `${what} is no folder`);
  return folder;
}

/** As the asking side named it, and no longer than a sentence can be. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100).toWellFormed()}…` : name);
}

const DEFAULT_PATH = '/usr/bin:/bin';
