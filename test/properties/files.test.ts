import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { ReadRoot } from '../../src/node/files/read-root.ts';
import { ReceiveRoot } from '../../src/node/files/receive-root.ts';
import { decodeName } from '../../src/protocol/bytes/text.ts';
import { checkLinkTarget, checkPath } from '../../src/services/files/names.ts';
import { makeScene, readAll, type Scene, SECRET, snapshot, WALKS } from '../node/files/scene.ts';
import { HOSTILE_NAMES } from '../support/hostile-names.ts';

const numRuns = Number(process.env['POSTERN_PROPERTY_RUNS'] ?? 150);

/** What stands in every root of these tests: things to run into, and links to everywhere. */
function plant(scene: Scene): void {
  mkdirSync(join(scene.root, 'a/b/c'), { recursive: true });
  writeFileSync(join(scene.root, 'f'), 'inside');
  writeFileSync(join(scene.root, 'a/f'), 'inside');
  const links: [string, string][] = [
    ['out', '../outside'],
    ['absolute', scene.outside],
    ['absolute-file', join(scene.outside, 'secret')],
    ['up', '..'],
    ['in', 'a/b'],
    ['chain', 'chain2'],
    ['chain2', 'a/out'],
    ['loop', 'loop2'],
    ['loop2', 'loop/x'],
    ['dangling', '../outside/new'],
    ['a/out', '../../outside/folder'],
    ['a/up', '../..'],
    ['a/in', '../in/c'],
    ['a/b/secret', '../../../outside/secret'],
    ['a/b/after', 'c/../../../../outside'],
    ['a/b/link-up', '../link'],
    ['a/link', '../../outside/./folder/'],
  ];
  for (const [path, target] of links) symlinkSync(target, join(scene.root, path));
}

const plantedNames = ['a', 'b', 'c', 'f', 'out', 'absolute', 'absolute-file', 'up', 'in', 'chain', 'loop', 'dangling'];
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...plantedNames, 'secret', 'folder', 'new') },
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE_NAMES) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 8 }).map(decodeName) },
);
const path = fc.oneof(
  { weight: 12, arbitrary: fc.array(name, { minLength: 1, maxLength: 5 }).map(names => names.join('/')) },
  { weight: 1, arbitrary: fc.array(name, { maxLength: 4 }).map(names => `/${names.join('/')}`) },
  { weight: 1, arbitrary: fc.constantFrom('', '/etc/passwd', 'd/'.repeat(200), `${'n/'.repeat(4000)}n`) },
);
const target = fc.oneof(
  path,
  fc
    .array(fc.constantFrom('..', '.', '', 'a', 'b', 'out', 'in', 'outside', 'new'), { maxLength: 6 })
    .map(names => names.join('/')),
);

type Step =
  | { do: 'file'; path: string; replace: boolean; end: 'commit' | 'keep' | 'discard'; mode: number }
  | { do: 'folder' | 'look'; path: string }
  | { do: 'finish'; path: string; mode: number }
  | { do: 'link'; path: string; target: string; replace: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('file' as const),
    path,
    replace: fc.boolean(),
    end: fc.constantFrom('commit', 'keep', 'discard'),
    mode: fc.nat(0o7777),
  }),
  fc.record({ do: fc.constantFrom('folder', 'look'), path }),
  fc.record({ do: fc.constant('finish' as const), path, mode: fc.nat(0o7777) }),
  fc.record({ do: fc.constant('link' as const), path, target, replace: fc.boolean() }),
);

async function take(step: Step, receive: ReceiveRoot, read: ReadRoot): Promise<void> {
  switch (step.do) {
    case 'file': {
      const file = await receive.create(step.path);
      await file.write(Buffer.from('inside'), 0);
      if (step.end === 'commit') await file.commit({ mtimeUs: 1, mode: step.mode, replace: step.replace });
      else await file[step.end]();
      return;
    }
    case 'folder':
      await receive.makeFolder(step.path);
      return;
    case 'finish':
      return receive.finishFolder(step.path, { mtimeUs: 1, mode: step.mode | 0o700 });
    case 'link':
      return receive.makeLink(step.path, step.target, { replace: step.replace });
    case 'look': {
      // Each alone, since each may be refused for its own reason.
      await quietly(async () => expect(await readAll(await receive.open(step.path))).not.toContain(SECRET));
      await quietly(async () => expect((await receive.stat(step.path))?.size).not.toBe(SECRET.length));
      await lookAt(read, step.path);
    }
  }
}

