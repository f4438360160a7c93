import { KEEP_ALIVE_DEAD_MS, KEEP_ALIVE_IDLE_MS } from '../protocol/limits.ts';
import type { Clock, Timer } from './clock.ts';

/**
 * Notices a peer that is gone: after 20 s without a byte it is asked, after 60 s it counts as dead. One timer, moved only
 * when it fires, so that traffic costs no more than a time stamp.
 */
export class KeepAlive {
  readonly #clock: Clock;
  readonly #onIdle: () => void;
  readonly #onDead: () => void;
  #heardAtMs: number;
  #timer: Timer;

  /** `onIdle` is called each time the peer has been silent for a while, `onDead` once. */
  constructor(clock: Clock, onIdle: () => void, onDead: () => void) {
    this.#clock = clock;
    this.#onIdle = onIdle;
    this.#onDead = onDead;
    this.#heardAtMs = clock.now();
    this.#timer = clock.after(KEEP_ALIVE_IDLE_MS, () => this.#check());
  }

  /** Something was received. */
  heard(): void {
    this.#heardAtMs = this.#clock.now();
  }

  stop(): void {
    this.#timer.cancel();
  }

  #check(): void {
    const silentMs = this.#clock.now() - this.#heardAtMs;
    if (silentMs >= KEEP_ALIVE_DEAD_MS) {
      this.#onDead();
      return;
    }
    if (silentMs >= KEEP_ALIVE_IDLE_MS) this.#onIdle();
    const waitMs = silentMs >= KEEP_ALIVE_IDLE_MS ? KEEP_ALIVE_DEAD_MS - silentMs : KEEP_ALIVE_IDLE_MS - silentMs;
    this.#timer = this.#clock.after(Math.min(waitMs, KEEP_ALIVE_IDLE_MS), () => this.#check());
  }
}
