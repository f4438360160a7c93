import type { ChatFile, ChatMessage, ChatMessageKind } from './message.ts';
import type { ChatName } from './names.ts';

/**
 * The port through which a chat remembers: messages, whose names are whose, and who has seen what. In memory
 * (memory-history.ts) or in a database (node/chat/sqlite-history.ts); one contract suite holds both.
 *
 * Calls are made one after the other or at once; each sees what those before it have done. Failures are `NO_SPACE` or
 * `ACCESS`, and leave everything as it was.
 */
export interface ChatHistory {
  /** The highest id ever given, 0 at first. Ids are not used again when their messages are gone. */
  head(): Promise<number>;

  /**
   * Stores all messages, in their order and under growing ids, or none. When it resolves they outlive the process. A message
   * whose nonce its device has used before is not stored again: it gets what the first one got.
   */
  append(messages: readonly UnstoredMessage[], nowMs: number): Promise<readonly StoredAs[]>;

  /** Up to `limit` messages, the first ones of the range, oldest first. */
  read(view: HistoryView, range: IdRange, limit: number): Promise<readonly ChatMessage[]>;

  /** How many messages `read` would give, counted to `limit`. */
  count(view: HistoryView, range: IdRange, limit: number): Promise<number>;

  /** The `after` behind which the last `last` messages of the range begin. */
  beginningOfLast(view: HistoryView, range: IdRange, last: number): Promise<number>;

  /**
   * One step of a search, back from `before`: ids of messages that hold all phrases, newest first, and where the next step
   * goes on, `undefined` at the end. Without `view.room` all rooms are searched. A step takes some milliseconds, whatever the
   * messages are, and may find nothing.
   */
  find(view: SearchView, phrases: readonly (readonly string[])[], before: number, limit: number): Promise<FoundStep>;

  /** The messages of these ids, oldest first, as far as they are still there. */
  readFound(ids: readonly number[]): Promise<readonly ChatMessage[]>;

  /** The id of the last private message before `before` that this device has sent or received; 0 if there is none. */
  lastPrivate(device: Uint8Array, before: number): Promise<number>;

  /** Those of the ids of files that messages name. */
  filesNamed(ids: readonly string[]): Promise<ReadonlySet<string>>;

  /** Rooms of which messages are kept, in the order of their names, behind `after`. */
  rooms(after: string, limit: number): Promise<readonly KeptRoom[]>;

  /**
   * Makes the name the device's, or notes that it is used again. `isInUse` says of a name that it may not be let go to make
   * room. Throws `EXISTS` for the name of another device and `TOO_MANY`.
   */
  claimName(name: ChatName, device: Uint8Array, isInUse: (key: string) => boolean): Promise<void>;

  /** Whose name this is, as that device writes it. */
  ownerOf(key: string): Promise<NameOwner | undefined>;

  /** Up to where the room has been seen under this name. */
  seen(nameKey: string, room: string): Promise<number | undefined>;

  /** Keeps that, for names that are somebody's; a lower id than before means nothing. */
  keepSeen(seen: readonly Seen[]): Promise<void>;

  /** Removes up to `limit` messages that are not to be kept any more, the oldest first. Tells how many those were. */
  trim(keep: ChatKeep, nowMs: number, limit: number): Promise<number>;

  /** Nothing is called afterwards. May be called twice. */
  close(): Promise<void>;
}

export interface UnstoredMessage {
  /** `undefined` for a private message. */
  readonly room: string | undefined;
  readonly nonce: string;
  readonly from: string;
  readonly device: Uint8Array;
  readonly kind: ChatMessageKind;
  readonly text: string;
  /** Who a private message is for. */
  readonly to?: NameOwner | undefined;
  readonly file?: ChatFile | undefined;
}

export interface StoredAs {
  readonly id: number;
  readonly timeMs: number;
  /** It came before. */
  readonly isRepeated: boolean;
}

/** What a device may read of a room: its messages, and the private ones of this device. */
export interface HistoryView {
  readonly room: string;
  readonly device: Uint8Array;
}

export interface SearchView {
  readonly room: string | undefined;
  readonly device: Uint8Array;
}

/** Ids between the two, without them. */
export interface IdRange {
  readonly after: number;
  readonly before: number;
}

export interface FoundStep {
  readonly ids: readonly number[];
  readonly before: number | undefined;
}

export interface KeptRoom {
  readonly room: string;
  readonly lastId: number;
  readonly lastMs: number;
}

export interface NameOwner {
  readonly name: string;
  readonly device: Uint8Array;
}

export interface Seen {
  readonly nameKey: string;
  readonly room: string;
  readonly id: number;
}

/** How long messages are kept, or how many of each room; private ones count as one room. */
export type ChatKeep = { readonly ageMs: number } | { readonly count: number };
