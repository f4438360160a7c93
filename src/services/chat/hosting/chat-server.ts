import { LineError } from '../../../errors.ts';
import type { Channel } from '../../../line/channel.ts';
import type { Clock, Timer } from '../../../line/clock.ts';
import type { Route } from '../../../line/route.ts';
import { encodeBase64url } from '../../../protocol/bytes/base64url.ts';
import { hasField, readInteger, readText } from '../../../protocol/bytes/json.ts';
import {
  CHAT_FLOOD_BURST,
  CHAT_FLOOD_PER_SECOND,
  DEFAULT_CHAT_FOUND,
  MAX_CHAT_MEMBERS,
  MAX_CHAT_MEMBERS_PER_DEVICE,
  MAX_CHAT_MISSED_COUNT,
  MAX_CHAT_NAMES_TOLD,
  MAX_CHAT_READS_PER_DEVICE,
  MAX_CHAT_ROOMS,
  MAX_CHAT_SEARCH_LENGTH,
} from '../../../protocol/limits.ts';
import { DevicePlaces } from '../../places.ts';
import type { ChatHistory, ChatKeep, HistoryView, IdRange, NameOwner } from '../history.ts';
import type { ChatFile, ChatMessage } from '../message.ts';
import { decodeJoin, decodeRange, encodeMember, encodeRoom, readRoom, type Say } from '../messages.ts';
import type { ChatName } from '../names.ts';
import { encodedEntry } from './batch.ts';
import { Commits, type Settle } from './commits.ts';
import { FloodGate, type FloodLimits } from './flood.ts';
import { type House, Member } from './member.ts';
import { LISTED_AT_ONCE, sendFound, sendHistory, sendList } from './reading.ts';
import { RingBudget } from './ring-budget.ts';
import { Room } from './room.ts';
import { SeenNotes } from './seen-notes.ts';
import { Turns } from './turns.ts';

