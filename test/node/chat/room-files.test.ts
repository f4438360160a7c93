import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { downloadChatFile, OutgoingFile } from '../../../src/node/chat/outgoing-file.ts';
import type { RoomFilesOptions } from '../../../src/node/chat/room-files.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { makeSha256, openOffer } from '../../../src/node/files/folder-service.ts';
import { ReceiveRoot } from '../../../src/node/files/receive-root.ts';
import {
  CHAT_FILE_OVERHEAD_BYTES,
  CHAT_FILE_UNSAID_MS,
  MAX_CHAT_UPLOADS_PER_DEVICE,
} from '../../../src/protocol/limits.ts';
import type { ChatFile } from '../../../src/services/chat/message.ts';
import { FilesClient } from '../../../src/services/files/reading/client.ts';
import type { TransferEvent } from '../../../src/services/files/receiving/events.ts';
import { upload } from '../../../src/services/files/receiving/upload.ts';
import type { Permission } from '../../../src/services/permission.ts';
import { answers, file, folder, honestAnswer, hostilePeer, link, lists } from '../../services/files/hostile-peer.ts';
import { HOSTILE_NAMES } from '../../support/hostile-names.ts';
import { joinedLines } from '../../support/lines.ts';
import { snapshot } from '../files/scene.ts';
import { filesBelow, type Member, type SharedFiles, shareFiles } from './shared-files.ts';

const MiB = 1024 * 1024;
const WAIT = { timeout: 30_000 };
const ID = 'AAAAAAAAAAAAAAAAAAAAAA';

let shared: SharedFiles;
let outside: string[];

async function share(
  options: Partial<RoomFilesOptions> & { allow?: readonly Permission[] } = {},
): Promise<SharedFiles> {
  shared = await shareFiles({ maxBytes: 64 * MiB, ...options });
  writeFileSync(join(shared.outside, 'secret'), 'what lies outside');
  outside = snapshot(shared.outside);
  return shared;
}

afterEach(async () => {
  expect(shared.faults).toEqual([]);
  expect(snapshot(shared.outside)).toEqual(outside);
  await shared.end();
});

const failing = (code: LineError['code']) => expect.objectContaining({ code });

/** Puts a file of the members' folder on the server. */
async function put(member: Member, name: string, onEvent?: (event: TransferEvent) => void): Promise<ChatFile> {
  const file = await OutgoingFile.open(shared.own(name));
  try {
    return await file.put(member.line, member.offers, { onEvent });
  } finally {
    await file.close();
  }
}

async function fetch(member: Member, file: ChatFile, into = 'got'): Promise<string> {
  mkdirSync(shared.own(into), { recursive: true });
  const store = await ReceiveRoot.open(shared.own(into));
  const failures: LineError[] = [];
  const onEvent = (event: TransferEvent): void => void (event.type === 'failed' && failures.push(event.error));
  try {
    await downloadChatFile(member.line, file, store, { makeSha256, onEvent });
  } finally {
    await store.close();
  }
  if (failures[0]) throw failures[0];
  return readFileSync(join(shared.own(into), file.name), 'latin1');
}

/** As `upload`, to any path: the code of what fails, or nothing. */
async function putAt(
  member: Member,
  to: string,
  from: string,
  conflict?: 'rename',
): Promise<LineError['code'] | undefined> {
  const source = await openOffer(shared.own(from));
  let failure: LineError['code'] | undefined;
  const onEvent = (event: TransferEvent): void => {
    if (event.type === 'failed') failure = event.error.code;
  };
  try {
    await upload(member.line, member.offers, source, { to }, { prefix: 'chat.', conflict, onEvent });
  } catch (thrown) {
    failure = (thrown as LineError).code;
  } finally {
    await source.close();
  }
  return failure;
}

