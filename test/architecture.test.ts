import { describe, expect, it } from 'vitest';
import { CLASSIC_WING, ENTRIES, EVERYWHERE, FORBIDDEN_TEXT, GATES, LAYERS, type Layer } from './architecture-rules.ts';
import { readOtherFiles, readSourceFiles, type SourceFile, scanSource } from './source-files.ts';

const files = readSourceFiles();

/** Every test lists all violations as `file → edge: rule`, so that a failure says what to change. */
describe('the borders in src/', () => {
  it('every file lies in a layer of the table', () => {
    expect(files.filter(file => !layerOf(file.path)).map(file => `${file.path}: no row in LAYERS`)).toEqual([]);
  });

  it('every import is one that the table allows', () => {
    expect(files.flatMap(violationsOfTable)).toEqual([]);
  });

  it('never 10: there is no cycle between folders', () => {
    expect(findCycles(files)).toEqual([]);
  });

  it('never 10: only entries export what another file declares', () => {
    const violations = files
      .filter(file => !ENTRIES.includes(file.path))
      .flatMap(file => file.edges.filter(edge => edge.isExport).map(edge => `${file.path} → ${edge.to}: re-export`));
    expect(violations).toEqual([]);
  });

  it.each(GATES)('$rule: only a few files import $packages', ({ packages, only, rule, reason }) => {
    const violations = files
      .filter(file => !only.some(pattern => matches(pattern, file.path)))
      .flatMap(file => file.edges.filter(edge => packages.includes(edge.to)).map(edge => `${file.path} → ${edge.to}`))
      .map(edge => `${edge}: ${rule}, ${reason}`);
    expect(violations).toEqual([]);
  });

  it.each(FORBIDDEN_TEXT)('$rule: no $pattern in src/$within', ({ rule, within, except = [], pattern, reason }) => {
    const violations = files
      .filter(file => file.path.startsWith(within) && !except.some(allowed => matches(allowed, file.path)))
      .flatMap(file => {
        const found = pattern.exec(file.code);
        return found ? [`${file.path} → ${found[0]}: ${rule}, ${reason}`] : [];
      });
    expect(violations).toEqual([]);
  });
});

