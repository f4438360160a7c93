import { abortError } from '../../line/abort.ts';
import { systemClock } from '../../line/clock.ts';

/** For long work on a disk that answers at once: gives everybody else a turn after every few milliseconds of it. */
export class Turns {
  readonly #signal: AbortSignal | undefined;
  #bytes = 0;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** Throws if the signal was aborted meanwhile. */
  async after(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes < TURN_BYTES) return;
    this.#bytes = 0;
    await new Promise<void>(resolve => {
      systemClock.after(0, resolve);
    });
    if (this.#signal?.aborted) throw abortError(this.#signal);
  }
}

const TURN_BYTES = 8 * 1024 * 1024;
