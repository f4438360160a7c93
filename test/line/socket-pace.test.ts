import { describe, expect, it } from 'vitest';
import { openLine } from '../../src/line/connect.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { type MemoryTransport, memoryPair } from '../../src/transports/memory.ts';
import type { Transport, TransportSink } from '../../src/transports/transport.ts';
import { loginOptions, makeListener } from '../support/lines.ts';
import { settled } from '../support/session-ends.ts';

const KiB = 1024;

/**
 * A socket whose kernel takes bytes when the test says so, and that tells of several writes at once, one call each, as
 * node:net does for what it has gathered into one system call.
 */
class HeldTransport implements Transport {
  readonly #inner: MemoryTransport;
  #sink: TransportSink | undefined;
  readonly held: { readonly segments: readonly Uint8Array[]; readonly byteLength: number }[] = [];
  isHolding = false;

  constructor(inner: MemoryTransport) {
    this.#inner = inner;
  }

  get peer() {
    return this.#inner.peer;
  }
  get queuedBytes(): number {
    return this.held.reduce((sum, write) => sum + write.byteLength, 0);
  }
  start(sink: TransportSink): void {
    this.#sink = sink;
    this.#inner.start({
      space: () => sink.space(),
      received: byteLength => sink.received(byteLength),
      sent() {},
      ended: () => sink.ended(),
      failed: cause => sink.failed(cause),
    });
  }
  write(segments: readonly Uint8Array[]): void {
    if (!this.isHolding) this.#inner.write(segments);
    else this.held.push({ segments, byteLength: segments.reduce((sum, one) => sum + one.length, 0) });
  }
  /** The kernel takes everything that waits now. */
  take(): void {
    const taken = this.held.splice(0);
    for (const { segments } of taken) this.#inner.write(segments);
    for (let count = 0; count < taken.length; count += 1) this.#sink!.sent();
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

/** A client that sends without end into a socket that the test holds. */
async function flooding() {
  const clock = new ManualClock();
  const listener = await makeListener({
    clock,
    onChannel: async channel => {
      for await (const item of channel) void item;
    },
  });
  const [near, far] = memoryPair();
  const transport = new HeldTransport(near);
  listener.accept(far);
  const { line } = await openLine(transport, await loginOptions({ clock }));
  await line.ping();
  const channel = line.open('sink', {}, { priority: 'bulk' });
  await settled();
  transport.isHolding = true;
  const flood = async () => {
    for (;;) await channel.write(new Uint8Array(1024 * KiB));
  };
  flood().catch(() => {});
  await settled();
  const sizes = () => transport.held.map(write => write.byteLength);
  const end = () => near.destroy();
  return { clock, transport, sizes, end, line };
}

describe('a socket that takes bytes slowly', () => {
  it('gets short bulk frames and a short queue, also when it tells of many writes at once', async () => {
    const { clock, transport, sizes, end } = await flooding();
    expect(Math.max(...sizes())).toBeGreaterThan(1000 * KiB);
    for (let round = 0; round < 5; round += 1) {
      clock.advance(200);
      transport.take();
      await settled();
      expect(Math.max(...sizes()), `round ${round}`).toBeLessThan(70 * KiB);
      expect(transport.queuedBytes, `round ${round}`).toBeLessThan(330 * KiB);
    }
    end();
  });

  it('R-A12: holds little more than a short queue when the other side has stopped, however it fills', async () => {
    const clock = new ManualClock();
    const listener = await makeListener({ clock, onChannel: channel => channel.finish() });
    const [near, far] = memoryPair();
    const transport = new HeldTransport(near);
    listener.accept(far);
    const { line } = await openLine(transport, await loginOptions({ clock }));
    await line.ping();
    const channel = line.open('sink');
    await settled();
    transport.isHolding = true;
    for (let round = 0; round < 30; round += 1) {
      channel.write(new Uint8Array(32 * KiB)).catch(() => {});
      clock.advance(500);
      await settled();
    }
    expect(transport.queuedBytes).toBeGreaterThan(200 * KiB);
    expect(transport.queuedBytes).toBeLessThan(330 * KiB);
    near.destroy();
  });

  it('gets large ones again when it has become quick', async () => {
    const { clock, transport, sizes, end } = await flooding();
    clock.advance(200);
    transport.take();
    await settled();
    for (let round = 0; round < 5; round += 1) {
      clock.advance(1);
      transport.take();
      await settled();
    }
    expect(Math.max(...sizes())).toBeGreaterThan(1000 * KiB);
    end();
  });

  it('does not hold up a PING behind more than its short queue', async () => {
    const { clock, transport, end, line } = await flooding();
    for (let round = 0; round < 3; round += 1) {
      clock.advance(200);
      transport.take();
      await settled();
    }
    const ahead = transport.queuedBytes;
    let answered = false;
    void line.ping().then(() => {
      answered = true;
    });
    await settled();
    transport.take();
    await settled();
    expect(ahead).toBeLessThan(330 * KiB);
    // It was the first frame of the next write, which the next take brings to the peer.
    transport.take();
    await settled();
    expect(answered).toBe(true);
    end();
  });
});
