import { LINE_ERROR_CODES, LineError, type LineErrorCode } from '../../errors.ts';
import { decodeBase64url, encodeBase64url } from '../../protocol/bytes/base64url.ts';
import { hasField, type JsonObject, readInteger, readList, readObject, readText } from '../../protocol/bytes/json.ts';
import { encodeUtf8 } from '../../protocol/bytes/text.ts';
import { MAX_CHAT_NAME_LENGTH, MAX_CHAT_NAMES_TOLD, MAX_CHAT_TEXT_BYTES } from '../../protocol/limits.ts';
import {
  CHAT_MESSAGE_KINDS,
  type ChatFile,
  type ChatMember,
  type ChatMessage,
  type ChatMessageKind,
  type ChatRoomEntry,
  type HistoryRange,
  type JoinedRoom,
} from './message.ts';
import { type ChatName, chatName, roomName, shownName } from './names.ts';

/** Channels and messages of the chat service (docs/protocol/4-services.md §3). Everything read here is untrusted. */

export const CHAT_KIND = {
  join: 'chat.join',
  history: 'chat.history',
  search: 'chat.search',
  rooms: 'chat.rooms',
  who: 'chat.who',
} as const;

// ── What an opener asks for ─────────────────────────────────────────────────────────────────────────────────────────

export interface JoinRequest {
  readonly room: string;
  readonly name: ChatName;
  readonly after: number | undefined;
}

export function encodeJoin({ room, name, after }: JoinRequest): JsonObject {
  return { room, name: name.name, ...optional('after', after) };
}

/** Throws `BAD_NAME` for names that nobody may have. */
export function decodeJoin(request: JsonObject): JoinRequest {
  return { room: readRoom(request), name: readName(request, 'name'), after: readOptionalInteger(request, 'after') };
}

export function encodeRange({ after, before, last }: HistoryRange): JsonObject {
  return { ...optional('after', after), ...optional('before', before), ...optional('last', last) };
}

export function decodeRange(request: JsonObject): HistoryRange {
  return {
    after: readOptionalInteger(request, 'after'),
    before: readOptionalInteger(request, 'before'),
    last: readOptionalInteger(request, 'last'),
  };
}

export function readRoom(request: JsonObject): string {
  return roomName(readText(request, 'room', MAX_NAME_UNITS));
}

/** A name as it is shown. */
function readShownName(message: JsonObject, key: string): string {
  return shownName(readText(message, key, MAX_NAME_UNITS));
}

export function readName(message: JsonObject, key: string): ChatName {
  return chatName(readText(message, key, MAX_NAME_UNITS));
}

// ── In a room ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Something that a member wants said. */
export interface Say {
  /** 128 random bits, by which the same message is known when it comes again. */
  readonly nonce: string;
  readonly kind: ChatMessageKind;
  readonly text: string;
  readonly to: ChatName | undefined;
  readonly file: ChatFile | undefined;
}

export function encodeSay({ nonce, kind, text, to, file }: Say): JsonObject {
  return { t: 'say', nonce, kind, text, ...optional('to', to?.name), ...optional('file', file) };
}

export function decodeSay(message: JsonObject): Say {
  const kind = readKind(message, 'kind');
  return {
    nonce: readNonce(message),
    kind,
    text: readChatText(message),
    to: hasField(message, 'to') ? readName(message, 'to') : undefined,
    file: readFile(message, kind),
  };
}

/** Throws `MALFORMED`, or what is asked for, for what nobody can say: nothing, too much, or half a character. */
export function requireChatText(text: string, code: 'MALFORMED' | 'USAGE' = 'MALFORMED'): void {
  const isShort = text.length * 3 <= MAX_CHAT_TEXT_BYTES;
  const isText = text.length > 0 && text.length <= MAX_CHAT_TEXT_BYTES && text.isWellFormed() && !text.includes('\0');
  if (isText && (isShort || encodeUtf8(text).length <= MAX_CHAT_TEXT_BYTES)) return;
  throw new LineError(code, `a message is a text of 1 to ${MAX_CHAT_TEXT_BYTES} bytes without NUL`);
}

export function encodeJoined(room: string, { name, head, seen, members, count }: JoinedRoom): JsonObject {
  return { t: 'joined', room, name, head, ...optional('seen', seen), members, count };
}

