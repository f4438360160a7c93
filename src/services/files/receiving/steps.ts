import { LineError } from '../../../errors.ts';
import type { Entry } from '../entry.ts';
import type { Over } from './conflict.ts';

/** What the planner leaves to the receiver, files in the order of their wants, and a folder's time once its files are there. */
export type Step =
  | {
      readonly kind: 'file';
      readonly from: string;
      readonly to: string;
      readonly entry: Entry;
      readonly over: Over;
      /**
       * `resume`: a partial is there; `delta`: another version is there, and perhaps a partial. Both are asked for when
       * their turn comes, because only then is it known what is missing.
       */
      readonly way: 'plain' | 'resume' | 'delta';
    }
  /** Without an entry its time and mode are not ours to set. */
  | { readonly kind: 'leave-folder'; readonly to: string; readonly entry: Entry | undefined; readonly isNew: boolean };

export type FileStep = Step & { kind: 'file' };

export function changed(): LineError {
  return new LineError('CHANGED', 'the file changed after it was listed');
}

/** Of two paths of which either may be the root's, `''`. */
export function join(folder: string, name: string): string {
  return folder === '' || name === '' ? folder + name : `${folder}/${name}`;
}

/** Everything is inside the root. */
export function isInside(path: string, folder: string): boolean {
  return folder === '' || (path.startsWith(folder) && path[folder.length] === '/');
}
