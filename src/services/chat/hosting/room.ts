import type { Clock } from '../../../line/clock.ts';
import { CHAT_GATHER_MS, MAX_CHAT_NAMES_TOLD } from '../../../protocol/limits.ts';
import type { ChatMember } from '../message.ts';
import type { ChatEntry } from '../messages.ts';
import type { ChatName } from '../names.ts';
import { encodedEntry } from './batch.ts';
import { Ring } from './ring.ts';

/** One room for as long as somebody is in it: who that is, and what is to be told to them. */
export class Room {
  readonly name: string;
  readonly ring: Ring;
  readonly #options: RoomOptions;
  readonly #members = new Set<RoomMember>();
  /** By the key of the name, in the order of coming. */
  readonly #present = new Map<string, Presence>();
  #released: number;
  #releasedAtMs = Number.NEGATIVE_INFINITY;
  #isReleasePlanned = false;

  /** `head` is the id of the last message before this room was opened. */
  constructor(name: string, head: number, options: RoomOptions) {
    this.name = name;
    this.ring = new Ring(head);
    this.#released = this.ring.end;
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** How many people are here; the same one on several lines counts once. */
  get count(): number {
    return this.#present.size;
  }

  /** Entries before this place may be told; what comes behind is still being gathered. */
  get released(): number {
    return this.#released;
  }

  people(): Iterable<ChatMember> {
    return this.#present.values();
  }

  enter(member: RoomMember, seen: number | undefined): void {
    this.#members.add(member);
    if (this.#comes(member, seen)) this.#announce({ type: 'came', name: member.name.name });
  }

  /** May be called twice. */
  leave(member: RoomMember): void {
    if (!this.#members.delete(member)) return;
    if (this.#goes(member.name)) this.#announce({ type: 'left', name: member.name.name });
  }

  /** `member.name` is the new one already. */
  renamed(member: RoomMember, from: ChatName): void {
    const seen = this.#present.get(from.key)?.seen;
    const hasGone = this.#goes(from);
    const hasCome = this.#comes(member, seen);
    const to = member.name;
    if (hasGone && hasCome) this.#announce({ type: 'renamed', from: from.name, to: to.name });
    else if (hasGone) this.#announce({ type: 'left', name: from.name });
    else if (hasCome) this.#announce({ type: 'came', name: to.name });
  }

  /** Returns whether that is news. */
  noteSeen(nameKey: string, id: number): boolean {
    const presence = this.#present.get(nameKey);
    if (presence === undefined || (presence.seen ?? 0) >= id) return false;
    presence.seen = id;
    return true;
  }

  /** Tells an entry that is encoded already; see `Ring.push`. */
  show(entry: Uint8Array, id: number, devices?: readonly string[]): void {
    this.ring.push(entry, id, devices);
    this.#options.onGrown(this.ring);
    this.#planRelease();
  }

  #announce(entry: ChatEntry): void {
    if (this.#present.size <= MAX_CHAT_NAMES_TOLD) this.show(encodedEntry(entry), 0);
  }

  #comes({ name, device }: RoomMember, seen: number | undefined): boolean {
    const present = this.#present.get(name.key);
    if (present !== undefined) {
      present.channels += 1;
      return false;
    }
    const presence = { name: name.name, device, sinceMs: this.#options.nowMs(), seen, channels: 1 };
    this.#present.set(name.key, presence);
    return true;
  }

  #goes({ key }: ChatName): boolean {
    const present = this.#present.get(key)!;
    present.channels -= 1;
    return present.channels === 0 && this.#present.delete(key);
  }

  /** At once after a quiet time; under load what comes within 50 ms goes together. */
  #planRelease(): void {
    if (this.#isReleasePlanned) return;
    this.#isReleasePlanned = true;
    const { clock } = this.#options;
    const waitMs = this.#releasedAtMs + CHAT_GATHER_MS - clock.now();
    if (waitMs > 0) clock.after(waitMs, () => this.#release());
    else clock.soon(() => this.#release());
  }

  #release(): void {
    this.#isReleasePlanned = false;
    this.#released = this.ring.end;
    this.#releasedAtMs = this.#options.clock.now();
    for (const member of this.#members) member.proceed();
  }
}

export interface RoomOptions {
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Hears that a ring has become larger. */
  readonly onGrown: (ring: Ring) => void;
}

export interface RoomMember {
  readonly name: ChatName;
  readonly device: Uint8Array;
  /** There is more to be told. */
  proceed(): void;
}

interface Presence extends ChatMember {
  seen: number | undefined;
  channels: number;
}
