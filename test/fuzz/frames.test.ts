import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, FRAME } from '../../src/protocol/channels/frame.ts';
import { joined, utf8 } from '../support/bytes.ts';
import { HostilePeer, type Recorded } from '../support/endpoints.ts';
import { creditFrame, dataFrame, endFrame, openFrame, resetFrame, settingsFrame } from '../support/multiplexers.ts';

/**
 * A peer with valid keys that sends what it likes: only a `LineError` comes of it (`feed` throws anything else), what this
 * side holds stays within the limits it announced, and what it sends in turn can be read by an honest peer.
 */

const numRuns = Number(process.env['POSTERN_FUZZ_RUNS'] ?? 300);

const id = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(0xffffffff, 0xfffffffe, 0x80000000));
const text = fc.oneof(
  fc.json().map(utf8),
  fc.dictionary(fc.constantFrom('kind', 't', 'v', '__proto__', 'credit', 'must'), fc.jsonValue()).map(value => {
    return utf8(JSON.stringify(value));
  }),
  fc.uint8Array({ maxLength: 60 }),
);

/** Frames as they should be, nearly as they should be, and not at all. */
const frame = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 40 }).map(number => openFrame(number)) },
  {
    weight: 6,
    arbitrary: fc.tuple(id, fc.integer({ min: 1, max: 3000 })).map(([on, size]) => dataFrame(on || 1, size)),
  },
  { weight: 3, arbitrary: fc.tuple(id, fc.nat(5000)).map(([on, total]) => endFrame(on || 1, total)) },
  { weight: 3, arbitrary: fc.tuple(id, fc.nat(3_000_000)).map(([on, limit]) => creditFrame(on, limit)) },
  { weight: 3, arbitrary: fc.tuple(id, fc.nat(30)).map(([on, code]) => resetFrame(on || 1, code)) },
  { weight: 2, arbitrary: fc.constant(encodeFrame(FRAME.PING, 0, new Uint8Array(8))) },
  { weight: 2, arbitrary: fc.tuple(id, text).map(([on, bytes]) => encodeFrame(FRAME.MSG, on, bytes)) },
  { weight: 1, arbitrary: fc.tuple(id, text).map(([on, bytes]) => encodeFrame(FRAME.OPEN, on, bytes)) },
  { weight: 1, arbitrary: text.map(bytes => encodeFrame(FRAME.SETTINGS, 0, bytes)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(255), id, fc.uint8Array({ maxLength: 20 }))
      .map(([type, on, bytes]) => encodeFrame(type, on, bytes)),
  },
);

/** What may be held of a peer's sending, by the settings of these tests. */
const LANE_CREDIT = 1024 * 1024;

function expectBounded(target: Recorded): void {
  const held = [...target.bytesOf.values()].reduce((sum, bytes) => sum + bytes, 0);
  expect(held).toBeLessThanOrEqual(LANE_CREDIT);
  expect(target.channels.size).toBeLessThanOrEqual(16);
  expect(target.endpoint.multiplexer!.openChannels).toBeLessThanOrEqual(16);
}

describe.each([
  ['a server', () => HostilePeer.client()],
  ['a client', () => HostilePeer.server()],
])('frames of a hostile peer at %s', (_, make) => {
  it('of any order and form end the line with a code, or are taken within the limits', () => {
    fc.assert(
      fc.property(fc.array(fc.array(frame, { minLength: 1, maxLength: 8 }), { maxLength: 12 }), records => {
        const peer = make();
        peer.send(settingsFrame());
        for (const frames of records) peer.send(...frames);
        expectBounded(peer.target);
        // What is still said can be opened and read: no key or counter was hurt.
        peer.read();
        if (peer.target.error === undefined) return;
        const last = joined([...peer.target.farewell().segments]);
        if (last.length > 0) peer.open(last);
      }),
      { numRuns },
    );
  });

  it('of any bytes in a record that verifies end the line with a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 400 }), fc.boolean(), (bytes, afterSettings) => {
        const peer = make();
        if (afterSettings) peer.send(settingsFrame());
        peer.send(bytes);
        expectBounded(peer.target);
      }),
      { numRuns },
    );
  });

  it('changed at any place, in a record sealed anew, end the line with a code or mean something else', () => {
    const session = joined([openFrame(1), openFrame(3), dataFrame(1, 50), endFrame(1, 50), resetFrame(3)]);
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), fc.nat(), (at, byte, cut) => {
        const bytes = session.slice(0, session.length - (cut % 3 === 0 ? cut % 30 : 0));
        bytes[at % bytes.length] = byte;
        const peer = make();
        peer.send(settingsFrame());
        peer.send(bytes);
        expectBounded(peer.target);
      }),
      { numRuns },
    );
  });

  it('as SETTINGS of any values keep this side within its own limits', () => {
    const value = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constantFrom(null, true, 1e300, 2 ** 53, -0));
    const fields = fc.dictionary(
      fc.constantFrom('v', 'agent', 'max_record', 'credit', 'lane_credit', 'max_streams', 'features', 'x'),
      fc.oneof(value, fc.array(value)),
    );
    fc.assert(
      fc.property(fields, given => {
        const peer = make();
        peer.send(settingsFrame(given));
        const settings = peer.target.endpoint.multiplexer!.peerSettings;
        if (settings === undefined) {
          expect(peer.target.error).toBeDefined();
          return;
        }
        expect(settings.maxRecordBytes).toBeGreaterThanOrEqual(69_632);
        expect(settings.maxRecordBytes).toBeLessThanOrEqual(1_052_672);
        expect(settings.creditBytes).toBeLessThanOrEqual(16 * 1024 * 1024);
        expect(settings.maxChannels).toBeLessThanOrEqual(65_536);
      }),
      { numRuns },
    );
  });
});