describe('a file in a room', () => {
  test('is put there by one and fetched by another, of any size', async () => {
    const { own, dial } = await share();
    const [anna, ben] = [await dial(), await dial()];
    for (const size of [0, 1, 64 * 1024, 9 * MiB + 1]) {
      const content = randomBytes(size);
      writeFileSync(own(`f${size}`), content);
      const file = await put(anna, `f${size}`);
      expect(file).toEqual({ id: expect.stringMatching(/^[\w-]{22}$/), name: `f${size}`, size });
      await shared.files.check(file);
      expect(await fetch(ben, file)).toBe(content.toString('latin1'));
    }
  });

  test('belongs to the server alone and is no program, whatever it was', async () => {
    const { own, at, dial } = await share();
    writeFileSync(own('tool'), '#!/bin/sh', { mode: 0o755 });
    const { id, name } = await put(await dial(), 'tool');
    expect(statSync(at(`${id}/${name}`)).mode & 0o777).toBe(0o600);
  });

  test('that is a folder is refused on this side, and on the other', async () => {
    const { own, at, dial } = await share();
    mkdirSync(own('folder/below'), { recursive: true });
    const member = await dial();
    await expect(OutgoingFile.open(own('folder'))).rejects.toEqual(failing('NOT_A_FILE'));
    for (const to of [`${ID}/folder`, ID, ''])
      expect(await putAt(member, to, 'folder')).toMatch(/NOT_A_FILE|FORBIDDEN/);
    expect(filesBelow(at())).toEqual([]);
  });

  test('goes on over another line where the first was lost, in both directions', async () => {
    const { own, at, dial } = await share();
    const content = randomBytes(24 * MiB);
    writeFileSync(own('large'), content);
    const device = nodeCrypto.generateKeyPair();
    const outgoing = await OutgoingFile.open(own('large'));
    const first = await dial({ device });
    let arrived = 0;
    const cutting = outgoing.put(first.line, first.offers, {
      onEvent: event => {
        if (event.type === 'progress') arrived += event.bytes;
        if (arrived > 12 * MiB) first.transport.break();
      },
    });
    await expect(cutting).rejects.toEqual(failing('TRUNCATED'));
    // Until then the server may still be writing, and another one begins anew.
    await vi.waitFor(
      () => expect(filesBelow(at())).toEqual([expect.stringMatching(/\.0-[0-9a-f]{8}\.postern-part /)]),
      WAIT,
    );
    const second = await dial({ device });
    const events: TransferEvent[] = [];
    const file = await outgoing.put(second.line, second.offers, { onEvent: event => events.push(event) });
    expect(events.find(event => event.type === 'kept')).toMatchObject({ bytes: expect.any(Number) });
    await outgoing.close();
    await shared.files.check(file);

    const third = await dial();
    const store = await ReceiveRoot.open(own('down'), { make: true });
    let came = 0;
    const fetching = downloadChatFile(third.line, file, store, {
      makeSha256,
      onEvent: event => {
        if (event.type === 'progress') came += event.bytes;
        if (came > 12 * MiB) third.transport.break();
      },
    });
    await expect(fetching).rejects.toEqual(failing('TRUNCATED'));
    const kept: TransferEvent[] = [];
    const again = await downloadChatFile((await dial()).line, file, store, {
      makeSha256,
      onEvent: event => void (event.type === 'kept' && kept.push(event)),
    });
    expect(again).toMatchObject({ received: 1, failed: 0 });
    expect(kept).not.toEqual([]);
    expect(readFileSync(own('down/large')).equals(content)).toBe(true);
    await store.close();
  });

  test('is there once where its sender was not told that it is', async () => {
    const { own, at, dial } = await share();
    writeFileSync(own('f'), 'content');
    const outgoing = await OutgoingFile.open(own('f'));
    const { line, offers } = await dial();
    const file = await outgoing.put(line, offers);
    expect(await outgoing.put(line, offers)).toEqual(file);
    expect(filesBelow(at())).toEqual([`${file.id}/f 7`]);
    await outgoing.close();
  });

  test('has not the size that its message says: NOT_FOUND; nor the name, nor the id', async () => {
    const { own, dial } = await share();
    writeFileSync(own('f'), 'content');
    const file = await put(await dial(), 'f');
    for (const wrong of [{ size: 8 }, { name: 'g' }, { id: ID }]) {
      await expect(shared.files.check({ ...file, ...wrong })).rejects.toEqual(failing('NOT_FOUND'));
    }
  });
});

