import { LineError } from '../errors.ts';
import { type Device, findDevice } from '../protocol/handshake/device.ts';
import { MAX_DEVICES } from '../protocol/limits.ts';
import { deviceName } from '../protocol/pairing.ts';

/** The machines that a server lets in by their key. The platform keeps it; who is in it is up to the server's owner. */
export interface DeviceList {
  /** As it is now. Another array after each change; this one never changes. */
  readonly devices: readonly Device[];
  /** Calls `listener` after each change. Returns what ends that. */
  onChange(listener: () => void): () => void;
  /** Puts in what `enrolled` makes of it, and resolves once that is kept. Throws what `enrolled` does. */
  enrol(wanted: WantedDevice): Promise<Device>;
}

export type WantedDevice = Pick<Device, 'name' | 'key' | 'allow'>;

/**
 * What becomes of `wanted` beside `devices`: an entry for its key. One that is there already gets the new name and the
 * permissions of both, since each of them was given; nothing else is ever widened. Throws `BAD_NAME`, `EXISTS` for a name
 * that another key has, and `TOO_MANY`.
 */
export function enrolled(devices: readonly Device[], wanted: WantedDevice, nowMs: number): Device {
  const name = deviceName(wanted.name);
  const key = Uint8Array.from(wanted.key);
  const known = findDevice(devices, key);
  if (devices.some(other => other.name === name && other !== known)) {
    throw new LineError('EXISTS', 'another machine is paired under this name');
  }
  if (known === undefined && devices.length >= MAX_DEVICES) {
    throw new LineError('TOO_MANY', `${MAX_DEVICES} machines are paired already`);
  }
  const allow = [...new Set([...(known?.allow ?? []), ...wanted.allow])];
  return { name, key, sinceMs: known?.sinceMs ?? nowMs, allow };
}

/** Whether what let `device` in holds no more: it is out of the list, or lost a permission. */
export function isRevoked(device: Device, devices: readonly Device[]): boolean {
  const now = findDevice(devices, device.key);
  return now === undefined || device.allow.some(name => !now.allow.includes(name));
}
