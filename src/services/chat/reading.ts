import { LineError } from '../../errors.ts';
import type { Channel } from '../../line/channel.ts';
import type { Route } from '../../line/route.ts';
import { type JsonObject, readList } from '../../protocol/bytes/json.ts';
import { DEFAULT_CHAT_FOUND } from '../../protocol/limits.ts';
import type { ChatMember, ChatMessage, ChatRoomEntry, HistoryRange } from './message.ts';
import { CHAT_KIND, decodeMember, decodeMessages, decodeRoom, encodeRange, messageType, notDue } from './messages.ts';

/** What is kept of a room, oldest first. Throws what ends the channel. */
export async function* readHistory(
  route: Pick<Route, 'open'>,
  room: string,
  range: HistoryRange,
): AsyncGenerator<ChatMessage> {
  yield* readMessages(route, CHAT_KIND.history, { room, ...encodeRange(range) }, range);
}

export async function* searchHistory(
  route: Pick<Route, 'open'>,
  room: string,
  words: string,
  last: number = DEFAULT_CHAT_FOUND,
): AsyncGenerator<ChatMessage> {
  yield* readMessages(route, CHAT_KIND.search, { room, words, ...encodeRange({ last }) }, { last });
}

/** The rooms of a server: those that somebody is in and those of which messages are kept, by name. */
export async function listRooms(route: Pick<Route, 'open'>): Promise<readonly ChatRoomEntry[]> {
  const rooms = await readAll(route.open(CHAT_KIND.rooms), 'rooms', decodeRoom);
  return rooms.sort((one, other) => (one.room < other.room ? -1 : 1));
}

export async function listMembers(route: Pick<Route, 'open'>, room: string): Promise<readonly ChatMember[]> {
  return readAll(route.open(CHAT_KIND.who, { room }), 'members', decodeMember);
}

async function* readMessages(
  route: Pick<Route, 'open'>,
  kind: string,
  request: JsonObject,
  { after = 0, before = Number.MAX_SAFE_INTEGER, last = Number.POSITIVE_INFINITY }: HistoryRange,
): AsyncGenerator<ChatMessage> {
  const channel = route.open(kind, request);
  let at = after;
  let left = last;
  try {
    for (;;) {
      const message = await channel.readMessage();
      const type = messageType(message);
      if (type === 'done') return;
      if (type !== 'entries') throw notDue();
      for (const said of decodeMessages(message)) {
        // Each once, in order, and nothing that was not asked for: whoever asks for the last ones may hold them all.
        if (said.id <= at || said.id >= before) throw new LineError('PROTOCOL', 'a message out of its order');
        if (left === 0) throw new LineError('PROTOCOL', 'more messages than were asked for');
        left -= 1;
        at = said.id;
        yield said;
      }
    }
  } finally {
    channel.reset();
  }
}

async function readAll<Item>(channel: Channel, list: string, decode: (value: unknown) => Item): Promise<Item[]> {
  const items: Item[] = [];
  try {
    for (;;) {
      const message = await channel.readMessage();
      const type = messageType(message);
      if (type === 'done') return items;
      if (type !== list) throw notDue();
      for (const item of readList(message, list, MAX_LISTED)) items.push(decode(item));
      if (items.length > MAX_LISTED) throw new LineError('SIZE', 'a list that does not end');
    }
  } finally {
    channel.reset();
  }
}

/** Far more than a server has members, or a person reads rooms. */
const MAX_LISTED = 200_000;
