import { expect, it, onTestFinished } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import type { Line } from '../../../src/line/line.ts';
import type { JsonObject } from '../../../src/protocol/bytes/json.ts';
import { listMembers, listRooms, readHistory, searchHistory } from '../../../src/services/chat/reading.ts';
import { joinedLines } from '../../support/lines.ts';
import { code } from '../files/served.ts';

const device = 'A'.repeat(43);

function message(id: number, fields: JsonObject = {}): JsonObject {
  return { k: 'text', id, ms: 1, from: 'eve', device, text: 'x', ...fields };
}

function entries(...list: JsonObject[]): JsonObject {
  return { t: 'entries', entries: list };
}

/** A line to a server that answers whatever is asked for with these messages. */
async function answering(...answers: readonly JsonObject[]): Promise<Line> {
  const { client, listener } = await joinedLines({
    onChannel: async (channel: Channel) => {
      for (const answer of answers) await channel.send(answer);
    },
  });
  onTestFinished(async () => {
    await client.close(0);
    await listener.close(0);
  });
  return client;
}

async function taken(messages: AsyncIterable<{ readonly id: number }>): Promise<unknown> {
  const ids: number[] = [];
  try {
    for await (const { id } of messages) ids.push(id);
    return ids;
  } catch (thrown) {
    return { ids, thrown };
  }
}

it('R-A12: gives no more messages than were asked for, however many a server sends', async () => {
  const many = entries(message(1), message(2), message(3), message(4));
  const line = await answering(many, { t: 'done' });
  expect(await taken(readHistory(line, 'lobby', { last: 4 }))).toEqual([1, 2, 3, 4]);
  expect(await taken(readHistory(line, 'lobby', { last: 3 }))).toEqual({ ids: [1, 2, 3], thrown: code('PROTOCOL') });
  expect(await taken(searchHistory(line, 'lobby', 'x', 2))).toEqual({ ids: [1, 2], thrown: code('PROTOCOL') });
  const endless = await answering(entries(...Array.from({ length: 60 }, (_, n) => message(n + 1))));
  const found = await taken(searchHistory(endless, 'lobby', 'x', undefined));
  expect(found).toMatchObject({ ids: { length: 50 }, thrown: code('PROTOCOL') });
});

it.each<[string, JsonObject]>([
  ['ids that go back', entries(message(2), message(1))],
  ['an id twice', entries(message(2), message(2))],
  ['who came', entries({ k: 'came', name: 'eve' })],
  ['a time that is no date', entries(message(1, { ms: Number.MAX_SAFE_INTEGER }))],
  ['a name that drives a terminal', entries(message(1, { from: '\u001b[2J' }))],
  ['a private message for such a name', entries(message(1, { to: '\u202e' }))],
  ['a file that is a path', entries(message(1, { k: 'file', file: { id: 'A'.repeat(22), name: '../x', size: 1 } }))],
  ['something else', { t: 'joined' }],
])('R-A12: a server that sends %s for history is not believed', async (_, answer) => {
  const line = await answering(answer, { t: 'done' });
  expect(await taken(readHistory(line, 'lobby', {}))).toMatchObject({ thrown: expect.any(LineError) });
});

it('R-A12: a time that is no date is not believed of members and rooms either', async () => {
  const ms = Number.MAX_SAFE_INTEGER;
  const members = await answering({ t: 'members', members: [{ name: 'eve', device, since_ms: ms }] }, { t: 'done' });
  await expect(listMembers(members, 'lobby')).rejects.toEqual(code('MALFORMED'));
  const rooms = await answering({ t: 'rooms', rooms: [{ room: 'lobby', count: 1, last: 1, ms }] }, { t: 'done' });
  await expect(listRooms(rooms)).rejects.toEqual(code('MALFORMED'));
});
