import { LineError } from '../errors.ts';
import { hasField, type JsonObject, readInteger, readList, readText } from './bytes/json.ts';
import { errorFromWire, wireCode } from './channels/codes.ts';
import { MAX_DEVICE_NAME_LENGTH, MAX_REASON_BYTES } from './limits.ts';

/** Control messages by which a machine is put into the list of those that need no passphrase (3-channels.md §6). */
export const PAIR = 'pair';
export const PAIRED = 'paired';
export const REFUSED = 'refused';

/** What the server has put into its list. */
export interface Paired {
  readonly name: string;
  /** The permissions that this machine may have there at most. */
  readonly allow: readonly string[];
}

/** A server that does not know of pairing is to say so. */
export function encodePair(name: string): JsonObject {
  return { t: PAIR, name: deviceName(name), must: true };
}

/** The name that the client wants, not yet checked to be one. */
export function decodePair(message: JsonObject): string {
  return readText(message, 'name', MAX_NAME_UNITS);
}

export function encodePaired({ name, allow }: Paired): JsonObject {
  return { t: PAIRED, name, caps: allow };
}

export function decodePaired(message: JsonObject): Paired {
  const names = readList(message, 'caps', MAX_PERMISSIONS);
  return {
    name: readText(message, 'name', MAX_NAME_UNITS),
    allow: names.filter((name): name is string => typeof name === 'string' && name.length <= MAX_NAME_UNITS),
  };
}

export function encodeRefused({ code, message }: LineError): JsonObject {
  return { t: REFUSED, code: wireCode(code), reason: message.slice(0, MAX_REASON_BYTES).toWellFormed() };
}

export function decodeRefused(message: JsonObject): LineError {
  const reason = hasField(message, 'reason') ? readText(message, 'reason', MAX_REASON_BYTES) : '';
  return errorFromWire(readInteger(message, 'code', 0, 0xffff), reason);
}

/** The name of a machine in the list, or `BAD_NAME`. Two that look alike should not differ in what is not seen. */
export function deviceName(text: string): string {
  const length = Array.from(text).length;
  const isName =
    length >= 1 &&
    length <= MAX_DEVICE_NAME_LENGTH &&
    text.isWellFormed() &&
    text === text.normalize('NFC').trim() &&
    !UNSEEN.test(text);
  if (isName) return text;
  throw new LineError(
    'BAD_NAME',
    `the name of a machine has 1 to ${MAX_DEVICE_NAME_LENGTH} characters that can be seen`,
  );
}

/** Control and format characters, what ends a line, fillers and selectors, and all spaces but the usual one. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u;
/** UTF-16 units: a code point has two at most. */
const MAX_NAME_UNITS = MAX_DEVICE_NAME_LENGTH * 2;
const MAX_PERMISSIONS = 64;
