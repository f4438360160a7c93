import {
  type ChatMessage,
  type ChatRoom,
  type JoinedRoom,
  type Line,
  LineError,
  listRooms,
} from '../../../node/index.ts';
import { escapeText } from '../../terminal/escape.ts';
import { formatCount, formatLocalTime, formatSize } from '../../terminal/format.ts';
import { displayWidth } from '../../terminal/width.ts';
import { dayAndTime, type MessageLines } from './message-lines.ts';
import { parseGet, type RoomTransfers } from './room-transfers.ts';

/** What somebody who sits at the screen works with. */
export interface Talk {
  readonly room: ChatRoom;
  /** Throws `CLOSED` while the line is lost. */
  readonly line: Line;
  readonly lines: MessageLines;
  readonly transfers: RoomTransfers;
  /** Those who are known to be in the room or have spoken there. */
  readonly names: Iterable<string>;
  /** Shows escaped lines, no more at once than one message has. */
  show(...lines: readonly string[]): void;
  /** Shows up to `count` messages from before those that are shown. */
  showEarlier(count: number): Promise<void>;
  /** When the message was stored, if it is among the last that were shown. */
  timeOf(id: number): number | undefined;
  readonly lastShown: number;
  change(room: string): Promise<JoinedRoom>;
  quit(): void;
}

export interface SlashCommand {
  readonly name: string;
  /** Arguments as `/help` shows them. */
  readonly usage: string;
  readonly summary: string;
  /** Says something: what is lost with it is told to whoever leaves before the server has it. */
  readonly says?: boolean;
  /** What may stand for the last word of `rest`; by default nothing. */
  complete?(talk: Talk, rest: string): Promise<Iterable<string>> | Iterable<string>;
  /** Throws `USAGE` for arguments that make no sense, and what else goes wrong. */
  run(talk: Talk, rest: string): Promise<void> | void;
}

/** A line that somebody has written: something to say, or a command. */
export type Entry =
  | { readonly type: 'nothing' }
  | { readonly type: 'quit' }
  | { readonly type: 'say'; readonly text: string }
  | { readonly type: 'command'; readonly name: string; readonly rest: string };

/** `bye` leaves, `/name …` is a command, `//text` says `/text`. */
export function parseEntry(text: string): Entry {
  const trimmed = text.trim();
  if (trimmed === '') return { type: 'nothing' };
  if (trimmed === 'bye') return { type: 'quit' };
  if (text.startsWith('//')) return { type: 'say', text: text.slice(1) };
  const command = /^\/(\S*)\s*([\s\S]*)$/.exec(text);
  return command === null ? { type: 'say', text } : { type: 'command', name: command[1]!, rest: command[2]!.trimEnd() };
}

/** Throws `USAGE` for a command that there is not. */
export function findCommand(name: string): SlashCommand {
  const command = SLASH_COMMANDS.find(one => one.name === name);
  if (command !== undefined) return command;
  throw new LineError('USAGE', `there is no /${name}; /help tells what there is, and //${name} says /${name}`);
}

function requireOne(rest: string, usage: string): string {
  if (rest === '' || /\s/.test(rest)) throw new LineError('USAGE', `one word is needed: ${usage}`);
  return rest;
}

async function who(talk: Talk): Promise<void> {
  const members = [...(await talk.room.who())].sort((one, other) => one.name.localeCompare(other.name));
  const listed = members.slice(0, MAX_LISTED);
  const width = Math.max(0, ...listed.map(({ name }) => displayWidth(name)));
  const shown = listed.map(({ name, sinceMs, seen }) => {
    const at = seen === undefined ? undefined : talk.timeOf(seen);
    const hasSeen =
      seen !== undefined && seen >= talk.lastShown
        ? 'has seen everything'
        : at === undefined
          ? 'has not seen the last messages'
          : `has seen what came until ${dayAndTime(at)[1]}`;
    return `${talk.lines.name(name)}${' '.repeat(width - displayWidth(name))}  here since ${formatLocalTime(sinceMs)}, ${hasSeen}`;
  });
  talk.show(talk.lines.mark(`${formatCount(members.length)} in ${escapeText(talk.room.room)}`), ...shown);
  showRest(talk, members.length - shown.length);
}

async function rooms(talk: Talk): Promise<void> {
  const found = await listRooms(talk.line);
  const shown = found.slice(0, MAX_LISTED).map(({ room, count, lastMs }) => {
    const last = lastMs === 0 ? 'no messages' : `last message ${formatLocalTime(lastMs)}`;
    return `${escapeText(room)}  ${formatCount(count)} there, ${last}`;
  });
  talk.show(talk.lines.mark(`${formatCount(found.length)} ${found.length === 1 ? 'room' : 'rooms'}`), ...shown);
  showRest(talk, found.length - shown.length);
}

