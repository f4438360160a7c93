import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { makeSha256, openOffer } from '../../../src/node/files/folder-service.ts';
import type { Entry } from '../../../src/services/files/entry.ts';
import {
  CONFLICT_POLICIES,
  type Conflict,
  type ConflictAnswer,
} from '../../../src/services/files/receiving/conflict.ts';
import { uploadStream } from '../../../src/services/files/receiving/upload.ts';
import { EntrySet } from '../../../src/services/files/syncing/entry-set.ts';
import { type Changed, type ChangeOptions, serveChanges } from './changed.ts';
import { bytesOf, code, namesBelow, type Served, serve as serveScene } from './served.ts';

let changed: Changed | undefined;

async function setUp(options: ChangeOptions = {}): Promise<Changed> {
  changed = await serveChanges(options);
  return changed;
}

afterEach(async () => {
  expect(changed?.faults ?? []).toEqual([]);
  await changed?.end();
  changed = undefined;
});

async function serve(): Promise<Served> {
  const served = await serveScene();
  onTestFinished(served.end);
  return served;
}

const old = (path: string): void => utimesSync(path, 1_000_000_000, 1_000_000_000.25);

type Options = { readonly conflict: 'ask'; readonly onConflict?: (conflict: Conflict) => Promise<ConflictAnswer> };

/** The same scene in both directions: `theirs` is where it comes from, `ours` where something is in the way. */
const directions: [string, () => Promise<{ theirs: string; ours: string; run: (options: Options) => Run }>][] = [
  [
    'up',
    async () => {
      const { own, at, put } = await setUp();
      return { theirs: own(), ours: at(), run: options => put('', 'to', options) };
    },
  ],
  [
    'down',
    async () => {
      const { at, got, get } = await serve();
      return { theirs: at(), ours: got(), run: options => get('', 'to', options) };
    },
  ],
];
type Run = Promise<{ failures: readonly string[]; summary: { received: number; skipped: number; failed: number } }>;

describe.each(directions)('R-F6 asked, %s', (_, start) => {
  test('the caller decides each file and link that differs, sees both, and is asked about nothing else', async () => {
    const { theirs, ours, run } = await start();
    mkdirSync(`${ours}/to`);
    const answers: Record<string, ConflictAnswer> = {
      'to/force': 'force',
      'to/update': 'update',
      'to/newer': 'update',
      'to/skip': 'skip',
      'to/rename.txt': 'rename',
      'to/backup': 'backup',
      'to/refuse': 'refuse',
      'to/link': 'force',
    };
    for (const name of Object.keys(answers).map(path => path.slice(3))) {
      if (name === 'link') continue;
      writeFileSync(`${theirs}/${name}`, 'new');
      writeFileSync(`${ours}/to/${name}`, 'before');
      old(`${ours}/to/${name}`);
    }
    utimesSync(`${theirs}/newer`, 5, 5);
    symlinkSync('new', `${theirs}/link`);
    symlinkSync('before', `${ours}/to/link`);
    for (const folder of [theirs, `${ours}/to`]) writeFileSync(`${folder}/same`, 'same');
    writeFileSync(`${theirs}/fresh`, 'fresh');
    const asked: Conflict[] = [];
    let open = 0;
    const onConflict = async (conflict: Conflict): Promise<ConflictAnswer> => {
      asked.push(conflict);
      open += 1;
      expect(open).toBe(1);
      await new Promise(resolve => setImmediate(resolve));
      open -= 1;
      return answers[conflict.path]!;
    };
    const { failures, summary } = await run({ conflict: 'ask', onConflict });
    expect(asked.map(({ path }) => path).sort()).toEqual(Object.keys(answers).sort());
    const { existing, source } = asked.find(({ path }) => path === 'to/force')!;
    expect(existing).toMatchObject({ path: '', type: 'file', size: 6, mtimeUs: 1_000_000_000_250_000 });
    expect(source).toMatchObject({ path: '', type: 'file', size: 3 });
    expect(asked.find(({ path }) => path === 'to/link')).toMatchObject({
      existing: { target: 'before' },
      source: { target: 'new' },
    });
    expect(failures).toEqual(['to/refuse EXISTS']);
    expect(summary).toMatchObject({ skipped: 2, failed: 1 });
    const contents = [
      'force',
      'update',
      'newer',
      'skip',
      'rename.txt',
      'rename (2).txt',
      'backup',
      'backup~',
      'refuse',
    ];
    expect(contents.map(name => readFileSync(`${ours}/to/${name}`, 'utf8'))).toEqual([
      'new',
      'new',
      'before',
      'before',
      'before',
      'new',
      'new',
      'before',
      'before',
    ]);
    expect(readlinkSync(`${ours}/to/link`)).toBe('new');
  });

  test('with nobody to ask it is refused', async () => {
    const { theirs, ours, run } = await start();
    mkdirSync(`${ours}/to`);
    writeFileSync(`${theirs}/f`, 'new');
    writeFileSync(`${ours}/to/f`, 'before');
    expect((await run({ conflict: 'ask' })).failures).toEqual(['to/f EXISTS']);
    expect(readFileSync(`${ours}/to/f`, 'utf8')).toBe('before');
  });
});

