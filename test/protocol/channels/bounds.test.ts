import { describe, expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { ReceiveQueue } from '../../../src/line/receive-queue.ts';
import { encodeFrame, FRAME } from '../../../src/protocol/channels/frame.ts';
import { checkRecordHeader } from '../../../src/protocol/records/seal.ts';
import { UnitReader } from '../../../src/protocol/records/unit-reader.ts';
import { HostilePeer, Recorded, SETTINGS } from '../../support/endpoints.ts';
import {
  dataFrame,
  json,
  named,
  openFrame,
  resetFrame,
  settingsFrame,
  TestMultiplexer,
} from '../../support/multiplexers.ts';

const KiB = 1024;

function startedClient(): Recorded {
  const client = Recorded.client();
  client.endpoint.start();
  return client;
}

/** The header of a unit whose body never comes. */
function header(type: number, length: number): Uint8Array {
  return Uint8Array.of(type, length >>> 16, length >>> 8, length);
}

describe('R-A12: lengths', () => {
  it.each([
    [1, 4096],
    [2, 4096],
    [3, 1024],
    [4, 128],
    [5, 128],
  ])('a handshake message of type %i over %i bytes is refused by its header, at either side', (type, cap) => {
    for (const make of [() => Recorded.server(), startedClient]) {
      const over = make();
      over.feed(header(type, cap + 1));
      expect(over.error?.code).toBe('SIZE');
      const most = make();
      most.feed(header(type, cap));
      expect(most.error?.code === undefined || most.error.code === 'STATE').toBe(true);
      expect(most.endpoint.space().buffer.byteLength).toBeLessThanOrEqual(8 * KiB);
    }
  });

  it('what is not this protocol is refused by its first four bytes', () => {
    for (const start of ['GET ', 'SSH-', '\x16\x03\x01\x02', '\0\0\0\0', '\x17\0\0\x20', '\x06\0\0\x01']) {
      const server = Recorded.server().feed(new Uint8Array(Buffer.from(start, 'latin1')));
      expect(server.error?.code).toBe('MALFORMED');
    }
  });

  it('a record over the announced size is refused by its header, from the first one on', () => {
    const over = SETTINGS.maxRecordBytes + 16 + 1;
    for (const peer of [HostilePeer.client(), HostilePeer.server()]) {
      peer.target.feed(header(0x17, over));
      expect(peer.target.error?.code).toBe('SIZE');
      // Nobody asks again where more of it could go; who did would get no place for it.
      expect(() => peer.target.endpoint.space()).toThrow(LineError);
    }
    const later = HostilePeer.client();
    later.send(settingsFrame());
    expect(later.target.feed(header(0x17, over)).error?.code).toBe('SIZE');
    const most = HostilePeer.client();
    expect(most.target.feed(header(0x17, over - 1)).error).toBeUndefined();
  });

  it.each([0, 1, 15, 16, 23])('a record of %i sealed bytes is refused by its header', length => {
    expect(HostilePeer.client().target.feed(header(0x17, length)).error?.code).toBe('PROTOCOL');
  });

  it('every other type than a record is refused after login', () => {
    for (let type = 0; type < 256; type += 1) {
      if (type === 0x17) continue;
      expect(HostilePeer.client().target.feed(header(type, 24)).error?.code).toBe('PROTOCOL');
    }
  });

  it('nothing is allocated for a unit whose header nobody has checked', () => {
    const reader = new UnitReader();
    reader.space().set(header(0x17, 1_000_000));
    reader.received(4);
    expect(() => reader.space()).toThrow(LineError);
    expect(() => checkRecordHeader(0x17, 1_000_000, 69_632)).toThrow(LineError);
  });

  it('the buffer before login is 8 KiB, at its largest one record, and small again when idle', () => {
    const peer = HostilePeer.client();
    const size = () => peer.target.endpoint.space().buffer.byteLength;
    expect(size()).toBe(8 * KiB);
    peer.send(settingsFrame(), openFrame(1));
    peer.send(dataFrame(1, 60 * KiB));
    expect(size()).toBeLessThanOrEqual(1_100_000);
    peer.target.endpoint.shrink();
    expect(size()).toBe(32 * KiB);
    peer.send(dataFrame(1, 60 * KiB));
    expect(peer.target.error).toBeUndefined();
    expect(peer.target.bytesOf.get(1)).toBe(120 * KiB);
  });

  it('shrinking while the transport holds a place, as a TCP socket that was dialled always does, loses nothing', () => {
    const peer = HostilePeer.client();
    peer.send(settingsFrame(), openFrame(1));
    peer.send(dataFrame(1, 60 * KiB));
    const { endpoint } = peer.target;
    const record = peer.seal(dataFrame(1, 100));
    const place = endpoint.space();
    endpoint.shrink();
    place.set(record);
    endpoint.received(record.length);
    expect(peer.target.bytesOf.get(1)).toBe(60 * KiB + 100);
    expect(endpoint.space().buffer.byteLength).toBe(32 * KiB);
  });

  it('shrinking in the middle of a record loses nothing', () => {
    const peer = HostilePeer.client();
    peer.send(settingsFrame(), openFrame(1));
    const record = peer.seal(dataFrame(1, 60 * KiB));
    peer.target.feed(record.subarray(0, 50_000));
    peer.target.endpoint.shrink();
    peer.target.feed(record.subarray(50_000));
    expect(peer.target.bytesOf.get(1)).toBe(60 * KiB);
  });
});

describe('a peer that never reads', () => {
  it('is owed one PONG, whatever it asks', () => {
    const side = TestMultiplexer.ready();
    for (let count = 0; count < 10_000; count += 1) {
      side.receive(encodeFrame(FRAME.PING, 0, new Uint8Array(8).fill(count)));
    }
    const answers = side.take();
    expect(answers).toHaveLength(1);
    expect(answers[0]!.payload[0]).toBe(9999 & 0xff);
  });

  it('is owed one CREDIT for each open channel and one for the lane, however much was read', () => {
    const side = TestMultiplexer.ready();
    for (let id = 1; id < 33; id += 2) side.receive(openFrame(id));
    for (let turn = 0; turn < 200; turn += 1) {
      for (const [id, channel] of side.channels) {
        side.receive(dataFrame(id, 65 * KiB));
        side.consume(channel, 65 * KiB);
      }
    }
    expect(side.take()).toHaveLength(17);
  });

  it('is counted every RESET that it is owed, so that it is not read any more', () => {
    const side = TestMultiplexer.ready();
    let opened = 0;
    while (side.multiplexer.owedAnswerBytes <= 256 * KiB) {
      side.receive(openFrame(2 * opened + 1), resetFrame(2 * opened + 1));
      opened += 1;
      if (opened > 50_000) throw new Error('never enough');
    }
    expect(opened).toBeLessThan(20_000);
    side.take();
    expect(side.multiplexer.owedAnswerBytes).toBe(0);
  });

  it('R-A12 is owed nothing for channels that we open and reset meanwhile', () => {
    const side = TestMultiplexer.ready();
    const kept = side.multiplexer.open({ kind: 'kept' }, 'interactive');
    for (let count = 0; count < 10_000; count += 1) {
      const channel = side.multiplexer.open({ kind: 'x', why: 'x'.repeat(10_000) }, 'interactive');
      side.multiplexer.message(channel, json({}));
      side.multiplexer.reset(channel, new LineError('CANCELLED', ''));
    }
    const after = side.multiplexer.open({ kind: 'after' }, 'interactive');
    expect(side.multiplexer.owedAnswerBytes).toBe(0);
    expect(side.take().map(named)).toEqual([`OPEN ${kept.id}`, `OPEN ${after.id}`]);
    // What it has seen it is told the end of.
    side.multiplexer.reset(kept, new LineError('CANCELLED', ''));
    expect(side.take().map(named)).toEqual([`RESET ${kept.id}`]);
  });

  it('leaves nothing behind for channels that it opens and resets', () => {
    const side = TestMultiplexer.ready();
    for (let id = 1; id < 40_001; id += 2) {
      side.receive(openFrame(id), dataFrame(id, 10));
      side.consume(side.channels.get(id)!, 10);
      side.receive(resetFrame(id));
      side.multiplexer.released();
      side.channels.delete(id);
    }
    expect(side.multiplexer.openChannels).toBe(0);
    expect(side.multiplexer.owedAnswerBytes).toBe(0);
    expect(side.take().length).toBeLessThanOrEqual(1);
  });
});

describe('bytes that nobody reads', () => {
  /** Memory that the pieces of a queue keep alive: each buffer once. */
  function kept(queue: ReceiveQueue): number {
    const buffers = new Set<ArrayBufferLike>();
    for (let piece = queue.shift(); piece !== undefined; piece = queue.shift()) buffers.add(piece.bytes.buffer);
    return [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0);
  }

  it.each([
    ['one byte in each frame of a full record', 1, 69_632, 6],
    ['one byte beside padding in each record', 1, 69_632, 6],
    ['2 KiB in a record of 1 MiB', 2 * KiB, 1_052_672, 2.1],
    ['5 KiB in a record of 1 MiB', 5 * KiB, 1_052_672, 2.1],
    ['half a record', 32 * KiB, 65_536, 2.1],
    ['a whole record', 64 * KiB, 65_544, 1.1],
  ])('cost about what they are: %s', (_, byteLength, recordBytes, factor) => {
    const queue = new ReceiveQueue();
    const credit = 128 * KiB;
    const count = Math.floor(credit / byteLength);
    for (let at = 0; at < count; at += 1) {
      const record = new Uint8Array(recordBytes < 100_000 || byteLength > 100 ? recordBytes : 8);
      queue.push('data', record.subarray(0, byteLength), recordBytes);
      if (at > 20_000 && byteLength === 1) break;
    }
    const bytes = byteLength === 1 ? 20_002 : count * byteLength;
    expect(kept(queue)).toBeLessThan(bytes * factor + 8 * KiB);
  });

  it('come out of the queue as they went in, whatever their sizes', () => {
    const queue = new ReceiveQueue();
    const sent: string[] = [];
    const got: string[] = [];
    for (let at = 0; at < 3000; at += 1) {
      const size = (at * 7919) % 9000;
      const kind = at % 5 === 0 ? 'message' : 'data';
      queue.push(kind, new Uint8Array(size).fill(at), at % 3 === 0 ? size : 1_000_000);
      sent.push(`${kind} ${size} ${size === 0 ? '' : at & 0xff}`);
      if (at % 4 !== 0) continue;
      const piece = queue.shift()!;
      got.push(`${piece.kind} ${piece.bytes.length} ${piece.bytes[0] ?? ''}`);
    }
    for (let piece = queue.shift(); piece !== undefined; piece = queue.shift()) {
      got.push(`${piece.kind} ${piece.bytes.length} ${piece.bytes[0] ?? ''}`);
    }
    expect(got).toEqual(sent);
    expect(queue.isEmpty).toBe(true);
  });
});
