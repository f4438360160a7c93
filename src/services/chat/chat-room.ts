import { LineError } from '../../errors.ts';
import { toLineError } from '../../line/abort.ts';
import type { Channel } from '../../line/channel.ts';
import { type Clock, systemClock, type Timer } from '../../line/clock.ts';
import { isLineLost } from '../../line/lost.ts';
import type { Route } from '../../line/route.ts';
import { encodeBase64url } from '../../protocol/bytes/base64url.ts';
import { type JsonObject, readInteger } from '../../protocol/bytes/json.ts';
import { CHAT_TELL_MS } from '../../protocol/limits.ts';
import { Ending } from './ending.ts';
import { EventQueue, type Gap } from './event-queue.ts';
import type { ChatEvent, ChatFile, ChatMember, ChatMessage, HistoryRange, JoinedRoom } from './message.ts';
import {
  CHAT_KIND,
  type ChatEntry,
  decodeEntries,
  decodeJoined,
  decodeMissed,
  decodeRefused,
  encodeJoin,
  encodeSay,
  messageType,
  NONCE_BYTES,
  notDue,
  readName,
  readNonce,
  readTime,
  requireChatText,
  type Say,
} from './messages.ts';
import { type ChatName, chatName, roomName } from './names.ts';
import { Outbox, type StoredMessage } from './outbox.ts';
import { listMembers, readHistory, searchHistory } from './reading.ts';

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
 * is told comes by iterating; nothing is lost and nothing comes twice, however many lines it takes. Who does not iterate
 * still hears whether what it sends was stored.
 */
export class ChatRoom implements AsyncIterable<ChatEvent> {
  readonly room: string;
  readonly #options: ChatRoomOptions;
  readonly #clock: Clock;
  readonly #events = new EventQueue();
  readonly #outbox = new Outbox();
  #name: ChatName;
  /** All messages up to this one are in the queue, taken from it, or in a gap there; `undefined` before the first joining. */
  #lastId: number | undefined;
  #attaching: Channel | undefined;
  #attachment: Attachment | undefined;
  #whenAttached: (() => void) | undefined;
  #detaching = new Ending<LineError | undefined>();
  readonly #left = new Ending<void>();
  #seen = 0;
  #seenTimer: Timer | undefined;
  #leaving: Promise<void> | undefined;

  /** Throws `BAD_NAME`. */
  constructor(options: ChatRoomOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#name = chatName(options.name);
    this.room = roomName(options.room);
    this.#lastId = options.after;
  }

  /** As the server writes it; changed by `rename`. */
  get name(): string {
    return this.#name.name;
  }

  /** Settles when the present attachment ends, or the next one: with the error that ended it, `undefined` after `leave`. */
  get detached(): Promise<LineError | undefined> {
    return this.#detaching.promise;
  }

