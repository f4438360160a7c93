import { encodeBase64url } from '../../protocol/bytes/base64url.ts';
import {
  CHAT_MEMORY_BYTES,
  CHAT_MEMORY_MESSAGES,
  MAX_CHAT_NAMES,
  MAX_CHAT_NAMES_PER_DEVICE,
  MAX_CHAT_SEEN_PER_NAME,
} from '../../protocol/limits.ts';
import type {
  ChatHistory,
  ChatKeep,
  FoundStep,
  HistoryView,
  IdRange,
  KeptRoom,
  NameOwner,
  SearchView,
  Seen,
  StoredAs,
  UnstoredMessage,
} from './history.ts';
import type { ChatMessage } from './message.ts';
import { type ChatName, nameIsTaken, tooManyNames } from './names.ts';
import { CUT_AT_ONCE, holdsPhrases } from './words.ts';

/** A history that lives as long as its process, bounded in messages and bytes: the oldest go first. */
export class MemoryHistory implements ChatHistory {
  /** Oldest first. */
  #kept: Kept[] = [];
  #keptBytes = 0;
  readonly #byNonce = new Map<string, Kept>();
  readonly #names = new MemoryNames();
  #head = 0;

  async head(): Promise<number> {
    return this.#head;
  }

  async append(messages: readonly UnstoredMessage[], nowMs: number): Promise<readonly StoredAs[]> {
    const stored = messages.map(message => this.#append(message, nowMs));
    let excess = Math.max(0, this.#kept.length - CHAT_MEMORY_MESSAGES);
    let bytes = this.#keptBytes - this.#kept.slice(0, excess).reduce((sum, { byteLength }) => sum + byteLength, 0);
    for (; bytes > CHAT_MEMORY_BYTES; excess += 1) bytes -= this.#kept[excess]!.byteLength;
    this.#remove(new Set(this.#kept.slice(0, excess)));
    return stored;
  }

  async read(view: HistoryView, range: IdRange, limit: number): Promise<readonly ChatMessage[]> {
    return this.#of(view, range)
      .slice(0, limit)
      .map(({ message }) => message);
  }

  async count(view: HistoryView, range: IdRange, limit: number): Promise<number> {
    return Math.min(this.#of(view, range).length, limit);
  }

  async beginningOfLast(view: HistoryView, range: IdRange, last: number): Promise<number> {
    const all = this.#of(view, range);
    return last >= all.length ? range.after : all[all.length - 1 - last]!.message.id;
  }

  async find(
    view: SearchView,
    phrases: readonly (readonly string[])[],
    before: number,
    limit: number,
  ): Promise<FoundStep> {
    if (phrases.length === 0) return { ids: [], before: undefined };
    const ids: number[] = [];
    let cut = 0;
    for (let at = this.#kept.findLastIndex(({ message }) => message.id < before); at >= 0; at -= 1) {
      const kept = this.#kept[at]!;
      const { id, text } = kept.message;
      const isIn = view.room === undefined || kept.room === undefined || kept.room === view.room;
      if (!isIn || !isVisible(kept, view.device)) continue;
      if (holdsPhrases(text, phrases)) ids.push(id);
      cut += text.length;
      if (ids.length === limit || cut >= CUT_AT_ONCE) return { ids, before: id };
    }
    return { ids, before: undefined };
  }

  async readFound(ids: readonly number[]): Promise<readonly ChatMessage[]> {
    const wanted = new Set(ids);
    return this.#kept.filter(({ message }) => wanted.has(message.id)).map(({ message }) => message);
  }

  async lastPrivate(device: Uint8Array, before: number): Promise<number> {
    const last = this.#kept.findLast(
      kept => kept.room === undefined && kept.message.id < before && isVisible(kept, device),
    );
    return last?.message.id ?? 0;
  }

  async filesNamed(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const named = new Set(this.#kept.map(({ message }) => message.file?.id));
    return new Set(ids.filter(id => named.has(id)));
  }

  async rooms(after: string, limit: number): Promise<readonly KeptRoom[]> {
    const rooms = new Map<string, KeptRoom>();
    for (const { room, message } of this.#kept) {
      if (room !== undefined) rooms.set(room, { room, lastId: message.id, lastMs: message.timeMs });
    }
    // By code point, as a database sorts UTF-8.
    return [...rooms.values()]
      .filter(({ room }) => byCodePoint(room, after) > 0)
      .sort((one, other) => byCodePoint(one.room, other.room))
      .slice(0, limit);
  }

  async claimName(name: ChatName, device: Uint8Array, isInUse: (key: string) => boolean): Promise<void> {
    this.#names.claim(name, device, isInUse);
  }

  async ownerOf(key: string): Promise<NameOwner | undefined> {
    return this.#names.ownerOf(key);
  }

  async seen(nameKey: string, room: string): Promise<number | undefined> {
    return this.#names.seen(nameKey, room);
  }

  async keepSeen(seen: readonly Seen[]): Promise<void> {
    for (const one of seen) this.#names.keepSeen(one);
  }

  async trim(keep: ChatKeep, nowMs: number, limit: number): Promise<number> {
    const gone = 'ageMs' in keep ? this.#olderThan(nowMs - keep.ageMs) : this.#beyond(keep.count);
    const removed = new Set(gone.slice(0, limit));
    this.#remove(removed);
    return removed.size;
  }

  async close(): Promise<void> {}

  #append(message: UnstoredMessage, nowMs: number): StoredAs {
    const { nonce, room, to, ...said } = message;
    const key = `${encodeBase64url(message.device)} ${nonce}`;
    const before = this.#byNonce.get(key);
    if (before !== undefined) {
      return { id: before.message.id, timeMs: before.message.timeMs, isRepeated: true };
    }
    this.#head += 1;
    const kept: Kept = {
      message: { ...said, id: this.#head, timeMs: nowMs, ...(to === undefined ? {} : { to: to.name }) },
      room,
      toDevice: to?.device,
      key,
      byteLength: message.text.length * 2 + KEPT_OVERHEAD_BYTES,
    };
    this.#kept.push(kept);
    this.#keptBytes += kept.byteLength;
    this.#byNonce.set(key, kept);
    return { id: this.#head, timeMs: nowMs, isRepeated: false };
  }

  #of({ room, device }: HistoryView, { after, before }: IdRange): Kept[] {
    return this.#kept.filter(
      kept =>
        kept.message.id > after &&
        kept.message.id < before &&
        (kept.room === room || (kept.room === undefined && isVisible(kept, device))),
    );
  }

  #olderThan(limitMs: number): Kept[] {
    const first = this.#kept.findIndex(({ message }) => message.timeMs >= limitMs);
    return this.#kept.slice(0, first < 0 ? undefined : first);
  }

  #beyond(count: number): Kept[] {
    const counts = new Map<string | undefined, number>();
    const gone = this.#kept.toReversed().filter(({ room }) => {
      const before = counts.get(room) ?? 0;
      counts.set(room, before + 1);
      return before >= count;
    });
    return gone.reverse();
  }

  #remove(gone: ReadonlySet<Kept>): void {
    if (gone.size === 0) return;
    for (const { key, byteLength } of gone) {
      this.#byNonce.delete(key);
      this.#keptBytes -= byteLength;
    }
    this.#kept = this.#kept.filter(kept => !gone.has(kept));
  }
}

