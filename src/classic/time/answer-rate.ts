import { MAX_REMEMBERED_CALLERS, TIME_ANSWERS_PER_SECOND, TIME_ANSWERS_PER_SECOND_PER_SOURCE } from '../limits.ts';

/**
 * How often the time server answers: so often a second to one address, and so often to all, because addresses of datagrams
 * can be forged (R-T1). Time comes in, in milliseconds.
 */
export class AnswerRate {
  readonly #ofAll = new Second(TIME_ANSWERS_PER_SECOND);
  readonly #bySource = new Map<string, Second>();

  /** Whether one more answer to `source` may be sent now, and counts it. */
  take(source: string, nowMs: number): boolean {
    const own = this.#bySource.get(source) ?? new Second(TIME_ANSWERS_PER_SECOND_PER_SOURCE);
    // Put last: a Map keeps its order, and the first is who was quiet longest.
    this.#bySource.delete(source);
    this.#bySource.set(source, own);
    if (this.#bySource.size > MAX_REMEMBERED_CALLERS) this.#bySource.delete(this.#bySource.keys().next().value!);
    return own.take(nowMs) && this.#ofAll.take(nowMs);
  }
}

class Second {
  readonly #atMost: number;
  #beganMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  constructor(atMost: number) {
    this.#atMost = atMost;
  }

  take(nowMs: number): boolean {
    if (nowMs - this.#beganMs >= 1000) {
      this.#beganMs = nowMs;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count <= this.#atMost;
  }
}
