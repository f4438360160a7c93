import { describe, expect, test } from 'vitest';
import type { Transport, TransportSink } from '../../src/transports/transport.ts';
import { joined, seeded } from '../support/bytes.ts';

/** A connected pair; `end` takes away what was needed to make it. */
export interface TransportPair {
  readonly near: Transport;
  readonly far: Transport;
  /** Breaks the connection under both ends; where there is no way, left out. */
  readonly cut?: () => void;
  readonly end: () => Promise<void>;
}

/** What every Transport must do; `near` is the implementation that is held to it. */
export function transportContract(name: string, connect: () => Promise<TransportPair>): void {
  describe(`${name} as a transport`, () => {
    /** Runs with two started ends. */
    async function started(
      action: (pair: TransportPair & { nearSink: RecordingSink; farSink: RecordingSink }) => Promise<void>,
      spaces: { near?: () => number; far?: () => number } = {},
    ): Promise<void> {
      const pair = await connect();
      const nearSink = new RecordingSink(pair.near, spaces.near);
      const farSink = new RecordingSink(pair.far, spaces.far);
      pair.near.start(nearSink);
      pair.far.start(farSink);
      try {
        await action({ ...pair, nearSink, farSink });
      } finally {
        pair.near.destroy();
        pair.far.destroy();
        await pair.end();
      }
    }

    test('carries bytes both ways in order, whatever the size of the places they go to', async () => {
      const random = seeded(3);
      const space = () => 1 + Math.floor(random() * 3000);
      await started(
        async ({ near, far, nearSink, farSink }) => {
          const pieces = Array.from({ length: 200 }, (_, n) => filled(1 + Math.floor(random() * 5000), n));
          for (const piece of pieces) near.write([piece]);
          for (const piece of pieces) far.write([piece.subarray(0, 1), piece.subarray(1)]);
          const expected = joined(pieces);
          expectBytes(await farSink.bytes(expected.length), expected);
          expectBytes(await nearSink.bytes(expected.length), expected);
        },
        { near: space, far: space },
      );
    });

    test('carries what was written before the other end was started', async () => {
      const pair = await connect();
      const nearSink = new RecordingSink(pair.near);
      const farSink = new RecordingSink(pair.far);
      pair.near.start(nearSink);
      pair.near.write([filled(100_000, 1)]);
      await nearSink.turn();
      pair.far.start(farSink);
      pair.far.write([filled(10, 2)]);
      expectBytes(await farSink.bytes(100_000), filled(100_000, 1));
      expectBytes(await nearSink.bytes(10), filled(10, 2));
      pair.near.destroy();
      pair.far.destroy();
      await pair.end();
    });

    test('tells that bytes were sent, at the latest when none is queued', async () => {
      await started(async ({ near, nearSink, farSink }) => {
        for (let n = 0; n < 20; n += 1) near.write([filled(100_000, n), filled(7, n)]);
        await farSink.bytes(20 * 100_007);
        await nearSink.until(() => near.queuedBytes === 0 && nearSink.sentCalls > 0);
      });
    });

    test('stops reading while it is paused, so that the other end’s bytes queue up, and loses none', async () => {
      await started(async ({ near, far, nearSink }) => {
        near.pause();
        const block = filled(1024 * 1024, 9);
        let written = 0;
        // More than any system holds for a socket on its own.
        for (; written < 64; written += 1) far.write([block]);
        for (let turn = 0; turn < 50; turn += 1) await nearSink.turn();
        const before = nearSink.total;
        for (let turn = 0; turn < 50; turn += 1) await nearSink.turn();
        expect(nearSink.total).toBe(before);
        expect(far.queuedBytes).toBeGreaterThan(0);
        near.resume();
        await nearSink.until(() => nearSink.total === written * block.length);
      });
    });

    test('after end the other side gets all that was written and is told of the end once', async () => {
      await started(async ({ near, far, nearSink, farSink }) => {
        near.write([filled(500_000, 4)]);
        near.end();
        near.write([filled(10, 5)]);
        expectBytes(await farSink.bytes(500_000), filled(500_000, 4));
        await farSink.until(() => farSink.endedCalls > 0);
        far.end();
        await nearSink.until(() => nearSink.endedCalls > 0 || nearSink.failures.length > 0);
        expect(farSink.total).toBe(500_000);
        expect([farSink.endedCalls, nearSink.endedCalls]).toEqual([1, 1]);
      });
    });

    test('after destroy its sink hears nothing more, the other end learns of it, and calls do nothing', async () => {
      await started(async ({ near, far, nearSink, farSink }) => {
        far.write([filled(1000, 1)]);
        await nearSink.bytes(1000);
        near.destroy();
        near.destroy();
        const told = nearSink.told;
        far.write([filled(1000, 2)]);
        near.write([filled(10, 3)]);
        near.end();
        near.pause();
        near.resume();
        await farSink.until(() => farSink.endedCalls > 0 || farSink.failures.length > 0);
        for (let turn = 0; turn < 20; turn += 1) await nearSink.turn();
        expect(nearSink.told).toBe(told);
        expect(farSink.total).toBe(0);
        expect(farSink.failures.length).toBeLessThanOrEqual(1);
      });
    });

    test('may be destroyed out of its own sink', async () => {
      const pair = await connect();
      const farSink = new RecordingSink(pair.far);
      let calls = 0;
      const sink = new RecordingSink(pair.near);
      sink.onReceived = () => {
        calls += 1;
        pair.near.destroy();
      };
      pair.near.start(sink);
      pair.far.start(farSink);
      pair.far.write([filled(200_000, 1)]);
      await farSink.until(() => farSink.endedCalls > 0 || farSink.failures.length > 0);
      for (let turn = 0; turn < 20; turn += 1) await sink.turn();
      expect(calls).toBe(1);
      pair.far.destroy();
      await pair.end();
    });

    test('tells a failure once, and nothing after it', async () => {
      await started(async ({ near, nearSink, farSink, cut }) => {
        if (cut === undefined) return;
        near.write([filled(10, 1)]);
        await farSink.bytes(10);
        cut();
        await nearSink.until(() => nearSink.failures.length > 0);
        const { told } = nearSink;
        near.write([filled(10, 1)]);
        near.destroy();
        for (let turn = 0; turn < 20; turn += 1) await nearSink.turn();
        expect(nearSink.failures).toHaveLength(1);
        expect(nearSink.told).toBe(told);
      });
    });

    test('names its peer for people and by source for limits', async () => {
      await started(async ({ near }) => {
        expect(near.peer.label).not.toBe('');
        expect(near.peer.source).not.toBe('');
        expect(near.peer.label).toMatch(/^\S+$/);
      });
    });
  });
}

