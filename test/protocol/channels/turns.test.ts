import { describe, expect, it } from 'vitest';
import type { ChannelState } from '../../../src/protocol/channels/channel-state.ts';
import { FRAME, type Frame } from '../../../src/protocol/channels/frame.ts';
import { MAX_RECORD_BYTES } from '../../../src/protocol/limits.ts';
import { dataFrame, messageOf, named, openFrame, TestMultiplexer } from '../../support/multiplexers.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const LARGE = { max_record: MAX_RECORD_BYTES, credit: 16 * MiB, lane_credit: 64 * MiB };

function side(fields: object = LARGE): TestMultiplexer {
  return TestMultiplexer.ready({ ...fields });
}

/** Bulk channels with so many bytes to send each. */
function bulks(from: TestMultiplexer, ...sizes: number[]): ChannelState[] {
  const channels = sizes.map(() => from.multiplexer.open({ kind: 'x' }, 'bulk'));
  from.take();
  for (const [at, channel] of channels.entries()) from.multiplexer.data(channel, new Uint8Array(sizes[at]!));
  return channels;
}

function bulk(from: TestMultiplexer, byteLength: number): ChannelState {
  return bulks(from, byteLength)[0]!;
}

function bytesOn(frames: readonly Frame[], channel: ChannelState): number {
  const own = frames.filter(frame => frame.type === FRAME.DATA && frame.channel === channel.id);
  return own.reduce((sum, frame) => sum + frame.payload.length, 0);
}

describe('whose turn it is', () => {
  it('control goes before interactive, and interactive before bulk', () => {
    const from = side();
    const slow = from.multiplexer.open({ kind: 'x' }, 'bulk');
    const quick = from.multiplexer.open({ kind: 'x' }, 'interactive');
    from.multiplexer.data(slow, new Uint8Array(100));
    from.multiplexer.data(quick, new Uint8Array(50));
    from.multiplexer.ping(new Uint8Array(8));
    from.receive(openFrame(1), dataFrame(1, 100 * KiB));
    from.consume(from.channels.get(1)!, 100 * KiB);
    const order = from.record().map(named);
    expect(order).toEqual(['OPEN 2', 'OPEN 4', 'PING 0', 'CREDIT 1', 'DATA 4 50', 'DATA 2 100']);
  });

  it('a ping waits for one bulk frame at most, whatever is queued', () => {
    const from = side();
    const channel = bulk(from, 8 * MiB);
    expect(from.record().map(named)).toEqual([`DATA ${channel.id} ${1 * MiB}`]);
    from.multiplexer.ping(new Uint8Array(8));
    expect(from.record().map(named)[0]).toBe('PING 0');
  });

  it('what is typed waits for one bulk frame at most, and bulk still goes on behind it', () => {
    const from = side();
    const channel = bulk(from, 8 * MiB);
    const shell = from.multiplexer.open({ kind: 'shell' }, 'interactive');
    from.record();
    for (let key = 0; key < 5; key += 1) {
      from.multiplexer.data(shell, new Uint8Array(1));
      expect(from.record().map(named)).toEqual([`DATA ${shell.id} 1`, `DATA ${channel.id} ${64 * KiB}`]);
    }
  });

  it('two bulk channels get equal shares', () => {
    const from = side();
    const [first, second] = bulks(from, 4 * MiB, 4 * MiB);
    const frames = Array.from({ length: 32 }, () => from.record()).flat();
    expect(bytesOn(frames, first!)).toBe(bytesOn(frames, second!));
    expect(bytesOn(frames, first!)).toBe(16 * 64 * KiB);
    expect(frames.every(frame => frame.payload.length <= 64 * KiB)).toBe(true);
  });

  it('ten bulk channels get equal shares, also when one of them sends small pieces', () => {
    const from = side({ ...LARGE, max_streams: 64 });
    const small = from.multiplexer.open({ kind: 'x' }, 'bulk');
    const channels = bulks(from, ...Array.from({ length: 9 }, () => 2 * MiB));
    for (let count = 0; count < 4096; count += 1) from.multiplexer.data(small, new Uint8Array(256));
    const frames = Array.from({ length: 100 }, () => from.record()).flat();
    for (const channel of channels) expect(bytesOn(frames, channel)).toBe(10 * 64 * KiB);
    expect(bytesOn(frames, small)).toBeGreaterThanOrEqual(9 * 64 * KiB);
    expect(bytesOn(frames, small)).toBeLessThanOrEqual(10 * 64 * KiB);
  });

  it('two interactive channels take turns of 64 KiB', () => {
    const from = side();
    const pair = [0, 1].map(() => from.multiplexer.open({ kind: 'x' }, 'interactive'));
    from.take();
    for (const channel of pair) from.multiplexer.data(channel, new Uint8Array(2 * MiB));
    const frames = from.record();
    expect(frames.slice(0, 4).map(named)).toEqual([2, 4, 2, 4].map(id => `DATA ${id} ${64 * KiB}`));
    expect(Math.abs(bytesOn(frames, pair[0]!) - bytesOn(frames, pair[1]!))).toBeLessThanOrEqual(64 * KiB);
  });

  it('a channel without credit gives its turn away', () => {
    const from = side({ ...LARGE, credit: 128 * KiB });
    const [stopped, going] = bulks(from, 4 * MiB, 100 * KiB);
    const frames = from.take();
    expect(bytesOn(frames, stopped!)).toBe(128 * KiB);
    expect(bytesOn(frames, going!)).toBe(100 * KiB);
  });
});

