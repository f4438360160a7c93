import { MAX_RESERVED_AGENT_NAMES } from '../../protocol/limits.ts';

/**
 * Names of machines that were here and are away: while the server runs they are kept for their devices, so that nobody
 * takes the place of a machine while it restarts. The name that has been kept longest is forgotten first.
 */
export class Reservations {
  readonly #owners = new Map<string, Uint8Array>();

  ownerOf(name: string): Uint8Array | undefined {
    return this.#owners.get(name);
  }

  keep(name: string, device: Uint8Array): void {
    if (this.#owners.size >= MAX_RESERVED_AGENT_NAMES) this.#owners.delete(this.#owners.keys().next().value!);
    this.#owners.set(name, device);
  }

  /** Its machine is here, and the name in use. */
  release(name: string): void {
    this.#owners.delete(name);
  }
}