describe('a question that is open', () => {
  test('is left by the signal, up and down, and nothing was replaced', async () => {
    const served = await serve();
    writeFileSync(served.at('f'), 'new');
    writeFileSync(served.got('f'), 'before');
    const stop = new AbortController();
    const downloading = served.get('f', 'f', {
      conflict: 'ask',
      signal: stop.signal,
      onConflict: () => {
        stop.abort();
        return new Promise(() => {});
      },
    });
    await expect(downloading).rejects.toEqual(code('CANCELLED'));
    const { own, at, put } = await setUp();
    writeFileSync(own('f'), 'new');
    writeFileSync(at('f'), 'before');
    const again = new AbortController();
    const uploading = put('f', 'f', {
      conflict: 'ask',
      signal: again.signal,
      onConflict: () => {
        again.abort();
        return new Promise(() => {});
      },
    });
    await expect(uploading).rejects.toEqual(code('CANCELLED'));
    expect([readFileSync(served.got('f'), 'utf8'), readFileSync(at('f'), 'utf8')]).toEqual(['before', 'before']);
  });

  test('does not keep the uploading side from hearing events', async () => {
    const { own, put } = await setUp({
      host: async channel => {
        const entry = { path: '', type: 'file', size: 1, mtime_us: 1, mode: 0o644 };
        await channel.send({ t: 'conflict', id: 0, path: 'f', existing: entry, source: entry });
        await channel.send({ t: 'events', events: [{ type: 'counted' }] });
        await channel.readMessage();
        await channel.send({ t: 'summary', received: 0, identical: 0, skipped: 1, failed: 0, bytes: 0 });
      },
    });
    writeFileSync(own('f'), 'f');
    let hear: () => void = () => {};
    const heard = new Promise<void>(resolve => {
      hear = resolve;
    });
    const onConflict = (): Promise<ConflictAnswer> => heard.then(() => 'skip');
    const onEvent = ({ type }: { type: string }): void => void (type === 'counted' && hear());
    expect((await put('f', 'f', { conflict: 'ask', onConflict, onEvent })).summary).toMatchObject({ skipped: 1 });
  });

  test('ends the upload with what the decision throws', async () => {
    const { own, at, put } = await setUp();
    writeFileSync(own('f'), 'new');
    writeFileSync(at('f'), 'before');
    const onConflict = async (): Promise<ConflictAnswer> => {
      throw new LineError('REFUSED', 'no');
    };
    await expect(put('f', 'f', { conflict: 'ask', onConflict })).rejects.toEqual(code('REFUSED'));
    expect(readFileSync(at('f'), 'utf8')).toBe('before');
  });
});

