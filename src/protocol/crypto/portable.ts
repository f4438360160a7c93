import { gcm } from '@noble/ciphers/aes.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { hmac } from '@noble/hashes/hmac.js';
import { scryptAsync } from '@noble/hashes/scrypt.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { LineError } from '../../errors.ts';
import { concatBytes } from '../bytes/writer.ts';
import { TAG_BYTES } from '../limits.ts';
import { isAllZero } from './constant-time.ts';
import type { Aead, CryptoProvider, KeyPair, PrivateKey } from './provider.ts';

/**
 * The provider for platforms without node:crypto, over the noble libraries. Its constant time is best effort (BigInt).
 * Randomness comes from the caller, because the core has none: `randomBytes` must be the platform's secure generator.
 */
export function portableCrypto(randomBytes: (length: number) => Uint8Array): CryptoProvider {
  return {
    generateKeyPair: () => keyPairFrom(randomBytes(KEY_BYTES)),
    importKeyPair: keyPairFrom,
    diffieHellman(privateKey, publicKey) {
      if (!(privateKey instanceof PortablePrivateKey)) {
        throw new LineError('INTERNAL', 'a private key belongs to another crypto provider');
      }
      return privateKey.agree(publicKey);
    },
    sha512(...parts) {
      const hash = sha512.create();
      for (const part of parts) hash.update(part);
      return hash.digest();
    },
    hmacSha512(key, ...parts) {
      const mac = hmac.create(sha512, key);
      for (const part of parts) mac.update(part);
      return mac.digest();
    },
    scrypt: (password, salt, cost, length) =>
      scryptAsync(password, salt, { N: cost, r: 8, p: 1, dkLen: length, maxmem: SCRYPT_MAX_BYTES }).catch(cause => {
        throw new LineError('INTERNAL', 'scrypt failed', { cause });
      }),
    aead: key => new PortableAead(key),
    randomBytes,
  };
}

/** Keeps the bytes where no printing or copying of the object shows them. */
class PortablePrivateKey implements PrivateKey {
  readonly algorithm = 'x25519';
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  agree(publicKey: Uint8Array): Uint8Array {
    if (publicKey.length !== KEY_BYTES) throw new LineError('MALFORMED', 'an X25519 public key is not 32 bytes');
    let shared: Uint8Array;
    try {
      shared = x25519.getSharedSecret(this.#bytes, publicKey);
    } catch (cause) {
      throw new LineError('AUTH', 'the key agreement failed', { cause });
    }
    // noble throws on zero by itself; this does not depend on its staying so.
    if (isAllZero(shared)) throw new LineError('AUTH', 'the key agreement failed');
    return shared;
  }
}

class PortableAead implements Aead {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = Uint8Array.from(key);
  }

  seal(nonce: Uint8Array, associatedData: Uint8Array, plaintext: readonly Uint8Array[]): Uint8Array[] {
    const joined = plaintext.length === 1 ? plaintext[0]! : concatBytes(...plaintext);
    const sealed: Uint8Array = gcm(this.#key, nonce, associatedData).encrypt(joined);
    const tag = sealed.subarray(joined.length);
    return joined.length === 0 ? [tag] : [sealed.subarray(0, joined.length), tag];
  }

  open(nonce: Uint8Array, associatedData: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < TAG_BYTES) return undefined;
    try {
      return gcm(this.#key, nonce, associatedData).decrypt(sealed);
    } catch {
      // The tag is verified before anything is decrypted, and says only yes or no.
      return undefined;
    }
  }
}

function keyPairFrom(privateKey: Uint8Array): KeyPair {
  if (privateKey.length !== KEY_BYTES) throw new LineError('MALFORMED', 'an X25519 private key is not 32 bytes');
  const bytes = Uint8Array.from(privateKey);
  return { privateKey: new PortablePrivateKey(bytes), publicKey: x25519.getPublicKey(bytes) };
}

const KEY_BYTES = 32;
/** Twice what scrypt needs at the cost that line1 fixes. */
const SCRYPT_MAX_BYTES = 64 * 1024 * 1024;
