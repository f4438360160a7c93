import { LineError } from '../errors.ts';
import type { Endpoint } from '../protocol/endpoint.ts';
import {
  CLOSE_TIMEOUT_MS,
  MAX_OWED_ANSWER_BYTES,
  SLOW_SOCKET_MS,
  SLOW_SOCKET_QUEUE_BYTES,
  SOCKET_QUEUE_BYTES,
  STOPPED_SOCKET_MS,
} from '../protocol/limits.ts';
import type { Transport, TransportSink } from '../transports/transport.ts';
import { toLineError } from './abort.ts';
import type { Clock, Timer } from './clock.ts';

/**
 * Moves bytes between a transport and an endpoint: what arrives goes straight into the endpoint's buffer, and records are
 * sealed only when the transport takes them, so that at any moment the most urgent frame is the next one to leave.
 */
export class Pump implements TransportSink {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #owner: PumpOwner;
  readonly #endpoint: Endpoint;
  #state: 'running' | 'flushing' | 'over' = 'running';
  #paused = false;
  #flushPlanned = false;
  readonly #pace: SocketPace;
  #linger: Timer | undefined;

  constructor(transport: Transport, endpoint: Endpoint, clock: Clock, owner: PumpOwner) {
    this.#transport = transport;
    this.#endpoint = endpoint;
    this.#clock = clock;
    this.#owner = owner;
    this.#pace = new SocketPace(clock);
  }

  start(): void {
    this.#transport.start(this);
  }

