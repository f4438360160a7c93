import type { Channel } from '../../../line/channel.ts';
import type { Route } from '../../../line/route.ts';
import { concatBytes } from '../../../protocol/bytes/writer.ts';
import type { MakeSha256 } from '../hash.ts';

/**
 * By what two ends tell that they hold the same chunk: HMAC-SHA-256 (RFC 2104) under a key of this one comparison, its
 * first 16 bytes. Equal chunks must have equal tags wherever they lie, so a MAC with a nonce, as leaves.ts has, cannot do
 * it; why this one can is in docs/decisions/0014-delta.md.
 */
export function chunkMacOf(route: Route, channel: Channel, makeSha256: MakeSha256): ChunkMac {
  return chunkMac(route.channelKey(channel, KEY_NAME, KEY_BYTES), makeSha256);
}

/** 16 bytes for a chunk. */
export type ChunkMac = (chunk: Uint8Array) => Uint8Array;

/** HMAC-SHA-256, cut; the key is at most a block long. */
export function chunkMac(key: Uint8Array, makeSha256: MakeSha256): ChunkMac {
  const inner = padded(key, 0x36);
  const outer = padded(key, 0x5c);
  return chunk => {
    const inside = makeSha256();
    inside.update(inner);
    inside.update(chunk);
    const outside = makeSha256();
    outside.update(concatBytes(outer, inside.digest()));
    return outside.digest().subarray(0, TAG_BYTES);
  };
}

function padded(key: Uint8Array, pad: number): Uint8Array {
  return Uint8Array.from({ length: SHA256_BLOCK_BYTES }, (_, at) => (key[at] ?? 0) ^ pad);
}

const KEY_NAME = 'files chunks';
const KEY_BYTES = 32;
export const TAG_BYTES = 16;
const SHA256_BLOCK_BYTES = 64;
