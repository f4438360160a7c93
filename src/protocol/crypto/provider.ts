/**
 * What the core needs of cryptography, as synchronous functions over byte arrays. Two implementations, held equal by a
 * contract test: node/crypto.ts (node:crypto, native speed) and portable.ts (the noble libraries, any platform).
 *
 * Nothing here draws randomness except `generateKeyPair` and `randomBytes`, which only the shell (line/) calls; the core
 * is given what it needs, so a test can give it fixed keys.
 */
export interface CryptoProvider {
  /** A fresh X25519 key pair. */
  generateKeyPair(): KeyPair;
  /** Restores a key pair from its 32 private bytes (RFC 7748; clamping is done by the operation). */
  importKeyPair(privateKey: Uint8Array): KeyPair;
  /**
   * X25519(private, public). Throws `LineError` with code `AUTH` when the result is all zeros (a low-order point):
   * every caller is a handshake, and there it must fail (docs/protocol/1-handshake.md §1).
   */
  diffieHellman(privateKey: PrivateKey, publicKey: Uint8Array): Uint8Array;

  sha512(...parts: Uint8Array[]): Uint8Array;
  hmacSha512(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array;
  /** scrypt with r = 8, p = 1 (RFC 7914). Slow on purpose, so asynchronous where the platform can. */
  scrypt(password: Uint8Array, salt: Uint8Array, cost: number, length: number): Promise<Uint8Array>;

  /** AES-256-GCM under one key; a new object per key. */
  aead(key: Uint8Array): Aead;

  randomBytes(length: number): Uint8Array;
}

/** A private key in the provider's own form; only the provider that made it can use it. */
export interface PrivateKey {
  readonly algorithm: 'x25519';
}

export interface KeyPair {
  readonly privateKey: PrivateKey;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** AES-256-GCM with a 12-byte nonce and a 16-byte tag (NIST SP 800-38D). */
export interface Aead {
  /**
   * Seals the concatenation of `plaintext` and returns the ciphertext in pieces, the last one the tag. The input
   * buffers may be reused as soon as the call returns; the output is fresh memory that belongs to the caller.
   */
  seal(nonce: Uint8Array, associatedData: Uint8Array, plaintext: readonly Uint8Array[]): Uint8Array[];
  /**
   * Opens `sealed` (ciphertext and tag in one array) and returns fresh memory, or `undefined` if it does not verify.
   * No byte of an unverified plaintext is ever handed out. `sealed` may be reused as soon as the call returns.
   */
  open(nonce: Uint8Array, associatedData: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}