async function lookAt(read: ReadRoot, path: string): Promise<void> {
  await quietly(async () => expect(await readAll(await read.open(path))).not.toContain(SECRET));
  await quietly(async () => expect((await read.stat(path)).size).not.toBe(SECRET.length));
  await quietly(async () => {
    for await (const batch of read.list(path, { recursive: true }))
      for (const entry of batch) expect('size' in entry ? entry.size : 0).not.toBe(SECRET.length);
  });
}

/** Refusing is always right here, but only with our own error. */
async function quietly(action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof LineError)) throw error;
    expect(error.code).not.toBe('INTERNAL');
  }
}

describe.each(WALKS)('walking by %s', walk => {
  test('R-F1 R-F2 R-F4 R-F7 R-F8 whatever is received, nothing outside the root changes or is read', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async steps => {
        const scene = makeScene();
        try {
          plant(scene);
          const before = snapshot(scene.base, scene.root);
          const receive = await ReceiveRoot.open(scene.root, { walk });
          const read = await ReadRoot.open(scene.root, { walk });
          for (const each of steps) await quietly(() => take(each, receive, read));
          // What the peer made is a way in for a reader, too.
          for (const each of steps) await lookAt(read, each.path);
          await receive.close();
          await read.close();
          expect(snapshot(scene.base, scene.root)).toEqual(before);
        } finally {
          scene.remove();
        }
      }),
      { numRuns },
    );
  });
});

test('R-F2 links that were made by peers alone lead out for nobody, not even for the system', async () => {
  const plain = fc
    .array(fc.constantFrom('a', 'b', 'l', 'm'), { minLength: 1, maxLength: 4 })
    .map(names => names.join('/'));
  const pointing = fc
    .array(fc.constantFrom('..', '..', '.', 'a', 'b', 'l', 'm', 'outside', 'secret'), { minLength: 1, maxLength: 6 })
    .map(names => names.join('/'));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(plain, pointing, fc.boolean()), { maxLength: 12 }), async made => {
      const scene = makeScene();
      try {
        const receive = await ReceiveRoot.open(scene.root);
        for (const [at, target, folder] of made)
          await quietly(() => (folder ? receive.makeFolder(at) : receive.makeLink(at, target, { replace: true })));
        await receive.close();
        for (const [at, target] of made) {
          for (const way of [at, `${at}/secret`, `${at}/${target}`]) {
            if (way.includes('..')) continue;
            const real = resolved(join(scene.root, way));
            if (real !== undefined) expect(`${real}/`.startsWith(`${scene.root}/`), `${way} is ${real}`).toBe(true);
          }
        }
      } finally {
        scene.remove();
      }
    }),
    { numRuns: numRuns * 2 },
  );
});

test('R-F1 a path that is taken has only names that stay where they are, on either platform', () => {
  fc.assert(
    fc.property(path, fc.constantFrom('posix' as const, 'windows' as const), (each, platform) => {
      let names: readonly string[];
      try {
        names = checkPath(each, platform);
      } catch (error) {
        expect(error).toMatchObject({ code: 'BAD_NAME' });
        return;
      }
      expect(names.join('/')).toBe(each);
      for (const one of names) {
        expect(['', '.', '..']).not.toContain(one);
        expect(one).not.toMatch(platform === 'windows' ? /[\0-\x1f/\\:]|[. ]$/ : /[\0/]/);
      }
      if (platform === 'windows') expect(() => checkPath(each, 'posix')).not.toThrow();
    }),
    { numRuns: numRuns * 20 },
  );
});

test('R-F2 a link target that is taken stays inside when it is read as text', () => {
  fc.assert(
    fc.property(path, target, (at, each) => {
      try {
        checkLinkTarget(at, each);
      } catch (error) {
        expect(error).toMatchObject({ code: 'BAD_NAME' });
        return;
      }
      expect(each.startsWith('/')).toBe(false);
      const root = '/q/q/q/root';
      expect(`${join(root, at, '..', each)}/`.startsWith(`${root}/`)).toBe(true);
    }),
    { numRuns: numRuns * 20 },
  );
});

function resolved(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    // Leads to nothing or round.
    return undefined;
  }
}
