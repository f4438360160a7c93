import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the project. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** A file of src/ as the tests of the house see it. Paths are relative to src/, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly edges: readonly Edge[];
  /** The text without comments and without what stands in strings. */
  readonly code: string;
}

/** One import. */
export interface Edge {
  /** A path in src/; `npm:` and `node:` before the name of a package; `outside:` before a path that leaves src/; else `computed`. */
  readonly to: string;
  /** Vanishes when it is compiled. */
  readonly isTypeOnly: boolean;
  readonly isExport: boolean;
  /** What is taken from there, by its name there; `*` for all of it. */
  readonly names: readonly string[];
}

/** All files of src/. */
export function readSourceFiles(): SourceFile[] {
  const folder = join(ROOT, 'src');
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
    .map(path => scanSource(path, readFileSync(join(folder, path), 'utf8')));
}

/** What runs beside src/: tests, measurements, examples and scripts, by their path from the root. */
export function readOtherFiles(): { readonly path: string; readonly text: string }[] {
  return ['test', 'bench', 'examples', 'scripts'].flatMap(folder =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => /\.(?:ts|mjs|cjs)$/.test(name))
      .map(name => ({
        path: `${folder}/${name.split(sep).join('/')}`,
        text: readFileSync(join(ROOT, folder, name), 'utf8'),
      })),
  );
}

export function scanSource(path: string, text: string): SourceFile {
  // What stands in a string is no code, so each string is replaced by its number.
  const strings: string[] = [];
  const code = text.replace(TOKENS, token =>
    token.startsWith('//') || token.startsWith('/*') ? ' ' : `'${strings.push(token) - 1}'`,
  );
  const target = (number: string | undefined): string => resolve(path, number === undefined ? '`' : strings[+number]!);
  const edges = [
    ...[...code.matchAll(FROM_CLAUSES)].map(([, keyword, type, clause, number]) => ({
      to: target(number),
      isTypeOnly: type !== undefined || namesOnlyTypes(clause!),
      isExport: keyword === 'export',
      names: namesIn(clause!),
    })),
    ...[...code.matchAll(BARE_IMPORTS), ...code.matchAll(IMPORT_CALLS)].map(([, number]) => ({
      to: target(number),
      isTypeOnly: false,
      isExport: false,
      names: ['*'],
    })),
  ];
  return { path, edges, code };
}

function namesOnlyTypes(clause: string): boolean {
  if (!clause.startsWith('{')) return false;
  const names = clause.slice(1, -1).split(',');
  return names.every(name => name.trim() === '' || name.trim().startsWith('type '));
}

function namesIn(clause: string): string[] {
  if (clause.startsWith('*')) return ['*'];
  const [, byDefault, braced = ''] = /^(\w+)?[\s,]*(?:\{([^}]*)\})?/.exec(clause)!;
  const named = [...braced.matchAll(/(?:^|,)\s*(?:type\s+)?(\w+)/g)].map(([, name]) => name!);
  return byDefault === undefined ? named : ['default', ...named];
}

function resolve(from: string, quoted: string): string {
  if (quoted.startsWith('`')) return 'computed';
  const target = quoted.slice(1, -1);
  if (target.startsWith('node:')) return target;
  if (!target.startsWith('.')) return `npm:${target}`;
  const path = posix.join(posix.dirname(from), target);
  return path.startsWith('..') ? `outside:${path}` : path;
}

/** Comments, strings, templates, and regular expressions where an expression can begin; a template is one piece. */
const TOKENS = new RegExp(
  [
    String.raw`(?:\/\/[^\n]*|\/\*[\s\S]*?\*\/)`,
    String.raw`"(?:\\.|[^"\\\n])*"`,
    String.raw`'(?:\\.|[^'\\\n])*'`,
    '`(?:\\\\.|[^`\\\\])*`',
    String.raw`(?<=(?:[=(,:!&|?{};[>]|return)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/[a-z]*`,
  ].join('|'),
  'g',
);
const FROM_CLAUSES =
  /^\s*(import|export)\s+(type\s+)?(\*(?:\s+as\s+\w+)?|\{[^}]*\}|\w+(?:\s*,\s*(?:\{[^}]*\}|\*\s+as\s+\w+))?)\s*from\s*'(\d+)'/gm;
const BARE_IMPORTS = /^\s*import\s*'(\d+)'/gm;
const IMPORT_CALLS = /\bimport\(\s*(?:'(\d+)'\s*[,)])?/g;
