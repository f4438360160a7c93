import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ChangeStore, ReadStore } from '../../../src/services/files/store.ts';
import { portsOf, readPortsOf } from './ports.ts';

/**
 * A disk that takes names for one which differ in case or in how an accent is written, as those of macOS do: a path means
 * what is there under any spelling of it, and a listing shows the spelling under which it was made.
 */

export function foldingRead(root: ReadStore, folder: string): ReadStore {
  const at = (path: string): string => spelledAsThere(folder, path);
  const ports = readPortsOf(root);
  return {
    stat: path => ports.stat(at(path)),
    list: (path, options) => ports.list(at(path), options),
    open: path => ports.open(at(path)),
  };
}

export function foldingChanges(root: ChangeStore, folder: string): ChangeStore {
  const at = (path: string): string => spelledAsThere(folder, path);
  const ports = portsOf(root);
  return {
    stat: path => ports.stat(at(path)),
    open: path => ports.open(at(path)),
    makeFolder: path => ports.makeFolder(at(path)),
    finishFolder: (path, attributes) => ports.finishFolder(at(path), attributes),
    setAttributes: (path, judged, attributes) => ports.setAttributes(at(path), judged, attributes),
    makeLink: (path, target, options) => ports.makeLink(at(path), target, options),
    create: (path, options) => ports.create(at(path), options),
    partialBytes: path => ports.partialBytes(at(path)),
    move: (from, to) => ports.move(at(from), at(to)),
    remove: (path, options) => ports.remove(at(path), options),
  };
}

function spelledAsThere(folder: string, path: string): string {
  if (path === '') return path;
  const spelled: string[] = [];
  for (const name of path.split('/')) {
    spelled.push(namesIn(join(folder, ...spelled)).find(one => diskFold(one) === diskFold(name)) ?? name);
  }
  return spelled.join('/');
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function diskFold(name: string): string {
  return name.normalize('NFD').toLowerCase();
}
