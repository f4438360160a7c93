import { encodeJson } from '../../../protocol/bytes/json.ts';
import { encodeUtf8 } from '../../../protocol/bytes/text.ts';
import { MAX_MESSAGE_BYTES } from '../../../protocol/limits.ts';
import { type ChatEntry, encodeEntry } from '../messages.ts';

/** An entry as it stands in a message, encoded once for all who get it. */
export function encodedEntry(entry: ChatEntry): Uint8Array {
  return encodeJson(encodeEntry(entry), MAX_BATCH_BYTES);
}

/** How many bytes a message has room for in which `usedBytes` of entries stand already, the comma before the next off. */
export function roomInBatch(usedBytes: number): number {
  return MAX_BATCH_BYTES - usedBytes - COMMA.length;
}

/** The message `entries` of entries that fit into one. */
export function packEntries(entries: readonly Uint8Array[]): Uint8Array {
  const byteLength = entries.reduce((sum, entry) => sum + entry.length + COMMA.length, 0) - COMMA.length;
  const message = new Uint8Array(HEAD.length + byteLength + TAIL.length);
  message.set(HEAD);
  let at = HEAD.length;
  for (const entry of entries) {
    if (at > HEAD.length) {
      message.set(COMMA, at);
      at += COMMA.length;
    }
    message.set(entry, at);
    at += entry.length;
  }
  message.set(TAIL, at);
  return message;
}

const HEAD = encodeUtf8('{"t":"entries","entries":[');
const COMMA = encodeUtf8(',');
const TAIL = encodeUtf8(']}');
const MAX_BATCH_BYTES = MAX_MESSAGE_BYTES - HEAD.length - TAIL.length;
