import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { excluder } from '../../../src/services/files/exclude.ts';

/** What git itself says of patterns and paths; without git there is nothing to compare with. */
const HAS_GIT = spawnSync('git', ['--version']).status === 0;

/** Every case is a folder of one repository with a .gitignore of its own, so that one process judges many. */
interface Case {
  readonly patterns: readonly string[];
  /** Folders end with a slash. */
  readonly paths: readonly string[];
}

let base: string;
let rounds = 0;

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'postern-ignore-'));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** For each case the paths that git leaves out. */
function judgedByGit(cases: readonly Case[]): string[][] {
  rounds += 1;
  const repository = join(base, String(rounds));
  mkdirSync(repository);
  const git = (args: readonly string[], input?: string): string =>
    execFileSync('git', ['-c', 'core.ignorecase=false', '-c', 'core.excludesFile=', ...args], {
      cwd: repository,
      env: { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: join(base, 'none') },
      input,
      encoding: 'utf8',
    });
  git(['init', '-q', '.']);
  const asked: string[] = [];
  for (const [index, { patterns, paths }] of cases.entries()) {
    mkdirSync(join(repository, String(index)));
    writeFileSync(join(repository, String(index), '.gitignore'), patterns.map(pattern => `${pattern}\n`).join(''));
    for (const path of paths) {
      const place = join(repository, String(index), path);
      mkdirSync(path.endsWith('/') ? place : dirname(place), { recursive: true });
      if (!path.endsWith('/')) writeFileSync(place, '');
      asked.push(`${index}/${path.replace(/\/$/, '')}\0`);
    }
  }
  const fields = git(['check-ignore', '--no-index', '-v', '-n', '-z', '--stdin'], asked.join('')).split('\0');
  const answers: string[][] = cases.map(() => []);
  for (let at = 0; at + 3 < fields.length; at += 4) {
    const [source, , pattern, path] = fields.slice(at, at + 4) as [string, string, string, string];
    const [index, rest] = [path.slice(0, path.indexOf('/')), path.slice(path.indexOf('/') + 1)];
    if (source !== '' && !pattern.startsWith('!')) answers[Number(index)]!.push(rest);
  }
  return answers;
}

function judgedByUs({ patterns, paths }: Case): string[] {
  const exclude = excluder(patterns);
  return paths
    .filter(path => exclude(path.replace(/\/$/, ''), path.endsWith('/')))
    .map(path => path.replace(/\/$/, ''));
}

const compare = (cases: readonly Case[]): void => {
  const theirs = judgedByGit(cases);
  for (const [index, one] of cases.entries()) {
    expect(judgedByUs(one), JSON.stringify(one.patterns)).toEqual(theirs[index]);
  }
};

const TRICKY_PATHS = [
  ...[
    'a',
    'b',
    'ab',
    'abc',
    'a.c',
    'a c',
    'a ',
    'a  ',
    '#a',
    '!a',
    '\\a',
    '*',
    '[a]',
    'a]',
    '-',
    '^',
    'ä',
    'aä',
    'A',
    '+',
  ],
  ...['d/a', 'd/b', 'd/e/a', 'd/e/b', 'd/e/f/a', 'de/', 'd/e/f/g/', 'x/d/a', 'x/d/e/f', 'dx/y/e', 'dxe', 'x/y/z/a/b/c'],
].filter(path => process.platform === 'linux' || !/[\\*]| $/.test(path));