describe('R-F7 R-F8 what others cannot do', () => {
  test('R-F1: names of hostile members lead nowhere, above the file or below it', async () => {
    const { own, at, dial } = await share();
    writeFileSync(own('f'), 'content');
    const member = await dial();
    symlinkSync(shared.outside, at('link'));
    for (const name of HOSTILE_NAMES) {
      for (const path of [name, `${name}/f`, `${ID}/${name}`, `${ID}/${name}/f`, `link/${name}`]) {
        const code = await putAt(member, path, 'f');
        // A name that a file may have is one, and is read under it alone.
        if (code === undefined) expect(path).toBe(`${ID}/${name}`);
      }
    }
    expect(filesBelow(at()).filter(path => !path.startsWith(`${ID}/`) && !path.startsWith('link/'))).toEqual([]);
    expect(filesBelow(at(ID))).toHaveLength(1);
  });

  test('without the id there is nothing to read, and nothing is listed', async () => {
    const { own, dial } = await share();
    writeFileSync(own('f'), 'content');
    const file = await put(await dial(), 'f');
    const { line } = await dial();
    const client = new FilesClient(line, { prefix: 'chat.' });
    for (const path of ['', file.id, `${ID}/f`, 'f', `${file.id}/g`, `${file.id}/f/x`]) {
      await expect(client.stat(path)).rejects.toEqual(
        expect.objectContaining({ code: expect.stringMatching(/FORBIDDEN|NOT_FOUND/) }),
      );
      await expect(client.read(path)).rejects.toEqual(
        expect.objectContaining({ code: expect.stringMatching(/FORBIDDEN|NOT_FOUND/) }),
      );
      await expect(client.sha256(path)).rejects.toEqual(
        expect.objectContaining({ code: expect.stringMatching(/FORBIDDEN|NOT_FOUND/) }),
      );
    }
    for (const kind of ['list', 'watch', 'write', 'mkdir', 'remove', 'move']) {
      const channel = line.open(`chat.files.${kind}`, { path: `${file.id}/f`, to: `${file.id}/g`, policy: 'force' });
      await expect(channel.readMessage()).rejects.toEqual(failing('UNSUPPORTED'));
    }
  });

  test('with the id nothing is replaced, and nothing put beside it', async () => {
    const { own, at, dial } = await share();
    writeFileSync(own('f'), 'content');
    writeFileSync(own('other'), 'another one');
    const file = await put(await dial(), 'f');
    const member = await dial();
    expect(await putAt(member, `${file.id}/f`, 'other')).toBe('EXISTS');
    expect(await putAt(member, `${file.id}/f`, 'other', 'rename')).toBe('EXISTS');
    expect(await putAt(member, `${file.id}/g`, 'other')).toBe('EXISTS');
    for (const policy of ['force', 'backup', 'update']) {
      const channel = member.line.open('chat.files.put', { path: `${file.id}/f`, offer: 'any', policy });
      await expect(channel.readMessage()).rejects.toEqual(failing('FORBIDDEN'));
    }
    expect(readFileSync(at(`${file.id}/f`), 'latin1')).toBe('content');
    expect(filesBelow(at())).toEqual([`${file.id}/f 7`]);
  });

  test('a file on its way is nobody’s to read, nor one that poses as such', async () => {
    const { own, dial } = await share();
    writeFileSync(own('f'), 'content');
    const member = await dial();
    expect(await putAt(member, `${ID}/f.0-12345678.postern-part`, 'f')).toBe('BAD_NAME');
    const client = new FilesClient(member.line, { prefix: 'chat.' });
    await expect(client.stat(`${ID}/f.0-12345678.postern-part`)).rejects.toEqual(failing('BAD_NAME'));
  });

  test('R-F8: whoever may read and write, but has no chat, sees nothing', async () => {
    const { own, dial } = await share({ allow: ['read', 'write', 'delete', 'exec', 'shell', 'agents', 'time'] });
    writeFileSync(own('f'), 'content');
    const member = await dial();
    await expect(put(member, 'f')).rejects.toEqual(failing('FORBIDDEN'));
    await expect(fetch(member, { id: ID, name: 'f', size: 7 })).rejects.toEqual(failing('FORBIDDEN'));
  });

  test('a device puts only a few at once', async () => {
    const { dial } = await share();
    const silent = await dial({ onChannel: () => new Promise(() => {}) });
    const open = (index: number) =>
      silent.line.open('chat.files.put', {
        path: `${index}`.padEnd(22, 'A').concat('/f'),
        offer: 'any',
        policy: 'refuse',
      });
    const channels = Array.from({ length: MAX_CHAT_UPLOADS_PER_DEVICE + 1 }, (_, index) => open(index));
    await expect(channels.at(-1)!.readMessage()).rejects.toEqual(failing('TOO_MANY'));
    for (const channel of channels) channel.reset();
  });
});