/** Writes everything down; gives places of the sizes that the test wants. */
class RecordingSink implements TransportSink {
  total = 0;
  sentCalls = 0;
  endedCalls = 0;
  told = 0;
  readonly failures: unknown[] = [];
  onReceived: () => void = () => {};
  readonly #transport: Transport;
  readonly #size: () => number;
  readonly #pieces: Uint8Array[] = [];
  #space = new Uint8Array(0);

  constructor(transport: Transport, size: () => number = () => 64 * 1024) {
    this.#transport = transport;
    this.#size = size;
  }

  space(): Uint8Array {
    this.#space = new Uint8Array(this.#size());
    return this.#space;
  }

  received(byteLength: number): void {
    this.told += 1;
    expect(byteLength).toBeLessThanOrEqual(this.#space.length);
    this.total += byteLength;
    // Bulk is counted only.
    if (this.total < 8 * 1024 * 1024) this.#pieces.push(this.#space.slice(0, byteLength));
    this.onReceived();
  }

  sent(): void {
    this.told += 1;
    this.sentCalls += 1;
  }

  ended(): void {
    this.told += 1;
    this.endedCalls += 1;
  }

  failed(cause: unknown): void {
    this.told += 1;
    this.failures.push(cause);
  }

  /** The first `length` bytes, once they have come. */
  async bytes(length: number): Promise<Uint8Array> {
    await this.until(() => this.total >= length);
    return joined(this.#pieces);
  }

  /** One turn of the event loop: whoever has something to do has done some of it. */
  turn(): Promise<void> {
    return new Promise(resolve => setImmediate(resolve));
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await this.turn();
      if (this.#transport.queuedBytes < 0) throw new Error('fewer than no bytes are queued');
    }
  }
}

function filled(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) bytes[at] = at * 31 + (at >> 8) + seed;
  return bytes;
}

function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected)).toBe(0);
}
