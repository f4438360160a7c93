import { LineError } from '../../errors.ts';
import type { Clock } from '../../line/clock.ts';
import type { Route } from '../../line/route.ts';
import type {
  ChatEvent,
  ChatFile,
  ChatMember,
  ChatMessage,
  ChatRoomEntry,
  HistoryRange,
  JoinedRoom,
} from './message.ts';

export interface ChatRoomOptions {
  /** Written as one likes; the room has one form of it. */
  readonly room: string;
  readonly name: string;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Continues behind this message; by default a first joining gives the last ones. */
  readonly after?: number | undefined;
  /** How many messages of the past come at a first joining; default 50. */
  readonly last?: number | undefined;
  /** `fill`, the default: what was missed is read from history and comes in its place. `tell`: an event says so. */
  readonly gaps?: 'fill' | 'tell' | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Being in a room, over one line after the other: attach it to a route, and to another one after a line was lost. What it
 * is told comes by iterating; nothing is lost and nothing comes twice, however many lines it takes.
 */
export class ChatRoom implements AsyncIterable<ChatEvent> {
  readonly room: string;
  readonly #options: ChatRoomOptions;

  /** Throws `BAD_NAME`. */
  constructor(options: ChatRoomOptions) {
    this.#options = options;
    this.room = options.room;
  }

  /** As the server writes it; changed by `rename`. */
  get name(): string {
    return this.#options.name;
  }

  /** Settles when the present attachment ends: with the error that ended it, or `undefined` after `leave`. */
  get detached(): Promise<LineError | undefined> {
    throw notYet();
  }

  /**
   * Joins over `route`. What was missed since the last attachment follows, and what the server has not acknowledged is sent
   * again, once. An attachment that there is still ends.
   *
   * Throws `EXISTS` for a name of another device, `BAD_NAME`, `FORBIDDEN`, `TOO_MANY`, `UNSUPPORTED`, `CLOSED` after
   * `leave`, and what ended the line.
   */
  attach(_route: Pick<Route, 'open'>): Promise<JoinedRoom> {
    throw notYet();
  }

  /**
   * Resolves when the message is stored; until then it outlives lines. At most 256 wait, one more is `TOO_MANY`. Throws what
   * the server refuses, `NOT_FOUND` for a `to` that nobody is called, and `CANCELLED` if `leave` comes first.
   */
  send(_text: string, _options: SendOptions = {}): Promise<{ readonly id: number; readonly timeMs: number }> {
    throw notYet();
  }

  /** Throws `EXISTS`, `BAD_NAME`, `TOO_MANY`, and `CLOSED` while there is no line. */
  rename(_name: string): Promise<void> {
    throw notYet();
  }

  /** Says that all up to message `id` has been seen. Told now and then; may be called for each message. */
  seen(_id: number): void {
    throw notYet();
  }

  /** Who is in the room. Throws `CLOSED` while there is no line, as the next two. */
  who(): Promise<readonly ChatMember[]> {
    throw notYet();
  }

  /** What is kept of the room, oldest first; private messages of this device are among it. */
  history(_range: HistoryRange = {}): AsyncIterable<ChatMessage> {
    throw notYet();
  }

  /** The last messages that hold all of `words`, oldest first; 50 unless told otherwise. */
  search(_words: string, _options: { readonly last?: number | undefined } = {}): AsyncIterable<ChatMessage> {
    throw notYet();
  }

  /** Goes, once what was sent is acknowledged or the line is lost. The iteration ends. May be called twice. */
  leave(): Promise<void> {
    throw notYet();
  }

  /** One reader at a time. Ends after `leave`; a lost line does not end it. */
  [Symbol.asyncIterator](): AsyncIterator<ChatEvent> {
    throw notYet();
  }
}

export interface SendOptions {
  /** Told as something that one does: `* name waves`. */
  readonly action?: boolean | undefined;
  /** Only for who has this name. */
  readonly to?: string | undefined;
  readonly file?: ChatFile | undefined;
}

/** The rooms of a server: those that somebody is in and those of which messages are kept, by name. */
export function listRooms(_route: Pick<Route, 'open'>): Promise<readonly ChatRoomEntry[]> {
  throw notYet();
}

function notYet(): LineError {
  return new LineError('UNSUPPORTED', 'not in this version');
}
