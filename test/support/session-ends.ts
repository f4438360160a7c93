import type { LineError } from '../../src/errors.ts';
import type { MemoryTransport } from '../../src/transports/memory.ts';
import type { Transport, TransportSink } from '../../src/transports/transport.ts';

/**
 * Everything that may happen in this process right now has happened when this resolves: timers stand still under a
 * ManualClock, so microtasks and the callbacks of the crypto pool are all there is.
 */
export async function settled(turns = 4): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise(resolve => setImmediate(resolve));
}

/** A transport that sends only the first `limit` bytes, and then ends its direction in good order, as an attacker could. */
export class CutTransport implements Transport {
  readonly #inner: MemoryTransport;
  #left: number;
  sent = 0;

  constructor(inner: MemoryTransport, limit: number) {
    this.#inner = inner;
    this.#left = limit;
  }

  get peer() {
    return this.#inner.peer;
  }
  get queuedBytes(): number {
    return this.#inner.queuedBytes;
  }
  start(sink: TransportSink): void {
    this.#inner.start(sink);
  }
  write(segments: readonly Uint8Array[]): void {
    for (const segment of segments) {
      const part = segment.subarray(0, this.#left);
      this.#left -= part.length;
      this.sent += part.length;
      if (part.length > 0) this.#inner.write([part]);
      if (this.#left === 0) this.#inner.end();
    }
  }
  pause(): void {
    this.#inner.pause();
  }
  resume(): void {
    this.#inner.resume();
  }
  end(): void {
    this.#inner.end();
  }
  destroy(): void {
    this.#inner.destroy();
  }
}

/** What a promise came to, without waiting for one that is still open. */
export async function outcome(promise: Promise<unknown>): Promise<string> {
  const open = Symbol('open');
  const result = await Promise.race([
    promise.then(
      value => (value === undefined ? 'done' : `done ${describe(value)}`),
      (error: LineError) => error.code ?? String(error),
    ),
    settled(1).then(() => open),
  ]);
  return result === open ? 'open' : (result as string);
}

function describe(value: unknown): string {
  return typeof value === 'object' && value !== null && 'code' in value ? String(value.code) : typeof value;
}
