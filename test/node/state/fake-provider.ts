import { createHash, randomBytes } from 'node:crypto';
import type { CryptoProvider, KeyPair, PrivateKey } from '../../../src/protocol/crypto/provider.ts';

/** A key pair that shows which private bytes it was made of. */
export interface FakeKeyPair extends KeyPair {
  readonly privateBytes: Uint8Array;
}

/** The two functions of the provider that loading a key needs. */
export const fakeProvider = {
  randomBytes: (length: number) => Uint8Array.from(randomBytes(length)),
  importKeyPair: (privateBytes: Uint8Array): FakeKeyPair => ({
    privateKey: { algorithm: 'x25519' } as PrivateKey,
    publicKey: Uint8Array.from(createHash('sha256').update(privateBytes).digest()),
    privateBytes,
  }),
} as unknown as CryptoProvider & { importKeyPair(privateKey: Uint8Array): FakeKeyPair };