export function decodeJoined(message: JsonObject): JoinedRoom {
  const members = readList(message, 'members', MAX_CHAT_NAMES_TOLD).map(name => readName({ name }, 'name').name);
  return {
    name: readName(message, 'name').name,
    head: readInteger(message, 'head'),
    seen: readOptionalInteger(message, 'seen'),
    members,
    count: readInteger(message, 'count'),
  };
}

/** What was not stored: `nonce` says which message, without one it was a new name. */
export function encodeRefused(nonce: string | undefined, { code, message }: LineError): JsonObject {
  return { t: 'refused', ...optional('nonce', nonce), code, reason: message.slice(0, MAX_REASON_LENGTH) };
}

export function decodeRefused(message: JsonObject): { readonly nonce: string | undefined; readonly error: LineError } {
  const code = readText(message, 'code', 32);
  const known = LINE_ERROR_CODES.find(known => known === code) ?? ('INTERNAL' satisfies LineErrorCode);
  return {
    nonce: hasField(message, 'nonce') ? readNonce(message) : undefined,
    error: new LineError(known, readText(message, 'reason', MAX_REASON_LENGTH)),
  };
}

export interface Missed {
  readonly count: number;
  readonly after: number;
  readonly before: number;
}

export function decodeMissed(message: JsonObject): Missed {
  const missed = {
    count: readInteger(message, 'count'),
    after: readInteger(message, 'after'),
    before: readInteger(message, 'before'),
  };
  if (missed.before <= missed.after) throw new LineError('MALFORMED', 'nothing lies between the ends of a gap');
  return missed;
}

// ── Entries ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export type ChatEntry =
  | { readonly type: 'message'; readonly message: ChatMessage }
  | { readonly type: 'came' | 'left'; readonly name: string }
  | { readonly type: 'renamed'; readonly from: string; readonly to: string };

export function encodeEntry(entry: ChatEntry): JsonObject {
  switch (entry.type) {
    case 'message': {
      const { id, timeMs, from, device, kind, text, to, file } = entry.message;
      const about = { k: kind, id, ms: timeMs, from, device: encodeBase64url(device), text };
      return { ...about, ...optional('to', to), ...optional('file', file) };
    }
    case 'came':
    case 'left':
      return { k: entry.type, name: entry.name };
    case 'renamed':
      return { k: 'renamed', from: entry.from, to: entry.to };
  }
}

/** Of a message `entries`. Read by the thousand, so nothing is looked up and little is made on the way. */
export function decodeEntries(message: JsonObject): ChatEntry[] {
  return readList(message, 'entries', MAX_ENTRIES).map(decodeEntry);
}

/** Of a message `entries` in which nothing but messages may be. */
export function decodeMessages(message: JsonObject): ChatMessage[] {
  return decodeEntries(message).map(entry => {
    if (entry.type === 'message') return entry.message;
    throw notDue();
  });
}

function decodeEntry(value: unknown): ChatEntry {
  const entry = readObject({ value }, 'value');
  const type = readText(entry, 'k', MAX_TYPE_LENGTH);
  switch (type) {
    case 'came':
    case 'left':
      return { type, name: readShownName(entry, 'name') };
    case 'renamed':
      return { type, from: readShownName(entry, 'from'), to: readShownName(entry, 'to') };
    default:
      return { type: 'message', message: decodeMessage(entry) };
  }
}

function decodeMessage(entry: JsonObject): ChatMessage {
  const kind = readKind(entry, 'k');
  return {
    id: readInteger(entry, 'id', 1),
    timeMs: readTime(entry, 'ms'),
    from: readShownName(entry, 'from'),
    device: decodeKey(readText(entry, 'device', KEY_LENGTH)),
    kind,
    text: readChatText(entry),
    to: hasField(entry, 'to') ? readShownName(entry, 'to') : undefined,
    file: readFile(entry, kind),
  };
}

// ── Who and where ───────────────────────────────────────────────────────────────────────────────────────────────────

export function encodeMember({ name, device, sinceMs, seen }: ChatMember): JsonObject {
  return { name, device: encodeBase64url(device), since_ms: sinceMs, ...optional('seen', seen) };
}

