import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ChatEvent,
  type ChatMessage,
  type ChatRoom,
  type ConnectedLine,
  type HistoryRange,
  isLineLost,
  type JoinedRoom,
  type Line,
  LineError,
  makeChatRoom,
  makeOffers,
} from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import type { RemotePlace } from '../../place.ts';
import { type DialOptions, dial, requirePermission } from '../dial.ts';
import { waitBeforeTry } from '../wait-before-try.ts';

/** What happens to the line, for whoever shows it. */
export interface MembershipEvents {
  /** The line is lost, and dialled again after `waitMs`. */
  onLost(error: LineError, attempt: number, waitMs: number): void;
  onBack(joined: JoinedRoom): void;
}

export interface MembershipOptions extends DialOptions {
  /** `false` under `--no-retry`. */
  readonly retry?: boolean;
}

/** Being in a room of a server under a name, over as many lines as it takes. Owns the line. */
export class Membership {
  readonly #context: CommandContext;
  readonly #place: RemotePlace;
  readonly #options: MembershipOptions;
  /** What is put into rooms, over whichever line. */
  readonly offers = makeOffers();
  readonly #stop = new AbortController();
  #connected: ConnectedLine | undefined;
  #room: ChatRoom | undefined;
  /** The last change of rooms. */
  #changing: Promise<unknown> = Promise.resolve();
  /** How often a room was joined, and who waits for the next time. */
  #joinings = 0;
  readonly #awaitingJoin: (() => void)[] = [];
  /** How often in a row a line that is lost is dialled in vain, before that ends it. */
  maxTries = Number.POSITIVE_INFINITY;

  constructor(context: CommandContext, place: RemotePlace, options: MembershipOptions) {
    this.#context = context;
    this.#place = place;
    this.#options = options;
  }

  /** The room that one is in. */
  get room(): ChatRoom {
    return this.#room!;
  }

  /** The line, for what does not belong to the room. Throws `CLOSED` while there is none. */
  get line(): Line {
    if (this.#connected === undefined) throw new LineError('CLOSED', 'the connection is lost just now');
    return this.#connected.line;
  }

  /** Whether this is the line of now. */
  isOn(line: Line): boolean {
    return this.#connected?.line === line;
  }

  /** The line; while it is lost, or still the one that `lost` names, the next one. */
  async nextLine(lost: Line | undefined): Promise<Line> {
    for (;;) {
      const line = this.#connected?.line;
      if (line !== undefined && line !== lost) return line;
      await this.#joined();
    }
  }

  /** Dials and joins. Nothing of the past is told; `past` has it. */
  async start(room: string, name: string): Promise<JoinedRoom> {
    const chat = makeChatRoom({ room, name, last: 0 });
    await this.#dial();
    return this.#join(chat);
  }

  /** Goes to another room over the same line; if that fails one stays where one is. One at a time: each leaves the one before. */
  change(room: string): Promise<JoinedRoom> {
    const changing = this.#changing.then(() => this.#change(room));
    this.#changing = changing.catch(() => {});
    return changing;
  }

  /** The `last` messages of `room` from before it was joined, over as many lines as it takes while `keep` finds them. */
  async *past(room: ChatRoom, { head }: JoinedRoom, last: number): AsyncGenerator<ChatMessage> {
    let range: HistoryRange = { before: head + 1, last };
    while (room === this.#room && last > 0) {
      const joinings = this.#joinings;
      try {
        for await (const message of room.history(range)) {
          range = { before: head + 1, after: message.id };
          yield message;
        }
        return;
      } catch (thrown) {
        const isLost = isLineLost(thrown) || (thrown instanceof LineError && thrown.code === 'CLOSED');
        if (!isLost) throw thrown;
      }
      if (this.#joinings === joinings) await this.#joined();
    }
  }

  /** Finds the way back whenever the line is lost. Resolves after `leave`; throws what cannot be mended by dialling. */
  async keep(events: MembershipEvents): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const { room } = this;
      const error = await room.detached;
      // `undefined` also when one has gone to another room.
      if (error !== undefined && room === this.#room) await this.#return(error, events);
    }
  }

  /** Goes, once what was sent is acknowledged; at once if the line is lost. */
  async leave(): Promise<void> {
    this.#stop.abort();
    await this.#room?.leave();
    await this.#connected?.line.close();
  }

  /** Without a wait for anything. */
  giveUp(): void {
    this.#stop.abort();
    this.#hangUp();
  }

  async #change(room: string): Promise<JoinedRoom> {
    const before = this.room;
    const joined = await this.#join(makeChatRoom({ room, name: before.name, last: 0 }));
    await before.leave();
    return joined;
  }

  async #return(error: LineError, events: MembershipEvents): Promise<void> {
    let lost = error;
    for (let tries = 0; ; tries++) {
      this.#hangUp();
      if (this.#stop.signal.aborted) return;
      if (!isLineLost(lost) || this.#options.retry === false || tries >= this.maxTries) throw lost;
      const waitMs = waitBeforeTry(tries, Math.random());
      events.onLost(lost, tries + 1, waitMs);
      try {
        await sleep(waitMs, undefined, { signal: AbortSignal.any([this.#context.signal, this.#stop.signal]) });
        await this.#dial();
        events.onBack(await this.#join(this.room));
        return;
      } catch (thrown) {
        if (this.#stop.signal.aborted) return;
        if (!(thrown instanceof LineError)) throw thrown;
        lost = thrown;
      }
    }
  }

  async #join(room: ChatRoom): Promise<JoinedRoom> {
    const joined = await room.attach(this.line);
    this.#room = room;
    this.#joinings += 1;
    for (const resolve of this.#awaitingJoin.splice(0)) resolve();
    return joined;
  }

  /** The next time. */
  #joined(): Promise<void> {
    return new Promise(resolve => this.#awaitingJoin.push(resolve));
  }

  async #dial(): Promise<void> {
    const onChannel = this.offers.handle.bind(this.offers);
    const connected = await dial(this.#context, this.#place, { ...this.#options, onChannel });
    if (this.#stop.signal.aborted) connected.line.abort(new LineError('CANCELLED', 'left meanwhile'));
    this.#connected = connected;
    requirePermission(connected, 'chat', 'talk in rooms');
  }

  #hangUp(): void {
    this.#connected?.line.abort(new LineError('CANCELLED', 'the other side has given up'));
    this.#connected = undefined;
  }
}

/** Rooms tell everybody who comes, those who have come too. */
export function isOwnPresence(event: ChatEvent, room: ChatRoom): boolean {
  return (event.type === 'came' || event.type === 'left') && event.name === room.name;
}
