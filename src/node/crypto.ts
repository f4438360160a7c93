import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  scrypt,
} from 'node:crypto';
import { LineError } from '../errors.ts';
import { isAllZero } from '../protocol/crypto/constant-time.ts';
import type { Aead, CryptoProvider, KeyPair, PrivateKey } from '../protocol/crypto/provider.ts';
import { TAG_BYTES } from '../protocol/limits.ts';

/** The provider over node:crypto. Every array it returns is a plain `Uint8Array`, never a `Buffer` (see `plain`). */
export const nodeCrypto: CryptoProvider = {
  generateKeyPair() {
    return keyPairFrom(generateKeyPairSync('x25519').privateKey);
  },

  importKeyPair(privateKey): KeyPair {
    if (privateKey.length !== KEY_BYTES) throw new LineError('MALFORMED', 'an X25519 private key is not 32 bytes');
    const der = Buffer.concat([PKCS8_X25519_PREFIX, privateKey]);
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    der.fill(0);
    return keyPairFrom(key);
  },

  diffieHellman(privateKey, publicKey) {
    if (!(privateKey instanceof NodePrivateKey)) {
      throw new LineError('INTERNAL', 'a private key belongs to another crypto provider');
    }
    return privateKey.agree(publicKey);
  },

  sha512(...parts) {
    const hash = createHash('sha512');
    for (const part of parts) hash.update(part);
    return plain(hash.digest());
  },

  hmacSha512(key, ...parts) {
    const mac = createHmac('sha512', key);
    for (const part of parts) mac.update(part);
    return plain(mac.digest());
  },

  scrypt: (password, salt, cost, length) =>
    new Promise<Uint8Array>((resolve, reject) => {
      scrypt(password, salt, length, { N: cost, r: 8, p: 1, maxmem: SCRYPT_MAX_BYTES }, (error, derived) => {
        if (error === null) resolve(plain(derived));
        else reject(error);
      });
    }).catch(cause => {
      throw new LineError('INTERNAL', 'scrypt failed', { cause });
    }),

  aead: key => new NodeAead(key),

  randomBytes: length => plain(randomBytes(length)),
};

class NodePrivateKey implements PrivateKey {
  readonly algorithm = 'x25519';
  readonly #key: KeyObject;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  agree(publicKey: Uint8Array): Uint8Array {
    if (publicKey.length !== KEY_BYTES) throw new LineError('MALFORMED', 'an X25519 public key is not 32 bytes');
    let shared: Buffer;
    try {
      shared = diffieHellman({ privateKey: this.#key, publicKey: importPublicKey(publicKey) });
    } catch (cause) {
      // OpenSSL answers a low-order point with ERR_OSSL_FAILED_DURING_DERIVATION.
      throw new LineError('AUTH', 'the key agreement failed', { cause });
    }
    // RFC 7748, section 6.1; an OpenSSL that returned zeros would be stopped here.
    if (isAllZero(shared)) throw new LineError('AUTH', 'the key agreement failed');
    return plain(shared);
  }
}

const CIPHER_PIECE_BYTES = 256 * 1024;

/** Hot path of every transfer: records of 1 MiB go through without being joined or copied. */
class NodeAead implements Aead {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    // Own bytes, so the caller may erase its own. A KeyObject is not faster here (measured, 200-byte records).
    this.#key = Uint8Array.from(key);
  }

  seal(nonce: Uint8Array, associatedData: Uint8Array, plaintext: readonly Uint8Array[]): Uint8Array[] {
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(associatedData);
    const pieces: Uint8Array[] = [];
    for (const part of plaintext) {
      // In pieces that stay in the processor's cache, because Node fills each output with zeros first (measured: 296
      // against 328 µs per MiB).
      for (let at = 0; at < part.length; at += CIPHER_PIECE_BYTES) {
        pieces.push(plain(cipher.update(part.subarray(at, at + CIPHER_PIECE_BYTES))));
      }
    }
    // GCM keeps nothing back: final() only closes the tag.
    cipher.final();
    pieces.push(plain(cipher.getAuthTag()));
    return pieces;
  }

  open(nonce: Uint8Array, associatedData: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const ciphertextBytes = sealed.length - TAG_BYTES;
    if (ciphertextBytes < 0) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, GCM_OPTIONS);
    decipher.setAuthTag(sealed.subarray(ciphertextBytes));
    decipher.setAAD(associatedData);
    const plaintext = decipher.update(sealed.subarray(0, ciphertextBytes));
    try {
      decipher.final();
    } catch {
      // The tag does not verify; what was decrypted is dropped unseen.
      return undefined;
    }
    return plain(plaintext);
  }
}

/**
 * As JWK rather than DER, because OpenSSL's DER decoder takes ten times as long (8 µs against 80 µs, and a handshake
 * needs five).
 */
function importPublicKey(publicKey: Uint8Array): KeyObject {
  const x = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
}

/**
 * The public key is computed, X25519(private, 9) of RFC 7748, and never exported: in Node 20, `KeyObject.export` of a
 * generated key holds that key's lock while it allocates, and a garbage collection at that moment destroys the
 * generating job, which waits for the same lock. The process then hangs for ever.
 */
function keyPairFrom(key: KeyObject): KeyPair {
  const privateKey = new NodePrivateKey(key);
  let publicKey: Uint8Array | undefined;
  return {
    privateKey,
    // On demand, because CPace never asks: its shares have another base point.
    get publicKey() {
      publicKey ??= privateKey.agree(BASE_POINT);
      return publicKey;
    },
  };
}

/**
 * The same memory as a plain `Uint8Array`. A `Buffer` handed to portable code would break it without a sign:
 * `Buffer.slice` shares memory where `Uint8Array.slice` copies.
 */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

const KEY_BYTES = 32;
const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(31));
/** PrivateKeyInfo of RFC 8410, section 7, up to the 32 private bytes. */
const PKCS8_X25519_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
/** Twice what scrypt needs at the cost that line1 fixes; Node's own limit is just too small for it. */
const SCRYPT_MAX_BYTES = 64 * 1024 * 1024;
/** Refuses shorter tags, which OpenSSL would accept. */
const GCM_OPTIONS = { authTagLength: TAG_BYTES } as const;
