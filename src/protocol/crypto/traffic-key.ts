import { kdf } from './kdf.ts';
import type { Aead, CryptoProvider } from './provider.ts';

/** Cipher and iv of a traffic secret (docs/protocol/1-handshake.md §5). The secret stays the caller's to erase. */
export function deriveTrafficKey(provider: CryptoProvider, trafficSecret: Uint8Array): TrafficKey {
  const none = new Uint8Array(0);
  const key = kdf(provider, trafficSecret, 'key', none, 32);
  const iv = kdf(provider, trafficSecret, 'iv', none, 12);
  const aead = provider.aead(key);
  key.fill(0);
  return { aead, iv };
}

export interface TrafficKey {
  readonly aead: Aead;
  readonly iv: Uint8Array;
}

/** nonce = iv XOR (0^4 || u64 number). Whoever counts sees to it that no number is used twice under one key. */
export function numberedNonce(iv: Uint8Array, number: number): Uint8Array {
  const nonce = iv.slice();
  const high = Math.floor(number / 0x100000000);
  const low = number >>> 0;
  nonce[6]! ^= high >>> 8;
  nonce[7]! ^= high;
  nonce[8]! ^= low >>> 24;
  nonce[9]! ^= low >>> 16;
  nonce[10]! ^= low >>> 8;
  nonce[11]! ^= low;
  return nonce;
}
