import { LineError, type LineErrorCode } from '../errors.ts';
import type { JsonObject } from '../protocol/bytes/json.ts';
import type { Session } from '../protocol/endpoint.ts';
import { type Device, findDevice } from '../protocol/handshake/device.ts';
import { decodePair, encodePaired, encodeRefused } from '../protocol/pairing.ts';
import { toLineError } from './abort.ts';
import type { DeviceList } from './device-list.ts';

/** The server's side of pairing in one session (docs/protocol/1-handshake.md §7). */
export class PairingHost {
  readonly #options: PairingHostOptions;
  #wasAsked = false;

  constructor(options: PairingHostOptions) {
    this.#options = options;
  }

  /** Takes `pair`; the answer comes when the entry is kept. A second one breaks the protocol. */
  receive(message: JsonObject, session: Session): void {
    if (this.#wasAsked) throw new LineError('STATE', 'a session asks once to be paired');
    this.#wasAsked = true;
    void this.#answer(decodePair(message), session);
  }

  async #answer(name: string, session: Session): Promise<void> {
    const options = this.#options;
    try {
      const device = await this.#enrol(name, session);
      options.answer(encodePaired(device));
      options.onAsked(device);
    } catch (thrown) {
      const error = toLineError(thrown);
      const isOurs = !REFUSALS.has(error.code);
      // Where the list lies, and what is wrong with it, is for its owner.
      if (isOurs) options.onFault(thrown);
      const told = isOurs ? new LineError('INTERNAL', 'the list cannot be changed there now') : error;
      options.answer(encodeRefused(told));
      options.onAsked(told);
    }
  }

  async #enrol(name: string, { login, peerKey }: Session): Promise<Device> {
    const { devices, allowed } = this.#options;
    if (login.kind !== 'passphrase') throw new LineError('STATE', 'to pair takes a login with the passphrase');
    if (devices?.isPairing === true) return devices.list.enrol({ name, key: peerKey, allow: allowed });
    // Nothing is given that is not there: whom the owner has put in himself learns that he is in.
    const known = devices === undefined ? undefined : findDevice(devices.list.devices, peerKey);
    if (known === undefined) throw new LineError('FORBIDDEN', 'nobody may pair with this server now');
    return known;
  }
}

export interface PairingHostOptions {
  readonly devices: ListenerDevices | undefined;
  /** What this login may do: an entry gets no more. */
  readonly allowed: readonly string[];
  /** Sends to the client, if it is still there. */
  answer(message: JsonObject): void;
  /** What came of it: the entry, or why there is none. */
  onAsked(result: Device | LineError): void;
  /** A fault of ours. */
  onFault(thrown: unknown): void;
}

/** Who is let in by key, and whether who logs in with a passphrase may be put there. */
export interface ListenerDevices {
  readonly list: DeviceList;
  /** False by default. */
  readonly isPairing?: boolean | undefined;
}

/** What a client is told as it is. */
const REFUSALS: ReadonlySet<LineErrorCode> = new Set(['BAD_NAME', 'EXISTS', 'TOO_MANY', 'FORBIDDEN', 'STATE']);