/** Whose names are whose; the one used longest ago comes first in the map. */
class MemoryNames {
  readonly #names = new Map<string, OwnedName>();
  readonly #byDevice = new Map<string, Set<string>>();

  claim({ name, key }: ChatName, device: Uint8Array, isInUse: (key: string) => boolean): void {
    const owner = encodeBase64url(device);
    const known = this.#names.get(key);
    if (known !== undefined && known.owner !== owner) throw nameIsTaken(name);
    const own = this.#byDevice.get(owner) ?? new Set<string>();
    if (known === undefined) {
      if (own.size >= MAX_CHAT_NAMES_PER_DEVICE) this.#letGo(own, isInUse);
      if (this.#names.size >= MAX_CHAT_NAMES) this.#letGo(this.#names.keys(), isInUse);
    }
    const seen = known?.seen ?? new Map<string, number>();
    this.#names.delete(key);
    this.#names.set(key, { name, device, owner, seen });
    own.delete(key);
    own.add(key);
    this.#byDevice.set(owner, own);
  }

  ownerOf(key: string): NameOwner | undefined {
    const known = this.#names.get(key);
    return known === undefined ? undefined : { name: known.name, device: known.device };
  }

  seen(key: string, room: string): number | undefined {
    return this.#names.get(key)?.seen.get(room);
  }

  keepSeen({ nameKey, room, id }: Seen): void {
    const seen = this.#names.get(nameKey)?.seen;
    if (seen === undefined || (seen.get(room) ?? 0) >= id) return;
    seen.delete(room);
    seen.set(room, id);
    if (seen.size <= MAX_CHAT_SEEN_PER_NAME) return;
    const [lowest] = [...seen].sort(([, one], [, other]) => one - other)[0]!;
    seen.delete(lowest);
  }

  #letGo(keys: Iterable<string>, isInUse: (key: string) => boolean): void {
    for (const key of keys) {
      if (isInUse(key)) continue;
      const { owner } = this.#names.get(key)!;
      const own = this.#byDevice.get(owner)!;
      this.#names.delete(key);
      own.delete(key);
      if (own.size === 0) this.#byDevice.delete(owner);
      return;
    }
    throw tooManyNames();
  }
}

function isVisible({ room, message, toDevice }: Kept, device: Uint8Array): boolean {
  return room !== undefined || isSameKey(message.device, device) || isSameKey(toDevice!, device);
}

function isSameKey(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

function byCodePoint(one: string, other: string): number {
  const ones = Array.from(one);
  const others = Array.from(other);
  for (let at = 0; at < Math.min(ones.length, others.length); at += 1) {
    const difference = ones[at]!.codePointAt(0)! - others[at]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return ones.length - others.length;
}

interface Kept {
  readonly message: ChatMessage;
  readonly room: string | undefined;
  readonly toDevice: Uint8Array | undefined;
  /** Device and nonce. */
  readonly key: string;
  readonly byteLength: number;
}

interface OwnedName extends NameOwner {
  /** The device in base64url. */
  readonly owner: string;
  readonly seen: Map<string, number>;
}

/** About what stands around a text. */
const KEPT_OVERHEAD_BYTES = 512;