describe('R-A13 what an answer may do is decided at the host', () => {
  test.each(['force', 'update', 'backup'] as const)('%s takes delete, for that file alone', async answer => {
    const { own, at, put } = await setUp({ allow: ['read', 'write'] });
    mkdirSync(own('t'));
    mkdirSync(at('t'));
    for (const name of ['a', 'b', 'c']) writeFileSync(own(`t/${name}`), 'new');
    writeFileSync(at('t/b'), 'before');
    old(at('t/b'));
    const { failures, summary } = await put('t', 't', { conflict: 'ask', onConflict: async () => answer });
    expect(failures).toEqual(['t/b FORBIDDEN']);
    expect(summary).toMatchObject({ received: 2, failed: 1 });
    expect(namesBelow(at('t'))).toEqual(['a', 'b', 'c']);
    expect(readFileSync(at('t/b'), 'utf8')).toBe('before');
  });

  test('who may not read is asked nothing, and so sees nothing of what is there', async () => {
    const { own, at, put } = await setUp({ allow: ['write', 'delete'] });
    writeFileSync(own('f'), 'new');
    writeFileSync(at('f'), 'before');
    let asked = 0;
    const onConflict = async (): Promise<ConflictAnswer> => {
      asked += 1;
      return 'force';
    };
    expect((await put('f', 'f', { conflict: 'ask', onConflict })).failures).toEqual(['f EXISTS']);
    expect(asked).toBe(0);
  });

  test('a stream is not asked about', async () => {
    const { at, client } = await setUp();
    writeFileSync(at('f'), 'before');
    const bytes = (async function* () {
      yield Buffer.from('new');
    })();
    const options = { conflict: 'ask', onConflict: async (): Promise<ConflictAnswer> => 'force' } as const;
    await expect(uploadStream(client, bytes, { to: 'f' }, options)).rejects.toEqual(code('EXISTS'));
    expect(readFileSync(at('f'), 'utf8')).toBe('before');
  });

  test('types change with delete only, whatever the policy of the request', async () => {
    const { own, at, put } = await setUp({ allow: ['read', 'write'] });
    mkdirSync(own('t/f'), { recursive: true });
    mkdirSync(at('t'));
    writeFileSync(at('t/f'), 'a file');
    await expect(put('t', 't', { onTypeChange: async () => true })).rejects.toEqual(code('FORBIDDEN'));
    expect(readFileSync(at('t/f'), 'utf8')).toBe('a file');
  });
});

describe('a hostile client', () => {
  /** Uploads a file that is in the way, and says `messages` once it is asked. */
  async function answering(say: (channel: Channel, id: number) => Promise<unknown>): Promise<[string, Changed]> {
    const all = await setUp();
    writeFileSync(all.own('f'), 'new');
    writeFileSync(all.at('f'), 'before');
    const store = await openOffer(all.own('f'));
    const offer = all.offers.offer(store, all.client);
    const channel = all.client.open('files.put', { path: 'f', offer, policy: 'ask' });
    try {
      for (;;) {
        const message = await channel.readMessage();
        if (message['t'] === 'conflict') await say(channel, message['id'] as number);
        if (message['t'] === 'summary') return [`failed ${String(message['failed'])}`, all];
      }
    } catch (thrown) {
      return [(thrown as LineError).code, all];
    } finally {
      channel.reset();
      await store.close();
    }
  }

  test.each<[string, (id: number) => Record<string, unknown>]>([
    ['another number', id => ({ t: 'answer', id: id + 1, policy: 'force' })],
    ['no number', () => ({ t: 'answer', policy: 'force' })],
    ['a policy that there is not', id => ({ t: 'answer', id, policy: 'Force' })],
    ['__proto__ for a policy', id => ({ t: 'answer', id, policy: '__proto__' })],
    ['ask for an answer', id => ({ t: 'answer', id, policy: 'ask' })],
    ['something else', id => ({ t: 'x', id, policy: 'force' })],
  ])('that answers with %s ends its upload and replaces nothing', async (_, answer) => {
    const [outcome, { at }] = await answering((channel, id) => channel.send(answer(id)));
    expect(outcome).toMatch(/PROTOCOL|MALFORMED/);
    expect(readFileSync(at('f'), 'utf8')).toBe('before');
  });

  test('that answers in bytes, twice, or ends or resets in place of an answer, ends its upload', async () => {
    for (const say of [
      (channel: Channel) => channel.write(Uint8Array.of(1)),
      (channel: Channel) => channel.end(),
      async (channel: Channel) => channel.reset(),
    ]) {
      const [outcome, { at, end }] = await answering(say);
      expect(outcome).toMatch(/PROTOCOL|CANCELLED/);
      expect(readFileSync(at('f'), 'utf8')).toBe('before');
      await end();
      changed = undefined;
    }
  });

  test('that answers before it is asked, or what nobody asked, ends its upload', async () => {
    const all = await setUp();
    writeFileSync(all.own('f'), 'new');
    const store = await openOffer(all.own('f'));
    for (const policy of ['ask', 'refuse'] as const) {
      const channel = all.client.open('files.put', { path: 'f', offer: all.offers.offer(store, all.client), policy });
      await channel.send({ t: 'answer', id: 0, policy: 'force' });
      await expect(bytesOf(channel as never)).rejects.toEqual(code('PROTOCOL'));
    }
    await store.close();
  });
});

