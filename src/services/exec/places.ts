import { LineError } from '../../errors.ts';
import { encodeBase64url } from '../../protocol/bytes/base64url.ts';
import { MAX_PROCESSES, MAX_PROCESSES_PER_DEVICE } from '../../protocol/limits.ts';

/** How many processes run at once: of one device, and of all. */
export class ProcessPlaces {
  readonly #ofDevice = new Map<string, number>();
  #taken = 0;

  /** Takes a place, or throws `TOO_MANY`. Returns what gives it back, to be called once. */
  take(deviceKey: Uint8Array): () => void {
    const device = encodeBase64url(deviceKey);
    const ofDevice = this.#ofDevice.get(device) ?? 0;
    if (this.#taken >= MAX_PROCESSES || ofDevice >= MAX_PROCESSES_PER_DEVICE) {
      throw new LineError('TOO_MANY', 'too many processes run here already');
    }
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