const TRICKY: readonly (readonly string[])[] = [
  [''],
  ['#a'],
  ['\\#a'],
  ['!a'],
  ['\\!a'],
  ['a '],
  ['a\\ '],
  ['a \\ '],
  ['a  '],
  ['a\\  '],
  [' '],
  ['\\ '],
  ['a\\'],
  ['\\'],
  ['*'],
  ['**'],
  ['***'],
  ['/*'],
  ['/**'],
  ['*/'],
  ['**/'],
  ['/'],
  ['//'],
  ['/a'],
  ['a/'],
  ['/d/'],
  ['d//a'],
  ['d/a/'],
  ['d/*'],
  ['d/**'],
  ['d/***'],
  ['d/**/a'],
  ['d/**/**/a'],
  ['**/a'],
  ['/**/a'],
  ['**/d/a'],
  ['**/e/**'],
  ['d/*/a'],
  ['*/a'],
  ['d**'],
  ['d**/e'],
  ['d**/**/e'],
  ['d**\\/e'],
  ['d/**\\/a'],
  ['d\\/a'],
  ['x**/e**/f'],
  ['d**/**/***/e'],
  ['d/e**/**'],
  ['x**/**\\/e'],
  ['d*/e'],
  ['?**/e'],
  ['d/e**/a'],
  ['[ab]'],
  ['[!ab]'],
  ['[^ab]'],
  ['[a-c]'],
  ['[c-a]'],
  ['[]a]'],
  ['[!]a]'],
  ['[a'],
  ['[a-]'],
  ['[-a]'],
  ['[]-a]'],
  ['[\\]]'],
  ['a[]]'],
  ['[[]a]'],
  ['[[:alpha:]]'],
  ['[[:upper:][:digit:]]'],
  ['[[:none:]]'],
  ['[[:alpha]'],
  ['[[:alpha:]'],
  ['[a[:]'],
  ['[[::]]'],
  ['[[:]'],
  ['[[:punct:]]'],
  ['[!-~]'],
  ['[+--]'],
  ['[a-\\c]'],
  ['[\\a-c]'],
  ['d[/]a'],
  ['d[!x]a'],
  ['d[x/]'],
  ['[[:space:]a]?'],
  ['\\a'],
  ['\\*'],
  ['\\[a\\]'],
  ['\\\\a'],
  ['a\\.c'],
  ['a?c'],
  ['?'],
  ['??'],
  ['a*c'],
  ['*c'],
  ['a*'],
  ['*a*'],
  ['*', '!a'],
  ['*', '!d/', '!d/a'],
  ['d', '!d/a'],
  ['d/*', '!d/e', 'd/e/*', '!d/e/a'],
  ['/*', '!/d', '/d/*', '!/d/e'],
  ['d/', '!d'],
  ['!d', 'd'],
  ['a', '!a', 'a'],
  ['a\r'],
  ['a \r'],
  ['*\r', '!a\r'],
  ['ä'],
  ['a*ä'],
  ['*ä'],
  ['\\ä'],
];

const UNITS = [
  'a',
  'b',
  'c',
  '/',
  '/',
  '*',
  '**',
  '?',
  '[ab]',
  '[!a]',
  '[a-b]',
  '[',
  ']',
  '\\',
  '-',
  '!',
  '^',
  ' ',
  '.',
  '[[:alpha:]]',
];
const pattern = fc.array(fc.constantFrom(...UNITS), { minLength: 1, maxLength: 8 }).map(units => units.join(''));
const name = fc
  .array(fc.constantFrom('a', 'b', 'c', '.', ' ', '-'), { minLength: 1, maxLength: 4 })
  .map(units => `a${units.join('')}`);
const shortName = fc.constantFrom('a', 'b', 'c', 'ab', 'bc', 'abc', 'aé');
const path = fc
  .tuple(fc.array(fc.oneof(shortName, name), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([names, isFolder]) => names.join('/') + (isFolder ? '/' : ''));

/** A tree in which nothing is file and folder at once; `?` and sets are bytes to git, so they meet no others than ASCII. */
function tree(patterns: readonly string[], paths: readonly string[]): string[] {
  const inAscii = patterns.some(one => /[?[]/.test(one));
  const usable = [...new Set(paths)].filter(one => !inAscii || /^\p{ASCII}*$/u.test(one));
  return usable.filter(one => one.endsWith('/') || !usable.some(other => other !== one && other.startsWith(`${one}/`)));
}

describe.skipIf(!HAS_GIT)('patterns of what is left out, compared with git (skipped where there is no git)', () => {
  test('tricky ones', () => {
    const ascii = TRICKY_PATHS.filter(one => /^\p{ASCII}*$/u.test(one));
    compare(
      TRICKY.map(patterns => ({ patterns, paths: patterns.some(one => /[?[]/.test(one)) ? ascii : TRICKY_PATHS })),
    );
  });

  test('random ones', () => {
    const one = fc
      .tuple(
        fc.array(fc.tuple(fc.constantFrom('', '', '', '!', '/'), pattern), { minLength: 1, maxLength: 4 }),
        fc.array(path, { minLength: 1, maxLength: 12 }),
      )
      .map(([parts, paths]): Case => {
        const patterns = parts.map(([before, rest]) => before + rest);
        return { patterns, paths: tree(patterns, paths) };
      });
    // Each run is a hundred cases in one process of git.
    const numRuns = Math.ceil(Number(process.env['POSTERN_PROPERTY_RUNS'] ?? 150) / 25);
    fc.assert(fc.property(fc.array(one, { minLength: 100, maxLength: 100 }), compare), { numRuns, endOnFailure: true });
  });
});
