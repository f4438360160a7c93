import type { Channel } from '../../../line/channel.ts';
import type { Clock } from '../../../line/clock.ts';
import type { JsonObject } from '../../../protocol/bytes/json.ts';
import { MAX_CHAT_FOUND, MAX_CHAT_LAST } from '../../../protocol/limits.ts';
import type { ChatHistory, HistoryView, SearchView } from '../history.ts';
import type { ChatMessage, HistoryRange } from '../message.ts';
import { searchPhrases } from '../words.ts';
import { encodedEntry, packEntries, roomInBatch } from './batch.ts';

/** `chat.history`: a page is read when the one before has left, so whoever reads slowly has little waiting for it. */
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
  for (;;) {
    const page = await history.read(view, { after: at, before }, PAGE_MESSAGES);
    await sendMessages(channel, page);
    if (page.length < PAGE_MESSAGES) break;
    at = page.at(-1)!.id;
  }
  await channel.send({ t: 'done' });
}

/** `chat.search`: in small steps, others go between them. */
export async function sendFound(
  channel: Channel,
  history: ChatHistory,
  view: SearchView,
  { words, last, clock }: { readonly words: string; readonly last: number; readonly clock: Clock },
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
    const { ids, before: next } = await history.find(view, phrases, before, wanted - found.length);
    found.push(...ids);
    before = next;
    await new Promise<void>(resolve => clock.soon(resolve));
  }
  found.reverse();
  for (let at = 0; at < found.length; at += PAGE_MESSAGES) {
    await sendMessages(channel, await history.readFound(found.slice(at, at + PAGE_MESSAGES)));
  }
  await channel.send({ t: 'done' });
}

/** A list that is told in parts, and then `done`. */
export async function sendList(channel: Channel, t: string, list: readonly JsonObject[]): Promise<void> {
  for (let at = 0; at < list.length; at += LISTED_AT_ONCE) {
    await channel.send({ t, [t]: list.slice(at, at + LISTED_AT_ONCE) });
  }
}

async function sendMessages(channel: Channel, messages: readonly ChatMessage[]): Promise<void> {
  let batch: Uint8Array[] = [];
  let usedBytes = 0;
  for (const message of messages) {
    const entry = encodedEntry({ type: 'message', message });
    if (entry.length > roomInBatch(usedBytes)) {
      await channel.sendShared(packEntries(batch));
      batch = [];
      usedBytes = 0;
    }
    batch.push(entry);
    usedBytes += entry.length + 1;
  }
  if (batch.length > 0) await channel.sendShared(packEntries(batch));
}

const PAGE_MESSAGES = 64;
/** Names of 32 characters and what stands around them: under 64 KiB. */
export const LISTED_AT_ONCE = 200;
/** Of a search: some million messages, or some 16 MiB of those that hold the words of a phrase. */
const MAX_STEPS = 1000;