/** Of what anybody can make thousands of, the first ones are shown. */
function showRest(talk: Talk, count: number): void {
  if (count > 0) talk.show(talk.lines.mark(`${formatCount(count)} more`));
}

async function join(talk: Talk, rest: string): Promise<void> {
  const room = requireOne(rest, '/join ROOM');
  if (room === talk.room.room) throw new LineError('USAGE', `you are in ${room}`);
  await talk.change(room);
}

async function search(talk: Talk, words: string): Promise<void> {
  if (words === '') throw new LineError('USAGE', 'what for? /search WORDS');
  const found: ChatMessage[] = [];
  for await (const message of talk.room.search(words)) found.push(message);
  const count = found.length === 0 ? 'nothing' : formatCount(found.length);
  talk.show(talk.lines.mark(`${count} found for ${escapeText(words)}`));
  for (const message of found) talk.show(...talk.lines.found(message, talk.room.name));
}

async function sendPrivately(talk: Talk, rest: string): Promise<void> {
  const parts = /^(\S+)\s+([\s\S]+)$/.exec(rest);
  if (parts === null) throw new LineError('USAGE', 'to whom, and what? /msg NAME TEXT');
  await talk.room.send(parts[2]!, { to: parts[1]! });
}

async function earlier(talk: Talk, rest: string): Promise<void> {
  const count = rest === '' ? DEFAULT_EARLIER : Number(rest);
  if (!Number.isInteger(count) || count < 1 || count > MAX_EARLIER) {
    throw new LineError('USAGE', `a number from 1 to ${MAX_EARLIER} is needed: /history N`);
  }
  await talk.showEarlier(count);
}

async function sendFile(talk: Talk, path: string): Promise<void> {
  if (path === '') throw new LineError('USAGE', 'which file? /send FILE');
  await talk.transfers.send(path);
}

async function getFile(talk: Talk, rest: string): Promise<void> {
  const { id, name: wanted } = parseGet(rest);
  const { name, size, wasThere } = await talk.transfers.get(id, wanted);
  talk.show(talk.lines.event(`${escapeText(name)} ${wasThere ? 'was' : 'is'} here, ${formatSize(size)}`));
}

function help(talk: Talk): void {
  const width = Math.max(...SLASH_COMMANDS.map(({ name, usage }) => name.length + usage.length)) + 2;
  talk.show(
    ...SLASH_COMMANDS.map(({ name, usage, summary }) => `${`/${name} ${usage}`.padEnd(width)} ${summary}`),
    'bye leaves too; //text says a text that begins with a slash; Alt-Enter begins a new line, Tab completes names',
  );
}

const DEFAULT_EARLIER = 50;
const MAX_EARLIER = 1000;
const MAX_LISTED = 1000;

/** In the order of `/help`. */
export const SLASH_COMMANDS: readonly SlashCommand[] = [
  { name: 'who', usage: '', summary: 'who is here, and what they have seen', run: talk => who(talk) },
  { name: 'rooms', usage: '', summary: 'which rooms there are', run: talk => rooms(talk) },
  {
    name: 'join',
    usage: 'ROOM',
    summary: 'go to another room',
    complete: async talk => (await listRooms(talk.line)).map(({ room }) => room),
    run: join,
  },
  {
    name: 'me',
    usage: 'TEXT',
    summary: 'say what you do',
    says: true,
    complete: talk => talk.names,
    run: async (talk, rest) => {
      if (rest === '') throw new LineError('USAGE', 'what do you do? /me TEXT');
      await talk.room.send(rest, { action: true });
    },
  },
  {
    name: 'msg',
    usage: 'NAME TEXT',
    summary: 'tell one person alone',
    says: true,
    complete: talk => talk.names,
    run: sendPrivately,
  },
  {
    name: 'nick',
    usage: 'NAME',
    summary: 'be called otherwise',
    run: (talk, rest) => talk.room.rename(requireOne(rest, '/nick NAME')),
  },
  { name: 'history', usage: '[N]', summary: 'show earlier messages, again and again', run: earlier },
  { name: 'search', usage: 'WORDS', summary: 'find messages that hold all these words', run: search },
  { name: 'send', usage: 'FILE', summary: 'put a file of this machine into the room', says: true, run: sendFile },
  { name: 'get', usage: 'N [NAME]', summary: 'fetch the file of message N into the current folder', run: getFile },
  { name: 'help', usage: '', summary: 'this list', run: help },
  { name: 'quit', usage: '', summary: 'leave', run: talk => talk.quit() },
];
