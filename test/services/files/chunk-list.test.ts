import { createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeSha256 } from '../../../src/node/files/folder-service.ts';
import { ChunkList, encodeListed } from '../../../src/services/files/comparing/chunk-list.ts';
import { chunkMac } from '../../../src/services/files/comparing/chunk-mac.ts';
import { code } from './served.ts';

const AVERAGE = 32 * 1024;

describe('the tag of a chunk', () => {
  it('is the first half of HMAC-SHA-256', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.uint8Array({ maxLength: 300 }), (key, chunk) => {
        const whole = createHmac('sha256', key).update(chunk).digest();
        expect(Buffer.from(chunkMac(key, makeSha256)(chunk))).toEqual(whole.subarray(0, 16));
      }),
    );
  });
});

describe('the list of a file’s chunks', () => {
  it('finds all chunks of a tag, in whatever pieces the list came', () => {
    const tags = [1, 2, 1, 3, 1, 2].map(value => new Uint8Array(16).fill(value));
    const bytes = Buffer.concat(tags.map(tag => encodeListed(10_000, tag)));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), pieceBytes => {
        const list = new ChunkList(60_000, AVERAGE);
        for (let at = 0; at < bytes.length; at += pieceBytes) list.take(bytes.subarray(at, at + pieceBytes));
        list.finish();
        expect(list.count).toBe(6);
        expect([...list.takeWithTag(tags[0]!)]).toEqual([0, 2, 4]);
        expect([...list.takeWithTag(tags[1]!)]).toEqual([1, 5]);
        expect([...list.takeWithTag(new Uint8Array(16))]).toEqual([]);
        // A second time they have been found already.
        expect([...list.takeWithTag(tags[0]!)]).toEqual([]);
        expect(list.lengthOf(3)).toBe(10_000);
        expect(list.hasTag(3, tags[3]!)).toBe(true);
        expect(list.hasTag(3, tags[2]!)).toBe(false);
      }),
    );
  });

  it.each([
    ['too short in the middle', [8192, 51_808]],
    ['empty', [0, 60_000]],
    ['more than the file', [30_000, 30_001]],
    ['less than the file', [30_000, 20_000]],
    ['too long', [60_000], 4 * 1024],
  ])('is refused when chunks are %s', (_, lengths, average = AVERAGE) => {
    const list = new ChunkList(60_000, average);
    const take = () => {
      for (const length of lengths) list.take(encodeListed(length, randomBytes(16)));
      list.finish();
    };
    expect(take).toThrow(code('MISMATCH'));
  });
});