describe('a hostile host', () => {
  const entry = { path: '', type: 'file', size: 1, mtime_us: 1, mode: 0o644 };
  const question = { t: 'conflict', id: 0, path: 'f', existing: entry, source: entry };
  const folder = { ...entry, type: 'folder', size: 0 };

  async function asking(messages: readonly Record<string, unknown>[], conflict: 'ask' | 'force'): Promise<unknown> {
    const all = await setUp({
      host: async channel => {
        for (const message of messages) await channel.send(message);
        for await (const _ of channel);
      },
    });
    writeFileSync(all.own('f'), 'f');
    const onConflict = () => new Promise<ConflictAnswer>(() => {});
    return all.put('f', 'f', { conflict, onConflict });
  }

  test.each<[string, 'ask' | 'force', readonly Record<string, unknown>[], LineError['code']]>([
    ['asks where nobody said so', 'force', [question], 'PROTOCOL'],
    ['asks about a type where nobody said so', 'ask', [{ ...question, existing: folder }], 'PROTOCOL'],
    ['asks again before the answer', 'ask', [question, { ...question, id: 1 }], 'PROTOCOL'],
    ['asks about something else than what is put', 'ask', [{ ...question, path: 'ff' }], 'PROTOCOL'],
    ['asks about nothing', 'ask', [{ ...question, path: '' }], 'MALFORMED'],
    ['asks about a path that leads out', 'ask', [{ ...question, path: 'f/../../x' }], 'BAD_NAME'],
    ['asks without an entry', 'ask', [{ ...question, existing: 1 }], 'MALFORMED'],
    ['asks without a number', 'ask', [{ ...question, id: -1 }], 'MALFORMED'],
  ])('that %s ends the upload', async (_, conflict, messages, expected) => {
    await expect(asking(messages, conflict)).rejects.toEqual(code(expected));
  });

  test('that asks without end is answered one at a time, each by the caller, until he has enough', async () => {
    const stop = new AbortController();
    const all = await setUp({
      host: async channel => {
        for (let id = 0; ; id += 1) {
          await channel.send({ ...question, id });
          expect(await channel.readMessage()).toEqual({ t: 'answer', id, policy: 'skip' });
        }
      },
    });
    writeFileSync(all.own('f'), 'f');
    let asked = 0;
    const onConflict = async (): Promise<ConflictAnswer> => {
      asked += 1;
      if (asked === 2000) stop.abort();
      return 'skip';
    };
    await expect(all.put('f', 'f', { conflict: 'ask', onConflict, signal: stop.signal })).rejects.toEqual(
      code('CANCELLED'),
    );
    expect(asked).toBe(2000);
  });
});