export function decodeMember(value: unknown): ChatMember {
  const member = readObject({ value }, 'value');
  return {
    name: readName(member, 'name').name,
    device: decodeKey(readText(member, 'device', KEY_LENGTH)),
    sinceMs: readTime(member, 'since_ms'),
    seen: readOptionalInteger(member, 'seen'),
  };
}

export function encodeRoom({ room, count, lastId, lastMs }: ChatRoomEntry): JsonObject {
  return { room, count, last: lastId, ms: lastMs };
}

export function decodeRoom(value: unknown): ChatRoomEntry {
  const entry = readObject({ value }, 'value');
  return {
    room: readRoom(entry),
    count: readInteger(entry, 'count'),
    lastId: readInteger(entry, 'last'),
    lastMs: readTime(entry, 'ms'),
  };
}

// ── Inside ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export function messageType(message: JsonObject): string {
  return readText(message, 't', MAX_TYPE_LENGTH);
}

export function notDue(): LineError {
  return new LineError('PROTOCOL', 'a message that is not due');
}

export function readNonce(message: JsonObject): string {
  const nonce = readText(message, 'nonce', NONCE_LENGTH);
  if (NONCE.test(nonce)) return nonce;
  throw new LineError('MALFORMED', 'a nonce is 128 bits in base64url');
}

function readKind(message: JsonObject, key: string): ChatMessageKind {
  const text = readText(message, key, MAX_TYPE_LENGTH);
  const kind = CHAT_MESSAGE_KINDS.find(known => known === text);
  if (kind === undefined) throw new LineError('MALFORMED', 'a kind of message that there is not');
  return kind;
}

function readChatText(message: JsonObject): string {
  const text = readText(message, 'text', MAX_CHAT_TEXT_BYTES);
  requireChatText(text);
  return text;
}

function readFile(message: JsonObject, kind: ChatMessageKind): ChatFile | undefined {
  if (hasField(message, 'file') !== (kind === 'file')) {
    throw new LineError('MALFORMED', 'a file is said by a message of the kind file, and by no other');
  }
  if (kind !== 'file') return undefined;
  const file = readObject(message, 'file');
  const id = readText(file, 'id', NONCE_LENGTH);
  const name = readText(file, 'name', MAX_FILE_NAME_BYTES);
  if (!NONCE.test(id)) throw new LineError('MALFORMED', 'the number of a file is 128 bits in base64url');
  if (!FILE_NAME.test(name) || encodeUtf8(name).length > MAX_FILE_NAME_BYTES) {
    throw new LineError('MALFORMED', 'a name that no file has');
  }
  return { id, name, size: readInteger(file, 'size') };
}

/** Milliseconds since 1970, as far as dates go. */
export function readTime(message: JsonObject, key: string): number {
  return readInteger(message, key, 0, MAX_TIME_MS);
}

function readOptionalInteger(message: JsonObject, key: string): number | undefined {
  return hasField(message, key) ? readInteger(message, key) : undefined;
}

function decodeKey(text: string): Uint8Array {
  const bytes = decodeBase64url(text);
  if (bytes.length !== KEY_BYTES) throw new LineError('MALFORMED', 'a key has 32 bytes');
  return bytes;
}

/** The field, unless there is nothing to say. */
function optional<Key extends string>(key: Key, value: unknown): JsonObject {
  return value === undefined ? {} : { [key]: value };
}

/** Of a nonce, and of the number of a file. */
export const NONCE_BYTES = 16;
const NONCE_LENGTH = 22;
/** 22 characters have 132 bits: the last one carries two. */
const NONCE = /^[A-Za-z0-9_-]{21}[AQgw]$/;
const KEY_BYTES = 32;
const KEY_LENGTH = 43;
const MAX_TYPE_LENGTH = 16;
const MAX_NAME_UNITS = 4 * MAX_CHAT_NAME_LENGTH;
const MAX_REASON_LENGTH = 1024;
const MAX_FILE_NAME_BYTES = 255;
const FILE_NAME = /^(?!\.{1,2}$)[^/\0]+$/;
/** An entry has at least 16 bytes, so no message of 64 KiB holds more. */
const MAX_ENTRIES = 4096;
/** The last moment that a `Date` can hold. */
const MAX_TIME_MS = 8.64e15;
