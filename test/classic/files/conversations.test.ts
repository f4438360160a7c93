import { describe, expect, it } from 'vitest';
import { callFiles, getFile } from '../../../src/classic/index.ts';
import { fromHex, joined, toHex } from '../../support/bytes.ts';
import {
  bytesOf,
  callRaw,
  LONG_MS,
  makeFolder,
  objectsIn,
  PASSWORD,
  SavedFiles,
  serveFolder,
  serveRaw,
} from '../support/file-peers.ts';
import { type RecordedFiles, readVectors } from '../support/files-vectors.ts';
import { deliveries } from '../support/pieces.ts';
import { caller } from '../support/programs.ts';
import type { Conversation, Side } from '../support/vectors.ts';

/**
 * Conversations that were recorded between the two originals, with ours in the place of one of them. Compared are the
 * objects: how well they are compressed is each side's own affair, and all bytes behind depend on it.
 */
const recorded = readVectors<RecordedFiles>('files/conversations.json');
const files = Object.fromEntries(Object.entries(recorded.files).map(([name, hex]) => [name, fromHex(hex)]));
const conversations = recorded.conversations.map(one => [one.name, one] as const);

describe('our file server, called by what the original client sent', () => {
  it.each(conversations)('%s', async (_, conversation) => {
    const { at } = await serveFolder(await makeFolder(files));
    const { connection, objects } = await callRaw(await at);
    const expected = await objectsIn(bytesFrom(conversation, 'serve'));
    for (const { from, hex } of conversation.wire) {
      if (from === 'call') await connection.send(fromHex(hex));
      else
        for (const object of expected.splice(0, countIn(conversation, hex, expected.length)))
          expect(await objects.receive(LONG_MS)).toEqual(object);
    }
    expect(expected).toEqual([]);
    expect(await objects.receive(LONG_MS)).toBeUndefined();
  });
});

describe('our file client, answered by what the original server sent', () => {
  it.each(conversations)('%s', async (_, conversation) => {
    const sent = await objectsIn(bytesFrom(conversation, 'call'));
    const { at, done } = await serveRaw(async (objects, connection) => {
      for (const { from, hex } of conversation.wire) {
        if (from === 'serve') await connection.send(fromHex(hex));
        else expect(await objects.receive(LONG_MS)).toEqual(sent.shift());
      }
    });
    const { person, signal } = caller(conversation.typed.call);
    const { save, whole } = new SavedFiles();
    await callFiles(at, { person, signal, password: PASSWORD, save });
    await done;
    expect(sent).toEqual([]);
    expect(person.printed).toBe(conversation.printed.call);
    const [name, , location] = conversation.typed.call;
    const isSaved = conversation.printed.call!.includes('Download complete!');
    expect([...whole].map(([path, content]) => [path, toHex(content)])).toEqual(
      isSaved ? [[location, toHex(files[name!]!)]] : [],
    );
  });
});

describe('what the originals sent', () => {
  it.each(conversations)('is read the same in whatever pieces it comes: %s', async (_, conversation) => {
    for (const side of ['call', 'serve'] as const) {
      const [whole, ...others] = await Promise.all(
        deliveries(bytesFrom(conversation, side)).map(([, pieces]) => objectsIn(...pieces)),
      );
      for (const objects of others) expect(objects).toEqual(whole);
    }
  });

  it.each(conversations)('is what we send of the same objects, up to how it is compressed: %s', async (_, one) => {
    for (const side of ['call', 'serve'] as const) {
      const objects = await objectsIn(bytesFrom(one, side));
      expect(await objectsIn(await bytesOf(...objects))).toEqual(objects);
    }
  });
});

describe('ours with ours', () => {
  it('fetches files of all sizes, by name and in folders', async () => {
    const content = (length: number) => Uint8Array.from({ length }, (_, at) => (at * at * 31 + (at >> 8)) % 256);
    const sizes = [0, 1, 32_767, 32_768, 32_769, 200_000];
    const folder = await makeFolder(Object.fromEntries(sizes.map(size => [`in/${size}`, content(size)])));
    const { at } = await serveFolder(folder);
    const saved = new SavedFiles();
    for (const size of sizes) {
      const { signal } = caller();
      const path = size % 2 === 0 ? `in/${size}` : `./in/${size}`;
      await getFile(await at, { password: PASSWORD, path, location: `${size}`, save: saved.save, signal });
      expect(toHex(saved.whole.get(`${size}`)!)).toBe(toHex(content(size)));
    }
  });

  it('serves several callers at once', async () => {
    const { at } = await serveFolder(await makeFolder(files));
    const where = await at;
    const saved = new SavedFiles();
    const get = (location: string) =>
      getFile(where, { password: PASSWORD, path: 'notes.txt', location, save: saved.save, signal: caller().signal });
    await Promise.all(['a', 'b', 'c', 'd'].map(get));
    for (const content of saved.whole.values()) expect(toHex(content)).toBe(toHex(files['notes.txt']!));
    expect(saved.whole.size).toBe(4);
  });

  it('who ends his input before he has said where, has declined', async () => {
    const { at, person: operator } = await serveFolder(await makeFolder(files));
    const { person, signal } = caller(['notes.txt', 'y']);
    const saved = new SavedFiles();
    await callFiles(await at, { person, signal, password: PASSWORD, save: saved.save });
    await operator.until(({ notes }) => notes.some(note => note.includes('does not want it')));
    expect(saved.begun.size).toBe(0);
  });
});

function bytesFrom({ wire }: Conversation, side: Side): Uint8Array {
  return joined(wire.filter(({ from }) => from === side).map(({ hex }) => fromHex(hex)));
}

/** How many objects of the server are in one turn: the first has one, and the last all that are left. */
function countIn({ wire }: Conversation, hex: string, left: number): number {
  const turns = wire.filter(({ from }) => from === 'serve');
  return turns.length > 1 && turns[0]!.hex === hex ? 1 : left;
}
