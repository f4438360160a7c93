import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { extract, kdf } from '../../../src/protocol/crypto/kdf.ts';
import { fromHex, readVectors, toHex } from './vectors.ts';

describe('kdf', () => {
  it('puts length, label and context into the info of HKDF-Expand', () => {
    const secret = Uint8Array.of(1, 2, 3);
    const info = Buffer.concat([
      Buffer.from([0, 20, 10]),
      Buffer.from('line1 name', 'ascii'),
      Buffer.from([0, 2, 0xaa, 0xbb]),
      Buffer.from([1]),
    ]);
    const expected = createHmac('sha512', secret).update(info).digest().subarray(0, 20);
    expect(toHex(kdf(nodeCrypto, secret, 'name', Uint8Array.of(0xaa, 0xbb), 20))).toBe(toHex(expected));
  });

  it('gives the keys of the line1 draft', () => {
    const draft = readVectors<Record<string, string>>('line1-draft/passphrase-stream.json');
    const none = new Uint8Array(0);
    const splitKeys = fromHex(draft['split_k1']! + draft['split_k2']!);
    const secret = extract(nodeCrypto, fromHex(draft['handshake_hash']!), splitKeys);
    expect(toHex(secret)).toBe(draft['session_secret']);
    expect(toHex(kdf(nodeCrypto, secret, 'c2s traffic', none, 64))).toBe(draft['c2s_traffic_0']);
    expect(toHex(kdf(nodeCrypto, secret, 'session id', none, 16))).toBe(draft['session_id']);
    const context = fromHex('01020304050607081112131415161718');
    const exporter = fromHex(draft['exporter']!);
    expect(toHex(kdf(nodeCrypto, exporter, 'dgram c2s', context, 64))).toBe(draft['dgram_c2s_traffic_0']);
  });
});
