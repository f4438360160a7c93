import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Decrypter, decryptFrameHeader, Encrypter, encryptFrame, Key, Primer } from '../../../src/classic/index.ts';
import { FRAME_HEADER_BYTES, MAX_FRAME_BYTES } from '../../../src/classic/markov/frame.ts';
import { fromHex, joined, seeded, toHex } from '../../support/bytes.ts';
import { type KeyRecipe, keyOf, primerOf, readVectors } from '../support/files-vectors.ts';

interface KeyVector extends KeyRecipe {
  readonly firstBlock?: string;
  readonly lastBlock?: string;
  readonly blocksSha256?: string;
  readonly primer: string | { readonly sha256: string };
}

interface StreamVector extends KeyRecipe {
  readonly label: string;
  readonly primer: string;
  readonly plain: string;
  readonly coded: string;
  readonly states: readonly { readonly at: number; readonly primer: string }[];
}

interface FrameVector extends KeyRecipe {
  readonly sequence: readonly { readonly content: string; readonly frame: string }[];
  readonly largest: { readonly zeros: number; readonly sha256: string; readonly length: number };
}

const keys = readVectors<readonly KeyVector[]>('markov/keys.json');
const streams = readVectors<readonly StreamVector[]>('markov/streams.json');
const frames = readVectors<readonly FrameVector[]>('markov/frames.json');

