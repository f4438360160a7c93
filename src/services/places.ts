import { LineError } from '../errors.ts';
import { encodeBase64url } from '../protocol/bytes/base64url.ts';

/** How many of something there are at once: of one device, and of all. */
export class DevicePlaces {
  readonly #limits: PlaceLimits;
  readonly #ofDevice = new Map<string, number>();
  #taken = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /** Takes a place, or throws `TOO_MANY`. Returns what gives it back, to be called once. */
  take(deviceKey: Uint8Array): () => void {
    const { perDevice, ofAll, refusal } = this.#limits;
    const device = encodeBase64url(deviceKey);
    const ofDevice = this.#ofDevice.get(device) ?? 0;
    if (this.#taken >= ofAll || ofDevice >= perDevice) throw new LineError('TOO_MANY', refusal);
    this.#taken += 1;
    this.#ofDevice.set(device, ofDevice + 1);
    return () => {
      this.#taken -= 1;
      const left = this.#ofDevice.get(device)! - 1;
      if (left === 0) this.#ofDevice.delete(device);
      else this.#ofDevice.set(device, left);
    };
  }
}

export interface PlaceLimits {
  readonly perDevice: number;
  readonly ofAll: number;
  /** Told to whoever gets none. */
  readonly refusal: string;
}
