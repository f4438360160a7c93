import { LineError } from '../../errors.ts';
import { MAX_JSON_DEPTH } from '../limits.ts';
import { decodeUtf8, encodeUtf8 } from './text.ts';

/**
 * JSON of control messages (docs/protocol/3-channels.md §6): always an object, at most eight levels deep. What comes out
 * is untrusted: readers copy the keys they know into an object of their own and never spread or assign this one.
 */
export type JsonObject = { readonly [key: string]: unknown };

export function encodeJson(value: JsonObject, maxBytes: number): Uint8Array {
  const bytes = encodeUtf8(JSON.stringify(value));
  if (bytes.length > maxBytes) throw new LineError('SIZE', `a message of ${bytes.length} bytes is over ${maxBytes}`);
  return bytes;
}

/** Throws `MALFORMED` for anything but an object within the depth limit. The caller has checked the length. */
export function decodeJson(bytes: Uint8Array): JsonObject {
  const text = decodeUtf8(bytes);
  // Depth is counted before, because a parser that recurses would fall over what a counter refuses.
  if (jsonDepth(text) > MAX_JSON_DEPTH) throw new LineError('MALFORMED', 'a message is nested too deeply');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LineError('MALFORMED', 'a message is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LineError('MALFORMED', 'a message is not a JSON object');
  }
  return value as JsonObject;
}

/** A string of at most `maxBytes` UTF-16 units without lone surrogates, or `MALFORMED`. */
export function readText(message: JsonObject, key: string, maxLength = 4096): string {
  const value = own(message, key);
  if (typeof value !== 'string' || value.length > maxLength || !value.isWellFormed()) {
    throw new LineError('MALFORMED', `the field ${key} is not a text of at most ${maxLength} characters`);
  }
  return value;
}

/** A safe integer from `min` to `max`, or `MALFORMED`. */
export function readInteger(message: JsonObject, key: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const value = own(message, key);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw new LineError('MALFORMED', `the field ${key} is not an integer from ${min} to ${max}`);
  }
  return value;
}

/** `true` or `false`; absent is `false`. */
export function readFlag(message: JsonObject, key: string): boolean {
  const value = own(message, key);
  if (value !== undefined && typeof value !== 'boolean') {
    throw new LineError('MALFORMED', `the field ${key} is neither true nor false`);
  }
  return value === true;
}

export function hasField(message: JsonObject, key: string): boolean {
  return own(message, key) !== undefined;
}

/** A list of at most `maxLength` values, or `MALFORMED`. */
export function readList(message: JsonObject, key: string, maxLength: number): readonly unknown[] {
  const value = own(message, key);
  if (!Array.isArray(value) || value.length > maxLength) {
    throw new LineError('MALFORMED', `the field ${key} is not a list of at most ${maxLength}`);
  }
  return value;
}

/** An object inside the message, or `MALFORMED`. */
export function readObject(message: JsonObject, key: string): JsonObject {
  const value = own(message, key);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LineError('MALFORMED', `the field ${key} is not an object`);
  }
  return value as JsonObject;
}

/** Only what the message itself holds: `toString` and `__proto__` are no fields. */
function own(message: JsonObject, key: string): unknown {
  return Object.hasOwn(message, key) ? message[key] : undefined;
}

function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) at = endOfString(text, at);
    else if (unit === 0x7b || unit === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (unit === 0x7d || unit === 0x5d) depth -= 1;
  }
  return deepest;
}

/** Where the string that begins at `start` has its last quote; strings are most of a message, and are leapt over. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
  return text.length;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