  /** Resolves when `leave` is called, for who finds lines. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  /**
   * Joins over `route`. What was missed since the last attachment follows, and what the server has not acknowledged is sent
   * again, once. An attachment that there is still ends.
   *
   * Throws `EXISTS` for a name of another device, `BAD_NAME`, `FORBIDDEN`, `TOO_MANY`, `UNSUPPORTED`, `CLOSED` after
   * `leave`, and what ended the line.
   */
  async attach(route: Pick<Route, 'open'>): Promise<JoinedRoom> {
    if (this.#leaving !== undefined) throw new LineError('CLOSED', 'this room was left');
    const before = this.#attachment;
    this.#attaching?.reset();
    before?.channel.reset();
    await before?.over;
    // It may have been left meanwhile, and then nobody would end what is begun now.
    if (this.#leaving !== undefined) throw new LineError('CLOSED', 'this room was left');
    const request = encodeJoin({ room: this.room, name: this.#name, after: this.#lastId });
    const channel = route.open(CHAT_KIND.join, request);
    this.#attaching = channel;
    try {
      const message = await channel.readMessage();
      if (messageType(message) !== 'joined') throw notDue();
      const joined = decodeJoined(message);
      this.#joined(channel, route, joined);
      return joined;
    } catch (thrown) {
      channel.reset();
      throw thrown;
    } finally {
      if (this.#attaching === channel) this.#attaching = undefined;
    }
  }

  /**
   * Resolves when the message is stored; until then it outlives lines. At most 256 wait, one more is `TOO_MANY`. Throws
   * `USAGE` for what is too long or empty, what the server refuses, `NOT_FOUND` for a `to` that nobody is called, and `CANCELLED` if `leave` comes first.
   */
  async send(text: string, options: SendOptions = {}): Promise<StoredMessage> {
    const { action = false, to, file } = options;
    if (this.#leaving !== undefined) throw new LineError('CLOSED', 'this room was left');
    requireChatText(text, 'USAGE');
    const say: Say = {
      nonce: encodeBase64url(this.#options.randomBytes(NONCE_BYTES)),
      kind: file !== undefined ? 'file' : action ? 'action' : 'text',
      text,
      to: to === undefined ? undefined : chatName(to),
      file,
    };
    const stored = this.#outbox.add(say);
    this.#say(encodeSay(say));
    return stored;
  }

  /** Throws `EXISTS`, `BAD_NAME`, `TOO_MANY`, `STATE` while another one is under way, and `CLOSED` while there is no line. */
  async rename(name: string): Promise<void> {
    const attachment = this.#present();
    const wanted = chatName(name);
    if (attachment.renaming !== undefined) throw new LineError('STATE', 'another name is being asked for');
    await new Promise<void>((resolve, reject) => {
      attachment.renaming = { resolve, reject };
      this.#say({ t: 'rename', name: wanted.name });
    });
  }

  /** Says that all up to message `id` has been seen. Told now and then; may be called for each message. */
  seen(id: number): void {
    if (id <= this.#seen) return;
    this.#seen = id;
    this.#seenTimer ??= this.#clock.after(CHAT_TELL_MS, () => this.#tellSeen());
  }

  /** Who is in the room. Throws `CLOSED` while there is no line, as the next two. */
  async who(): Promise<readonly ChatMember[]> {
    return listMembers(this.#present().route, this.room);
  }

  /** What is kept of the room, oldest first; private messages of this device are among it. */
  async *history(range: HistoryRange = {}): AsyncGenerator<ChatMessage> {
    yield* readHistory(this.#present().route, this.room, range);
  }

  /** The last messages that hold all of `words`, oldest first; 50 unless told otherwise. */
  async *search(words: string, options: { readonly last?: number | undefined } = {}): AsyncGenerator<ChatMessage> {
    yield* searchHistory(this.#present().route, this.room, words, options.last);
  }

  /** Goes, once what was sent is acknowledged or the line is lost. The iteration ends. May be called twice. */
  leave(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  /** One reader at a time; who stops may begin again. Ends after `leave`; a lost line does not end it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ChatEvent> {
    // Waits only where nothing is there: a wait for each of what came together would cost more than the rest.
    while (this.#events.head !== undefined || (await this.#events.wait())) {
      const event = this.#events.head!;
      if (event.type === 'gap') {
        // It stays at the head while it is read: who stops in the middle finds the rest there.
        yield* this.#pass(event);
        this.#events.shift();
      } else {
        this.#events.shift();
        yield event;
      }
    }
  }

  // ── What the server says ──────────────────────────────────────────────────────────────────────────────────────────

  #joined(channel: Channel, route: Pick<Route, 'open'>, joined: JoinedRoom): void {
    if (this.#attaching !== channel) throw new LineError('CANCELLED', 'another attachment took its place');
    const { last = DEFAULT_LAST } = this.#options;
    const { head } = joined;
    if (this.#lastId === undefined && head > 0 && last > 0) {
      this.#events.pushGap({ type: 'gap', count: last, after: 0, before: head + 1, last });
    }
    // A server that has forgotten everything counts anew.
    this.#lastId = Math.min(this.#lastId ?? head, head);
    this.#seen = Math.min(this.#seen, head);
    this.#name = chatName(joined.name);
    if (this.#detaching.isSettled) this.#detaching = new Ending();
    const attachment: Attachment = { channel, route, head, renaming: undefined, over: Promise.resolve() };
    this.#attachment = attachment;
    attachment.over = this.#listen(attachment);
    for (const say of this.#outbox.says) this.#say(encodeSay(say));
    if (this.#seen > 0) this.#tellSeen();
    this.#whenAttached?.();
  }

  /** To the end of an attachment. */
  async #listen(attachment: Attachment): Promise<void> {
    const { channel } = attachment;
    let error: LineError | undefined;
    try {
      for (let item = await channel.read(); item !== undefined; item = await channel.read()) {
        if (item instanceof Uint8Array) throw notDue();
        this.#hear(item, attachment);
      }
      if (this.#leaving === undefined) error = new LineError('SHUTDOWN', 'the server has no rooms any more');
    } catch (thrown) {
      error = toLineError(thrown);
      channel.reset(error);
    }
    this.#attachment = undefined;
    attachment.renaming?.reject(error ?? new LineError('CANCELLED', 'this room was left'));
    this.#detaching.settle(error);
  }

  #hear(message: JsonObject, attachment: Attachment): void {
    switch (messageType(message)) {
      case 'entries':
        for (const entry of decodeEntries(message)) this.#tell(entry, attachment);
        return;
      case 'missed': {
        const { count, after, before } = decodeMissed(message);
        const from = Math.max(after, this.#lastId!);
        if (before - from <= 1) return;
        this.#events.pushGap({ type: 'gap', count, after: from, before });
        this.#lastId = before - 1;
        return;
      }
      case 'stored':
        this.#outbox.stored(readNonce(message), {
          id: readInteger(message, 'id', 1),
          timeMs: readTime(message, 'ms'),
        });
        return;
      case 'refused': {
        const { nonce, error } = decodeRefused(message);
        if (nonce !== undefined) {
          this.#outbox.refused(nonce, error);
          return;
        }
        attachment.renaming?.reject(error);
        attachment.renaming = undefined;
        return;
      }
      case 'renamed': {
        const { renaming } = attachment;
        if (renaming === undefined) throw notDue();
        attachment.renaming = undefined;
        this.#name = readName(message, 'name');
        renaming.resolve();
        return;
      }
      default:
        throw notDue();
    }
  }

  #tell(entry: ChatEntry, { head }: Attachment): void {
    const lastId = this.#lastId!;
    if (entry.type !== 'message') {
      this.#events.push(entry, lastId);
      return;
    }
    const { message } = entry;
    if (message.id <= lastId) return;
    this.#lastId = message.id;
    this.#events.push({ type: 'message', message, isOld: message.id <= head }, lastId);
  }

  // ── What this side says ───────────────────────────────────────────────────────────────────────────────────────────

  /** Says it now, if there is a line; what has to be said is said again over the next one. */
  #say(message: JsonObject): void {
    // A channel that is over is told of by its reader.
    this.#attachment?.channel.send(message).catch(() => {});
  }

  #tellSeen(): void {
    this.#seenTimer?.cancel();
    this.#seenTimer = undefined;
    this.#say({ t: 'seen', id: this.#seen });
  }

  async #leave(): Promise<void> {
    this.#left.settle();
    this.#attaching?.reset();
    const attachment = this.#attachment;
    if (attachment !== undefined) {
      if (this.#seenTimer !== undefined) this.#tellSeen();
      // The server answers everything that came before this end; then it ends too, or the line is lost.
      await attachment.channel.end().catch(() => {});
      await attachment.over;
    }
    this.#seenTimer?.cancel();
    this.#outbox.cancel(new LineError('CANCELLED', 'this room was left'));
    if (!this.#detaching.isSettled) this.#detaching.settle(undefined);
    this.#events.end();
    this.#whenAttached?.();
  }

  // ── Gaps ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The messages of a gap, over as many lines as it takes; or a word on them. */
  async *#pass(gap: Gap): AsyncGenerator<ChatEvent> {
    if (gap.last === undefined && this.#options.gaps === 'tell') {
      yield missed(gap);
      return;
    }
    for (;;) {
      const attachment = await this.#attached();
      if (attachment === undefined) return;
      try {
        for await (const message of readHistory(attachment.route, this.room, gap)) {
          gap.after = message.id;
          gap.last = undefined;
          yield { type: 'message', message, isOld: true };
        }
        return;
      } catch (thrown) {
        // Over the next line; but what would only happen again is told.
        if (this.#attachment === attachment && !isLineLost(thrown) && toLineError(thrown).code !== 'CLOSED') {
          yield missed(gap);
          return;
        }
        await attachment.over;
      }
    }
  }

  /** Waits for a line; `undefined` after `leave`. */
  async #attached(): Promise<Attachment | undefined> {
    while (this.#attachment === undefined && this.#leaving === undefined) {
      await new Promise<void>(resolve => {
        this.#whenAttached = resolve;
      });
    }
    return this.#attachment;
  }

  #present(): Attachment {
    if (this.#attachment === undefined) throw new LineError('CLOSED', 'there is no line to this room now');
    return this.#attachment;
  }
}

export interface SendOptions {
  /** Told as something that one does: `* name waves`. */
  readonly action?: boolean | undefined;
  /** Only for who has this name. */
  readonly to?: string | undefined;
  readonly file?: ChatFile | undefined;
}

interface Attachment {
  readonly channel: Channel;
  readonly route: Pick<Route, 'open'>;
  /** Messages up to this one are old. */
  readonly head: number;
  renaming: { readonly resolve: () => void; readonly reject: (error: LineError) => void } | undefined;
  /** Never rejects. */
  over: Promise<void>;
}

function missed({ count, after, before }: Gap): ChatEvent {
  return { type: 'missed', count, after, before };
}

const DEFAULT_LAST = 50;
