import { LineError } from '../../errors.ts';
import type { Device } from '../../protocol/handshake/device.ts';
import { MAX_DEVICES } from '../../protocol/limits.ts';
import { deviceName } from '../../protocol/pairing.ts';
import { parsePublicKey, publicKeyText } from './public-key.ts';

/**
 * The text of `authorized_keys`: one line a fact, of which the last about a key counts.
 *
 *   line1-x25519 KEY since=TIME caps=read,chat name="ann's laptop"
 *   line1-x25519 KEY since=TIME adds=exec name="ann's laptop"
 *   line1-x25519 KEY removed TIME
 *
 * Empty lines and those that begin with # say nothing. A line that cannot be read lets nobody in, and if it still names a
 * key it lets that one out: it may be what a crash has left of its removal.
 */
export function decodeAuthorizedKeys(text: string): DecodedKeys {
  const devices = new Map<string, Device>();
  const ownerOfName = new Map<string, string>();
  const unread: UnreadLine[] = [];
  const remove = (owner: string): void => {
    ownerOfName.delete(devices.get(owner)?.name ?? '');
    devices.delete(owner);
  };
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const key = keyOf(line);
    const owner = key === undefined ? undefined : publicKeyText(key);
    const device = key === undefined ? undefined : decodeDevice(key, line, devices.get(owner!));
    if (device === undefined || owner === undefined) {
      if (owner !== undefined) remove(owner);
      if (owner === undefined || !REMOVED.test(line)) unread.push({ number: index + 1, problem: 'cannot be read' });
    } else if ((ownerOfName.get(device.name) ?? owner) !== owner) {
      unread.push({ number: index + 1, problem: 'names a machine as another one is named' });
    } else if (!devices.has(owner) && devices.size >= MAX_DEVICES) {
      unread.push({ number: index + 1, problem: `is one more than ${MAX_DEVICES} machines` });
    } else {
      ownerOfName.delete(devices.get(owner)?.name ?? '');
      ownerOfName.set(device.name, owner);
      devices.set(owner, device);
    }
  }
  return { devices: [...devices.values()], unread };
}

export interface DecodedKeys {
  /** In the order in which they came in. */
  readonly devices: readonly Device[];
  readonly unread: readonly UnreadLine[];
}

/** A line that lets nobody in. */
export interface UnreadLine {
  /** From 1. */
  readonly number: number;
  /** What is wrong with it, as the rest of a sentence. */
  readonly problem: string;
}

/** The device has exactly these permissions from here on. */
export function encodeDevice(device: Device): string {
  return encodeEntry(device, 'caps');
}

/** As `encodeDevice`, but it keeps what it had when this line came: nothing of which it was bereft in the same moment. */
export function encodeAddition(device: Device): string {
  return encodeEntry(device, 'adds');
}

export function encodeRemoval(key: Uint8Array, nowMs: number): string {
  return `${publicKeyText(key)} removed ${new Date(nowMs).toISOString()}`;
}

function encodeEntry({ key, sinceMs, allow, name }: Device, how: 'caps' | 'adds'): string {
  const since = new Date(sinceMs).toISOString();
  return `${publicKeyText(key)} since=${since} ${how}=${allow.join(',')} name=${JSON.stringify(name)}`;
}

/** `known`: what the lines before have made of this key. */
function decodeDevice(key: Uint8Array, line: string, known: Device | undefined): Device | undefined {
  const [, since = '', how, caps = '', quoted = ''] = ENTRY.exec(line) ?? [];
  const sinceMs = Date.parse(since);
  if (Number.isNaN(sinceMs)) return undefined;
  const kept = how === 'adds' ? (known?.allow ?? []) : [];
  const allow = [...new Set([...kept, ...(caps === '' ? [] : caps.split(','))])];
  if (allow.length > MAX_PERMISSIONS) return undefined;
  try {
    const name: unknown = JSON.parse(quoted);
    return typeof name === 'string' ? { name: deviceName(name), key, sinceMs, allow } : undefined;
  } catch {
    // Whether it is no text or no name makes no difference.
    return undefined;
  }
}

function keyOf(line: string): Uint8Array | undefined {
  try {
    return parsePublicKey(line.split(/\s+/, 2).join(' '));
  } catch (thrown) {
    if (thrown instanceof LineError) return undefined;
    throw thrown;
  }
}

const ENTRY = /^\S+ \S+ since=(\S+) (caps|adds)=((?:[a-z]{1,32}(?:,[a-z]{1,32})*)?) name=(".*")$/;
const REMOVED = /^\S+ \S+ removed \S+$/;
const MAX_PERMISSIONS = 64;
