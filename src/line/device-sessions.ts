import { LineError } from '../errors.ts';
import type { Device } from '../protocol/handshake/device.ts';
import { isRevoked } from './device-list.ts';
import type { ListenerDevices } from './pairing-host.ts';
import type { LineSession } from './session.ts';

/** The sessions of a listener that were let in by key: they end when what let them in does. */
export class DeviceSessions {
  readonly #devices: ListenerDevices | undefined;
  readonly #open = new Map<LineSession, { readonly device: Device; readonly onRevoked: () => void }>();
  readonly #stopListening: (() => void) | undefined;

  constructor(devices: ListenerDevices | undefined) {
    this.#devices = devices;
    this.#stopListening = devices?.list.onChange(() => this.#endRevoked());
  }

  /** Who is let in; `undefined` where nobody is, and nobody can become it, so that the mode is not offered. */
  get offered(): readonly Device[] | undefined {
    if (this.#devices === undefined) return undefined;
    const { devices } = this.#devices.list;
    return devices.length > 0 || this.#devices.isPairing === true ? devices : undefined;
  }

  /** A session that `device` has opened; `onRevoked` is called before it is ended. */
  add(session: LineSession, device: Device, onRevoked: () => void): void {
    this.#open.set(session, { device, onRevoked });
    void session.closed.then(() => this.#open.delete(session));
  }

  /** The listener is closed. */
  close(): void {
    this.#stopListening?.();
  }

  #endRevoked(): void {
    const { devices } = this.#devices!.list;
    for (const [session, { device, onRevoked }] of this.#open) {
      if (!isRevoked(device, devices)) continue;
      onRevoked();
      session.revoke(new LineError('REVOKED', 'the owner has taken this machine out, or lets it do less'));
    }
  }
}
