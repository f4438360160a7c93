import type { Channel } from '../../../line/channel.ts';
import type { JsonObject } from '../../../protocol/bytes/json.ts';
import { MAX_CHAT_FOUND, MAX_CHAT_LAST } from '../../../protocol/limits.ts';
import type { ChatHistory, HistoryView, SearchView } from '../history.ts';
import type { ChatMessage, HistoryRange } from '../message.ts';
import { searchPhrases } from '../words.ts';
import { encodedEntry, packEntries, roomInBatch } from './batch.ts';
import type { Turns } from './turns.ts';

/** `chat.history`: each message to the reader is put together when the one before has left, so little waits for a slow one. */
export async function sendHistory(
  channel: Channel,
  history: ChatHistory,
  view: HistoryView,
  range: HistoryRange,
): Promise<void> {
  const { after = 0, before = Number.MAX_SAFE_INTEGER, last } = range;
  const ids = { after, before };
  let at = after;
  if (last !== undefined) at = await history.beginningOfLast(view, ids, Math.min(last, MAX_CHAT_LAST));
  for (let limit = PAGE_MESSAGES; ; ) {
    const batch = firstBatch(await history.read(view, { after: at, before }, limit));
    if (batch.bytes !== undefined) await channel.sendShared(batch.bytes);
    if (batch.isAll && batch.count < limit) break;
    at = batch.lastId;
    limit = Math.min(PAGE_MESSAGES, 2 * batch.count);
  }
  await channel.send({ t: 'done' });
}

/** `chat.search`: in small steps, of all searches one after the other, and others go between them. */
export async function sendFound(
  channel: Channel,
  history: ChatHistory,
  view: SearchView,
  { words, last, turns }: { readonly words: string; readonly last: number; readonly turns: Turns },
): Promise<void> {
  const phrases = searchPhrases(words);
  const wanted = Math.min(last, MAX_CHAT_FOUND);
  const over = { is: false };
  channel.whenOver(() => {
    over.is = true;
  });
  const found: number[] = [];
  let before: number | undefined = phrases.length === 0 ? undefined : Number.MAX_SAFE_INTEGER;
  for (let step = 0; before !== undefined && found.length < wanted && step < MAX_STEPS && !over.is; step += 1) {
    await turns.next();
    const { ids, before: next } = await history.find(view, phrases, before, wanted - found.length);
    found.push(...ids);
    before = next;
  }
  found.reverse();
  for (let at = 0; at < found.length; ) {
    const page = found.slice(at, at + PAGE_MESSAGES);
    const batch = firstBatch(await history.readFound(page));
    if (batch.bytes !== undefined) await channel.sendShared(batch.bytes);
    at += batch.isAll ? page.length : page.indexOf(batch.lastId) + 1;
  }
  await channel.send({ t: 'done' });
}

/** A list that is told in parts, and then `done`. */
export async function sendList(channel: Channel, t: string, list: readonly JsonObject[]): Promise<void> {
  for (let at = 0; at < list.length; at += LISTED_AT_ONCE) {
    await channel.send({ t, [t]: list.slice(at, at + LISTED_AT_ONCE) });
  }
}

/** As many of the messages as fit into one message `entries`, put together. The others are forgotten, and read again. */
function firstBatch(messages: readonly ChatMessage[]): FirstBatch {
  const batch: Uint8Array[] = [];
  let usedBytes = 0;
  for (const message of messages) {
    const entry = encodedEntry({ type: 'message', message });
    if (entry.length > roomInBatch(usedBytes) && batch.length > 0) break;
    batch.push(entry);
    usedBytes += entry.length + 1;
  }
  const count = batch.length;
  const bytes = count === 0 ? undefined : packEntries(batch);
  return { bytes, count, lastId: messages[count - 1]?.id ?? 0, isAll: count === messages.length };
}

interface FirstBatch {
  readonly bytes: Uint8Array | undefined;
  readonly count: number;
  readonly lastId: number;
  readonly isAll: boolean;
}

const PAGE_MESSAGES = 64;
/** Names of 32 characters and what stands around them: under 64 KiB. */
export const LISTED_AT_ONCE = 200;
/** Of a search: some million messages, or some 16 MiB of those that hold the words of a phrase. */
const MAX_STEPS = 1000;
