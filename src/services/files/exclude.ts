import { LineError } from '../../errors.ts';
import type { Entry, Excluder, Problem } from './entry.ts';
import type { ListingOptions, ReadStore, SourceFile, WholeRead } from './store.ts';

/**
 * Patterns in the manner of .gitignore, the last one that matches counts: `*` and `?` stand for anything but `/`, `**` for
 * that too; one with a `/` before its end counts from the top, else for names anywhere; `/` at the end means folders only;
 * `!` takes back. Empty lines and those with `#` say nothing, `\` makes the next character mean itself. No `[…]`.
 */
export function excluder(patterns: readonly string[]): Excluder {
  const rules = patterns.map(compile).filter(rule => rule !== undefined);
  const matches = (path: string, isFolder: boolean): boolean =>
    rules.findLast(rule => (isFolder || !rule.foldersOnly) && rule.pattern.test(path))?.excludes ?? false;
  return (path, isFolder) => {
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      if (matches(path.slice(0, slash), true)) return true;
    }
    return matches(path, isFolder);
  };
}

interface Rule {
  readonly pattern: RegExp;
  readonly excludes: boolean;
  readonly foldersOnly: boolean;
}

function compile(line: string): Rule | undefined {
  let text = line.replace(/\r$/, '');
  if (text === '' || text.startsWith('#')) return undefined;
  const excludes = !text.startsWith('!');
  if (!excludes) text = text.slice(1);
  const foldersOnly = text.endsWith('/');
  if (foldersOnly) text = text.slice(0, -1);
  const isFromTop = text.includes('/');
  if (text.startsWith('/')) text = text.slice(1);
  if (text === '') return undefined;
  let source = isFromTop ? '^' : '(?:^|/)';
  // As `**/`, `/**` at the end, `**`, an escaped character, and any other.
  for (const [token] of text.matchAll(/\*\*\/|\/\*\*$|\*+|\\.|./gsu)) {
    if (token === '**/') source += '(?:.*/)?';
    else if (token === '/**') source += '/.+';
    else if (token === '*') source += '[^/]*';
    else if (token.startsWith('*')) source += '.*';
    else if (token === '?') source += '[^/]';
    else source += literal(token.length > 1 && token.startsWith('\\') ? token.slice(1) : token);
  }
  return { pattern: new RegExp(`${source}$`, 'su'), excludes, foldersOnly };
}

function literal(character: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}

/** What is left of a listing. */
export function isLeftOut(exclude: Excluder | undefined, item: Entry | Problem): boolean {
  if (exclude === undefined || item.path === '') return false;
  return exclude(item.path, 'error' in item || item.type === 'folder');
}

/** What belongs to a transfer under way, or one to go on with, and to neither side (node/files/partials.ts). */
export function isPartial(path: string): boolean {
  return /\.\d{1,10}-[0-9a-f]{8}\.postern-part$/.test(path);
}

/** A store without what is left out: who reads it can neither see nor open that, nor by any link that leads there. */
export class FilteredStore implements ReadStore {
  readonly #store: ReadStore;
  readonly #exclude: Excluder;

  constructor(store: ReadStore, exclude: Excluder) {
    this.#store = store;
    this.#exclude = exclude;
  }

  async stat(path: string): Promise<Entry> {
    const entry = await this.#store.stat(path, { exclude: this.#exclude });
    this.#check(path, entry.type === 'folder');
    return entry;
  }

  async *list(path: string, options: ListingOptions): AsyncGenerator<readonly (Entry | Problem)[]> {
    this.#check(path, true);
    for await (const batch of this.#store.list(path, { ...options, exclude: this.#exclude })) {
      yield batch.filter(item => !isLeftOut(this.#exclude, path === '' ? item : below(path, item)));
    }
  }

  async readWhole(paths: readonly string[], target: Uint8Array): Promise<readonly WholeRead[]> {
    const firstLeftOut = paths.findIndex(path => this.#isLeftOut(path, false));
    if (firstLeftOut === 0) return [{ failure: leftOut() }];
    const included = firstLeftOut === -1 ? paths : paths.slice(0, firstLeftOut);
    return (await this.#store.readWhole?.(included, target, { exclude: this.#exclude })) ?? [];
  }

  async open(path: string): Promise<SourceFile> {
    this.#check(path, false);
    return this.#store.open(path, { exclude: this.#exclude });
  }

  #check(path: string, isFolder: boolean): void {
    if (this.#isLeftOut(path, isFolder)) throw leftOut();
  }

  #isLeftOut(path: string, isFolder: boolean): boolean {
    return path !== '' && this.#exclude(path, isFolder);
  }
}

function leftOut(): LineError {
  return new LineError('NOT_FOUND', 'this was left out');
}

function below(folder: string, item: Entry | Problem): Entry | Problem {
  return { ...item, path: `${folder}/${item.path}` };
}