describe('a key and its primer', () => {
  it.each(
    keys.map(vector => {
      const made = vector.deterministic ? 'the deterministic ones' : `of ${JSON.stringify(vector.password)}`;
      return [`${made}, ${vector.alphabet!.length / 2} bytes, ${vector.chainSize} blocks`, vector] as const;
    }),
  )('%s are the original ones', (_, vector) => {
    const key = keyOf(vector);
    expect(key.blocks.length).toBe(vector.chainSize);
    if (vector.blocks === undefined) {
      expect(toHex(key.blocks[0]!)).toBe(vector.firstBlock);
      expect(toHex(key.blocks.at(-1)!)).toBe(vector.lastBlock);
      expect(sha256(joined(key.blocks))).toBe(vector.blocksSha256);
    } else {
      expect(key.blocks.map(toHex)).toEqual(vector.blocks);
    }
    const { bytes } = primerOf(key, vector);
    if (typeof vector.primer === 'string') expect(toHex(bytes)).toBe(vector.primer);
    else expect(sha256(bytes)).toBe(vector.primer.sha256);
  });

  it('at random fit each other, and are never the same', () => {
    const alphabet = fromHex('00017f80ff');
    const key = Key.random(alphabet, 40);
    expect(key.blocks.map(block => toHex(block.toSorted()))).toEqual(key.blocks.map(() => '00017f80ff'));
    expect(joined(Key.random(alphabet, 40).blocks)).not.toEqual(joined(key.blocks));
    const primer = Primer.random(key);
    expect(primer.bytes).toHaveLength(39);
    const plain = fromHex('00010203ff807f');
    expect(new Decrypter(key, primer).process(new Encrypter(key, primer).process(plain))).toEqual(plain);
  });

  it.each([
    ['one block', ['0102']],
    ['no block', []],
    ['one byte in a block', ['01', '01']],
    ['a byte twice', ['010101', '010203']],
    ['other bytes', ['010203', '010204']],
    ['fewer bytes', ['010203', '0102']],
    ['a byte twice in the second', ['010203', '010202']],
  ])('with %s is none', (_, blocks) => {
    expect(() => new Key(blocks.map(fromHex))).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it.each([
    ['none', ''],
    ['too few', '01'],
    ['too many', '010203'],
    ['others than its key', '0104'],
  ])('begins no stream with a primer of %s bytes', (_, primer) => {
    const key = new Key(['010203', '030201', '020301'].map(fromHex));
    expect(() => new Encrypter(key, new Primer(fromHex(primer)))).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('a stream', () => {
  it.each(streams)('is that of the original: $label', vector => {
    const key = keyOf(vector);
    const primer = new Primer(fromHex(vector.primer));
    expect(toHex(new Encrypter(key, primer).process(fromHex(vector.plain)))).toBe(vector.coded);
    expect(toHex(new Decrypter(key, primer).process(fromHex(vector.coded)))).toBe(vector.plain);
  });

  it.each(streams)('does not depend on how it is cut, and is where the original is: $label', vector => {
    const key = keyOf(vector);
    const encrypter = new Encrypter(key, new Primer(fromHex(vector.primer)));
    const decrypter = new Decrypter(key, new Primer(fromHex(vector.primer)));
    let done = 0;
    for (const state of vector.states) {
      const plain = fromHex(vector.plain).subarray(done, state.at);
      const coded = fromHex(vector.coded).subarray(done, state.at);
      expect(toHex(encrypter.process(plain))).toBe(toHex(coded));
      expect(toHex(joined([...coded].map(byte => decrypter.process(Uint8Array.of(byte)))))).toBe(toHex(plain));
      expect([toHex(encrypter.primer.bytes), toHex(decrypter.primer.bytes)]).toEqual([state.primer, state.primer]);
      done = state.at;
    }
  });

  it.each(streams)('goes on from a primer: $label', vector => {
    const key = keyOf(vector);
    for (const { at, primer } of vector.states) {
      const from = new Primer(fromHex(primer));
      expect(toHex(new Encrypter(key, from).process(fromHex(vector.plain.slice(2 * at))))).toBe(
        vector.coded.slice(2 * at),
      );
      expect(toHex(new Decrypter(key, from).process(fromHex(vector.coded.slice(2 * at))))).toBe(
        vector.plain.slice(2 * at),
      );
    }
  });

  it('is what the definition says, for keys and texts of any form', () => {
    const shape = fc.record({
      seed: fc.integer(),
      alphabet: fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { minLength: 2, maxLength: 256 }),
      chainSize: fc.integer({ min: 2, max: 30 }),
      plain: fc.uint8Array({ maxLength: 200 }),
    });
    fc.assert(
      fc.property(shape, ({ seed, alphabet, chainSize, plain }) => {
        const random = seeded(seed);
        const key = Key.chosen(Uint8Array.from(alphabet), chainSize, { below: limit => Math.floor(random() * limit) });
        const primer = Primer.chosen(key, { below: limit => Math.floor(random() * limit) });
        const coded = new Encrypter(key, primer).process(plain);
        expect(toHex(coded)).toBe(toHex(readably(key, primer, plain)));
        expect(toHex(new Decrypter(key, primer).process(coded))).toBe(toHex(plain));
      }),
      { numRuns: 100 },
    );
  });

  it('of one key leaves another one of it alone', () => {
    const key = keyOf(streams[0]!);
    const primer = new Primer(fromHex(streams[0]!.primer));
    const plain = fromHex(streams[0]!.plain);
    const [one, other] = [new Encrypter(key, primer), new Encrypter(key, primer)];
    const pieces = [0, 1, 2, 3].map(at => plain.subarray(at * 100, (at + 1) * 100));
    expect(pieces.map(piece => toHex(one.process(piece)))).toEqual(pieces.map(piece => toHex(other.process(piece))));
  });
});

describe('a frame', () => {
  it.each(frames)('is that of the original, one behind the other', vector => {
    const key = keyOf(vector);
    const primer = primerOf(key, vector);
    const encrypter = new Encrypter(key, primer);
    const decrypter = new Decrypter(key, primer);
    for (const { content, frame } of vector.sequence) {
      expect(toHex(encryptFrame(encrypter, fromHex(content)))).toBe(frame);
      const length = decryptFrameHeader(decrypter, fromHex(frame).subarray(0, FRAME_HEADER_BYTES));
      expect(length).toBe(content.length / 2);
      expect(toHex(decrypter.process(fromHex(frame).subarray(FRAME_HEADER_BYTES)))).toBe(content);
    }
    const largest = encryptFrame(new Encrypter(key, primer), new Uint8Array(vector.largest.zeros));
    expect({ sha256: sha256(largest), length: largest.length }).toEqual({
      sha256: vector.largest.sha256,
      length: vector.largest.length,
    });
  });

  it('holds from 1 to 65,536 bytes, whatever a header says', () => {
    const key = keyOf(frames[0]!);
    const primer = primerOf(key, frames[0]!);
    for (const length of [0, MAX_FRAME_BYTES + 1]) {
      expect(() => encryptFrame(new Encrypter(key, primer), new Uint8Array(length))).toThrow(
        expect.objectContaining({ code: 'SIZE' }),
      );
    }
    const header = new Encrypter(key, primer).process(fromHex('ffff'));
    expect(decryptFrameHeader(new Decrypter(key, primer), header)).toBe(MAX_FRAME_BYTES);
  });
});

/**
 * Markov Encryption as it is defined, one look-up for each block that stands before a byte: the slow reference of
 * columns.ts. The index of block k is of the byte k places before.
 */
function readably(key: Key, primer: Primer, plain: Uint8Array): Uint8Array {
  const [base, ...others] = key.blocks as [Uint8Array, ...Uint8Array[]];
  const size = base.length;
  const order = [...base].sort((a, b) => a - b);
  const turn = others.slice(0, -1).reduce((sum, block) => sum + base.indexOf(block[0]!), 0);
  const passed = [...primer.bytes].map(byte => order.indexOf(byte));
  return plain.map(byte => {
    const value = order.indexOf(byte);
    if (value === -1) return byte;
    const sum = others.reduce((all, block, lag) => all + base.indexOf(block[passed.at(-1 - lag)!]!), value);
    passed.push(value);
    return base[(((sum - turn) % size) + size) % size]!;
  });
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