  /** Handshake bytes, which no one else's bytes may pass. */
  send(segments: Uint8Array[]): void {
    if (this.#state === 'running') this.#transport.write(segments);
  }

  /** Sends what is ready at the end of this turn of the event loop, so that small frames share a record. */
  flushSoon(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#clock.soon(() => {
      this.#flushPlanned = false;
      this.#flush();
    });
  }

  /** Ends everything because of `error`: says so to the peer if that may be, then closes. */
  fail(error: LineError, delayMs = 0): void {
    if (this.#state !== 'running') return;
    this.#state = 'flushing';
    const { segments, delayed } = this.#endpoint.farewell(error);
    this.#owner.lineFailed(error);
    if (segments.length === 0) {
      this.#destroy();
    } else if (delayed && delayMs > 0) {
      this.#linger = this.#clock.after(delayMs, () => this.#sendLast(segments));
    } else {
      this.#sendLast(segments);
    }
  }

  /** Ends everything now, also what `fail` or `finish` left lingering: nobody is waited for to read the last words. */
  drop(error: LineError): void {
    if (this.#state === 'running') {
      this.#state = 'flushing';
      const { segments, delayed } = this.#endpoint.farewell(error);
      this.#owner.lineFailed(error);
      if (!delayed) this.#transport.write(segments);
    }
    this.#destroy();
  }

  /** CLOSE has been sent and read, or need not be waited for: closes once what is queued has gone out. */
  finish(): void {
    if (this.#state !== 'running') return;
    // No channel sends any more, so what is left is bounded by what we owe, and must go out however full the socket is.
    this.#flush(Number.POSITIVE_INFINITY);
    this.#state = 'flushing';
    this.#sendLast([]);
  }

  // ── TransportSink ─────────────────────────────────────────────────────────────────────────────────────────────────

  space(): Uint8Array {
    return this.#state === 'running' ? this.#endpoint.space() : DISCARDED;
  }

  received(byteLength: number): void {
    if (this.#state !== 'running') return;
    this.#owner.heard();
    try {
      this.#endpoint.received(byteLength);
    } catch (thrown) {
      this.#owner.violated(toLineError(thrown));
      return;
    }
    this.flushSoon();
  }

  sent(): void {
    this.#pace.progressed(this.#transport.queuedBytes);
    if (this.#state === 'running') this.#flush();
  }

  ended(): void {
    if (this.#state === 'running')
      this.fail(new LineError('TRUNCATED', 'the connection ended before the line was closed'));
    else this.#destroy();
  }

  failed(cause: unknown): void {
    if (this.#state === 'running') {
      this.fail(cause instanceof LineError ? cause : new LineError('TRUNCATED', 'the connection broke', { cause }));
    }
    this.#destroy();
  }

  // ── Sending ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #flush(maxQueuedBytes?: number): void {
    if (this.#state !== 'running') return;
    const isSlow = this.#pace.isSlow;
    const limit = maxQueuedBytes ?? (isSlow ? SLOW_SOCKET_QUEUE_BYTES : SOCKET_QUEUE_BYTES);
    while (this.#transport.queuedBytes < limit) {
      let record: Uint8Array[] | undefined;
      try {
        record = this.#endpoint.takeOutput(isSlow);
      } catch (thrown) {
        this.#owner.violated(toLineError(thrown));
        return;
      }
      if (record === undefined) break;
      this.#transport.write(record);
      this.#pace.queued(this.#transport.queuedBytes);
    }
    this.#holdBackIfOwing();
  }

  /** A peer that makes us owe it answers and does not take them is not read any further. */
  #holdBackIfOwing(): void {
    const owed = this.#endpoint.multiplexer?.owedAnswerBytes ?? 0;
    const shouldPause = owed > MAX_OWED_ANSWER_BYTES;
    if (shouldPause === this.#paused) return;
    this.#paused = shouldPause;
    if (shouldPause) this.#transport.pause();
    else this.#transport.resume();
  }

  /** The peer may read what is sent last, but it is not waited for without an end. */
  #sendLast(segments: readonly Uint8Array[]): void {
    this.#linger?.cancel();
    if (segments.length > 0) this.#transport.write(segments);
    this.#transport.end();
    this.#linger = this.#clock.after(CLOSE_TIMEOUT_MS, () => this.#destroy());
  }

  #destroy(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#linger?.cancel();
    this.#transport.destroy();
    this.#owner.transportGone();
  }
}

export interface PumpOwner {
  /** Bytes have arrived. */
  heard(): void;
  /** The peer broke the protocol, or the endpoint failed: the owner calls `fail`. */
  violated(error: LineError): void;
  /** The line is over because of `error`; called once, before the connection is closed. */
  lineFailed(error: LineError): void;
  /** The transport is closed; called once, last. */
  transportGone(): void;
}

/**
 * Whether the socket takes bytes slowly: it does when a short queue's worth takes it longer than 20 ms. Judged over so
 * many bytes and not call by call, because node:net tells of everything it gathered into one system call at once, and
 * all calls but the first would look quick.
 */
class SocketPace {
  readonly #clock: Clock;
  #queuedBytes = 0;
  #takenBytes = 0;
  #sinceMs = 0;
  #wasSlow = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A socket that takes nothing at all is never judged: it counts as slow after a second. */
  get isSlow(): boolean {
    const isWaiting = this.#queuedBytes > 0 && this.#takenBytes === 0;
    return this.#wasSlow || (isWaiting && this.#clock.now() - this.#sinceMs > STOPPED_SOCKET_MS);
  }

  /** Bytes were written, and this is the queue now. */
  queued(queuedBytes: number): void {
    if (this.#queuedBytes === 0) this.#restart();
    this.#queuedBytes = queuedBytes;
  }

  /** The queue has fallen to `queuedBytes`. */
  progressed(queuedBytes: number): void {
    this.#takenBytes += Math.max(0, this.#queuedBytes - queuedBytes);
    this.#queuedBytes = queuedBytes;
    if (this.#takenBytes === 0) return;
    const elapsedMs = this.#clock.now() - this.#sinceMs;
    const isJudged = queuedBytes === 0 || this.#takenBytes >= SLOW_SOCKET_QUEUE_BYTES || elapsedMs > SLOW_SOCKET_MS;
    if (!isJudged) return;
    this.#wasSlow = elapsedMs > SLOW_SOCKET_MS;
    this.#restart();
  }

  #restart(): void {
    this.#takenBytes = 0;
    this.#sinceMs = this.#clock.now();
  }
}

const DISCARDED = new Uint8Array(16 * 1024);
