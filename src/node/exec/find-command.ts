import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, resolve } from 'node:path';
import { StartFailure } from '../../services/exec/runner.ts';
import { codeOf } from '../node-errors.ts';

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

/** As the asking side named it, and no longer than a sentence can be. */
function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100).toWellFormed()}…` : name);
}

const DEFAULT_PATH = '/usr/bin:/bin';
