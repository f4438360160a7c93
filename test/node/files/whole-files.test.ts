import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Folder } from '../../../src/node/files/beneath.ts';
import { WholeFiles } from '../../../src/node/files/whole-files.ts';
import { codeOf } from '../../../src/node/node-errors.ts';

const file = (text: string) => ({
  path: 'unused',
  bytes: Buffer.from(text),
  mtimeUs: 1_600_000_000_000_000,
  mode: 0o644,
  replace: false,
  mayReplace: true,
});

test.each([
  ['a disk that tells upper from lower case', (name: string) => name, ['README', 'readme'], undefined],
  ['one that does not', (name: string) => name.toLowerCase(), ['readme'], 'EEXIST'],
])('of two names that differ in case alone, on %s', (_, spelled, there, refusal) => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-whole-'));
  try {
    const folder = { at: (name: string) => join(directory, spelled(name)), checkAfterUse() {} };
    const files = new WholeFiles(folder as unknown as Folder, '0123abcd');
    files.put('README', file('first'));
    let thrown: unknown;
    try {
      files.put('readme', file('second'));
    } catch (error) {
      thrown = error;
    }
    expect(codeOf(thrown)).toBe(refusal);
    expect(readdirSync(directory).toSorted()).toEqual(there);
    expect(readFileSync(join(directory, spelled('README')), 'utf8')).toBe('first');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