describe('what was agreed to beforehand (R-F5)', () => {
  async function agreedTo(served: Served, path: string): Promise<EntrySet> {
    const agreed = new EntrySet(makeSha256);
    for await (const batch of served.files.list(path, { recursive: true })) {
      for (const item of batch) if (!('error' in item)) agreed.add(item);
    }
    return agreed;
  }

  test('R-F5 comes, and nothing else: neither file, folder nor link that is new or has changed', async () => {
    const served = await serve();
    const { at, got, get } = served;
    for (const folder of ['d', 'd/in']) mkdirSync(at(folder));
    for (const name of ['same', 'grows', 'touched', 'in/same', 'becomes-folder']) writeFileSync(at(`d/${name}`), 'x');
    symlinkSync('same', at('d/link'));
    symlinkSync('same', at('d/relinked'));
    const agreed = await agreedTo(served, 'd');
    writeFileSync(at('d/grows'), 'longer');
    utimesSync(at('d/touched'), 5, 5);
    writeFileSync(at('d/new'), '');
    mkdirSync(at('d/new-folder'));
    writeFileSync(at('d/new-folder/f'), '');
    symlinkSync('same', at('d/new-link'));
    rmSync(at('d/relinked'));
    symlinkSync('in/same', at('d/relinked'));
    rmSync(at('d/becomes-folder'));
    mkdirSync(at('d/becomes-folder'));
    const { failures, summary } = await get('d', 'd', { accept: entry => agreed.has(entry) });
    expect([...failures].sort()).toEqual(
      ['becomes-folder', 'grows', 'new', 'new-folder', 'new-folder/f', 'new-link', 'relinked', 'touched'].map(
        name => `d/${name} CHANGED`,
      ),
    );
    expect(summary).toMatchObject({ received: 3, failed: 8 });
    expect(namesBelow(got())).toEqual(['d/', 'd/in/', 'd/in/same', 'd/link', 'd/same']);
  });

  test('R-F5 a single file is asked about as the empty path', async () => {
    const { at, got, get, files } = await serve();
    writeFileSync(at('f'), 'x');
    const agreed = new EntrySet(makeSha256);
    agreed.add(await files.stat('f'));
    const accept = (entry: Entry): boolean => agreed.has(entry);
    expect((await get('f', 'g', { accept })).summary).toMatchObject({ received: 1, failed: 0 });
    writeFileSync(at('f'), 'changed');
    expect((await get('f', 'h', { accept })).failures).toEqual(['h CHANGED']);
    expect(existsSync(got('h'))).toBe(false);
  });

  test('R-F5 a set has what was added, in every respect, and nothing else', () => {
    const entry: Entry = { path: 'p', type: 'file', size: 1, mtimeUs: 2, mode: 0o644 };
    const link: Entry = { ...entry, type: 'link', size: 0, path: 'l', target: 't' };
    const folder: Entry = { ...entry, type: 'folder', size: 0, path: 'd' };
    const agreed = new EntrySet(makeSha256);
    for (const one of [entry, link, folder]) agreed.add(one);
    const same = [entry, link, folder, { ...entry, mode: 0 }, { ...folder, mtimeUs: 3 }, { ...folder, mode: 0 }];
    expect(same.filter(one => !agreed.has(one))).toEqual([]);
    const other: Entry[] = [
      { ...entry, path: 'q' },
      { ...entry, path: '\udc80' },
      { ...entry, size: 2 },
      { ...entry, mtimeUs: 3 },
      { ...entry, type: 'folder' },
      { ...link, target: 'u' },
      { ...link, type: 'file' },
      { ...folder, type: 'file' },
    ];
    expect(other.filter(one => agreed.has(one))).toEqual([]);
    for (let n = 0; n < 20_000; n += 1) agreed.add({ ...entry, path: `p${n}` });
    expect([agreed.has({ ...entry, path: 'p19999' }), agreed.has({ ...entry, path: 'p20000' })]).toEqual([true, false]);
  });
});

describe('what is the same but for time and mode', () => {
  test.each(CONFLICT_POLICIES)('under %s', async conflict => {
    const { at, got, get } = await serve();
    for (const path of [at('f'), got('f')]) writeFileSync(path, 'same');
    old(got('f'));
    utimesSync(at('f'), 1_500_000_000, 1_500_000_000);
    chmodSync(got('f'), 0o600);
    chmodSync(at('f'), 0o644);
    const before = statSync(got('f'));
    expect((await get('f', 'f', { conflict })).summary).toMatchObject({ identical: 1, received: 0 });
    const takesOver = conflict === 'force' || conflict === 'update';
    const expected = takesOver ? statSync(at('f')) : before;
    expect(statSync(got('f'))).toMatchObject({ mtimeMs: expected.mtimeMs, mode: expected.mode });
  });
});
