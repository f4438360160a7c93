import { describe, expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { ByteReader } from '../../../src/protocol/bytes/reader.ts';
import { ReceiveWindow, SendCredit } from '../../../src/protocol/channels/credit.ts';
import { encodeFrame, FRAME, frameHeader } from '../../../src/protocol/channels/frame.ts';
import { joined } from '../../support/bytes.ts';
import { SETTINGS } from '../../support/endpoints.ts';
import {
  creditFrame,
  dataFrame,
  endFrame,
  json,
  messageOf,
  named,
  openFrame,
  resetFrame,
  settingsFrame,
  TestMultiplexer,
} from '../../support/multiplexers.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const CANCELLED = new LineError('CANCELLED', '');

/** What each CREDIT of these frames grants, by channel. */
function grants(side: TestMultiplexer): Record<string, number> {
  const credits = side.take().filter(frame => frame.type === FRAME.CREDIT);
  return Object.fromEntries(credits.map(frame => [frame.channel, new ByteReader(frame.payload).u64()]));
}

describe('what the peer may send', () => {
  it('one byte beyond the credit of a channel ends the line', () => {
    const exact = TestMultiplexer.ready();
    expect(exact.receive(openFrame(1), dataFrame(1, 128 * KiB))).toBeUndefined();
    expect(exact.receive(dataFrame(1, 1))).toBe('FLOW');
    const over = TestMultiplexer.ready();
    expect(over.receive(openFrame(1), dataFrame(1, 128 * KiB + 1))).toBe('FLOW');
    expect(over.told).toEqual(['open 1']);
  });

  it('messages count like bytes', () => {
    const side = TestMultiplexer.ready();
    const message = encodeFrame(FRAME.MSG, 1, messageOf(64 * KiB));
    expect(side.receive(openFrame(1), message, message)).toBeUndefined();
    expect(side.receive(encodeFrame(FRAME.MSG, 1, json({})))).toBe('FLOW');
  });

  it('one byte beyond the credit of the lane ends the line, however many channels share it', () => {
    const side = TestMultiplexer.ready();
    for (let id = 1; id < 17; id += 2) {
      expect(side.receive(openFrame(id), dataFrame(id, 128 * KiB))).toBeUndefined();
    }
    expect(side.receive(openFrame(17))).toBeUndefined();
    expect(side.receive(dataFrame(17, 1))).toBe('FLOW');
  });

  it('nothing of a line or of its control messages counts', () => {
    const side = TestMultiplexer.ready();
    const control = encodeFrame(FRAME.MSG, 0, messageOf(64 * KiB));
    for (let count = 0; count < 40; count += 1) expect(side.receive(control)).toBeUndefined();
  });

  it('grants more only when its reader has read, and less than half of the window is left', () => {
    const side = TestMultiplexer.ready();
    side.receive(openFrame(1), dataFrame(1, 64 * KiB));
    expect(grants(side)).toEqual({});
    side.consume(side.channels.get(1)!, 64 * KiB);
    expect(grants(side)).toEqual({});
    side.receive(dataFrame(1, 1));
    expect(grants(side)).toEqual({});
    side.consume(side.channels.get(1)!, 1);
    expect(grants(side)).toEqual({ 1: 192 * KiB + 1 });
  });

  it('a message of 64 KiB that waits for credit always gets it once everything has been read', () => {
    const window = new ReceiveWindow(128 * KiB, 128 * KiB);
    const credit = new SendCredit(128 * KiB);
    for (let turn = 0; turn < 10_000; turn += 1) {
      const size = turn % 2 === 0 ? 64 * KiB : 1 + ((turn * 7919) % (64 * KiB));
      expect(credit.left).toBeGreaterThanOrEqual(size);
      credit.spend(size);
      window.receive(size);
      window.consume(size);
      const limit = window.grant();
      if (limit !== undefined) credit.raise(limit);
    }
  });

  it('never takes back what was granted, also while memory is short', () => {
    const window = new ReceiveWindow(4 * MiB, 4 * MiB);
    window.receive(3 * MiB);
    window.consume(1 * MiB);
    expect(window.grant(128 * KiB)).toBeUndefined();
    window.consume(2 * MiB);
    expect(window.grant(128 * KiB)).toBeUndefined();
    window.receive(1 * MiB);
    window.consume(1 * MiB);
    expect(window.grant(128 * KiB)).toBe(4 * MiB + 128 * KiB);
    expect(() => window.receive(128 * KiB + 1)).toThrow(LineError);
  });
});

describe('what this side may send', () => {
  it('waits for credit of the channel, and goes on where it stopped', () => {
    const side = TestMultiplexer.ready();
    const channel = side.multiplexer.open({ kind: 'x' }, 'bulk');
    side.multiplexer.data(channel, new Uint8Array(300 * KiB));
    const sent = () => {
      const sizes = side.take().filter(frame => frame.type === FRAME.DATA);
      return sizes.reduce((sum, frame) => sum + frame.payload.length, 0);
    };
    expect(sent()).toBe(128 * KiB);
    side.receive(creditFrame(2, 128 * KiB + 1));
    expect(sent()).toBe(1);
    side.receive(creditFrame(2, 1));
    expect(sent()).toBe(0);
    side.receive(creditFrame(2, 10 * MiB));
    expect(sent()).toBe(172 * KiB - 1);
  });

  it('waits for credit of the lane, which a lower limit never lowers', () => {
    const side = TestMultiplexer.ready({ credit: 16 * MiB });
    const channel = side.multiplexer.open({ kind: 'x' }, 'bulk');
    side.multiplexer.data(channel, new Uint8Array(2 * MiB));
    side.take();
    expect(channel.queuedBytes).toBe(1 * MiB);
    side.receive(creditFrame(0, 5));
    expect(side.take()).toEqual([]);
    side.receive(creditFrame(0, 1 * MiB + 3));
    expect(side.take().map(named)).toEqual(['DATA 2 3']);
  });

  it('never splits a message: it waits until all of it fits, and what follows waits behind it', () => {
    const side = TestMultiplexer.ready();
    const channel = side.multiplexer.open({ kind: 'x' }, 'interactive');
    for (let count = 0; count < 3; count += 1) side.multiplexer.message(channel, messageOf(64 * KiB));
    side.multiplexer.data(channel, new Uint8Array(5));
    side.multiplexer.end(channel);
    expect(side.take().map(named)).toEqual(['OPEN 2', 'MSG 2', 'MSG 2']);
    side.receive(creditFrame(2, 192 * KiB - 1));
    expect(side.take()).toEqual([]);
    side.receive(creditFrame(2, 192 * KiB));
    expect(side.take().map(named)).toEqual(['MSG 2']);
    side.receive(creditFrame(2, 192 * KiB + 9));
    expect(side.take().map(named)).toEqual(['DATA 2 5', 'END 2']);
  });

  it('END needs no credit', () => {
    const side = TestMultiplexer.ready();
    const channel = side.multiplexer.open({ kind: 'x' }, 'bulk');
    side.multiplexer.data(channel, new Uint8Array(128 * KiB));
    side.multiplexer.end(channel);
    expect(side.take().at(-1)).toMatchObject({ type: FRAME.END, channel: 2 });
  });

  it('a channel that waits does not hold up one that can go', () => {
    const side = new TestMultiplexer('initiator');
    const waiting = side.multiplexer.open({ kind: 'x' }, 'interactive');
    const ready = side.multiplexer.open({ kind: 'x' }, 'interactive');
    // Before SETTINGS a record ends at 20 KiB, so the message of the first channel fits in none.
    side.multiplexer.message(waiting, messageOf(64 * KiB));
    side.multiplexer.data(ready, new Uint8Array(10));
    expect(side.take().map(named)).toEqual(['SETTINGS 0', 'OPEN 1', 'OPEN 3', 'DATA 3 10']);
    side.multiplexer.data(ready, new Uint8Array(11));
    expect(side.take().map(named)).toEqual(['DATA 3 11']);
    side.receive(settingsFrame());
    expect(side.take().map(named)).toEqual(['MSG 1']);
  });
});

describe('each frame at its largest', () => {
  it('is sent and read in the smallest record and the smallest window', () => {
    const near = TestMultiplexer.ready();
    const far = TestMultiplexer.ready();
    const channel = near.multiplexer.open({ kind: 'x'.repeat(16 * KiB - 11) }, 'interactive');
    near.multiplexer.control({ a: 'x'.repeat(64 * KiB - 8) });
    near.multiplexer.message(channel, messageOf(64 * KiB));
    near.multiplexer.data(channel, new Uint8Array(64 * KiB));
    near.multiplexer.end(channel);
    const other = near.multiplexer.open({ kind: 'y' }, 'bulk');
    near.multiplexer.reset(other, new LineError('REFUSED', 'ü'.repeat(400)));
    near.multiplexer.goAway(new LineError('SHUTDOWN', 'ü'.repeat(400)));
    near.multiplexer.close(new LineError('SHUTDOWN', 'ü'.repeat(400)));
    for (let record = near.multiplexer.nextRecord(false); record !== undefined; ) {
      expect(record.byteLength).toBeLessThanOrEqual(69_632);
      record = near.multiplexer.nextRecord(false);
    }
    expect(near.multiplexer.closeSent).toBe(true);
    const open = encodeFrame(FRAME.OPEN, 1, json({ kind: 'x'.repeat(16 * KiB - 11) }));
    expect(open.length).toBe(8 + 16 * KiB);
    expect(far.receive(open)).toBeUndefined();
    expect(far.receive(encodeFrame(FRAME.MSG, 1, messageOf(64 * KiB)))).toBeUndefined();
    expect(far.receive(dataFrame(1, 64 * KiB))).toBeUndefined();
    expect(far.receive(encodeFrame(FRAME.RESET, 1, new Uint8Array(260)))).toBeUndefined();
    expect(far.receive(encodeFrame(FRAME.GOAWAY, 0, new Uint8Array(264)))).toBeUndefined();
    expect(far.receive(encodeFrame(FRAME.CLOSE, 0, new Uint8Array(260)))).toBeUndefined();
  });

  it('is made so that OPEN and SETTINGS fit in a record before SETTINGS has been read', () => {
    const agent = 'a'.repeat(255);
    const side = new TestMultiplexer('initiator', { ...SETTINGS, agent });
    side.multiplexer.open({ kind: 'x'.repeat(16 * KiB - 11) }, 'bulk');
    for (let record = side.multiplexer.nextRecord(false); record !== undefined; ) {
      expect(record.byteLength).toBeLessThanOrEqual(20_480);
      record = side.multiplexer.nextRecord(false);
    }
  });

  it('refuses to make what the peer would refuse', () => {
    const side = TestMultiplexer.ready();
    expect(() => side.multiplexer.open({ kind: 'x'.repeat(16 * KiB) }, 'bulk')).toThrow(LineError);
    const channel = side.multiplexer.open({ kind: 'x' }, 'bulk');
    expect(() => side.multiplexer.message(channel, messageOf(64 * KiB + 1))).toThrow(LineError);
    expect(side.take().map(named)).toEqual(['OPEN 2']);
  });
});

describe('credit of channels that are gone', () => {
  it('is given back by frames that crossed our RESET, through 100,000 of them', () => {
    const side = TestMultiplexer.ready();
    side.receive(openFrame(1));
    side.multiplexer.reset(side.channels.get(1)!, CANCELLED);
    let limit = 1 * MiB;
    let sent = 0;
    const frame = dataFrame(1, 1000);
    for (let count = 0; count < 100_000; count += 1) {
      sent += 1000;
      expect(limit - sent).toBeGreaterThanOrEqual(0);
      if (side.receive(frame) !== undefined) throw new Error(`refused after ${count}`);
      limit = grants(side)['0'] ?? limit;
    }
  });

  it('is given back by RESET of either side with bytes unread, through 100,000 channels', () => {
    const side = TestMultiplexer.ready();
    let limit = 1 * MiB;
    let sent = 0;
    for (let count = 0; count < 100_000; count += 1) {
      const id = 2 * count + 1;
      sent += 900;
      expect(limit - sent).toBeGreaterThanOrEqual(0);
      if (side.receive(openFrame(id), dataFrame(id, 900)) !== undefined) throw new Error(`refused after ${count}`);
      const channel = side.channels.get(id)!;
      if (count % 2 === 0) side.receive(resetFrame(id));
      else side.multiplexer.reset(channel, CANCELLED);
      // The reader lets go of what was dropped, as the line does.
      side.consume(channel, 900);
      side.channels.delete(id);
      side.multiplexer.released();
      side.told.length = 0;
      limit = grants(side)['0'] ?? limit;
    }
    expect(side.multiplexer.openChannels).toBe(0);
  });

  it('is given back when the reader reads what was left after both ends', () => {
    const side = TestMultiplexer.ready();
    for (let id = 1; id < 4001; id += 2) {
      expect(side.receive(openFrame(id), dataFrame(id, 100 * KiB), endFrame(id, 100 * KiB))).toBeUndefined();
      const channel = side.channels.get(id)!;
      side.multiplexer.end(channel);
      side.take();
      expect(side.multiplexer.openChannels).toBe(0);
      side.consume(channel, 60 * KiB);
      side.consume(channel, 40 * KiB);
      side.multiplexer.released();
    }
  });

  it('is not given back by RESET behind END, while what was sent before may still be read', () => {
    const side = TestMultiplexer.ready();
    for (let id = 1; id < 17; id += 2) {
      const frames = [openFrame(id), dataFrame(id, 128 * KiB), endFrame(id, 128 * KiB), resetFrame(id)];
      expect(side.receive(...frames)).toBeUndefined();
    }
    expect(grants(side)).toEqual({});
    side.consume(side.channels.get(1)!, 128 * KiB);
    expect(grants(side)).toEqual({ 0: 1 * MiB + 128 * KiB });
    expect(side.receive(openFrame(17), dataFrame(17, 128 * KiB), openFrame(19))).toBeUndefined();
    expect(side.receive(dataFrame(19, 1))).toBe('FLOW');
  });

  it('is never announced for a channel that the peer cannot know any more', () => {
    const side = TestMultiplexer.ready();
    side.receive(openFrame(1), dataFrame(1, 100 * KiB));
    side.consume(side.channels.get(1)!, 100 * KiB);
    side.multiplexer.reset(side.channels.get(1)!, CANCELLED);
    expect(side.take().map(named)).toEqual(['RESET 1']);
  });
});

describe('places', () => {
  it('OPEN and RESET in a loop start no more work than there are places', () => {
    const side = TestMultiplexer.ready();
    for (let id = 1; id < 2001; id += 2) expect(side.receive(openFrame(id), resetFrame(id))).toBeUndefined();
    expect(side.told.filter(name => name.startsWith('open'))).toHaveLength(16);
    expect(side.multiplexer.openChannels).toBe(0);
    expect(side.take().filter(frame => frame.type === FRAME.RESET)).toHaveLength(1000 - 16);
    side.multiplexer.released();
    side.receive(openFrame(2001), openFrame(2003));
    expect(side.told.at(-1)).toBe('open 2001');
    expect(side.take().map(named)).toEqual(['RESET 2003']);
  });

  it("our own channels keep to the peer's number, and to the smallest before it is known", () => {
    const side = new TestMultiplexer('initiator');
    const opened = Array.from({ length: 16 }, () => side.multiplexer.open({ kind: 'x' }, 'bulk'));
    expect(() => side.multiplexer.open({ kind: 'x' }, 'bulk')).toThrow(LineError);
    side.receive(settingsFrame({ max_streams: 17 }));
    side.multiplexer.open({ kind: 'x' }, 'bulk');
    expect(() => side.multiplexer.open({ kind: 'x' }, 'bulk')).toThrow(LineError);
    side.multiplexer.reset(opened[0]!, CANCELLED);
    expect(side.multiplexer.open({ kind: 'x' }, 'bulk').id).toBe(35);
  });
});

describe('windows', () => {
  it('double while a whole window goes by in under two round trips, up to 16 MiB, a quarter of the lane', () => {
    const settings = { ...SETTINGS, creditBytes: 1 * MiB, laneCreditBytes: 16 * MiB };
    const side = TestMultiplexer.ready({}, settings);
    side.receive(openFrame(1));
    const channel = side.channels.get(1)!;
    let nowMs = 0;
    const read = (byteLength: number, elapsedMs: number) => {
      expect(
        side.receive(joined([frameHeader(FRAME.DATA, byteLength, 1), new Uint8Array(byteLength)])),
      ).toBeUndefined();
      nowMs += elapsedMs;
      side.multiplexer.consumed(channel, byteLength, { nowMs, roundTripMs: 100, memoryIsShort: false });
    };
    read(1, 0);
    for (let turn = 0; turn < 12; turn += 1) {
      const before = channel.receiveWindow.windowBytes;
      for (let left = before; left > 0; left -= 256 * KiB) read(256 * KiB, (150 * 256 * KiB) / before);
      expect(channel.receiveWindow.windowBytes).toBeLessThanOrEqual(16 * MiB);
      expect(channel.receiveWindow.windowBytes).toBeGreaterThanOrEqual(before);
    }
    expect(channel.receiveWindow.windowBytes).toBe(16 * MiB);
  });

  it('R-A11 of channels that have stepped aside grow to 64 MiB together, those too that are closed and not read', () => {
    const settings = { ...SETTINGS, creditBytes: 256 * KiB, laneCreditBytes: 16 * MiB, maxChannels: 64 };
    const side = TestMultiplexer.ready({}, settings);
    let nowMs = 0;
    let unread = 0;
    const receive = (id: number, byteLength: number): void => {
      for (let left = byteLength; left > 0; left -= 64 * KiB) {
        expect(side.receive(dataFrame(id, Math.min(left, 64 * KiB)))).toBeUndefined();
      }
    };
    for (let id = 1; id < 48; id += 2) {
      side.receive(openFrame(id));
      const channel = side.channels.get(id)!;
      side.multiplexer.stepAside(channel);
      // Read at once, and so slow to answer a PING that every window looks too small.
      for (let round = 0; round < 600; round += 1) {
        receive(id, 64 * KiB);
        nowMs += 1;
        side.multiplexer.consumed(channel, 64 * KiB, { nowMs, roundTripMs: 10_000, memoryIsShort: false });
      }
      const { windowBytes } = channel.receiveWindow;
      receive(id, windowBytes / 2);
      unread += windowBytes / 2;
      side.receive(endFrame(id, channel.dataBytesReceived));
      side.multiplexer.end(channel);
      side.take();
    }
    expect(unread).toBeGreaterThan(16 * MiB);
    // A window that did not grow is the one that was announced.
    expect(unread).toBeLessThanOrEqual(32 * MiB + 24 * 128 * KiB);
  });

  it('R-A11 of channels that have stepped aside make room for others once they are read', () => {
    const settings = { ...SETTINGS, creditBytes: 256 * KiB, laneCreditBytes: 16 * MiB };
    const side = TestMultiplexer.ready({}, settings);
    let nowMs = 0;
    for (let id = 1; id < 16; id += 2) {
      side.receive(openFrame(id));
      const channel = side.channels.get(id)!;
      side.multiplexer.stepAside(channel);
      for (let round = 0; round < 600; round += 1) {
        side.receive(dataFrame(id, 64 * KiB));
        nowMs += 1;
        side.multiplexer.consumed(channel, 64 * KiB, { nowMs, roundTripMs: 10_000, memoryIsShort: false });
      }
      expect(channel.receiveWindow.windowBytes).toBe(16 * MiB);
      side.receive(dataFrame(id, 64 * KiB));
      side.receive(resetFrame(id));
      side.multiplexer.released();
    }
  });

  it('stay as they are while the reader, not the window, sets the pace', () => {
    const side = TestMultiplexer.ready();
    side.receive(openFrame(1));
    const channel = side.channels.get(1)!;
    for (let nowMs = 0; nowMs < 10_000; nowMs += 250) {
      side.receive(dataFrame(1, 64 * KiB));
      side.multiplexer.consumed(channel, 64 * KiB, { nowMs, roundTripMs: 100, memoryIsShort: false });
    }
    expect(channel.receiveWindow.windowBytes).toBe(128 * KiB);
  });
});
