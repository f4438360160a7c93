import { LineError, type LineErrorCode } from '../../errors.ts';
import { decodeBase64url, encodeBase64url } from '../../protocol/bytes/base64url.ts';
import { hasField, type JsonObject, readInteger, readText } from '../../protocol/bytes/json.ts';
import { decodeName, encodeName } from '../../protocol/bytes/text.ts';
import type { Entry, EntryType } from './entry.ts';
import { checkPath } from './names.ts';

/** The messages of the files service (docs/protocol/4-services.md §1). Everything read here is untrusted. */

export const KIND = {
  stat: 'files.stat',
  list: 'files.list',
  get: 'files.get',
  hash: 'files.hash',
  leaves: 'files.leaves',
  chunks: 'files.chunks',
  watch: 'files.watch',
} as const;

export const CHANGE_KIND = {
  put: 'files.put',
  write: 'files.write',
  makeFolder: 'files.mkdir',
  remove: 'files.remove',
  move: 'files.move',
} as const;

/** A path travels as text, or as `pathb` in base64url when it is not valid UTF-8. */
export function encodePath(path: string, key: PathKey = 'path'): JsonObject {
  return path.isWellFormed() ? { [key]: path } : { [KEY_OF_BYTES[key]]: encodeBase64url(encodeName(path)) };
}

export function decodePath(message: JsonObject, key: PathKey = 'path'): string {
  const keyOfBytes = KEY_OF_BYTES[key];
  if (!hasField(message, keyOfBytes)) return readText(message, key, MAX_PATH_LENGTH);
  return decodeName(decodeBase64url(readText(message, keyOfBytes, 2 * MAX_PATH_LENGTH)));
}

type PathKey = 'path' | 'target' | 'to';

const KEY_OF_BYTES = { path: 'pathb', target: 'targetb', to: 'tob' } as const;

/** In a list a path is its text, or `{"pathb":…}` where it is none. */
export function encodeListedPath(path: string): string | JsonObject {
  return path.isWellFormed() ? path : encodePath(path);
}

export function decodeListedPath(value: unknown): string {
  return decodePath(typeof value === 'string' ? { path: value } : asObject(value));
}

/** The path of a request, checked: the wire has one form of path on every platform; the store knows what its disk cannot hold. */
export function requestedPath(request: JsonObject, key?: PathKey): string {
  const path = decodePath(request, key);
  checkPath(path, 'posix');
  return path;
}

export function encodeEntry({ path, type, size, mtimeUs, mode, target }: Entry): JsonObject {
  // What nearly all are, and what putting objects together takes longer for than looking at the file.
  if (target === undefined && path.isWellFormed()) return { path, type, size, mtime_us: mtimeUs, mode };
  return {
    ...encodePath(path),
    type,
    size,
    mtime_us: mtimeUs,
    mode,
    ...(target === undefined ? {} : encodePath(target, 'target')),
  };
}

export function decodeEntry(message: JsonObject): Entry {
  const type = readText(message, 'type', 16);
  if (!isEntryType(type)) throw new LineError('MALFORMED', 'an entry of an unknown type');
  const entry = {
    path: decodePath(message),
    type,
    size: readInteger(message, 'size'),
    mtimeUs: readInteger(message, 'mtime_us', Number.MIN_SAFE_INTEGER),
    mode: readInteger(message, 'mode', 0, 0o7777) & 0o777,
  };
  return type === 'link' ? { ...entry, target: decodePath(message, 'target') } : entry;
}

/** Upper bound of an entry's size as JSON, for filling messages without encoding twice. */
export function entryWeight(entry: { readonly path: string; readonly target?: string }): number {
  return 160 + JSON_GROWTH * (entry.path.length + (entry.target?.length ?? 0));
}

/** The same of a path and a number in lists. */
export function listedPathWeight(path: string): number {
  return 40 + JSON_GROWTH * path.length;
}

/** What a failure adds to the size of a message at most. */
export const FAILURE_WEIGHT = 4_000;

/** A failure in a message: its code by name, and a sentence for people. */
export function encodeFailure(error: LineError): JsonObject {
  return { code: error.code, reason: error.message.slice(0, 512).toWellFormed() };
}

/**
 * What is not for a host to say of a file counts as INTERNAL: at this side `PIN` and `AUTH` mean that this side has seen
 * a wrong key, and tell a person what to do about it.
 */
export function decodeFailure(message: JsonObject): LineError {
  const code = readText(message, 'code', 32);
  return new LineError(isHostCode(code) ? code : 'INTERNAL', readText(message, 'reason', 1024));
}

/** A value inside a message that must itself be an object. */
export function asObject(value: unknown): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LineError('MALFORMED', 'a field is not an object');
  }
  return value as JsonObject;
}

function isEntryType(type: string): type is EntryType {
  return type === 'file' || type === 'folder' || type === 'link' || type === 'other';
}

function isHostCode(code: string): code is LineErrorCode {
  return (HOST_CODES as readonly string[]).includes(code);
}

const HOST_CODES: readonly LineErrorCode[] = [
  'TIMEOUT',
  'CANCELLED',
  'SIZE',
  'UNSUPPORTED',
  'REFUSED',
  'FORBIDDEN',
  'NOT_FOUND',
  'NOT_A_FILE',
  'EXISTS',
  'BAD_NAME',
  'CHANGED',
  'MISMATCH',
  'ACCESS',
  'NO_SPACE',
  'TOO_MANY',
  'SHUTDOWN',
];
/** More than a path may have (names.ts): one that is too long is one file's `BAD_NAME`, not the end of a listing. */
const MAX_PATH_LENGTH = 8192;
/** A control character becomes `\u001f`: six bytes. */
const JSON_GROWTH = 6;
