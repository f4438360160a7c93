import type { LineError } from '../../errors.ts';

/** A flag that one reader waits for: raised once or a thousand times in between, it is one change. */
export class ChangeSignal {
  #isRaised = false;
  #failure: LineError | undefined;
  #wake: (() => void) | undefined;

  raise(): void {
    this.#isRaised = true;
    this.#wake?.();
  }

  /** From now on `wait` throws; the first failure counts. */
  fail(error: LineError): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  /** Resolves when the flag was raised since the last time, and takes it down. */
  async wait(): Promise<void> {
    while (this.#failure === undefined && !this.#isRaised) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    if (this.#failure !== undefined) throw this.#failure;
    this.#isRaised = false;
  }
}
