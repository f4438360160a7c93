import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { LineError } from '../../../src/errors.ts';
import {
  type ChatFile,
  type ChatHost,
  type ChatOptions,
  downloadChatFile,
  joinChat,
  type Line,
  makeOffers,
  makeSha256,
  OutgoingFile,
  ReceiveRoot,
  serveChat,
} from '../../../src/node/index.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import { joinedLines } from '../../support/lines.ts';

/** Files of rooms beside the history that names them, as a server offers both. */

let base: string;
let ends: (() => Promise<unknown>)[];
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'postern-chat-')));
  for (const name of ['shared', 'own', 'got']) mkdirSync(join(base, name));
  writeFileSync(join(base, 'own/f'), 'content');
  ends = [];
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(base, { recursive: true, force: true });
});

const WAIT = { timeout: 30_000 };
const at = (...names: string[]) => join(base, ...names);
const failing = (code: LineError['code']) => expect.objectContaining({ code });

interface Dialled {
  readonly host: ChatHost;
  readonly line: Line;
  readonly offers: ReturnType<typeof makeOffers>;
  /** Why it is kept in memory. */
  readonly inMemory: LineError[];
  readonly stop: () => Promise<void>;
}

async function serve(options: ChatOptions = {}): Promise<Dialled> {
  const inMemory: LineError[] = [];
  const folders = { data: base, state: at('state'), config: base };
  const host = serveChat(at('shared'), { folders, onMemory: error => inMemory.push(error), ...options });
  const offers = makeOffers();
  const { client, listener } = await joinedLines(
    { onChannel: dispatchChannels([host], ['chat']) },
    { onChannel: (channel, line) => offers.handle(channel, line) },
  );
  const stop = async (): Promise<void> => {
    await Promise.all([client.close(), listener.close(0)]);
    await host.close();
  };
  ends.push(stop);
  return { host, line: client, offers, inMemory, stop };
}

async function put({ line, offers }: Dialled): Promise<ChatFile> {
  const file = await OutgoingFile.open(at('own/f'));
  try {
    return await file.put(line, offers);
  } finally {
    await file.close();
  }
}

async function fetch({ line }: Dialled, file: ChatFile): Promise<void> {
  const store = await ReceiveRoot.open(at('got'));
  let failure: LineError | undefined;
  await downloadChatFile(line, file, store, {
    makeSha256,
    conflict: 'rename',
    onEvent: event => {
      if (event.type === 'failed') failure = event.error;
    },
  }).finally(() => store.close());
  if (failure) throw failure;
}

/** The folders of files, by their ids. */
async function kept(): Promise<{ readonly path: string; readonly ids: readonly string[] }> {
  const [folder] = await readdir(at('state/chat'));
  const path = at('state/chat', folder!, 'files');
  return { path, ids: (await readdir(path)).sort() };
}

describe('files of rooms, served', () => {
  test('are said, fetched by whoever reads of them, there after a restart, and the owner’s alone (R-A4)', async () => {
    const first = await serve();
    const room = await joinChat(first.line, { room: 'lobby', name: 'anna' });
    const file = await put(first);
    await room.send(file.name, { file });
    await fetch(first, file);
    await first.stop();
    expect((await kept()).ids).toEqual([file.id]);
    const { path } = await kept();
    const mode = (name: string) => statSync(join(path, name)).mode & 0o777;
    expect(['..', '.', file.id, `${file.id}/f`].map(mode)).toEqual([0o700, 0o700, 0o700, 0o600]);

    const second = await serve();
    const again = await joinChat(second.line, { room: 'lobby', name: 'ben' });
    const found: (ChatFile | undefined)[] = [];
    for await (const message of again.history()) found.push(message.file);
    expect(found).toEqual([file]);
    await fetch(second, file);
    expect((await readdir(at('got'))).sort()).toEqual(['f']);
  });

  test('are said only as they are there: else NOT_FOUND, and the room hears nothing', async () => {
    const served = await serve();
    const room = await joinChat(served.line, { room: 'lobby', name: 'anna' });
    const file = await put(served);
    for (const wrong of [{ size: 8 }, { name: 'g' }, { id: 'A'.repeat(22) }]) {
      await expect(room.send('f', { file: { ...file, ...wrong } })).rejects.toEqual(failing('NOT_FOUND'));
    }
    for await (const message of room.history()) expect(message).toBeUndefined();
  });

  test('go with the last message that names them, and if none ever did', async () => {
    const first = await serve({ keep: { count: 2 } });
    const room = await joinChat(first.line, { room: 'lobby', name: 'anna' });
    const [gone, unsaid, stays] = [await put(first), await put(first), await put(first)];
    await room.send('f', { file: gone });
    for (const text of ['one', 'two']) await room.send(text);
    await room.send('f', { file: stays });
    await first.stop();
    const { path } = await kept();
    const old = new Date(Date.now() - 2 * 86_400_000);
    for (const { id } of [gone, unsaid, stays]) utimesSync(join(path, id), old, old);

    // Messages are let go when the next server opens the history, files some time later.
    const second = await serve({ keep: { count: 2 } });
    await joinChat(second.line, { room: 'lobby', name: 'anna2' });
    await vi.waitFor(async () => expect((await kept()).ids).not.toContain(unsaid.id), WAIT);
    await second.stop();
    const third = await serve({ keep: { count: 2 } });
    await joinChat(third.line, { room: 'lobby', name: 'anna3' });
    await vi.waitFor(async () => expect((await kept()).ids).toEqual([stays.id]), WAIT);
    await fetch(third, stays);
    await expect(fetch(third, gone)).rejects.toEqual(failing('NOT_FOUND'));
  });

  test('are not taken where the history is kept in memory: another server has what is on the disk', async () => {
    const first = await serve();
    const file = await put(first);
    const second = await serve();
    const room = await joinChat(second.line, { room: 'lobby', name: 'anna' });
    expect(second.inMemory).toHaveLength(1);
    await expect(put(second)).rejects.toEqual(failing('UNSUPPORTED'));
    await expect(fetch(second, file)).rejects.toEqual(failing('UNSUPPORTED'));
    await expect(room.send('f', { file })).rejects.toEqual(failing('UNSUPPORTED'));
    await fetch(first, file);
  });

  test('are not taken with no bytes for them', async () => {
    const served = await serve({ filesBytes: 0 });
    const room = await joinChat(served.line, { room: 'lobby', name: 'anna' });
    await expect(put(served)).rejects.toEqual(failing('UNSUPPORTED'));
    const file = { id: 'A'.repeat(22), name: 'f', size: 1 };
    await expect(room.send('f', { file })).rejects.toEqual(failing('UNSUPPORTED'));
  });
});