describe('the size of bulk frames', () => {
  it('is 1 MiB alone on a fast socket', () => {
    const from = side();
    bulk(from, 3 * MiB);
    expect(from.take().map(frame => frame.payload.length)).toEqual([1 * MiB, 1 * MiB, 1 * MiB]);
  });

  it('is 64 KiB on a slow socket', () => {
    const from = side();
    bulk(from, 256 * KiB);
    expect(from.take(true).map(frame => frame.payload.length)).toEqual(Array.from({ length: 4 }, () => 64 * KiB));
  });

  it('is 64 KiB while another channel wants to send, and grows again afterwards', () => {
    const from = side();
    const [channel, other] = bulks(from, 4 * MiB, 64 * KiB);
    const sizes = from.take().map(frame => frame.payload.length);
    expect(sizes.slice(0, 2)).toEqual([64 * KiB, 64 * KiB]);
    expect(sizes.slice(2, 4)).toEqual([1 * MiB, 1 * MiB]);
    expect([channel!.queuedBytes, other!.queuedBytes]).toEqual([0, 0]);
  });

  it("keeps to the peer's largest record", () => {
    const from = side({ credit: 16 * MiB, lane_credit: 64 * MiB });
    bulk(from, 1 * MiB);
    for (let record = from.multiplexer.nextRecord(false); record !== undefined; ) {
      expect(record.byteLength).toBeLessThanOrEqual(69_632);
      record = from.multiplexer.nextRecord(false);
    }
  });
});

describe('small records', () => {
  it('show their size only in steps of 128 bytes', () => {
    const from = side();
    const channel = from.multiplexer.open({ kind: 'x' }, 'interactive');
    from.take();
    for (let size = 1; size < 1500; size += 1) {
      from.multiplexer.data(channel, new Uint8Array(size));
      const { byteLength } = from.multiplexer.nextRecord(false)!;
      if (size + 8 < 1024) expect(byteLength % 128, `size ${size}`).toBe(0);
      expect(byteLength).toBeLessThan(size + 8 + 128 + 8);
    }
  });

  it('share one record when they wait together', () => {
    const from = side();
    const channel = from.multiplexer.open({ kind: 'x' }, 'interactive');
    for (let count = 0; count < 50; count += 1) from.multiplexer.message(channel, messageOf(40));
    from.multiplexer.end(channel);
    expect(from.record()).toHaveLength(52);
    expect(from.take()).toEqual([]);
  });
});

describe('a change of class', () => {
  it('takes effect with the next record, also for what is queued', () => {
    const from = side();
    const first = from.multiplexer.open({ kind: 'x' }, 'interactive');
    const second = from.multiplexer.open({ kind: 'x' }, 'interactive');
    from.take();
    from.multiplexer.data(first, new Uint8Array(10));
    from.multiplexer.data(second, new Uint8Array(10));
    from.multiplexer.setPriority(first, 'bulk');
    expect(from.record().map(named)).toEqual(['DATA 4 10', 'DATA 2 10']);
  });

  it('of a channel that is over changes nothing', () => {
    const from = side();
    from.receive(openFrame(1));
    const channel = from.channels.get(1)!;
    from.multiplexer.data(channel, new Uint8Array(10));
    from.receive(Uint8Array.of(9, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 7));
    from.multiplexer.setPriority(channel, 'bulk');
    expect(from.take()).toEqual([]);
  });
});
