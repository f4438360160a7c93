import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBlock, receiveBlocks } from '../../src/classic/framing/blocks.ts';
import { drawBytes } from '../../src/classic/framing/draw-bytes.ts';
import { encodeWithHeader, receiveWithHeader } from '../../src/classic/framing/json-header.ts';
import {
  encodeLengthText,
  receiveAfterOk,
  receiveLengthText,
  sendAfterOk,
} from '../../src/classic/framing/length-and-ok.ts';
import { packNativeInt, unpackNativeInt } from '../../src/classic/framing/native-int.ts';
import { receiveMessage } from '../../src/classic/framing/raw.ts';
import { encodeStruct, receiveStruct } from '../../src/classic/framing/struct-length.ts';
import { MAX_BLOCK_BYTES, MAX_HEADER_BYTES, MAX_MESSAGE_BYTES, MAX_OUTPUT_BYTES } from '../../src/classic/limits.ts';
import type { ByteStream } from '../../src/classic/net/connection.ts';
import { deliveries, Pieces } from './support/pieces.ts';

const MESSAGES = [text('hello, world!'), text('wyb666'), new Uint8Array(), Uint8Array.of(0, 0xff, 0x80, 10)];

/** Frames whose sender waits for nothing, so that messages come glued. */
const FRAMES = [
  ['4 bytes of length', encodeStruct, receiveStruct],
  ['a JSON header', encodeWithHeader, receiveWithHeader],
] as const;

describe.each(FRAMES)('%s', (_, encode, receive) => {
  it.each(deliveries(join(MESSAGES.map(encode))))('gives the messages as they were sent: %s', async (_way, pieces) => {
    const stream = new Pieces(...pieces);
    for (const message of MESSAGES) expect(await receive(stream)).toEqual(message);
    expect(await receive(stream)).toBeUndefined();
  });

  it('gives back any messages, cut anywhere', async () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(messages, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), async (sent, sizes) => {
        const stream = new Pieces(...cut(join(sent.map(encode)), sizes));
        for (const message of sent) expect(await receive(stream)).toEqual(message);
        expect(await receive(stream)).toBeUndefined();
      }),
    );
  });

  it('tells an end in the middle from an end', async () => {
    const framed = encode(MESSAGES[0]!);
    for (let at = 1; at < framed.length; at++) {
      await expect(receive(new Pieces(framed.subarray(0, at)))).rejects.toMatchObject({ code: 'TRUNCATED' });
    }
  });
});

