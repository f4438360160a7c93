import { LineError } from '../../../errors.ts';
import { toLineError } from '../../../line/abort.ts';
import type { Channel } from '../../../line/channel.ts';
import { type JsonObject, readInteger } from '../../../protocol/bytes/json.ts';
import { MAX_CHAT_UNSTORED_PER_MEMBER } from '../../../protocol/limits.ts';
import type { HistoryView, IdRange, StoredAs } from '../history.ts';
import type { JoinedRoom } from '../message.ts';
import {
  decodeSay,
  encodeJoined,
  encodeRefused,
  messageType,
  notDue,
  readName,
  readNonce,
  type Say,
} from '../messages.ts';
import type { ChatName } from '../names.ts';
import type { Settle } from './commits.ts';
import type { Room, RoomMember } from './room.ts';

/**
 * One channel in a room. What it is told it takes from the ring of the room, from its own place there: one message at a
 * time lies in the channel's queue, so it goes as fast as the channel does and holds nothing back.
 */
export class Member implements RoomMember {
  readonly device: Uint8Array;
  /** In base64url. */
  readonly deviceText: string;
  readonly room: Room;
  name: ChatName;
  readonly #channel: Channel;
  readonly #house: House;
  /** The place in the ring of what comes next, and the id up to which all has been told. */
  #at = 0;
  #lastId = 0;
  /** Up to this place it returns to what was said before it came. */
  #replayedTo = 0;
  /** What must be read from history before the rest follows. */
  #gap: IdRange | undefined;
  #telling: 'not-yet' | 'resting' | 'busy' = 'not-yet';
  #unstored = 0;
  #whenStored: (() => void) | undefined;
  #answered: Promise<void> = Promise.resolve();

  constructor(options: MemberOptions, house: House) {
    const { channel, device, deviceText, room, name } = options;
    this.#channel = channel;
    this.device = device;
    this.deviceText = deviceText;
    this.room = room;
    this.name = name;
    this.#house = house;
  }

  /** Goes to the end of the room, where `head` is the last message of the server, or behind the message `after`. */
  takePlace(head: number, after: number | undefined): void {
    const { ring } = this.room;
    this.#lastId = after ?? head;
    this.#replayedTo = ring.end;
    this.#at = after === undefined ? ring.end : ring.placeBehind(after);
  }

  /** Begins to tell. With a gap, what is there now is left to history. */
  begin(joined: JoinedRoom, gap: IdRange | undefined): void {
    if (gap !== undefined) {
      this.#gap = gap;
      this.#at = Math.max(this.#at, this.#replayedTo);
    }
    this.#answer(encodeJoined(this.room.name, joined));
    this.#telling = 'resting';
    this.proceed();
  }

  /** Hears what it has to say, until it says no more; what came before that has been answered then. */
  async converse(): Promise<void> {
    for (let item = await this.#channel.read(); item !== undefined; item = await this.#channel.read()) {
      if (item instanceof Uint8Array) throw notDue();
      await this.#hear(item);
      // Whoever does not take answers is not asked for more.
      await this.#answered;
    }
    await this.#unstoredBelow(1);
    await this.#answered;
  }

  proceed(): void {
    if (this.#telling !== 'resting') return;
    this.#telling = 'busy';
    this.#tell().then(
      () => {},
      thrown => this.#channel.reset(toLineError(thrown)),
    );
  }

  /** Until there is nothing to tell. */
  async #tell(): Promise<void> {
    const { ring } = this.room;
    for (;;) {
      if (this.#gap === undefined && this.#at < ring.first) {
        this.#gap = { after: this.#lastId, before: ring.floor + 1 };
        this.#at = ring.first;
      }
      if (this.#gap !== undefined) {
        await this.#tellGap(this.#gap);
        continue;
      }
      const isReplaying = this.#at < this.#replayedTo;
      const to = isReplaying ? Math.min(this.room.released, this.#replayedTo) : this.room.released;
      if (this.#at >= to) break;
      const batch = ring.batch(this.#at, to, { device: this.deviceText, messagesOnly: isReplaying });
      this.#at = batch.next;
      this.#lastId = batch.lastId;
      if (batch.bytes !== undefined) await this.#channel.sendShared(batch.bytes);
    }
    this.#telling = 'resting';
  }

  async #tellGap(gap: IdRange): Promise<void> {
    const view = { room: this.room.name, device: this.device };
    const count = gap.before - gap.after > 1 ? await this.#house.countMissed(view, gap) : 0;
    this.#gap = undefined;
    this.#lastId = Math.max(this.#lastId, gap.before - 1);
    if (count > 0) await this.#channel.send({ t: 'missed', count, ...gap });
  }

  async #hear(message: JsonObject): Promise<void> {
    switch (messageType(message)) {
      case 'say':
        await this.#say(message);
        return;
      case 'seen':
        this.#house.seen(this, readInteger(message, 'id'));
        return;
      case 'rename':
        await this.#rename(message);
        return;
      default:
        throw notDue();
    }
  }

  async #say(message: JsonObject): Promise<void> {
    const nonce = readNonce(message);
    await this.#house.turnOf(this.deviceText);
    try {
      const say = decodeSay(message);
      const submit = await this.#house.prepare(this, say);
      await this.#unstoredBelow(MAX_CHAT_UNSTORED_PER_MEMBER);
      this.#unstored += 1;
      submit(outcome => this.#stored(say, outcome));
    } catch (thrown) {
      const error = toLineError(thrown);
      if (error.code === 'MALFORMED' || error.code === 'INTERNAL') throw error;
      this.#answer(encodeRefused(nonce, error));
    }
  }

  #stored({ nonce }: Say, outcome: StoredAs | LineError): void {
    this.#unstored -= 1;
    if (outcome instanceof LineError) this.#answer(encodeRefused(nonce, outcome));
    else this.#answer({ t: 'stored', nonce, id: outcome.id, ms: outcome.timeMs });
    this.#whenStored?.();
  }

  async #unstoredBelow(limit: number): Promise<void> {
    while (this.#unstored >= limit) {
      await new Promise<void>(resolve => {
        this.#whenStored = resolve;
      });
    }
  }

  async #rename(message: JsonObject): Promise<void> {
    await this.#house.turnOf(this.deviceText);
    try {
      await this.#house.rename(this, readName(message, 'name'));
      this.#answer({ t: 'renamed', name: this.name.name });
    } catch (thrown) {
      const error = toLineError(thrown);
      if (error.code === 'MALFORMED' || error.code === 'INTERNAL') throw error;
      this.#answer(encodeRefused(undefined, error));
    }
  }

  #answer(message: JsonObject): void {
    // A channel that is over is told of by its reader.
    this.#answered = this.#channel.send(message).catch(() => {});
  }
}

export interface MemberOptions {
  readonly channel: Channel;
  readonly device: Uint8Array;
  readonly deviceText: string;
  readonly room: Room;
  readonly name: ChatName;
}

/** What a member needs of its server. */
export interface House {
  /** Resolves when the device may say something; see `FloodGate`. */
  turnOf(device: string): Promise<void> | undefined;
  /** Checks what is to be said; what comes of it stores and shows it. Throws what is refused. */
  prepare(member: Member, say: Say): Promise<(settle: Settle) => void>;
  rename(member: Member, name: ChatName): Promise<void>;
  seen(member: Member, id: number): void;
  /** How many messages of `gap` there are, counted to a bound. */
  countMissed(view: HistoryView, gap: IdRange): Promise<number>;
}
