import { join } from 'node:path';
import { LineError } from '../../errors.ts';
import { type Clock, systemClock, type Timer } from '../../line/clock.ts';
import { type DeviceList, enrolled, type WantedDevice } from '../../line/device-list.ts';
import { type Device, findDevice } from '../../protocol/handshake/device.ts';
import {
  decodeAuthorizedKeys,
  encodeAddition,
  encodeDevice,
  encodeRemoval,
  type UnreadLine,
} from './authorized-keys-file.ts';
import { type StateFolders, stateFolders } from './folders.ts';
import { appendPrivateLine, type PrivateFile, privateFileVersion, readPrivateFile } from './private-file.ts';

/**
 * The machines that are let in here by their key (docs/protocol/1-handshake.md §7): `authorized_keys` in the state folder.
 * Nobody is, if there is no file. One that others may read or change is refused as a whole, with `ACCESS`: a key of theirs
 * may be in it. The file only grows, one line a fact, so that a server and a command that write at once lose nothing.
 *
 * While somebody listens to `onChange`, what others do to the file is noticed within a second.
 */
export class AuthorizedKeys implements DeviceList {
  readonly #file: PrivateFile;
  readonly #clock: Clock;
  readonly #nowMs: () => number;
  readonly #onFault: ((thrown: unknown) => void) | undefined;
  readonly #listeners = new Set<() => void>();
  #devices: readonly Device[] = [];
  #unread: readonly UnreadLine[] = [];
  #version: string | undefined;
  #byteLength = 0;
  #timer: Timer | undefined;
  /** Reads and writes go one after the other. */
  #working: Promise<unknown> = Promise.resolve();

  private constructor(options: AuthorizedKeysOptions) {
    const { folders = stateFolders(), clock = systemClock, nowMs = Date.now, onFault } = options;
    this.#file = { path: join(folders.state, 'authorized_keys'), secret: true };
    this.#clock = clock;
    this.#nowMs = nowMs;
    this.#onFault = onFault;
  }

  /** Reads the file; throws `ACCESS` for one that cannot be trusted. */
  static async open(options: AuthorizedKeysOptions = {}): Promise<AuthorizedKeys> {
    const keys = new AuthorizedKeys(options);
    await keys.#read();
    return keys;
  }

  get path(): string {
    return this.#file.path;
  }

  get devices(): readonly Device[] {
    return this.#devices;
  }

  /** Lines that let nobody in. */
  get unread(): readonly UnreadLine[] {
    return this.#unread;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#lookLater();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#timer?.cancel();
      this.#timer = undefined;
    };
  }

  /** Reads the file if it has changed. Where that fails nobody is let in until it can be read again. */
  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      try {
        if ((await privateFileVersion(this.#file)) !== this.#version) await this.#read();
      } catch (thrown) {
        const isNews = this.#version !== UNREADABLE;
        this.#version = UNREADABLE;
        this.#replace([], []);
        if (isNews) this.#onFault?.(thrown);
      }
    });
  }

  /**
   * For peers: bounded also in how often the file is written to. What the owner takes away in the same moment stays away,
   * whichever of the two comes first.
   */
  enrol(wanted: WantedDevice): Promise<Device> {
    const make = (devices: readonly Device[]): Device => {
      if (this.#byteLength > MAX_ENROLLING_BYTES) {
        throw new LineError('TOO_MANY', 'the list of machines has become too long');
      }
      return enrolled(devices, wanted, this.#nowMs());
    };
    return this.#change(make, device => encodeAddition({ ...device, allow: wanted.allow }));
  }

  /** For the owner: the machine has exactly these permissions from now on, be it new or not. Throws as `enrolled` does. */
  put(wanted: WantedDevice): Promise<Device> {
    const make = (devices: readonly Device[]): Device => ({
      ...enrolled(devices, wanted, this.#nowMs()),
      allow: wanted.allow,
    });
    return this.#change(make, encodeDevice);
  }

  /** Takes a machine out. */
  remove(key: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      await appendPrivateLine(this.#file, encodeRemoval(key, this.#nowMs()));
      await this.#read();
    });
  }

  #change(make: (devices: readonly Device[]) => Device, encode: (device: Device) => string): Promise<Device> {
    return this.#inTurn(async () => {
      await this.#read();
      const device = make(this.#devices);
      const before = findDevice(this.#devices, device.key);
      if (before !== undefined && encodeDevice(before) === encodeDevice(device)) return before;
      await appendPrivateLine(this.#file, encode(device));
      await this.#read();
      const after = findDevice(this.#devices, device.key);
      // Another process may have taken the name, or the last place, in the same moment.
      if (after?.name !== device.name) {
        throw new LineError('EXISTS', 'somebody else has changed the list in the same moment');
      }
      return after;
    });
  }

  async #read(): Promise<void> {
    // Its version first: a change between the two is noticed the next time.
    const version = await privateFileVersion(this.#file);
    const text = (await readPrivateFile(this.#file)) ?? '';
    const { devices, unread } = decodeAuthorizedKeys(text);
    this.#version = version;
    this.#byteLength = text.length;
    this.#replace(devices, unread);
  }

  #replace(devices: readonly Device[], unread: readonly UnreadLine[]): void {
    this.#unread = unread;
    if (textOf(this.#devices) === textOf(devices)) return;
    this.#devices = devices;
    for (const listener of this.#listeners) listener();
  }

  #lookLater(): void {
    this.#timer ??= this.#clock.after(POLL_MS, () => void this.#look());
  }

  async #look(): Promise<void> {
    this.#timer = undefined;
    await this.refresh();
    if (this.#listeners.size > 0) this.#lookLater();
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#working.then(work);
    // The next one does not fail for this one's failure, which its own caller hears of.
    this.#working = done.catch(() => {});
    return done;
  }
}

export interface AuthorizedKeysOptions {
  readonly folders?: StateFolders | undefined;
  readonly clock?: Clock | undefined;
  /** Unix milliseconds. */
  readonly nowMs?: (() => number) | undefined;
  /** Hears once that the file cannot be read any more. */
  readonly onFault?: ((thrown: unknown) => void) | undefined;
}

function textOf(devices: readonly Device[]): string {
  return devices.map(encodeDevice).join('\n');
}

const POLL_MS = 1000;
/** Room for 1,000 machines that change their names a few times. */
const MAX_ENROLLING_BYTES = 1024 * 1024;
const UNREADABLE = 'unreadable';
