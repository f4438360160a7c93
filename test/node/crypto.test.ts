import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { portableCrypto } from '../../src/protocol/crypto/portable.ts';
import { cryptoProviderContract } from '../contracts/crypto-provider.ts';

cryptoProviderContract(
  'nodeCrypto',
  nodeCrypto,
  portableCrypto(length => Uint8Array.from(randomBytes(length))),
);

describe('nodeCrypto', () => {
  it('seals a large part in pieces that stay in the cache, and copies nothing together', () => {
    const sealed = nodeCrypto
      .aead(new Uint8Array(32))
      .seal(new Uint8Array(12), new Uint8Array(4), [new Uint8Array(8), new Uint8Array(1 << 20)]);
    expect(sealed.map(piece => piece.length)).toEqual([8, 1 << 18, 1 << 18, 1 << 18, 1 << 18, 16]);
  });

  it('makes key pairs while garbage is collected without hanging', () => {
    // In a process of its own: the fault that this guards against (see keyPairFrom) blocks a process for ever. The
    // garbage of changing size lets collections fall at every point of the calls.
    const script = `
      import { nodeCrypto } from ${JSON.stringify(new URL('../../dist/node/crypto.js', import.meta.url).href)};
      let junk;
      for (let run = 0; run < 25000; run++) {
        junk = nodeCrypto.generateKeyPair().publicKey;
        for (let count = 0; count < (run * 7) % 23; count++) junk = [run, count, 'a' + run];
      }
    `;
    const run = () =>
      execFileSync(process.execPath, ['--max-semi-space-size=1', '--input-type=module', '-e', script], {
        timeout: 30_000,
      });
    expect(run).not.toThrow();
  });
});
