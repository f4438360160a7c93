import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { excluder, FilteredStore } from '../../../src/services/files/exclude.ts';
import type { ReadStore } from '../../../src/services/files/store.ts';
import { PathSet } from '../../../src/services/files/syncing/path-set.ts';
import { code } from './served.ts';

describe('patterns of what is left out', () => {
  it.each<[string[], string[], string[]]>([
    [['*.log'], ['a.log', 'x/b.log', 'x.log/in'], ['a.logs', 'log']],
    [['/top'], ['top', 'top/in'], ['x/top']],
    [['a/b'], ['a/b', 'a/b/c'], ['x/a/b', 'ab']],
    [['**/b'], ['b', 'a/b', 'a/c/b'], ['ab']],
    [['a/**'], ['a/b', 'a/b/c'], ['a', 'b/a/c']],
    [['a/**/z'], ['a/z', 'a/b/z', 'a/b/c/z'], ['az', 'a/bz']],
    [['a?c'], ['abc', 'x/a🜀c'], ['ac', 'abbc', 'a/c']],
    [['*', '!keep'], ['a', 'b'], ['keep']],
    [['*.log', '!keep.log', 'x/'], ['a.log', 'x', 'x/keep.log'], ['keep.log']],
    [
      ['', '# no', '\\#yes', 'a.b', '\\*'],
      ['#yes', 'a.b', '*'],
      ['axb', ' no', 'x'],
    ],
    [['(a|b)+{2}^$'], ['(a|b)+{2}^$'], ['acc']],
    [
      ['[a-c]x', '[!é-ü]', '\udcff?'],
      ['bx', 'a', '🜀', '\udcffa'],
      ['dx', 'ê', '\udcfe?'],
    ],
    [
      ['a ', 'b\\ ', '\\!c'],
      ['a', 'b ', '!c'],
      ['a ', 'b', 'c'],
    ],
  ])('%j', (patterns, out, stays) => {
    const exclude = excluder(patterns);
    expect(out.filter(path => !exclude(path, true))).toEqual([]);
    expect(stays.filter(path => exclude(path, true))).toEqual([]);
  });

  it('with a slash at the end mean folders', () => {
    const exclude = excluder(['x/']);
    expect([exclude('x', true), exclude('x', false), exclude('x/y', false)]).toEqual([true, false, true]);
  });

  it('take no time that grows with more than pattern by path', () => {
    const long = 'a'.repeat(250);
    const deep = Array.from({ length: 100 }, () => long).join('/');
    const names = Array.from({ length: 80 }, () => '**/a*a*a*').join('/');
    const patterns = [
      '*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b',
      `${'?*'.repeat(100)}b`,
      `${names}/b`,
      `a${'**/'.repeat(2000)}b`,
    ];
    for (const pattern of [...patterns, `${'[a-z]*'.repeat(60)}[!a]`])
      expect(excluder([pattern])(deep, false)).toBe(false);
  });

  it('keep a reader from what is left out, whatever it asks for', async () => {
    const never = new FilteredStore({} as ReadStore, excluder(['secret']));
    await expect(never.open('secret')).rejects.toEqual(code('NOT_FOUND'));
    await expect(never.open('a/secret/b')).rejects.toEqual(code('NOT_FOUND'));
    await expect(never.list('secret', { recursive: true }).next()).rejects.toEqual(code('NOT_FOUND'));
  });
});

describe('a set of paths', () => {
  it('has what was added and nothing else', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { maxLength: 3000 }), fc.nat(), (paths, cut) => {
        const added = paths.slice(0, cut % (paths.length + 1));
        const set = new PathSet();
        for (const path of added) set.add(path);
        for (const path of added) set.add(path);
        expect(paths.filter(path => set.has(path))).toEqual(added);
      }),
    );
  });

  it('takes all of another', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.array(fc.string()), (ours, theirs) => {
        const [set, other] = [new PathSet(), new PathSet()];
        for (const path of ours) set.add(path);
        for (const path of theirs) other.add(path);
        set.addAll(other);
        expect([...ours, ...theirs].every(path => set.has(path))).toBe(true);
        expect(ours.filter(path => other.has(path) && !theirs.includes(path))).toEqual([]);
      }),
    );
  });

  it('takes a million', () => {
    const set = new PathSet();
    for (let index = 0; index < 1_000_000; index += 1) set.add(`folder-${index % 1000}/file-${index}`);
    expect(set.has('folder-999/file-999999')).toBe(true);
    expect(set.has('folder-999/file-1000999')).toBe(false);
  });
});
