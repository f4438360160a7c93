import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { makeSha256 } from '../../../src/node/files/folder-service.ts';
import { ReadRoot } from '../../../src/node/files/read-root.ts';
import { ReceiveRoot } from '../../../src/node/files/receive-root.ts';
import type { JsonObject } from '../../../src/protocol/bytes/json.ts';
import { encodePath } from '../../../src/services/files/messages.ts';
import { FilesClient } from '../../../src/services/files/reading/client.ts';
import { filesHost } from '../../../src/services/files/reading/sender.ts';
import { CONFLICT_POLICIES, type ConflictPolicy } from '../../../src/services/files/receiving/conflict.ts';
import { download } from '../../../src/services/files/receiving/download.ts';
import { filesChangeHost } from '../../../src/services/files/receiving/put-host.ts';
import {
  makeRemoteFolder,
  moveRemote,
  removeRemote,
  uploadStream,
} from '../../../src/services/files/receiving/upload.ts';
import { syncFromRemote } from '../../../src/services/files/syncing/sync.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import { makeScene, type Scene, SECRET, snapshot, WALKS } from '../../node/files/scene.ts';
import { HOSTILE_NAMES } from '../../support/hostile-names.ts';
import { joinedLines } from '../../support/lines.ts';
import { EVERYTHING } from './changed.ts';
import { answers, file, folder, hostilePeer, lists, type Script } from './hostile-peer.ts';

/**
 * One table for every way to write into a folder (R-F1 to R-F6, R-F9): each verb, either direction, each policy, every
 * hostile name, whatever stands at that name or comes to stand there. Beside the folder lies what nobody may touch; it is
 * compared afterwards by content, mode, time and inode, and nothing of it may turn up inside.
 */

/** The folder that is written into, by both directions, and the peers that have it written. */
interface World {
  readonly scene: Scene;
  /** What the peer says when it is read from, be it as a host or as a client that uploads. */
  script: Script;
  readonly from: Awaited<ReturnType<typeof joinedLines>>;
  readonly to: Awaited<ReturnType<typeof joinedLines>>;
  readonly read: ReadRoot;
  readonly write: ReceiveRoot;
  readonly faults: unknown[];
  end(): Promise<void>;
}

interface Options {
  readonly conflict: ConflictPolicy;
  readonly checksum: boolean;
  readonly fsync: boolean;
}

interface Verb {
  readonly title: string;
  readonly policies: readonly ConflictPolicy[];
  /** `during` runs once bytes of a file have come, for verbs that transfer. */
  readonly run: (world: World, name: string, options: Options, during?: () => Promise<void>) => Promise<unknown>;
  /** Whether it removes or moves what has the name, which is what it is for. */
  readonly takesAway?: boolean;
}

const CONTENT = 'hostile';
const named = (name: string, size = CONTENT.length): JsonObject => {
  const { path: _, ...rest } = file('', size);
  return { ...rest, ...pathFields(name) };
};

/** As a client of ours sends a path, or as JSON can hold it where that refuses to. */
function pathFields(name: string, key: 'path' | 'target' = 'path'): JsonObject {
  try {
    return encodePath(name, key);
  } catch {
    return { [key]: name };
  }
}

/** Sends half of the file, lets `during` happen, and then the rest. */
const sends = (during: () => Promise<void> = async () => {}) =>
  answers(async (channel, id) => {
    await channel.send({ t: 'file', id, entry: file('', CONTENT.length), offset: 0, length: CONTENT.length });
    await channel.write(Buffer.from(CONTENT.slice(0, 3)));
    await during();
    await channel.write(Buffer.from(CONTENT.slice(3)));
    await channel.send({ t: 'end', id });
  });

const hash = (channel: Channel): Promise<void> =>
  channel.send({ t: 'hash', size: CONTENT.length, sha256: Buffer.from(sha256(CONTENT)).toString('base64url') });

function sha256(content: string): Uint8Array {
  const running = makeSha256();
  running.update(Buffer.from(content));
  return running.digest();
}

const oneFile = (during?: () => Promise<void>): Script => ({
  stat: file('', CONTENT.length),
  get: sends(during),
  hash,
});

/** A folder with the name as a file, as a folder with a file in it, and as the target and place of links. */
const tree = (name: string, during?: () => Promise<void>): Script => ({
  stat: folder(''),
  list: lists(
    named(name),
    { ...named(name, 0), type: 'folder' },
    named(`${name}/inside`),
    { ...named('to-it', 0), type: 'link', ...pathFields(name, 'target') },
    named('to-it/inside'),
    { ...named(name, 0), type: 'link', target: '../outside' },
  ),
  get: sends(during),
  hash,
});