describe('the classic wing', () => {
  const { folders, registrations, takes } = CLASSIC_WING;
  const isInWing = (path: string) => folders.some(folder => path.startsWith(folder));

  it('can be deleted: nothing outside imports it but its one registration, and its tests lie apart', () => {
    const violations = files
      .filter(file => !isInWing(file.path))
      .flatMap(file =>
        file.edges.filter(edge => isInWing(edge.to)).map(edge => ({ file: file.path, imports: edge.to })),
      )
      .filter(edge => !registrations.some(one => one.file === edge.file && one.imports === edge.imports));
    expect(violations).toEqual([]);
    const others = readOtherFiles().filter(({ path }) => !path.startsWith('test/classic/'));
    const importing = /\b(?:from|import)\s*\(?\s*['"][^'"\n]*\/classic\//;
    expect(others.length).toBeGreaterThan(100);
    expect(others.filter(({ text }) => importing.test(text)).map(({ path }) => path)).toEqual([]);
  });

  it('takes gates from the entry of Node and nothing of the line', () => {
    const taken = files
      .filter(file => file.path.startsWith(takes.within))
      .flatMap(file => namesTaken(file, takes.from).map(name => `${file.path} → ${name}`));
    expect(taken.filter(edge => !takes.names.includes(edge.split(' → ')[1]!))).toEqual([]);
  });

  it('the test of what it takes sees what it takes', () => {
    const sample = scanSource(
      'classic/x/y.ts',
      "import { connect, type Line as L } from '../../node/index.ts';\nimport * as all from '../../node/index.ts';",
    );
    expect(namesTaken(sample, 'node/index.ts')).toEqual(['connect', 'Line', '*']);
  });
});

describe('the tests of the borders themselves', () => {
  it('the scanner sees the imports that are known to be there', () => {
    const edgesOf = (path: string) => files.find(file => file.path === path)?.edges.map(edge => edge.to);
    expect(files.length).toBeGreaterThan(10);
    expect(edgesOf('protocol/bytes/text.ts')).toEqual(['errors.ts']);
    expect(edgesOf('services/files/store.ts')).toEqual(['errors.ts', 'services/files/entry.ts']);
    expect(edgesOf('services/files/entry.ts')).toEqual(['errors.ts']);
    expect(edgesOf('protocol/crypto/portable.ts')).toContain('npm:@noble/hashes/sha2.js');
    expect(edgesOf('node/crypto.ts')).toContain('node:crypto');
  });

  it('the scanner reads every form of import, and no comment or string', () => {
    const { edges } = scanSource(
      'line/sample.ts',
      `
      import a, { b } from './a.ts';
      import * as c from "../transports/c.ts";
      import type { D } from 'd';
      import {
        type E, // a comment
        type F,
      } from '../e.ts';
      import './side-effect.ts';
      export { g } from './g.ts';
      export * from './h.ts';
      export * as all from './i.ts';
      export type { J } from '../../test/j.ts';
      export function k() { return import('node:fs'); }
      const l: import('./l.ts').L = await import(name);
      // import { m } from './comment.ts';
      /* import { n } from './comment.ts'; */
      const pattern = /['"/*]/; const o = "import('./string.ts'"; const url = 'http://x'; import('./p.ts');
      `,
    );
    expect(edges.map(edge => edge.to)).toEqual([
      'line/a.ts',
      'transports/c.ts',
      'npm:d',
      'e.ts',
      'line/g.ts',
      'line/h.ts',
      'line/i.ts',
      'outside:../test/j.ts',
      'line/side-effect.ts',
      'node:fs',
      'line/l.ts',
      'computed',
      'line/p.ts',
    ]);
    expect(edges.filter(edge => edge.isTypeOnly).map(edge => edge.to)).toEqual([
      'npm:d',
      'e.ts',
      'outside:../test/j.ts',
    ]);
    expect(edges.filter(edge => edge.isExport).length).toBe(4);
  });

  it.each([
    ['protocol/channels/frame.ts', "import { kdf } from '../crypto/kdf.ts';"],
    ['protocol/records/seal.ts', "import type { Frame } from '../channels/frame.ts';"],
    ['protocol/pake/cpace.ts', "import { x25519 } from '@noble/curves/ed25519.js';"],
    ['protocol/endpoint.ts', "import { randomBytes } from 'node:crypto';"],
    ['transports/memory.ts', "import { connect } from '../line/connect.ts';"],
    ['line/pump.ts', "import { seal } from '../protocol/records/seal.ts';"],
    ['line/pump.ts', "import { toLineError } from '../node/node-errors.ts';"],
    ['services/files/sender.ts', "import { run } from '../exec/caller.ts';"],
    ['services/files/sender.ts', "import { DiskStore } from '../../node/files/disk-store.ts';"],
    ['node/crypto.ts', "import { main } from '../cli/main.ts';"],
    ['node/tcp.ts', "import { Endpoint } from '../protocol/endpoint.ts';"],
    ['cli/main.ts', "import { connect } from '../line/connect.ts';"],
    ['cli/main.ts', "import { brokenTransport } from '../testing/index.ts';"],
    ['line/line.ts', "import { pair } from '../testing/index.ts';"],
    ['index.ts', "export { listen } from './node/index.ts';"],
    ['line/line.ts', "import { sample } from '../../test/sample.ts';"],
    ['line/line.ts', 'const module = await import(name);'],
    ['browser/index.ts', "import { LineError } from '../errors.ts';"],
  ])('in %s, %s is a violation', (path, text) => {
    expect(violationsOfTable(scanSource(path, text))).toHaveLength(1);
  });

  it('a cycle between two folders is found', () => {
    const cycle = [
      scanSource('a/one.ts', "import { two } from '../b/two.ts';"),
      scanSource('b/two.ts', "import type { three } from '../a/three.ts';"),
      scanSource('a/three.ts', ''),
    ];
    expect(findCycles(cycle)).toEqual(['a → b → a']);
  });

  it.each([
    ['never 1', 'protocol/x.ts', 'const now = Date.now();'],
    ['never 1', 'protocol/x.ts', 'export async function x() {}'],
    ['never 1', 'protocol/x.ts', 'export let x: Promise<void>;'],
    ['never 10', 'line/x.ts', 'let count = 0;'],
  ])('%s: in %s, %s is found', (rule, path, text) => {
    const { code } = scanSource(path, text);
    const found = FORBIDDEN_TEXT.filter(row => row.rule === rule && path.startsWith(row.within));
    expect(found.some(row => row.pattern.test(code))).toBe(true);
  });

  it('words in comments and strings are not code', () => {
    const { code } = scanSource('protocol/x.ts', "/** No Date. */ const a = 'Date'; // Date\nconst b = `Date`;");
    expect(code).not.toContain('Date');
  });

  it('no layer has two rows', () => {
    expect(new Set(LAYERS.map(layer => layer.files)).size).toBe(LAYERS.length);
  });
});

function namesTaken(file: SourceFile, from: string): readonly string[] {
  return file.edges.filter(edge => edge.to === from).flatMap(edge => edge.names);
}

/** The most specific row. */
function layerOf(path: string): Layer | undefined {
  return LAYERS.filter(layer => matches(layer.files, path)).sort((a, b) => b.files.length - a.files.length)[0];
}

function violationsOfTable(file: SourceFile): string[] {
  const layer = layerOf(file.path);
  if (!layer) return [`${file.path}: no row in LAYERS`];
  const { files: own, may, mayNameTypesOf = [], reason } = layer;
  return file.edges
    .filter(({ to, isTypeOnly }) => {
      const allowed = [own, ...EVERYWHERE, ...may, ...(isTypeOnly ? mayNameTypesOf : [])];
      return !allowed.some(pattern => matches(pattern, to));
    })
    .map(({ to, isTypeOnly }) => `${file.path} → ${to}${isTypeOnly ? ' (types)' : ''}: ${own} ${reason}`);
}

function matches(pattern: string, path: string): boolean {
  if (pattern.endsWith('/*')) {
    const folder = pattern.slice(0, -1);
    return path.startsWith(folder) && !path.slice(folder.length).includes('/');
  }
  if (pattern.endsWith('/') || pattern.endsWith(':')) return path.startsWith(pattern);
  return path === pattern || (pattern.startsWith('npm:') && path.startsWith(`${pattern}/`));
}

/** A folder counts as one; the files beside subfolders are no unit and count each for itself. */
function findCycles(all: readonly SourceFile[]): string[] {
  const folders = new Set(all.map(file => folderOf(file.path)));
  const hasSubfolders = (folder: string) =>
    [...folders].some(other => other.startsWith(folder === '' ? '' : `${folder}/`) && other !== folder);
  const unitOf = (path: string) => (hasSubfolders(folderOf(path)) ? path : folderOf(path));
  const graph = new Map<string, Set<string>>();
  const paths = new Set(all.map(file => file.path));
  for (const file of all) {
    const targets = graph.get(unitOf(file.path)) ?? new Set();
    graph.set(unitOf(file.path), targets);
    for (const { to } of file.edges) if (paths.has(to) && unitOf(to) !== unitOf(file.path)) targets.add(unitOf(to));
  }
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (unit: string, trail: string[]): void => {
    if (trail.includes(unit)) cycles.push([...trail.slice(trail.indexOf(unit)), unit].join(' → '));
    if (done.has(unit) || trail.includes(unit)) return;
    for (const next of graph.get(unit) ?? []) visit(next, [...trail, unit]);
    done.add(unit);
  };
  for (const unit of graph.keys()) visit(unit, []);
  return cycles;
}

function folderOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
}
