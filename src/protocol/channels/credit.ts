import { LineError } from '../../errors.ts';

/**
 * Flow control with absolute limits, as QUIC counts (docs/protocol/3-channels.md §4): a limit that arrives twice or late
 * does no harm. Only payload bytes of MSG and DATA count.
 */

/** What this side may still send, on a channel or on the lane. */
export class SendCredit {
  #limit: number;
  #sent = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get left(): number {
    return this.#limit - this.#sent;
  }

  spend(byteLength: number): void {
    this.#sent += byteLength;
  }

  /** A lower limit than the one in force is ignored. */
  raise(limit: number): void {
    if (limit > this.#limit) this.#limit = limit;
  }
}

/** What this side has granted to the peer, on a channel or on the lane. */
export class ReceiveWindow {
  #window: number;
  #limit: number;
  #received = 0;
  #consumed = 0;
  /** Where and when the present measurement of the window's use began. */
  #measuredFrom = 0;
  #measuredAtMs: number | undefined;

  /** `limit` is what the peer may send from the start, `window` what is kept open for it from then on. */
  constructor(limit: number, window: number) {
    this.#limit = limit;
    this.#window = window;
  }

  get windowBytes(): number {
    return this.#window;
  }

  /** Received and not yet consumed. */
  get unread(): number {
    return this.#received - this.#consumed;
  }

  receive(byteLength: number): void {
    if (byteLength > this.#limit - this.#received) throw new LineError('FLOW', 'the other side sent more than it may');
    this.#received += byteLength;
  }

  consume(byteLength: number): void {
    this.#consumed += byteLength;
  }

  /**
   * The new limit to announce, or `undefined` while more than half of the window is still open. `shrunkTo` narrows the
   * window while memory is short; what was granted before stays granted.
   */
  grant(shrunkTo = Number.POSITIVE_INFINITY): number | undefined {
    const window = Math.min(this.#window, shrunkTo);
    if (this.#limit - this.#received >= window / 2) return undefined;
    const limit = this.#consumed + window;
    if (limit <= this.#limit) return undefined;
    this.#limit = limit;
    return limit;
  }

  /** Whether a whole window has gone by in less than two round trips: then it, not the reader, sets the pace. */
  isTooSmall(nowMs: number, roundTripMs: number | undefined): boolean {
    if (this.#measuredAtMs === undefined) {
      this.#measuredAtMs = nowMs;
      this.#measuredFrom = this.#consumed;
      return false;
    }
    if (this.#consumed - this.#measuredFrom < this.#window) return false;
    const elapsedMs = nowMs - this.#measuredAtMs;
    this.#measuredAtMs = nowMs;
    this.#measuredFrom = this.#consumed;
    return roundTripMs !== undefined && elapsedMs < 2 * roundTripMs;
  }

  double(maxBytes: number): void {
    this.#window = Math.min(this.#window * 2, Math.max(maxBytes, this.#window));
  }
}
