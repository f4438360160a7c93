import { describe, expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { u32Bytes, u64Bytes } from '../../../src/protocol/bytes/writer.ts';
import { encodeFrame, FRAME, frameHeader } from '../../../src/protocol/channels/frame.ts';
import { joined, utf8 } from '../../support/bytes.ts';
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

/** A responder on which the peer has channel 1 open. */
function withChannel(): TestMultiplexer {
  const side = TestMultiplexer.ready();
  side.receive(openFrame(1));
  side.told.length = 0;
  return side;
}

const PING = encodeFrame(FRAME.PING, 0, new Uint8Array(8));
const CLOSE = encodeFrame(FRAME.CLOSE, 0, u32Bytes(0));

describe('the form of frames', () => {
  it('every type that is not in the table is refused, on the line and on a channel', () => {
    for (let type = 0x0c; type < 0x100; type += 1) {
      for (const channel of [0, 1]) {
        const side = withChannel();
        expect(side.receive(encodeFrame(type, channel, new Uint8Array(8))), `type ${type}`).toBe('PROTOCOL');
        expect(side.told).toEqual([]);
      }
    }
  });

  it.each([
    ['PAD', encodeFrame(FRAME.PAD, 1, new Uint8Array(4))],
    ['PING', encodeFrame(FRAME.PING, 1, new Uint8Array(8))],
    ['PONG', encodeFrame(FRAME.PONG, 1, new Uint8Array(8))],
    ['OPEN', openFrame(0)],
    ['DATA', dataFrame(0, 1)],
    ['END', endFrame(0, 0)],
    ['RESET', resetFrame(0)],
    ['GOAWAY', encodeFrame(FRAME.GOAWAY, 1, new Uint8Array(8))],
    ['CLOSE', encodeFrame(FRAME.CLOSE, 1, u32Bytes(0))],
    ['SETTINGS', encodeFrame(FRAME.SETTINGS, 1, json({ v: 1 }))],
  ])('%s in the wrong column is refused', (_, frame) => {
    const side = withChannel();
    expect(side.receive(frame)).toBe('PROTOCOL');
    expect(side.told).toEqual([]);
  });

  it.each([
    ['PING of 7 bytes', encodeFrame(FRAME.PING, 0, new Uint8Array(7))],
    ['PING of 9 bytes', encodeFrame(FRAME.PING, 0, new Uint8Array(9))],
    ['PONG of 0 bytes', encodeFrame(FRAME.PONG, 0, new Uint8Array(0))],
    ['OPEN of 0 bytes', encodeFrame(FRAME.OPEN, 3, new Uint8Array(0))],
    ['OPEN over 16 KiB', encodeFrame(FRAME.OPEN, 3, messageOf(16 * 1024 + 1))],
    ['MSG over 64 KiB', encodeFrame(FRAME.MSG, 1, messageOf(64 * 1024 + 1))],
    ['DATA of 0 bytes', dataFrame(1, 0)],
    ['END of 7 bytes', encodeFrame(FRAME.END, 1, new Uint8Array(7))],
    ['CREDIT of 9 bytes', encodeFrame(FRAME.CREDIT, 1, new Uint8Array(9))],
    ['RESET of 3 bytes', encodeFrame(FRAME.RESET, 1, new Uint8Array(3))],
    ['RESET with 257 bytes of reason', encodeFrame(FRAME.RESET, 1, new Uint8Array(261))],
    ['GOAWAY of 7 bytes', encodeFrame(FRAME.GOAWAY, 0, new Uint8Array(7))],
    ['GOAWAY with 257 bytes of reason', encodeFrame(FRAME.GOAWAY, 0, new Uint8Array(265))],
    ['CLOSE of 3 bytes', encodeFrame(FRAME.CLOSE, 0, new Uint8Array(3))],
    ['CLOSE with 257 bytes of reason', encodeFrame(FRAME.CLOSE, 0, new Uint8Array(261))],
  ])('%s is refused', (_, frame) => {
    const side = withChannel();
    expect(side.receive(frame)).toBe('PROTOCOL');
    expect(side.told).toEqual([]);
  });

  it('a frame that ends outside its record is refused at every cut, and nothing after the cut is acted on', () => {
    const record = joined([PING, openFrame(3), dataFrame(3, 20), endFrame(3, 20)]);
    const whole = [PING.length, PING.length + openFrame(3).length, PING.length + openFrame(3).length + 28];
    for (let at = 1; at < record.length; at += 1) {
      const side = withChannel();
      expect(side.receive(record.subarray(0, at)), `cut at ${at}`).toBe(whole.includes(at) ? undefined : 'PROTOCOL');
    }
    expect(withChannel().receive(joined([frameHeader(FRAME.DATA, 0xffffff, 1), new Uint8Array(20)]))).toBe('PROTOCOL');
  });

  it('padding is the last frame of its record, once, and is not read', () => {
    const pad = encodeFrame(FRAME.PAD, 0, new Uint8Array(5).fill(0xff));
    expect(withChannel().receive(PING, pad)).toBeUndefined();
    expect(withChannel().receive(PING, encodeFrame(FRAME.PAD, 0, new Uint8Array(0)))).toBeUndefined();
    expect(withChannel().receive(pad, PING)).toBe('PROTOCOL');
    expect(withChannel().receive(PING, pad, pad)).toBe('PROTOCOL');
  });
});

describe('SETTINGS', () => {
  it.each([
    ['PING', PING],
    ['OPEN', openFrame(1)],
    ['CREDIT', creditFrame(0, 2_000_000)],
    ['a control message', encodeFrame(FRAME.MSG, 0, json({ t: 'welcome' }))],
    ['CLOSE', CLOSE],
    ['GOAWAY', encodeFrame(FRAME.GOAWAY, 0, new Uint8Array(8))],
    ['padding', encodeFrame(FRAME.PAD, 0, new Uint8Array(16))],
  ])('comes first: %s before it is refused', (_, frame) => {
    const side = new TestMultiplexer();
    expect(side.receive(frame)).toBe('STATE');
    expect(side.told).toEqual([]);
  });

  it('comes once', () => {
    expect(TestMultiplexer.ready().receive(settingsFrame())).toBe('STATE');
    expect(new TestMultiplexer().receive(settingsFrame(), settingsFrame())).toBe('STATE');
  });

  it.each([
    ['of another version', { v: 2 }],
    ['without a version', { v: undefined }],
    ['with a record below 64 KiB + 4 KiB', { max_record: 69_631 }],
    ['with a credit below 128 KiB', { credit: 131_071 }],
    ['with a lane credit below 1 MiB', { lane_credit: 1_048_575 }],
    ['with fewer than 16 streams', { max_streams: 15 }],
    ['with a negative number', { credit: -1 }],
    ['with a fraction', { credit: 200_000.5 }],
    ['with a text for a number', { credit: '200000' }],
    ['with features that are no list', { features: 'lanes' }],
  ])('%s is refused', (_, fields) => {
    const side = new TestMultiplexer();
    expect(side.receive(settingsFrame(fields))).toMatch(/^(PROTOCOL|MALFORMED)$/);
    expect(side.told).toEqual([]);
  });

  it.each(['{"v":1,"credit":1e400}', '[]', 'null', '11', '{"v":1', '"v"', '{"v":1}x', '\u{feff}{"v":1}'])(
    'as %s is refused',
    text => {
      expect(new TestMultiplexer().receive(encodeFrame(FRAME.SETTINGS, 0, utf8(text)))).toBe('MALFORMED');
    },
  );

  it('above the largest counts as the largest', () => {
    const side = new TestMultiplexer();
    const huge = Number.MAX_SAFE_INTEGER;
    side.receive(settingsFrame({ max_record: huge, credit: huge, lane_credit: huge, max_streams: huge }));
    expect(side.multiplexer.peerSettings).toMatchObject({
      maxRecordBytes: 1_052_672,
      creditBytes: 16 * 1024 * 1024,
      laneCreditBytes: 64 * 1024 * 1024,
      maxChannels: 65_536,
    });
  });

  it('holds only its own fields: what stands in a prototype is none', () => {
    const side = new TestMultiplexer();
    const text = '{"__proto__":{"v":1,"credit":1},"constructor":{"credit":5},"v":1,"toString":1,"unknown":[1]}';
    expect(side.receive(encodeFrame(FRAME.SETTINGS, 0, utf8(text)))).toBeUndefined();
    expect(side.multiplexer.peerSettings).toMatchObject({ creditBytes: 131_072, agent: '' });
    expect(Object.hasOwn(Object.prototype, 'credit')).toBe(false);
    const only = encodeFrame(FRAME.SETTINGS, 0, utf8('{"__proto__":{"v":1}}'));
    expect(new TestMultiplexer().receive(only)).toBe('MALFORMED');
  });
});

describe('JSON of the peer', () => {
  it('is at most eight levels deep, counted before it is parsed', () => {
    const nested = (depth: number) => utf8(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
    const lists = (depth: number) => utf8(`{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`);
    for (const make of [nested, lists]) {
      expect(withChannel().receive(encodeFrame(FRAME.MSG, 0, make(8)))).toBeUndefined();
      expect(withChannel().receive(encodeFrame(FRAME.MSG, 0, make(9)))).toBe('MALFORMED');
    }
    expect(withChannel().receive(encodeFrame(FRAME.OPEN, 3, nested(9)))).toBe('MALFORMED');
    expect(withChannel().receive(encodeFrame(FRAME.MSG, 0, new Uint8Array(65_536).fill(0x5b)))).toBe('MALFORMED');
    // Brackets in a text are none, also behind an escaped quote.
    const text = utf8(`{"a":"${'[{'.repeat(20)}\\"${'['.repeat(20)}"}`);
    expect(withChannel().receive(encodeFrame(FRAME.MSG, 0, text))).toBeUndefined();
    // A quote behind two backslashes ends its text, so what follows counts.
    const behind = utf8(`{"a":"\\\\","b":${'['.repeat(8)}${']'.repeat(8)},"c":"]]"}`);
    expect(withChannel().receive(encodeFrame(FRAME.MSG, 0, behind))).toBe('MALFORMED');
  });

  it.each([
    ['invalid UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)],
    ['UTF-8 that is too long', Uint8Array.of(0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d)],
    ['a list', utf8('[1]')],
    ['nothing but spaces', utf8('  ')],
  ])('is refused as %s', (_, bytes) => {
    expect(withChannel().receive(encodeFrame(FRAME.MSG, 0, bytes))).toBe('MALFORMED');
    expect(withChannel().receive(encodeFrame(FRAME.OPEN, 3, bytes))).toBe('MALFORMED');
  });
});

describe('channel numbers', () => {
  it.each([
    ['of the other side', [2]],
    ['that is open', [1, 1]],
    ['that is lower than the last', [5, 3]],
    ['that was open before', [3, 1]],
  ])('OPEN of a number %s is refused', (_, ids) => {
    const side = TestMultiplexer.ready();
    const codes = ids.map(id => side.receive(openFrame(id)));
    expect(codes.at(-1)).toBe('STATE');
    expect(codes.slice(0, -1).every(code => code === undefined)).toBe(true);
  });

  it.each([
    ['DATA', dataFrame(3, 1)],
    ['MSG', encodeFrame(FRAME.MSG, 3, json({}))],
    ['END', endFrame(3, 0)],
    ['CREDIT', creditFrame(3, 500_000)],
    ['RESET', resetFrame(3)],
    ['DATA for one of ours', dataFrame(2, 1)],
    ['CREDIT for one of ours', creditFrame(2, 500_000)],
    ['RESET of the largest number', resetFrame(0xffffffff)],
  ])('%s for a channel that was never opened is refused', (_, frame) => {
    expect(withChannel().receive(frame)).toBe('STATE');
  });

  it('the highest number of all can be opened, and then no other', () => {
    const side = TestMultiplexer.ready();
    expect(side.receive(openFrame(0xffffffff))).toBeUndefined();
    expect(side.receive(openFrame(1))).toBe('STATE');
    expect(side.receive(dataFrame(77, 5))).toBeUndefined();
    expect(side.told).toEqual(['open 4294967295']);
  });

  it('frames for a number that was passed over or has closed are dropped', () => {
    const side = TestMultiplexer.ready();
    side.receive(openFrame(1), openFrame(7), resetFrame(1));
    side.told.length = 0;
    for (const id of [1, 3, 5]) {
      expect(side.receive(dataFrame(id, 9), endFrame(id, 1), creditFrame(id, 999_999), resetFrame(id))).toBeUndefined();
    }
    expect(side.told).toEqual([]);
  });
});

describe('the end of a channel', () => {
  it.each([
    ['DATA', dataFrame(1, 1)],
    ['MSG', encodeFrame(FRAME.MSG, 1, json({}))],
    ['a second END', endFrame(1, 5)],
  ])('%s after END is refused', (_, frame) => {
    const side = withChannel();
    expect(side.receive(dataFrame(1, 5), endFrame(1, 5))).toBeUndefined();
    expect(side.receive(frame)).toBe('STATE');
  });

  it.each([0, 4, 6, 2 ** 32 + 5])('END with the total %i after five bytes is refused', total => {
    const side = withChannel();
    side.receive(dataFrame(1, 5), encodeFrame(FRAME.MSG, 1, json({ not: 'counted' })));
    expect(side.receive(endFrame(1, total))).toBe('PROTOCOL');
    expect(side.told).not.toContain('end 1');
  });

  it('a count of 2^53 or more is refused', () => {
    const huge = Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0);
    expect(withChannel().receive(encodeFrame(FRAME.END, 1, huge))).toBe('MALFORMED');
    expect(withChannel().receive(encodeFrame(FRAME.CREDIT, 1, huge))).toBe('MALFORMED');
    expect(withChannel().receive(encodeFrame(FRAME.CREDIT, 0, huge))).toBe('MALFORMED');
    expect(withChannel().receive(encodeFrame(FRAME.CREDIT, 0, u64Bytes(2 ** 53 - 1)))).toBeUndefined();
  });

  it('a reason that is not UTF-8 is refused', () => {
    const bytes = Uint8Array.of(0, 0, 0, 7, 0xff);
    expect(withChannel().receive(encodeFrame(FRAME.RESET, 1, bytes))).toBe('MALFORMED');
    expect(withChannel().receive(encodeFrame(FRAME.CLOSE, 0, bytes))).toBe('MALFORMED');
  });
});

describe('the end of a line', () => {
  it('OPEN after our GOAWAY is answered RESET, and starts nothing', () => {
    const side = TestMultiplexer.ready();
    side.multiplexer.goAway(undefined);
    side.take();
    expect(side.receive(openFrame(1), dataFrame(1, 3))).toBeUndefined();
    expect(side.told).toEqual([]);
    expect(side.take().map(named)).toEqual(['RESET 1']);
  });

  it("after the peer's GOAWAY nothing is opened any more", () => {
    const side = TestMultiplexer.ready();
    side.receive(encodeFrame(FRAME.GOAWAY, 0, joined([u32Bytes(13), u32Bytes(0)])));
    expect(() => side.multiplexer.open({ kind: 'x' }, 'bulk')).toThrow(LineError);
    expect(side.told).toEqual(['goaway REVOKED']);
  });

  it.each([
    ['in the same record', [[CLOSE, openFrame(1)]]],
    ['in a later one', [[CLOSE], [openFrame(1)]]],
    ['even padding of its own', [[CLOSE], [encodeFrame(FRAME.PAD, 0, new Uint8Array(8))]]],
    ['even a second CLOSE', [[CLOSE, CLOSE]]],
  ])('whatever follows CLOSE is refused, %s', (_, records) => {
    const side = TestMultiplexer.ready();
    expect(records.map(frames => side.receive(...frames)).at(-1)).toBe('STATE');
    expect(side.told).toEqual(['close OK']);
  });

  it('nothing follows our CLOSE, and everything that was owed comes before it', () => {
    const side = withChannel();
    side.multiplexer.reset(side.channels.get(1)!, new LineError('CANCELLED', 'enough'));
    side.multiplexer.close(undefined);
    side.multiplexer.ping(new Uint8Array(8));
    expect(side.take().map(named)).toEqual(['PING 0', 'RESET 1', 'CLOSE 0']);
    side.receive(PING, openFrame(3));
    side.multiplexer.ping(new Uint8Array(8));
    expect(side.take()).toEqual([]);
  });
});

describe('the order of what is sent', () => {
  it('RESET of a channel never comes before its OPEN, and an OPEN that waits goes with it', () => {
    const side = new TestMultiplexer('initiator');
    const channels = [1, 2, 3].map(() => side.multiplexer.open({ kind: 'x'.repeat(16_000) }, 'interactive'));
    expect(side.record().map(named).join()).toBe('SETTINGS 0,OPEN 1');
    for (const channel of channels.slice(0, 2)) side.multiplexer.reset(channel, new LineError('CANCELLED', ''));
    expect(side.take().map(named).join()).toBe('OPEN 5,RESET 1');
  });
});