/** Everything that a put says until it is over, as a client would that does not care. */
async function put({ to }: World, path: string, { conflict, checksum, fsync }: Options): Promise<void> {
  const request = { ...pathFields(path), offer: 'any', policy: conflict, checksum, fsync };
  const channel = to.client.open('files.put', request);
  try {
    for (;;) {
      const message = await channel.readMessage();
      if (message['t'] === 'summary') return;
      // Of all that can be answered the most.
      if (message['t'] === 'conflict') await channel.send({ t: 'answer', id: message['id'], policy: 'force' });
    }
  } finally {
    channel.reset();
  }
}

const get = ({ from, write }: World, to: string, options: Options): Promise<unknown> =>
  download(new FilesClient(from.client), write, { from: 'x', to }, { makeSha256, ...options });

async function* streamed(during: () => Promise<void> = async () => {}): AsyncGenerator<Uint8Array> {
  yield Buffer.from(CONTENT.slice(0, 3));
  await during();
  yield Buffer.from(CONTENT.slice(3));
}

const VERBS: readonly Verb[] = [
  {
    title: 'get of a file',
    policies: CONFLICT_POLICIES,
    run: (world, name, options, during) => {
      world.script = oneFile(during);
      return get(world, name, options);
    },
  },
  {
    title: 'get of a folder',
    policies: CONFLICT_POLICIES,
    run: (world, name, options, during) => {
      world.script = tree(name, during);
      return get(world, '', options);
    },
  },
  {
    title: 'get of a folder under the name',
    policies: CONFLICT_POLICIES,
    run: (world, name, options, during) => {
      world.script = tree('inside', during);
      return get(world, name, options);
    },
  },
  {
    title: 'put of a file',
    policies: CONFLICT_POLICIES,
    run: (world, name, options, during) => {
      world.script = oneFile(during);
      return put(world, name, options);
    },
  },
  {
    title: 'put of a folder',
    policies: CONFLICT_POLICIES,
    run: (world, name, options, during) => {
      world.script = tree(name, during);
      return put(world, '', options);
    },
  },
  {
    title: 'put of a folder under the name',
    policies: CONFLICT_POLICIES,
    run: (world, name, options, during) => {
      world.script = tree('inside', during);
      return put(world, name, options);
    },
  },
  {
    title: 'put of a stream',
    policies: CONFLICT_POLICIES,
    run: ({ to }, name, options, during) => uploadStream(to.client, streamed(during), { to: name }, options),
  },
  {
    title: 'sync from a host',
    policies: ['force'],
    takesAway: true,
    run: (world, name, { checksum, fsync }, during) => {
      world.script = tree(name, during);
      const { from, read, write } = world;
      const options = { makeSha256, checksum, fsync, delete: true };
      return syncFromRemote(new FilesClient(from.client), { read, write }, { from: '', to: '' }, options);
    },
  },
  {
    // What a sync has a host do, by a client that leaves nothing out.
    title: 'sync to a host',
    policies: ['force'],
    takesAway: true,
    run: async (world, name, options, during) => {
      world.script = tree(name, during);
      await put(world, '', options);
      await removeRemote(world.to.client, name);
    },
  },
  {
    title: 'mkdir',
    policies: ['refuse'],
    run: ({ to }, name) => makeRemoteFolder(to.client, name),
  },
  {
    title: 'mv to the name',
    policies: ['refuse'],
    run: ({ to }, name) => moveRemote(to.client, 'own', name),
  },
  {
    title: 'mv of the name',
    policies: ['refuse'],
    takesAway: true,
    run: ({ to }, name) => moveRemote(to.client, name, 'moved'),
  },
  {
    title: 'rm',
    policies: ['refuse'],
    takesAway: true,
    run: ({ to }, name) => removeRemote(to.client, name),
  },
  {
    title: 'rm -r',
    policies: ['refuse'],
    takesAway: true,
    run: ({ to }, name) => removeRemote(to.client, name, { recursive: true }),
  },
];

