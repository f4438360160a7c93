import { afterEach, describe, expect, it } from 'vitest';
import type { LineErrorCode } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { encodeBase64url } from '../../../src/protocol/bytes/base64url.ts';
import type { JsonObject } from '../../../src/protocol/bytes/json.ts';
import { MAX_CHAT_MEMBERS_PER_DEVICE, MAX_CHAT_READS_PER_DEVICE } from '../../../src/protocol/limits.ts';
import { CHAT_KIND, decodeEntries } from '../../../src/services/chat/messages.ts';
import { listRooms } from '../../../src/services/chat/reading.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { code } from '../files/served.ts';
import { ChatScene, type Dialled, makeRoom, type SceneOptions } from './scene.ts';

const scenes: ChatScene[] = [];

afterEach(async () => {
  await Promise.all(scenes.splice(0).map(scene => scene.end()));
});

async function open(options: SceneOptions = {}): Promise<ChatScene> {
  const scene = await ChatScene.open(options);
  scenes.push(scene);
  return scene;
}

function nonce(): string {
  return encodeBase64url(nodeCrypto.randomBytes(16));
}

/** A member that says what it likes. */
async function joinRaw({ line }: Dialled, request: JsonObject): Promise<Channel> {
  const channel = line.open(CHAT_KIND.join, request);
  expect(await channel.readMessage()).toMatchObject({ t: 'joined' });
  return channel;
}

