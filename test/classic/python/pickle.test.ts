import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { decodePickle, encodePickle, type PickleValue } from '../../../src/classic/index.ts';
import { LineError } from '../../../src/errors.ts';
import { fromHex, seeded, toHex } from '../../support/bytes.ts';
import { readVectors } from '../support/files-vectors.ts';

type Digest = string | { readonly sha256: string; readonly length: number };

interface ValueVector {
  readonly value?: boolean | null;
  readonly int?: string;
  readonly utf16?: readonly number[];
  readonly repeat?: readonly [string, number];
  readonly bytes?: string;
  readonly repeatByte?: readonly [number, number];
  readonly optimized: Digest;
  readonly byProtocol?: readonly string[];
  readonly optimizedByProtocol?: readonly string[];
}

const vectors = readVectors<{
  readonly values: readonly ValueVector[];
  readonly refused: readonly { readonly name: string; readonly pickle: string }[];
}>('python/pickles.json');

const values = vectors.values.map(vector => {
  const value = valueIn(vector);
  const label = value instanceof Uint8Array ? `${value.length} bytes` : `${typeof value} ${shown(value)}`;
  return { label, value, vector };
});

describe('a pickle', () => {
  it.each(values)('of $label is written as Python writes it', ({ value, vector }) => {
    expect(digestLike(vector.optimized, encodePickle(value))).toEqual(vector.optimized);
  });

  it.each(values)('of $label is read in every protocol', ({ value, vector }) => {
    const pickles = [...(vector.byProtocol ?? []), ...(vector.optimizedByProtocol ?? [])].map(fromHex);
    for (const pickle of [...pickles, encodePickle(value)]) expect(decodePickle(pickle)).toEqual(read(value));
  });

  it('tells a number from a bigint by whether a number holds it', () => {
    expect(decodePickle(encodePickle(2n ** 53n - 1n))).toBe(2 ** 53 - 1);
    expect(decodePickle(encodePickle(2n ** 53n))).toBe(2n ** 53n);
    expect(() => encodePickle(2 ** 53)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(() => encodePickle(1.5)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('a hostile pickle', () => {
  it.each(vectors.refused)('of $name is refused: it would be run, or is no plain value', ({ pickle }) => {
    expect(() => decodePickle(fromHex(pickle))).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }));
  });

  it.each([
    ['a name that looks like ours', 'c_codecs\nencode \n(V\nVlatin1\ntR.'],
    ['another name of the same module', 'c_codecs\nlookup\n(Vutf-8\ntR.'],
    ['another encoding', 'c_codecs\nencode\n(Vabc\nVrot13\ntR.'],
    ['bytes of something', 'c__builtin__\nbytes\n(I1000000\ntR.'],
    ['the name alone', 'c_codecs\nencode\n.'],
    ['an opcode by number', '\x82\x01.'],
    ['what is looked up in the memo', 'Va\np0\ng0\n.'],
    ['two values', 'I1\nI2\n.'],
    ['a value that is dropped', 'I1\n0I2\n.'],
    ['a buffer out of band', '\x80\x05\x97.'],
  ])('with %s is refused', (_, text) => {
    expect(() => decodePickle(Buffer.from(text, 'latin1'))).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }));
  });

  it.each([
    ['nothing', ''],
    ['no value', '\x80\x05'],
    ['no end', '\x80\x05K\x01'],
    ['more behind the end', '\x80\x05K\x01..'],
    ['a text longer than all', '\x80\x05X\xff\xff\xff\xffabc.'],
    ['bytes of 2^64 - 1', '\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\xff.'],
    ['a frame that lies', '\x80\x05\x95\x09\x00\x00\x00\x00\x00\x00\x00K\x01.'],
    ['a frame cut short', '\x80\x05\x95\x09'],
    ['a number that is none', 'I0x10\n.'],
    ['a long without its letter', 'L10\n.'],
    ['a text with a bare backslash', 'Va\\b\n.'],
    ['a character beyond the last', 'V\\U00110000\n.'],
    ['a text that is not UTF-8', '\x80\x05\x8c\x01\xff.'],
    ['half a surrogate cut short', '\x80\x05\x8c\x02\xed\xa0.'],
  ])('with %s is no pickle', (_, text) => {
    expect(() => decodePickle(Buffer.from(text, 'latin1'))).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });

  it.each([
    ['digits', `L${'9'.repeat(1_000_000)}L\n.`],
    ['bytes', `\x80\x05\x8b\x40\x42\x0f\x00${'\x7f'.repeat(1_000_000)}.`],
  ])('with a number of a million %s is refused before it is read', (_, text) => {
    expect(() => decodePickle(Buffer.from(text, 'latin1'))).toThrow(expect.objectContaining({ code: 'SIZE' }));
  });

  it.each([17, 1000, 100_000])('R-A12: with bytes inside of bytes is refused, however deep: %d times', depth => {
    const text = `${'c_codecs\nencode\n('.repeat(depth)}Va\nVlatin1\nt${'RVlatin1\nt'.repeat(depth - 1)}R.`;
    expect(() => decodePickle(Buffer.from(text, 'latin1'))).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }));
  });

  it('of a later protocol is refused', () => {
    expect(() => decodePickle(fromHex('80064b012e'))).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  });

  it('cut anywhere, or with any byte changed, fails in no other way, or is one of the plain values', () => {
    const random = seeded(5);
    for (const { vector } of values) {
      for (const pickle of (vector.byProtocol ?? []).map(fromHex)) {
        for (let at = 0; at < pickle.length; at += 1) {
          expect(() => decodePickle(pickle.subarray(0, at))).toThrow(LineError);
          const changed = pickle.slice();
          changed[at] = Math.floor(random() * 256);
          expectPlainOrRefused(changed);
        }
      }
    }
  });
});

function expectPlainOrRefused(pickle: Uint8Array): void {
  try {
    const value = decodePickle(pickle);
    if (typeof value === 'object' && value !== null) expect(value).toBeInstanceOf(Uint8Array);
  } catch (error) {
    expect(error).toBeInstanceOf(LineError);
  }
}

function valueIn(vector: ValueVector): PickleValue {
  if (vector.int !== undefined) return BigInt(vector.int);
  if (vector.utf16 !== undefined) return String.fromCharCode(...vector.utf16);
  if (vector.repeat !== undefined) return vector.repeat[0].repeat(vector.repeat[1]);
  if (vector.bytes !== undefined) return fromHex(vector.bytes);
  if (vector.repeatByte !== undefined) return new Uint8Array(vector.repeatByte[1]).fill(vector.repeatByte[0]);
  return vector.value!;
}

/** How a value comes back. */
function read(value: PickleValue): PickleValue {
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function digestLike(form: Digest, bytes: Uint8Array): Digest {
  if (typeof form === 'string') return toHex(bytes);
  return { sha256: createHash('sha256').update(bytes).digest('hex'), length: bytes.length };
}

function shown(value: PickleValue): string {
  return typeof value === 'string' ? JSON.stringify(value).slice(0, 30) : String(value);
}