/** What stands at a name, or in the way to it, before the verb; whether that takes a folder above the name. */
const STATES: Readonly<Record<string, (at: string, scene: Scene) => void>> = {
  'nothing there': () => {},
  'a file there': at => writeFileSync(at, 'before'),
  'a folder there': at => {
    mkdirSync(at);
    writeFileSync(join(at, 'kept'), 'before');
  },
  'a link to a file outside': (at, { outside }) => symlinkSync(join(outside, 'secret'), at),
  'a link to a folder outside': (at, { outside }) => symlinkSync(join(outside, 'folder'), at),
  'a link to where something could be made outside': at => symlinkSync('../outside/new', at),
  'a link to a file inside': at => symlinkSync('own', at),
  'a link to a folder inside': at => symlinkSync('ours', at),
  'a link to itself': at => symlinkSync(at, at),
};

let world: World;

async function makeWorld(walk: (typeof WALKS)[number]): Promise<World> {
  const scene = makeScene();
  const faults: unknown[] = [];
  const [read, write] = await Promise.all([
    ReadRoot.open(scene.root, { walk }),
    ReceiveRoot.open(scene.root, { walk }),
  ]);
  const peer = (channel: Channel): Promise<void> => hostilePeer(world.script)(channel);
  const services = [filesHost(read, makeSha256), filesChangeHost(write, EVERYTHING, makeSha256, Date.now)];
  const onFault = (thrown: unknown): void => void faults.push(thrown);
  const to = await joinedLines({ onChannel: dispatchChannels(services, EVERYTHING), onFault }, { onChannel: peer });
  const from = await joinedLines({ onChannel: peer });
  const end = async (): Promise<void> => {
    await Promise.all([to, from].map(({ client, listener }) => Promise.all([client.close(), listener.close(0)])));
    await Promise.all([read.close(), write.close()]);
    scene.remove();
  };
  return { scene, script: {}, from, to, read, write, faults, end };
}

const at = (name = ''): string => join(world.scene.root, name);

/** What every root has of its own. */
function furnish(): void {
  for (const name of readdirSync(at(), { encoding: 'buffer' })) {
    rmSync(Buffer.concat([Buffer.from(`${at()}/`), name]), { recursive: true });
  }
  writeFileSync(at('own'), 'ours');
  mkdirSync(at('ours'));
  writeFileSync(at('ours/inside'), 'ours');
}

/** Runs the verb; that it is refused is always right, but only with a code that tells why. */
async function attempt(run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (thrown) {
    if (!(thrown instanceof LineError)) throw thrown;
    expect(thrown.code).not.toBe('INTERNAL');
  }
}

/** All content below `folderPath`. Names are bytes, because not all that come are UTF-8. */
function contents(folderPath = Buffer.from(at())): string {
  const parts = readdirSync(folderPath, { withFileTypes: true, encoding: 'buffer' }).map(entry => {
    const place = Buffer.concat([folderPath, Buffer.from('/'), entry.name]);
    if (entry.isDirectory()) return contents(place);
    return entry.isFile() ? readFileSync(place, 'latin1') : '';
  });
  return parts.join('\n');
}

/** Runs `verb` and holds it to what lies outside, and to what its policy says of what lay inside. */
async function expectContained(
  verb: Verb,
  name: string,
  options: Options,
  during?: () => Promise<void>,
): Promise<void> {
  const { scene, faults } = world;
  const what = `${verb.title} of ${JSON.stringify(name)} under ${options.conflict}`;
  const before = snapshot(scene.base, scene.root);
  await attempt(() => verb.run(world, name, options, during));
  expect(snapshot(scene.base, scene.root), what).toEqual(before);
  expect(contents(), what).not.toContain(SECRET);
  expect(faults, what).toEqual([]);
}

function optionsOf(conflict: ConflictPolicy, round: number): Options {
  return { conflict, checksum: round % 2 === 1, fsync: round === 3 };
}

