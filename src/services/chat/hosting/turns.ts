import type { Clock } from '../../../line/clock.ts';

/** Has those who have much to do do it one after the other, a step at a time, and everybody else in between. */
export class Turns {
  readonly #clock: Clock;
  #last: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when it is the caller's turn for one step that does not wait. Who calls bounds how many wait. */
  next(): Promise<void> {
    this.#last = this.#last.then(() => new Promise<void>(resolve => this.#clock.soon(resolve)));
    return this.#last;
  }
}
