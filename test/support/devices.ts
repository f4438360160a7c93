import { type DeviceList, enrolled, type WantedDevice } from '../../src/line/device-list.ts';
import { type Device, findDevice } from '../../src/protocol/handshake/device.ts';

/** A list in memory, which a test changes as the owner of a server would. */
export class MemoryDevices implements DeviceList {
  #devices: readonly Device[];
  readonly #listeners = new Set<() => void>();

  constructor(devices: readonly Device[] = []) {
    this.#devices = devices;
  }

  get devices(): readonly Device[] {
    return this.#devices;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async enrol(wanted: WantedDevice): Promise<Device> {
    const device = enrolled(this.#devices, wanted, 0);
    const before = findDevice(this.#devices, device.key);
    this.replace([...this.#devices.filter(other => other !== before), device]);
    return device;
  }

  replace(devices: readonly Device[]): void {
    this.#devices = devices;
    for (const listener of this.#listeners) listener();
  }
}

export function deviceFor(key: Uint8Array, changes: Partial<Device> = {}): Device {
  return { name: 'laptop', key, sinceMs: 0, allow: ['read'], ...changes };
}