describe.each(WALKS)('walking by %s', walk => {
  beforeAll(async () => {
    world = await makeWorld(walk);
  });
  beforeEach(furnish);
  afterAll(() => world.end());

  describe.each(VERBS)('$title', verb => {
    // What differs between the walks differs under every policy.
    const policies = walk === WALKS[0] ? verb.policies : verb.policies.slice(0, 1);

    test.each(policies)('R-F1 R-F4 R-F6 no hostile name leads out, under %s', async conflict => {
      let round = 0;
      for (const hostile of HOSTILE_NAMES) {
        const deeper = [`ours/${hostile}`, `${hostile}/../../outside/new`];
        for (const name of [hostile, `${hostile}/x`, ...(conflict === policies[0] ? deeper : [])]) {
          round += 1;
          furnish();
          await expectContained(verb, name, optionsOf(conflict, round));
          expectOursKept(verb);
        }
      }
    });

    test.each(policies)('R-F2 R-F6 R-F9 nor does what stands at the name or above it, under %s', async conflict => {
      for (const [state, plant] of Object.entries(STATES)) {
        for (const [round, name] of ['name', 'name/below', 'ours/name'].entries()) {
          furnish();
          const place = at(name.replace(/\/below.*/, ''));
          plant(place, world.scene);
          const before = exists(place) ? snapshot(place) : undefined;
          await expectContained(verb, name, optionsOf(conflict, round));
          expectOursKept(verb);
          if (verb.takesAway || before === undefined) continue;
          if (state === 'a folder there') expect(readFileSync(join(place, 'kept'), 'utf8')).toBe('before');
          // What does not replace leaves file and link as they were, to the inode.
          else if (KEEPING.includes(conflict)) expect(snapshot(place), state).toEqual(before);
        }
      }
    });

    test.each(policies)('R-F2 nor a folder above it that is swapped for a link meanwhile, under %s', async conflict => {
      mkdirSync(at('above'));
      let isSwapped = false;
      const swap = async (): Promise<void> => {
        if (isSwapped || !exists(at('above'))) return;
        // Once the receiver has opened its partial in there, if it gets so far.
        for (let turn = 0; turn < 200 && !holdsPartial(at('above')); turn += 1) {
          await new Promise(resolve => setImmediate(resolve));
        }
        isSwapped = true;
        renameSync(at('above'), at('parked'));
        symlinkSync('../outside/folder', at('above'));
      };
      await expectContained(verb, 'above/name', optionsOf(conflict, 0), swap);
    });
  });

  test('R-F1 names that one disk takes for the same come beside each other or fail, all in one listing', async () => {
    const twins = ['\u00e9', 'e\u0301', '\u212b', '\u00c5', 'A\u030a', 'Name', 'name', 'NAME', 'na\u017fe', 'nase'];
    // Half a character is no name but the end of a listing.
    const names = [...HOSTILE_NAMES, ...twins].filter(name => name !== '\ud800');
    const all = [...new Set(names)].map(name => named(name));
    for (const conflict of CONFLICT_POLICIES) {
      for (const run of [() => get(world, '', optionsOf(conflict, 0)), () => put(world, '', optionsOf(conflict, 0))]) {
        furnish();
        world.script = { stat: folder(''), list: lists(...all, ...all), get: sends(), hash };
        const before = snapshot(world.scene.base, world.scene.root);
        await attempt(run);
        expect(snapshot(world.scene.base, world.scene.root)).toEqual(before);
        if (process.platform === 'linux') for (const name of twins) expect(exists(at(name)), name).toBe(true);
      }
    }
  });

  test('R-F1 R-F2 nor does any name that chance makes, by any verb', async () => {
    const part = fc.oneof(
      fc.constantFrom(...HOSTILE_NAMES, 'own', 'ours', 'out', 'inside', 'outside', 'secret', 'folder', 'new'),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    const name = fc.array(part, { minLength: 1, maxLength: 4 }).map(parts => parts.join('/'));
    const run = fc.tuple(fc.constantFrom(...VERBS), fc.constantFrom(...CONFLICT_POLICIES), name);
    await fc.assert(
      fc.asyncProperty(fc.array(run, { minLength: 1, maxLength: 6 }), async runs => {
        furnish();
        symlinkSync('../outside', at('out'));
        for (const [round, [verb, conflict, each]] of runs.entries()) {
          await expectContained(verb, each, optionsOf(conflict, round));
        }
      }),
      { numRuns: Number(process.env['POSTERN_PROPERTY_RUNS'] ?? 40) },
    );
  });
});

/** Nobody means these two. */
function expectOursKept(verb: Verb): void {
  if (verb.takesAway) return;
  if (verb.title !== 'mv to the name') expect(readFileSync(at('own'), 'utf8')).toBe('ours');
  expect(readFileSync(at('ours/inside'), 'utf8')).toBe('ours');
}

/** Be it as a link that leads to nothing. */
function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function holdsPartial(directory: string): boolean {
  return readdirSync(directory).some(name => name.endsWith('.postern-part'));
}

const KEEPING: readonly ConflictPolicy[] = ['refuse', 'skip', 'rename'];