/** What the channel ends with. */
async function endOf(channel: Channel): Promise<unknown> {
  try {
    for await (const _ of channel);
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

describe('a chat among hostile members', () => {
  it('R-A8: is offered by kind, each with the permission chat', async () => {
    const scene = await open({ allow: ['read', 'write', 'delete', 'exec', 'shell', 'time', 'agents'] });
    const { line } = await scene.dial();
    for (const kind of Object.values(CHAT_KIND)) {
      expect(await endOf(line.open(kind, { room: 'lobby', name: 'anna', words: 'x' }))).toEqual(code('FORBIDDEN'));
    }
    expect(await endOf(line.open('chat.trim', {}))).toEqual(code('UNSUPPORTED'));
  });

  it.each<[string, JsonObject, LineErrorCode]>([
    ['no room', { name: 'anna' }, 'PROTOCOL'],
    ['no name', { room: 'lobby' }, 'PROTOCOL'],
    ['an empty name', { room: 'lobby', name: '' }, 'BAD_NAME'],
    ['a name with a space', { room: 'lobby', name: 'a b' }, 'BAD_NAME'],
    ['a name that is too long', { room: 'lobby', name: 'a'.repeat(33) }, 'BAD_NAME'],
    ['a name that clears the screen', { room: 'lobby', name: 'a\u001b[2J' }, 'BAD_NAME'],
    ['a name that turns the line around', { room: 'lobby', name: 'a\u202eb' }, 'BAD_NAME'],
    ['a name that is not seen', { room: 'lobby', name: '\u3164' }, 'BAD_NAME'],
    ['a name with a variation that is not seen', { room: 'lobby', name: 'a\ufe0f' }, 'BAD_NAME'],
    ['a room with a slash', { room: '../lobby', name: 'anna' }, 'BAD_NAME'],
    ['a room of nobody', { room: '', name: 'anna' }, 'BAD_NAME'],
    ['a number that is none', { room: 'lobby', name: 'anna', after: -1 }, 'PROTOCOL'],
    ['a name that is no text', { room: 'lobby', name: ['anna'] }, 'PROTOCOL'],
  ])('R-X1, R-A12: lets nobody in with %s', async (_, request, expected) => {
    const scene = await open();
    const { line } = await scene.dial();
    expect(await endOf(line.open(CHAT_KIND.join, request))).toEqual(code(expected));
    expect((await scene.person('anna')).room.name).toBe('anna');
  });

  const say = { t: 'say', nonce: 'A'.repeat(22), kind: 'text', text: 'x' };
  const file = { id: 'A'.repeat(22), name: 'a.txt', size: 1 };
  it.each<[string, JsonObject | Uint8Array]>([
    ['bytes', new Uint8Array(3)],
    ['no type', {}],
    ['an unknown type', { t: 'shout' }],
    ['what only the server says', { t: 'entries', entries: [] }],
    ['no nonce', { ...say, nonce: undefined }],
    ['a short nonce', { ...say, nonce: 'AAAA' }],
    ['a nonce of too many bits', { ...say, nonce: '_'.repeat(22) }],
    ['no text', { ...say, text: undefined }],
    ['an empty text', { ...say, text: '' }],
    ['a text that is too long', { ...say, text: 'x'.repeat(8193) }],
    ['a text of too many bytes', { ...say, text: '中'.repeat(2731) }],
    ['a NUL', { ...say, text: 'a\0b' }],
    ['a number for a text', { ...say, text: 7 }],
    ['an unknown kind', { ...say, kind: 'came' }],
    ['a file that is none', { ...say, kind: 'file' }],
    ['a text with a file', { ...say, file }],
    ['a file whose name is a path', { ...say, kind: 'file', file: { ...file, name: '../x' } }],
    ['a file that is its folder', { ...say, kind: 'file', file: { ...file, name: '..' } }],
    ['a file of less than nothing', { ...say, kind: 'file', file: { ...file, size: -1 } }],
    ['seen below nothing', { t: 'seen', id: -1 }],
    ['seen of no number', { t: 'seen', id: '5' }],
    ['a new name that is none', { t: 'rename', name: 5 }],
  ])('R-A12: ends the channel of who sends %s, and no other', async (_, message) => {
    const scene = await open();
    const anna = (await scene.person('anna')).listen();
    const channel = await joinRaw(await scene.dial(), { room: 'lobby', name: 'eve' });
    if (message instanceof Uint8Array) await channel.write(message);
    else await channel.send(message);
    expect(await endOf(channel)).toEqual(code('PROTOCOL'));
    await anna.room.send('still here');
    await anna.until(({ texts }) => texts.length === 1);
    expect(anna.lines).toEqual(['came eve', 'left eve', 'still here']);
  });

  it('refuses what may be said but not now, and goes on', async () => {
    const scene = await open();
    await scene.person('anna');
    const channel = await joinRaw(await scene.dial(), { room: 'lobby', name: 'eve' });
    const answer = async (message: JsonObject) => {
      await channel.send(message);
      for (;;) {
        const item = await channel.readMessage();
        if (item['t'] !== 'entries') return item;
      }
    };
    expect(await answer({ ...say, to: 'nobody' })).toMatchObject({ t: 'refused', nonce: say.nonce, code: 'NOT_FOUND' });
    expect(await answer({ ...say, to: ' ' })).toMatchObject({ t: 'refused', code: 'BAD_NAME' });
    expect(await answer({ ...say, kind: 'file', file })).toMatchObject({ t: 'refused', code: 'UNSUPPORTED' });
    expect(await answer({ t: 'rename', name: 'Anna' })).toMatchObject({ t: 'refused', code: 'EXISTS' });
    expect(await answer({ t: 'rename', name: '\u0007' })).toMatchObject({ t: 'refused', code: 'BAD_NAME' });
    await channel.send({ t: 'seen', id: 1e15 });
    expect(await answer(say)).toMatchObject({ t: 'stored', nonce: say.nonce, id: 1 });
  });

  it('says a message once, whatever comes twice', async () => {
    const scene = await open();
    // As it comes: a client would hide what comes twice.
    const watching = await joinRaw(await scene.dial(), { room: 'lobby', name: 'anna' });
    const dialled = await scene.dial();
    const first = await joinRaw(dialled, { room: 'lobby', name: 'eve' });
    const second = await joinRaw(dialled, { room: 'attic', name: 'eve' });
    for (const channel of [first, first, second]) await channel.send({ ...say, nonce: `${'B'.repeat(21)}A` });
    await second.send({ ...say, nonce: nonce() });
    await first.send({ ...say, nonce: nonce(), text: 'last' });
    const texts: string[] = [];
    while (!texts.includes('last')) {
      for (const entry of decodeEntries(await watching.readMessage())) {
        if (entry.type === 'message') texts.push(entry.message.text);
      }
    }
    expect(texts).toEqual(['x', 'last']);
  });

  it('lets nobody speak under the name, or read the private messages, of somebody else', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    const bert = await scene.person('bert');
    await anna.room.send('secret', { to: 'bert' });
    const eve = await scene.person('eve');
    for (const name of ['anna', 'ANNA', 'ａｎｎａ', 'bert']) {
      await expect(makeRoom({ room: 'lobby', name }).attach(eve.line)).rejects.toEqual(code('EXISTS'));
    }
    // Asking for more than is due changes nothing of who asks.
    const forged = { room: 'lobby', name: 'bert', device: encodeBase64url(bert.staticKey.publicKey), from: 'bert' };
    const channel = eve.line.open(CHAT_KIND.history, forged);
    expect(await channel.readMessage()).toEqual({ t: 'done' });
    const search = eve.line.open(CHAT_KIND.search, { ...forged, words: 'secret' });
    expect(await search.readMessage()).toEqual({ t: 'done' });
    const all = eve.line.open(CHAT_KIND.search, { words: 'secret' });
    expect(await all.readMessage()).toEqual({ t: 'done' });
    expect(await endOf(eve.line.open(CHAT_KIND.history, { room: '' }))).toEqual(code('BAD_NAME'));
  });

  it('R-A11: makes who says too much wait, and nobody else', async () => {
    const clock = new ManualClock();
    const scene = await open({ clock, flood: { perSecond: 5, burst: 3 } });
    const eve = await scene.person('eve');
    const anna = await scene.person('anna');
    // Joining has taken one.
    const stored = Array.from({ length: 4 }, (_, n) => eve.room.send(`${n}`));
    await Promise.all(stored.slice(0, 2));
    await anna.room.send('in between');
    expect(await scene.history.head()).toBe(3);
    clock.advance(200);
    await stored[2];
    clock.advance(200);
    expect((await stored[3])!.id).toBe(5);
  });

  it('shows what somebody said who was gone, and alone there, before it was stored', async () => {
    const clock = new ManualClock();
    const scene = await open({ clock, flood: { perSecond: 5, burst: 3 } });
    const eve = await scene.person('eve');
    for (const text of ['one', 'two']) await eve.room.send(text);
    // Its turn has not come yet when the line goes.
    eve.room.send('three').catch(() => {});
    await eve.line.ping();
    await eve.cut();
    const anna = await scene.person('anna', { last: 0 });
    while ((await anna.room.who()).length > 1);
    anna.listen();
    clock.advance(200);
    while ((await scene.history.head()) < 3) await anna.line.ping();
    await anna.room.send('four');
    clock.advance(200);
    await anna.until(({ texts }) => texts.includes('four'));
    expect(anna.texts).toEqual(['three', 'four']);
  });

  it('R-A11: bounds memberships and readings of a device', async () => {
    const scene = await open();
    const dialled = await scene.dial();
    for (let n = 0; n < MAX_CHAT_MEMBERS_PER_DEVICE; n += 1) await joinRaw(dialled, { room: `room${n}`, name: 'eve' });
    expect(await endOf(dialled.line.open(CHAT_KIND.join, { room: 'one-more', name: 'eve' }))).toEqual(code('TOO_MANY'));
    const anna = await scene.person('anna');
    for (let n = 0; n < 300; n += 1) await anna.room.send('x'.repeat(8000));
    // Nobody reads these: each stands still when its credit is used up.
    const small = await scene.dial(nodeCrypto.generateKeyPair(), { creditBytes: 128 * 1024 });
    for (let n = 0; n < MAX_CHAT_READS_PER_DEVICE; n += 1) small.line.open(CHAT_KIND.history, { room: 'lobby' });
    expect(await endOf(small.line.open(CHAT_KIND.rooms))).toEqual(code('TOO_MANY'));
    await anna.room.send('goes on');
  });

  it('R-A11: holds many rooms, and is as before when they are left', async () => {
    const scene = await open();
    const people: Dialled[] = [];
    for (let n = 0; n < 16; n += 1) {
      const dialled = await scene.dial();
      people.push(dialled);
      for (let m = 0; m < 60; m += 1) await joinRaw(dialled, { room: `room${n}x${m}`, name: `eve${n}` });
    }
    const anna = await scene.person('anna');
    expect(await listRooms(anna.line)).toHaveLength(16 * 60 + 1);
    await Promise.all(people.map(({ line }) => line.close(0)));
    expect(await listRooms(anna.line)).toHaveLength(1);
  });
});