describe('R-F4 what a hostile server says of a file', () => {
  test('its name is one name in the folder of whoever fetches, or BAD_NAME', async () => {
    const { own, dial } = await share();
    const { line } = await dial();
    const store = await ReceiveRoot.open(own('got'), { make: true });
    for (const name of ['..', '.', '', '/etc/passwd', '../f', 'a/b', 'a\0b', `${'n'.repeat(256)}`]) {
      const file = { id: ID, name, size: 1 };
      await expect(downloadChatFile(line, file, store, { makeSha256 })).rejects.toEqual(failing('BAD_NAME'));
    }
    await store.close();
  });

  test('R-F3: it sends a file, or nothing', async () => {
    const { own } = await share();
    const said = { id: ID, name: 'f', size: 5 };
    const honest = answers((channel, id) => honestAnswer(channel, id));
    for (const script of [
      { stat: folder(''), list: lists(file('one', 5), file('two', 5)), get: honest },
      { stat: link('', '/etc/passwd'), get: honest },
      { stat: file('', 6), get: honest },
      { stat: file('', 5), get: answers((channel, id) => honestAnswer(channel, id, 'hello and more')) },
    ]) {
      const { client, listener } = await joinedLines({ onChannel: hostilePeer(script) });
      const store = await ReceiveRoot.open(own('got'), { make: true });
      const failures: string[] = [];
      const onEvent = (event: TransferEvent) => void (event.type === 'failed' && failures.push(event.error.code));
      await downloadChatFile(client, said, store, { makeSha256, onEvent }).catch((thrown: LineError) => {
        failures.push(thrown.code);
      });
      expect(failures).toHaveLength(1);
      expect(readdirSync(own('got')).filter(name => !name.endsWith('.postern-part'))).toEqual([]);
      await store.close();
      await Promise.all([client.close(), listener.close(0)]);
    }
  });

  test('a size that is not the one that its message said is refused', async () => {
    const { own, dial } = await share();
    writeFileSync(own('f'), 'content');
    const member = await dial();
    const file = await put(member, 'f');
    await expect(fetch(member, { ...file, size: 6 })).rejects.toEqual(failing('CHANGED'));
    expect(filesBelow(own('got'))).toEqual([]);
  });
});

test('a file that the server cannot keep is told by its name, and not by where the server keeps it', async () => {
  const { own, at, dial } = await share();
  const member = await dial();
  writeFileSync(own('f'), 'x');
  rmSync(at(), { recursive: true });
  await expect(put(member, 'f')).rejects.toThrow(/^"f" on the server: /);
});