describe("struct 'i'", () => {
  it.each([
    [4096, '00100000'],
    [0, '00000000'],
    [-1, 'ffffffff'],
    [2_147_483_647, 'ffffff7f'],
    [-2_147_483_648, '00000080'],
  ])('%d is %s, in the byte order of the tutorials', (number, hex) => {
    expect(Buffer.from(packNativeInt(number)).toString('hex')).toBe(hex);
    expect(unpackNativeInt(Buffer.from(hex, 'hex'))).toBe(number);
  });

  it.each([2_147_483_648, -2_147_483_649, 0.5, Number.NaN])('%d does not fit', number => {
    expect(() => packNativeInt(number)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it.each([0, 3, 5])('%d bytes are none', length => {
    expect(() => unpackNativeInt(new Uint8Array(length))).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });
});

describe('R-A12: a length that lies is refused before a byte is waited for', () => {
  it.each([
    ['-1', packNativeInt(-1), 'MALFORMED'],
    ['the lowest', packNativeInt(-2_147_483_648), 'MALFORMED'],
    ['one more than is taken', packNativeInt(MAX_OUTPUT_BYTES + 1), 'SIZE'],
    ['the highest', packNativeInt(2_147_483_647), 'SIZE'],
  ])('as 4 bytes: %s', async (_, bytes, code) => {
    await expect(receiveStruct(new Pieces(bytes))).rejects.toMatchObject({ code });
  });

  it.each([
    ['-5', 'MALFORMED'],
    ['5hello', 'MALFORMED'],
    ['0x10', 'MALFORMED'],
    ['1e9', 'MALFORMED'],
    ['', 'TRUNCATED'],
    ['99999999999', 'SIZE'],
    ['9'.repeat(500), 'SIZE'],
  ])('as text: %j', async (sent, code) => {
    const stream = new Pieces(text(sent));
    if (sent === '') expect(await receiveAfterOk(stream)).toBeUndefined();
    else await expect(receiveAfterOk(stream)).rejects.toMatchObject({ code });
    expect(stream.sent).toEqual([]);
  });

  it.each([
    ['{"total_size": -1}', 'MALFORMED'],
    ['{"total_size": 1.5}', 'MALFORMED'],
    ['{"total_size": "5"}', 'MALFORMED'],
    ['{"total_size": 1e300}', 'MALFORMED'],
    ['{"total_size": 99999999999}', 'SIZE'],
    ['{"size": 5}', 'MALFORMED'],
    ['{"__proto__": {"total_size": 5}}', 'MALFORMED'],
    ['[5]', 'MALFORMED'],
    ['null', 'MALFORMED'],
    ['{"total_size": ', 'MALFORMED'],
    ['\xff\xfe', 'MALFORMED'],
  ])('in a header: %s', async (header, code) => {
    const bytes = Buffer.from(header, 'latin1');
    await expect(receiveWithHeader(new Pieces(encodeStruct(bytes)))).rejects.toMatchObject({ code });
  });

  it('of the header itself', async () => {
    for (const [length, code] of [
      [-1, 'MALFORMED'],
      [MAX_HEADER_BYTES + 1, 'SIZE'],
    ] as const) {
      await expect(receiveWithHeader(new Pieces(packNativeInt(length)))).rejects.toMatchObject({ code });
    }
  });

  it('of a block', async () => {
    const lying = new Uint8Array(4);
    for (const length of [MAX_BLOCK_BYTES + 1, 0xffff_ffff]) {
      new DataView(lying.buffer).setUint32(0, length, true);
      await expect(collect(new Pieces(lying))).rejects.toMatchObject({ code: 'SIZE' });
    }
  });

  it('room is taken for what has come, not for what was announced', async () => {
    const before = process.memoryUsage().arrayBuffers;
    const announced = new Pieces(packNativeInt(MAX_OUTPUT_BYTES), text('a little'));
    await expect(receiveStruct(announced)).rejects.toMatchObject({ code: 'TRUNCATED' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MAX_OUTPUT_BYTES / 2);
  });
});

describe('a length as text, answered by ok', () => {
  it.each(deliveries(text('13')))('reads digits that come %s', async (_way, pieces) => {
    expect(await receiveLengthText(new Pieces(...pieces))).toBe(13);
  });

  it('goes through for each message, byte by byte, with ok in between', async () => {
    for (const message of MESSAGES) {
      const digits = [...encodeLengthText(message.length)].map(byte => Uint8Array.of(byte));
      const stream = new Pieces(...digits, 'quiet', ...[...message].map(byte => Uint8Array.of(byte)));
      expect(await receiveAfterOk(stream)).toEqual(message);
      expect(stream.sent).toEqual([text('ok')]);
    }
  });

  it('waits a moment after the ok to an empty message, to which the next word would be glued', async () => {
    const steps: string[] = [];
    const stream = new Pieces(text('0'), 'quiet');
    stream.send = async () => void steps.push('ok');
    stream.hasMore = async () => {
      steps.push('waits');
      return false;
    };
    expect(await receiveAfterOk(stream)).toEqual(new Uint8Array());
    expect(steps).toEqual(['waits', 'ok', 'waits']);
  });

  it('is sent in two steps, and takes an ok that comes in two', async () => {
    const stream = new Pieces(text('o'), text('k'));
    await sendAfterOk(stream, text('hello'));
    expect(stream.sent).toEqual([text('5'), text('hello')]);
  });

  it('sends nothing to whoever answers something else', async () => {
    const stream = new Pieces(text('no'));
    await expect(sendAfterOk(stream, text('hello'))).rejects.toMatchObject({ code: 'MALFORMED' });
    expect(stream.sent).toEqual([text('5')]);
  });
});

describe("the first tutorial's blocks", () => {
  const sent = join([...MESSAGES.filter(message => message.length > 0), new Uint8Array()].map(encodeBlock));

  it('have a length without sign, the lowest byte first', () => {
    expect(Buffer.from(encodeBlock(text('hi'))).toString('hex')).toBe('020000006869');
  });

  it.each(deliveries(sent))('come as they were sent: %s', async (_way, pieces) => {
    expect(await collect(new Pieces(...pieces))).toEqual(MESSAGES.filter(message => message.length > 0));
  });

  it('tell an end in the middle from the end', async () => {
    await expect(collect(new Pieces(sent.subarray(0, -4)))).rejects.toMatchObject({ code: 'TRUNCATED' });
  });
});

describe('no frame', () => {
  it('puts together what comes without a pause', async () => {
    const stream = new Pieces(...[...text('echo hello')].map(byte => Uint8Array.of(byte)), 'quiet', text('next'));
    expect(await receiveMessage(stream)).toEqual(text('echo hello'));
    expect(await receiveMessage(stream)).toEqual(text('next'));
    expect(await receiveMessage(stream)).toBeUndefined();
  });

  it('cannot tell two messages that come glued', async () => {
    expect(await receiveMessage(new Pieces(text('hello, world!'), text('wyb666')))).toEqual(
      text('hello, world!wyb666'),
    );
  });

  it('takes no more than recv(1024), and leaves the rest', async () => {
    const stream = new Pieces(new Uint8Array(MAX_MESSAGE_BYTES + 5));
    expect(await receiveMessage(stream)).toHaveLength(MAX_MESSAGE_BYTES);
    expect(await receiveMessage(stream)).toHaveLength(5);
  });
});

it('the drawing has each byte above what it means', () => {
  const drawn = drawBytes([
    { label: 'length', bytes: Uint8Array.of(2, 0, 0, 0) },
    { label: 'message', bytes: text('hi') },
  ]);
  expect(drawn).toEqual(['02 00 00 00  68 69', '└ length ─┘  └ message ┘']);
});

async function collect(stream: ByteStream): Promise<Uint8Array[]> {
  const blocks: Uint8Array[] = [];
  for await (const block of receiveBlocks(stream)) blocks.push(block);
  return blocks;
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function text(string: string): Uint8Array {
  return new TextEncoder().encode(string);
}