/** All rooms of one server over one history. */
export class ChatServer implements House {
  readonly #history: ChatHistory;
  readonly #options: ChatServerOptions;
  readonly #commits: Commits;
  readonly #gate: FloodGate;
  readonly #rooms = new Map<string, Room>();
  readonly #rings = new RingBudget();
  /** By device, in base64url. */
  readonly #members = new Map<string, Set<Member>>();
  readonly #memberPlaces = new DevicePlaces({
    perDevice: MAX_CHAT_MEMBERS_PER_DEVICE,
    ofAll: MAX_CHAT_MEMBERS,
    refusal: 'too many members are here',
  });
  readonly #readPlaces = new DevicePlaces({
    perDevice: MAX_CHAT_READS_PER_DEVICE,
    ofAll: Number.POSITIVE_INFINITY,
    refusal: 'too much is being read at once',
  });
  /** All that are open. */
  readonly #channels = new Set<Channel>();
  /** By the keys of names, how many members are here, or about to be, under each. */
  readonly #namesInUse = new Map<string, number>();
  readonly #seen: SeenNotes;
  readonly #searches: Turns;
  #head: number;
  #trimTimer: Timer | undefined;
  #isClosed = false;
  /** What the owner has been told of, until something can be stored again. */
  #isStuck = false;

  private constructor(history: ChatHistory, head: number, options: ChatServerOptions) {
    this.#history = history;
    this.#head = head;
    this.#options = options;
    this.#commits = new Commits(history, options.clock, options.nowMs);
    this.#gate = new FloodGate(
      options.clock,
      options.flood ?? { perSecond: CHAT_FLOOD_PER_SECOND, burst: CHAT_FLOOD_BURST },
    );
    this.#seen = new SeenNotes(history, options.clock);
    this.#searches = new Turns(options.clock);
  }

  /** Takes over the history: `close` closes it. */
  static async open(history: ChatHistory, options: ChatServerOptions): Promise<ChatServer> {
    const server = new ChatServer(history, await history.head(), options);
    server.#trim();
    return server;
  }

  // ── Channels ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `chat.join`: in the room as long as the channel is open. */
  async join(channel: Channel, route: Route): Promise<void> {
    await this.#running(channel, () => this.#join(channel, route));
  }

  /** `chat.history` */
  async readHistory(channel: Channel, route: Route): Promise<void> {
    const room = readRoom(channel.request);
    const range = decodeRange(channel.request);
    await this.#reading(channel, route, () =>
      sendHistory(channel, this.#history, { room, device: route.peer.key }, range),
    );
  }

  /** `chat.search` */
  async search(channel: Channel, route: Route): Promise<void> {
    const { request } = channel;
    const words = readText(request, 'words', MAX_CHAT_SEARCH_LENGTH);
    const room = hasField(request, 'room') ? readRoom(request) : undefined;
    const last = hasField(request, 'last') ? readInteger(request, 'last') : DEFAULT_CHAT_FOUND;
    const view = { room, device: route.peer.key };
    const turns = this.#searches;
    await this.#reading(channel, route, () => sendFound(channel, this.#history, view, { words, last, turns }));
  }

  /** `chat.rooms` */
  async listRooms(channel: Channel, route: Route): Promise<void> {
    await this.#reading(channel, route, async () => {
      const unlisted = new Set(this.#rooms.keys());
      for (let after: string | undefined = ''; after !== undefined; ) {
        const page = await this.#history.rooms(after, LISTED_AT_ONCE);
        const rooms = page.map(kept => ({ ...kept, count: this.#rooms.get(kept.room)?.count ?? 0 }));
        for (const { room } of rooms) unlisted.delete(room);
        await sendList(channel, 'rooms', rooms.map(encodeRoom));
        after = page.length < LISTED_AT_ONCE ? undefined : page.at(-1)!.room;
      }
      const silent = [...unlisted].map(room => ({ room, count: this.#rooms.get(room)?.count ?? 0 }));
      await sendList(
        channel,
        'rooms',
        silent.filter(({ count }) => count > 0).map(room => encodeRoom({ ...room, lastId: 0, lastMs: 0 })),
      );
      await channel.send({ t: 'done' });
    });
  }

  /** `chat.who` */
  async listMembers(channel: Channel, route: Route): Promise<void> {
    const room = readRoom(channel.request);
    await this.#reading(channel, route, async () => {
      const people = [...(this.#rooms.get(room)?.people() ?? [])];
      await sendList(channel, 'members', people.map(encodeMember));
      await channel.send({ t: 'done' });
    });
  }

  /** Stores what was said, ends all channels with `SHUTDOWN`, and closes the history. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#trimTimer?.cancel();
    await this.#commits.idle();
    for (const channel of this.#channels) channel.reset(stopping());
    await this.#seen.close();
    await this.#history.close();
  }

  // ── For members ───────────────────────────────────────────────────────────────────────────────────────────────────

  turnOf(device: string): Promise<void> | undefined {
    return this.#gate.pass(device);
  }

  async prepare(member: Member, say: Say): Promise<(settle: Settle) => void> {
    const { checkFile } = this.#options;
    if (say.file !== undefined) {
      if (checkFile === undefined) throw new LineError('UNSUPPORTED', 'no files are taken here');
      await checkFile(say.file);
    }
    const to = say.to === undefined ? undefined : await this.#history.ownerOf(say.to.key);
    if (say.to !== undefined && to === undefined) {
      throw new LineError('NOT_FOUND', `nobody is called ${say.to.name} here`);
    }
    if (this.#isClosed) throw stopping();
    const { nonce, kind, text, file } = say;
    const room = to === undefined ? member.room.name : undefined;
    const unstored = { room, nonce, from: member.name.name, device: member.device, kind, text, to, file };
    return settle =>
      this.#commits.submit(unstored, outcome => {
        settle(outcome);
        this.#noteStored(outcome instanceof LineError ? outcome : undefined);
        if (outcome instanceof LineError || outcome.isRepeated) return;
        this.#show({ ...unstored, to: to?.name, id: outcome.id, timeMs: outcome.timeMs }, member, to);
      });
  }

  async rename(member: Member, name: ChatName): Promise<void> {
    await this.#claim(name, member.device);
    const from = member.name;
    // It may have gone meanwhile, and with it the name that it had.
    if (!this.#members.get(member.deviceText)?.has(member)) {
      this.#release(name);
      return;
    }
    member.name = name;
    member.room.renamed(member, from);
    this.#release(from);
  }

  seen({ name, room }: Member, id: number): void {
    const seen = Math.min(id, this.#head);
    if (room.noteSeen(name.key, seen)) this.#seen.note({ nameKey: name.key, room: room.name, id: seen });
  }

  countMissed(view: HistoryView, gap: IdRange): Promise<number> {
    return this.#history.count(view, gap, MAX_CHAT_MISSED_COUNT);
  }

  // ── Inside ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #join(channel: Channel, route: Route): Promise<void> {
    const { room: roomName, name, after } = decodeJoin(channel.request);
    const device = route.peer.key;
    const deviceText = encodeBase64url(device);
    const leavePlace = this.#memberPlaces.take(device);
    let member: Member | undefined;
    try {
      await this.turnOf(deviceText);
      await this.#claim(name, device);
      try {
        const seen = await this.#seen.of(name.key, roomName);
        const room = this.#roomOf(roomName);
        const head = this.#head;
        const behind = after === undefined ? undefined : Math.min(after, head);
        member = new Member({ channel, device, deviceText, room, name }, this);
        this.#enter(member, channel, seen);
        member.takePlace(head, behind);
        const members = [...take(room.people(), MAX_CHAT_NAMES_TOLD)].map(person => person.name);
        const joined = { name: name.name, head, seen, members, count: room.count };
        member.begin(joined, behind === undefined ? undefined : await this.#privateGap(device, behind, head));
        await member.converse();
      } finally {
        if (member === undefined) this.#release(name);
        else this.#leave(member);
      }
    } finally {
      leavePlace();
    }
  }

  /** What was stored: to its room, or to the rooms that the two devices are in. */
  #show(message: ChatMessage, member: Member, to: NameOwner | undefined): void {
    this.#head = Math.max(this.#head, message.id);
    const entry = encodedEntry({ type: 'message', message });
    if (to === undefined) {
      // Whoever said it may be gone, and the room with it; others may have opened it anew.
      this.#rooms.get(member.room.name)?.show(entry, message.id);
      return;
    }
    const devices = [member.deviceText, encodeBase64url(to.device)];
    const members = devices.flatMap(device => [...(this.#members.get(device) ?? [])]);
    for (const room of new Set(members.map(({ room }) => room))) room.show(entry, message.id, devices);
  }

  #enter(member: Member, channel: Channel, seen: number | undefined): void {
    const ofDevice = this.#members.get(member.deviceText) ?? new Set<Member>();
    ofDevice.add(member);
    this.#members.set(member.deviceText, ofDevice);
    member.room.enter(member, seen);
    // At once: its place is free for the line that takes its turn.
    channel.whenOver(() => this.#leave(member));
  }

  #leave(member: Member): void {
    const ofDevice = this.#members.get(member.deviceText);
    if (ofDevice === undefined || !ofDevice.delete(member)) return;
    if (ofDevice.size === 0) this.#members.delete(member.deviceText);
    const { room } = member;
    room.leave(member);
    this.#release(member.name);
    if (!room.isEmpty) return;
    this.#rooms.delete(room.name);
    this.#rings.forget(room.ring);
  }

  #roomOf(name: string): Room {
    const known = this.#rooms.get(name);
    if (known !== undefined) return known;
    if (this.#rooms.size >= MAX_CHAT_ROOMS) throw new LineError('TOO_MANY', 'too many rooms are in use');
    const { clock, nowMs } = this.#options;
    const room = new Room(name, this.#head, { clock, nowMs, onGrown: ring => this.#rings.grown(ring) });
    this.#rooms.set(name, room);
    return room;
  }

  /**
   * Private messages reach the rooms that a device is in. Those that came while it was not in this one are not in the ring,
   * so who returns has to read from history up to now.
   */
  async #privateGap(device: Uint8Array, after: number, head: number): Promise<IdRange | undefined> {
    const last = await this.#history.lastPrivate(device, head + 1);
    return last > after ? { after, before: head + 1 } : undefined;
  }

  /** From now on the name is in use, until `#release`. */
  async #claim(name: ChatName, device: Uint8Array): Promise<void> {
    this.#namesInUse.set(name.key, (this.#namesInUse.get(name.key) ?? 0) + 1);
    try {
      await this.#history.claimName(name, device, key => this.#namesInUse.has(key));
    } catch (thrown) {
      this.#release(name);
      if (thrown instanceof LineError) this.#noteStored(thrown);
      throw thrown;
    }
  }

  /** A disk that takes nothing more is the owner's to mend: told once, and not again for every message. */
  #noteStored(error: LineError | undefined): void {
    const isStuck = error !== undefined && DISK_FAULTS.has(error.code);
    if (isStuck && !this.#isStuck) this.#options.onFault?.(error);
    if (isStuck || error === undefined) this.#isStuck = isStuck;
  }

  #release({ key }: ChatName): void {
    const left = this.#namesInUse.get(key)! - 1;
    if (left > 0) this.#namesInUse.set(key, left);
    else this.#namesInUse.delete(key);
  }

  async #reading(channel: Channel, route: Route, work: () => Promise<void>): Promise<void> {
    const leavePlace = this.#readPlaces.take(route.peer.key);
    try {
      await this.#running(channel, work);
    } finally {
      leavePlace();
    }
  }

  /** What fails because this side stops is no fault. */
  async #running(channel: Channel, work: () => Promise<void>): Promise<void> {
    if (this.#isClosed) throw stopping();
    this.#channels.add(channel);
    try {
      await work();
    } catch (thrown) {
      throw this.#isClosed ? stopping() : thrown;
    } finally {
      this.#channels.delete(channel);
    }
  }

  /** Lets go of what is not to be kept, a little at a time, now and every ten minutes. */
  #trim(): void {
    const { keep, clock, nowMs, onFault } = this.#options;
    if (keep === undefined || this.#isClosed) return;
    this.#history.trim(keep, nowMs(), TRIMMED_AT_ONCE).then(
      removed => {
        if (this.#isClosed) return;
        this.#trimTimer = clock.after(removed < TRIMMED_AT_ONCE ? TRIM_EVERY_MS : TRIM_PAUSE_MS, () => this.#trim());
      },
      thrown => {
        onFault?.(thrown);
        if (!this.#isClosed) this.#trimTimer = clock.after(TRIM_EVERY_MS, () => this.#trim());
      },
    );
  }
}

export interface ChatServerOptions {
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly keep?: ChatKeep | undefined;
  readonly flood?: FloodLimits | undefined;
  /** Whether this file may be said to a room: throws where not. Without it no files are taken. */
  readonly checkFile?: ((file: ChatFile) => Promise<void>) | undefined;
  /** Hears of what nobody asked for and still failed, and once of a disk that takes nothing more. Must not throw. */
  readonly onFault?: ((thrown: unknown) => void) | undefined;
}

function stopping(): LineError {
  return new LineError('SHUTDOWN', 'this side stops');
}

function* take<Value>(values: Iterable<Value>, count: number): Generator<Value> {
  let left = count;
  for (const value of values) {
    if (left-- <= 0) return;
    yield value;
  }
}

const DISK_FAULTS: ReadonlySet<string> = new Set(['NO_SPACE', 'ACCESS']);
const TRIMMED_AT_ONCE = 100;
const TRIM_PAUSE_MS = 20;
const TRIM_EVERY_MS = 600_000;