describe('R-A12 the room for files', () => {
  const quota = { maxBytes: 4 * MiB + 4 * CHAT_FILE_OVERHEAD_BYTES };

  test('ends at its size, for one file and for many, and is told before anything is written', async () => {
    const { own, at, dial } = await share(quota);
    const member = await dial();
    writeFileSync(own('large'), randomBytes(5 * MiB));
    await expect(put(member, 'large')).rejects.toEqual(failing('NO_SPACE'));
    expect(filesBelow(at())).toEqual([]);
    expect(shared.files.usedBytes).toBe(0);
    writeFileSync(own('f'), randomBytes(MiB));
    for (let index = 0; index < 4; index += 1) await put(member, 'f');
    await expect(put(member, 'f')).rejects.toEqual(failing('NO_SPACE'));
    expect(filesBelow(at())).toHaveLength(4);
    expect(shared.files.usedBytes).toBe(quota.maxBytes);
  });

  test.each([
    ['the size of its entry', { stat: file('', 2 ** 50) }],
    ['its answers', { stat: file('', 5), get: answers((channel, id) => honestAnswer(channel, id, 'x'.repeat(5000))) }],
    ['zeros without end', { stat: file('', 2 ** 50, { mode: 0 }), get: answers(endlessZeros) }],
    ['the kind of thing that comes', { stat: folder(''), list: lists(file('a', 5), folder('b'), link('c', '/etc')) }],
  ])('R-F3 is not passed by a member who lies with %s', async (_, script) => {
    const { at, dial } = await share(quota);
    const { line } = await dial({ onChannel: hostilePeer(script) });
    const channel = line.open('chat.files.put', { path: `${ID}/f`, offer: 'any', policy: 'refuse' });
    await channel.readMessage().catch(() => {});
    channel.reset();
    await line.ping();
    await vi.waitFor(() => expect(shared.files.usedBytes).toBeLessThanOrEqual(CHAT_FILE_OVERHEAD_BYTES + 5), WAIT);
    expect(filesBelow(at()).filter(path => !path.includes('.postern-part '))).toEqual([]);
  });

  test('is used up by empty files too', async () => {
    const { own, dial } = await share({ maxBytes: 3 * CHAT_FILE_OVERHEAD_BYTES });
    const member = await dial();
    writeFileSync(own('f'), '');
    for (let index = 0; index < 3; index += 1) await put(member, 'f');
    await expect(put(member, 'f')).rejects.toEqual(failing('NO_SPACE'));
  });

  test('is shared out among those who write at once', async () => {
    const { own, at, dial } = await share(quota);
    writeFileSync(own('f'), randomBytes(3 * MiB));
    const members = [await dial(), await dial()];
    const results = await Promise.allSettled(members.map(member => put(member, 'f')));
    const codes = results.map(result => (result.status === 'rejected' ? (result.reason as LineError).code : 'put'));
    expect(codes.sort()).toEqual(['NO_SPACE', 'put']);
    expect(filesBelow(at())).toHaveLength(1);
  });

  test('is found again by the next process, with what was left half', async () => {
    const { own, at, dial, reopen } = await share(quota);
    writeFileSync(own('f'), randomBytes(MiB));
    const file = await put(await dial(), 'f');
    mkdirSync(at(ID));
    writeFileSync(at(`${ID}/g.0-12345678.postern-part`), randomBytes(MiB));
    await reopen(quota);
    expect(shared.files.usedBytes).toBe(2 * MiB + 2 * CHAT_FILE_OVERHEAD_BYTES);
    await shared.files.check(file);
  });
});

async function endlessZeros(channel: Channel, id: number): Promise<void> {
  await channel.send({ t: 'file', id, entry: file('', 2 ** 50, { mode: 0 }), offset: 0, length: 2 ** 50 });
  await channel.send({ t: 'zeros', id, length: 2 ** 50 });
}

describe('files that no message names', () => {
  test('go after a day; those that one names, and those that were just checked, stay', async () => {
    let nowMs = Date.now();
    const { own, at, dial } = await share({ nowMs: () => nowMs });
    const member = await dial();
    for (const name of ['said', 'unsaid', 'checked']) writeFileSync(own(name), name);
    const [said, unsaid, checked] = [
      await put(member, 'said'),
      await put(member, 'unsaid'),
      await put(member, 'checked'),
    ];
    const asked: string[] = [];
    const sweep = () =>
      shared.files.sweep(async ids => {
        asked.push(...ids);
        return new Set([said.id]);
      });
    expect(await sweep()).toBe(0);
    expect(asked).toEqual([]);
    nowMs += CHAT_FILE_UNSAID_MS + 1;
    await shared.files.check(checked);
    expect(await sweep()).toBe(1);
    expect(asked.sort()).toEqual([said.id, unsaid.id].sort());
    expect(filesBelow(at())).toEqual([`${checked.id}/checked 7`, `${said.id}/said 4`].sort());
    await expect(shared.files.check(unsaid)).rejects.toEqual(failing('NOT_FOUND'));
    expect(shared.files.usedBytes).toBe(11 + 2 * CHAT_FILE_OVERHEAD_BYTES);
  });

  test('go when a later process finds them, partials and empty folders too', async () => {
    const { at, reopen } = await share();
    for (const id of [ID, 'BBBBBBBBBBBBBBBBBBBBBB']) mkdirSync(at(id));
    writeFileSync(at(`${ID}/g.0-12345678.postern-part`), 'half');
    await reopen({ maxBytes: MiB, nowMs: () => Date.now() + 2 * CHAT_FILE_UNSAID_MS });
    expect(await shared.files.sweep(async () => new Set())).toBe(2);
    expect(filesBelow(at())).toEqual([]);
    expect(shared.files.usedBytes).toBe(0);
  });
});
