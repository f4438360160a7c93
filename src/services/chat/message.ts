/** What people say to each other in rooms, as both sides know it (docs/protocol/4-services.md §3). */

export interface ChatMessage {
  /** Grows over all rooms of a server: one order for everybody. */
  readonly id: number;
  /** When it was stored, by the server's clock: milliseconds since 1970. */
  readonly timeMs: number;
  readonly from: string;
  /** Static key of the device that sent it, proven to the server: 32 bytes. */
  readonly device: Uint8Array;
  readonly kind: ChatMessageKind;
  /** Any text, control characters too: whoever shows it escapes it. */
  readonly text: string;
  /** Of a private message: the name it is for. Only the two devices see it. */
  readonly to?: string | undefined;
  readonly file?: ChatFile | undefined;
}

export const CHAT_MESSAGE_KINDS = ['text', 'action', 'file'] as const;

export type ChatMessageKind = (typeof CHAT_MESSAGE_KINDS)[number];

/** A file that was put into a room. */
export interface ChatFile {
  /** 128 bits in base64url: 22 characters. */
  readonly id: string;
  /** One plain name, chosen by the sender. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** Somebody who is in a room. */
export interface ChatMember {
  readonly name: string;
  /** Static key of the device: 32 bytes. */
  readonly device: Uint8Array;
  /** Milliseconds since 1970 by the server's clock. */
  readonly sinceMs: number;
  /** Up to which message they say they have seen this room; `undefined` if they never said. */
  readonly seen: number | undefined;
}

export interface ChatRoomEntry {
  readonly room: string;
  /** Members that are there now. */
  readonly count: number;
  /** Of the last message that is kept; 0 if there is none. */
  readonly lastId: number;
  readonly lastMs: number;
}

/** What a room has to tell, in the order in which it happened. */
export type ChatEvent =
  /** `isOld`: it was said before this joining. One's own messages come too, in their place. */
  | { readonly type: 'message'; readonly message: ChatMessage; readonly isOld: boolean }
  /** Rooms of many members do not tell who comes and goes. */
  | { readonly type: 'came' | 'left'; readonly name: string }
  | { readonly type: 'renamed'; readonly from: string; readonly to: string }
  /** With `gaps: 'tell'`: so many messages behind `after` and before `before` were passed over; `history` has them. */
  | { readonly type: 'missed'; readonly count: number; readonly after: number; readonly before: number };

/** What joining tells. */
export interface JoinedRoom {
  /** As the server writes it. */
  readonly name: string;
  /** The last message of the server: what comes with a higher number is new. */
  readonly head: number;
  /** Up to which message this name had seen the room before. */
  readonly seen: number | undefined;
  /** At most 100 of those who are there, this one among them. */
  readonly members: readonly string[];
  /** How many are there. */
  readonly count: number;
}

/** Messages of a room: behind `after`, before `before`, and of those the `last` ones. */
export interface HistoryRange {
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly last?: number | undefined;
}
