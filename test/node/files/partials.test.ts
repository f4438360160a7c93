import { lstatSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freshPartialName, isPartialOf, parsePartialName, thisPlace } from '../../../src/node/files/partial-names.ts';
import { ReceiveRoot } from '../../../src/node/files/receive-root.ts';
import { encodeName } from '../../../src/protocol/bytes/text.ts';
import { isPartial } from '../../../src/services/files/exclude.ts';
import { makeScene, openDescriptors, type Scene, WALKS } from './scene.ts';

const PLAIN = { mtimeUs: 1_600_000_000_000_000, mode: 0o640, replace: false };
const OLD_FORM = 'file.999999999-0123abcd.postern-part';

describe('names of partials', () => {
  test.each(['file', 'é'.repeat(127), 'a'.repeat(255), '\udcff'.repeat(255), '.1-00000000'])(
    'of %s are read back',
    name => {
      for (const writer of [undefined, { pid: 1, place: '0123abcd' }, { pid: 4_294_967_295, place: 'ffffffff' }]) {
        const partial = freshPartialName(name, writer);
        expect(encodeName(partial).length).toBeLessThanOrEqual(255);
        expect(isPartial(partial)).toBe(true);
        const parsed = parsePartialName(partial)!;
        expect(parsed.writer).toEqual(writer);
        expect(isPartialOf(parsed, name)).toBe(true);
        expect(isPartialOf(parsed, `x${name}`)).toBe(false);
      }
    },
  );

  test('of earlier versions are read too, and what is nearly one is none', () => {
    expect(parsePartialName(OLD_FORM)).toEqual({ stem: 'file', writer: { pid: 999_999_999, place: undefined } });
    expect(parsePartialName('file.0-0123abcd.postern-part')).toEqual({ stem: 'file', writer: undefined });
    for (const name of [
      'f.1-0123abcd-0123abc.postern-part',
      'f.1-0123ABCD-0123abcd.postern-part',
      'f.1--0123abcd.postern-part',
    ]) {
      expect(parsePartialName(name)).toBeUndefined();
      expect(isPartial(name)).toBe(false);
    }
  });

  test('say the same place each time', () => {
    expect(thisPlace()).toMatch(/^[0-9a-f]{8}$/);
    expect(thisPlace()).toBe(thisPlace());
  });
});

describe.each(WALKS)('two machines in one folder, walking by %s', walk => {
  let scene: Scene;
  let here: ReceiveRoot;
  let there: ReceiveRoot;
  const at = (name: string) => join(scene.root, name);
  const names = () => readdirSync(scene.root).sort();

  beforeEach(async () => {
    scene = makeScene();
    here = await ReceiveRoot.open(scene.root, { walk, place: '11111111' });
    there = await ReceiveRoot.open(scene.root, { walk, place: '22222222' });
  });
  afterEach(async () => {
    await here.close();
    await there.close();
    scene.remove();
  });

  test('never write into one partial: the other machine copies what has come, and both go on', async () => {
    const before = openDescriptors();
    const first = await here.create('file');
    await first.write(Buffer.from('half of'), 0);
    const [foreign] = names();
    const inode = statSync(at(foreign!)).ino;
    expect(await there.partialBytes('file')).toBe(7);
    const second = await there.create('file', { resume: true });
    expect(second.keptBytes).toBe(7);
    expect(names()).toHaveLength(2);
    expect(statSync(at(foreign!)).ino).toBe(inode);
    await second.write(Buffer.from(' it'), 7);
    await first.write(Buffer.from(' what'), 7);
    expect(readFileSync(at(foreign!), 'utf8')).toBe('half of what');
    await second.commit(PLAIN);
    expect(readFileSync(at('file'), 'utf8')).toBe('half of it');
    await there.clearPartials('', name => name === 'file');
    expect(names()).toEqual(['file', foreign]);
    await first.commit({ ...PLAIN, replace: true });
    expect(names()).toEqual(['file']);
    expect(readFileSync(at('file'), 'utf8')).toBe('half of what');
    expect(openDescriptors()).toBe(before);
  });

  test('copies are for their owner alone', async () => {
    writeFileSync(at('file.1-11111111-0123abcd.postern-part'), 'x'.repeat(3_000_000), { mode: 0o666 });
    const copy = await there.create('file', { resume: true });
    expect(copy.keptBytes).toBe(3_000_000);
    const own = names().find(name => name.includes('-22222222-'))!;
    expect(lstatSync(at(own)).mode & 0o777).toBe(0o600);
    expect(readFileSync(at(own), 'utf8')).toBe('x'.repeat(3_000_000));
    await copy.discard();
    expect(names()).toEqual(['file.1-11111111-0123abcd.postern-part']);
  });

  test('what was set aside belongs to whoever comes first, wherever it came from', async () => {
    const first = await here.create('file');
    await first.write(Buffer.from('half'), 0);
    await first.keep();
    expect(names()[0]).toMatch(/^file\.0-[0-9a-f]{8}\.postern-part$/);
    const inode = statSync(at(names()[0]!)).ino;
    const second = await there.create('file', { resume: true });
    expect(names()).toHaveLength(1);
    expect([statSync(at(names()[0]!)).ino, second.keptBytes]).toEqual([inode, 4]);
    await second.discard();
  });

  test('R-F9: a foreign partial is removed once its file is complete and it has lain for a day', async () => {
    const foreign = ['a', 'b', 'c'].map(name => `${name}.1-22222222-0123abcd.postern-part`);
    for (const name of foreign) writeFileSync(at(name), 'part');
    writeFileSync(at(OLD_FORM), 'part');
    for (const name of ['a', 'b', 'file']) writeFileSync(at(name), 'whole');
    const yesterday = Date.now() / 1000 - 25 * 3600;
    utimesSync(at(foreign[0]!), yesterday, yesterday);
    utimesSync(at(foreign[2]!), yesterday, yesterday);
    await here.clearPartials('', () => true);
    // The one of `b` may be in use, and `c` is not there.
    expect(names()).toEqual(['a', 'b', foreign[1], foreign[2], 'file', OLD_FORM].sort());
    utimesSync(at(OLD_FORM), yesterday, yesterday);
    await here.clearPartials('', name => name !== 'b');
    expect(names()).toEqual(['a', 'b', foreign[1], foreign[2], 'file'].sort());
  });

  test('a partial without a place is copied like one from elsewhere', async () => {
    writeFileSync(at(OLD_FORM), 'half');
    const file = await here.create('file', { resume: true });
    expect([file.keptBytes, names().length]).toEqual([4, 2]);
    await file.discard();
    expect(names()).toEqual([OLD_FORM]);
  });
});
