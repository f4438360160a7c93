import { equalBytes } from '../crypto/constant-time.ts';

/** A machine that is let in by its key alone (docs/protocol/1-handshake.md §7). */
export interface Device {
  /** Unlike that of every other device in the list. */
  readonly name: string;
  /** Its static key for dialling, 32 bytes. */
  readonly key: Uint8Array;
  /** When it was put into the list, in Unix milliseconds. */
  readonly sinceMs: number;
  /** The permissions that it may have at most; it has those of them that the server grants. */
  readonly allow: readonly string[];
}

/** The device with this key. Looks at all of them, so that the time tells nothing of which there are. */
export function findDevice(devices: readonly Device[], key: Uint8Array): Device | undefined {
  let found: Device | undefined;
  for (const device of devices) if (equalBytes(device.key, key)) found = device;
  return found;
}
