import { LineError } from '../../errors.ts';
import { ByteReader } from '../bytes/reader.ts';
import { encodeAscii } from '../bytes/text.ts';
import { concatBytes, putU64 } from '../bytes/writer.ts';
import { expand, extract } from '../crypto/kdf.ts';
import type { Aead, CryptoProvider, KeyPair } from '../crypto/provider.ts';
import { TAG_BYTES } from '../limits.ts';

/**
 * The Noise Protocol Framework, revision 34, for the three patterns of line1 with 25519, AESGCM and SHA512. Section
 * numbers are those of the Noise specification; names follow it (ck, k, n, h; e, s, re, rs).
 */

/** Noise_<pattern>_25519_AESGCM_SHA512 (section 8). */
export type NoisePattern = 'XX' | 'XXpsk3' | 'NNpsk0';

export interface NoiseOptions {
  readonly pattern: NoisePattern;
  readonly role: 'initiator' | 'responder';
  /** What both sides must have seen alike before the first message. */
  readonly prologue: Uint8Array;
  /** Fresh for this handshake. */
  readonly ephemeral: KeyPair;
  /** The device's key; in the XX patterns only. */
  readonly static?: KeyPair;
}

export interface NoiseResult {
  /** Section 5.2, Split(): k1 for what the initiator sends, k2 for what the responder sends. 32 bytes each. */
  readonly k1: Uint8Array;
  readonly k2: Uint8Array;
  /** h: the same on both sides only for this one handshake. Not a secret. */
  readonly handshakeHash: Uint8Array;
  /** The peer's static key, proven; absent in NNpsk0. */
  readonly remoteStatic: Uint8Array | undefined;
}

/**
 * One side of one handshake (section 5.3). It draws no randomness and sends nothing: the caller carries the messages.
 *
 * Every failure to verify is `AUTH` with the same sentence, and a message too short for its pattern `MALFORMED`; after
 * either the handshake is dead. A call that is not due is `STATE` and changes nothing.
 */
export class NoiseHandshake {
  readonly #provider: CryptoProvider;
  readonly #initiator: boolean;
  readonly #messages: Pattern;
  readonly #symmetric: SymmetricState;
  readonly #ephemeral: KeyPair;
  readonly #static: KeyPair | undefined;
  #remoteEphemeral: Uint8Array | undefined;
  #remoteStatic: Uint8Array | undefined;
  #psk: Uint8Array | undefined;
  #state: State;

  /** Initialize() (section 5.3). */
  constructor(provider: CryptoProvider, options: NoiseOptions) {
    this.#provider = provider;
    this.#initiator = options.role === 'initiator';
    this.#messages = PATTERNS[options.pattern];
    this.#symmetric = new SymmetricState(provider, `Noise_${options.pattern}_25519_AESGCM_SHA512`);
    this.#symmetric.mixHash(options.prologue);
    this.#ephemeral = options.ephemeral;
    this.#static = options.static;
    this.#state = this.#turn(0);
    if (this.#messages.flat().includes('s') !== (options.static !== undefined)) {
      throw new LineError('USAGE', `the pattern ${options.pattern} and the static key do not go together`);
    }
  }

  /** re, as soon as a message brought it; not yet proven to be anybody's. */
  get remoteEphemeral(): Uint8Array | undefined {
    return this.#remoteEphemeral;
  }

  /**
   * rs, as soon as a message brought it. A claim only: that the peer holds the key is proven when the message that
   * brought it, with its `es` or `se`, has been read to its end.
   */
  get remoteStatic(): Uint8Array | undefined {
    return this.#remoteStatic;
  }

  /** Gives the 32-byte psk; at the latest before the message that mixes it. Copied. */
  setPsk(psk: Uint8Array): void {
    const due =
      (this.#state.name === 'write' || this.#state.name === 'read') &&
      this.#messages.slice(this.#state.index).flat().includes('psk');
    if (!(due || this.#pausedBefore('psk')) || this.#psk !== undefined) throw notDue('setPsk');
    if (psk.length !== 32) throw new LineError('USAGE', 'a Noise psk has 32 bytes');
    this.#psk = Uint8Array.from(psk);
  }

  /** WriteMessage() (section 5.3). */
  writeMessage(payload: Uint8Array): Uint8Array {
    const state = this.#state;
    if (state.name !== 'write') throw notDue('writeMessage');
    const tokens = this.#messages[state.index]!;
    this.#requirePskFor(tokens);
    return this.#orFail(() => {
      const parts = tokens.map(token => this.#writeToken(token));
      parts.push(this.#symmetric.encryptAndHash(payload));
      const message = concatBytes(...parts);
      if (message.length > MAX_MESSAGE_BYTES) throw new LineError('SIZE', 'a Noise message would exceed 65535 bytes');
      this.#state = this.#turn(state.index + 1);
      return message;
    });
  }

  /** ReadMessage() (section 5.3): returns the payload, in fresh memory. */
  readMessage(message: Uint8Array): Uint8Array {
    const state = this.#state;
    if (state.name !== 'read') throw notDue('readMessage');
    this.#requirePskFor(this.#messages[state.index]!);
    return this.#orFail(() => {
      const reader = openMessage(message);
      for (const token of this.#messages[state.index]!) this.#readToken(token, reader);
      return this.#readPayload(state.index, reader);
    });
  }

  /**
   * The first half of `readMessage` for a message that brings a static key: reads no further than that key and returns
   * it, so that the caller can turn the peer away before the psk is touched. Follow with `finishMessage`, or drop the
   * handshake. `message` must stay unchanged until then.
   */
  readStaticKey(message: Uint8Array): Uint8Array {
    const state = this.#state;
    if (state.name !== 'read') throw notDue('readStaticKey');
    const tokens = this.#messages[state.index]!;
    const after = tokens.indexOf('s') + 1;
    if (after === 0) throw notDue('readStaticKey');
    return this.#orFail(() => {
      const reader = openMessage(message);
      for (const token of tokens.slice(0, after)) this.#readToken(token, reader);
      this.#state = { name: 'paused', index: state.index, reader, rest: tokens.slice(after) };
      return this.#remoteStatic!;
    });
  }

  /** The second half of `readMessage` after `readStaticKey`: returns the payload, in fresh memory. */
  finishMessage(): Uint8Array {
    const state = this.#state;
    if (state.name !== 'paused') throw notDue('finishMessage');
    this.#requirePskFor(state.rest);
    return this.#orFail(() => {
      for (const token of state.rest) this.#readToken(token, state.reader);
      return this.#readPayload(state.index, state.reader);
    });
  }

  /** Split() (section 5.2), once, after the last message; what is left of the secrets is erased. */
  split(): NoiseResult {
    if (this.#state.name !== 'complete') throw notDue('split');
    const handshakeHash = this.#symmetric.handshakeHash;
    const { k1, k2 } = this.#symmetric.split();
    this.#state = { name: 'spent' };
    this.#symmetric.erase();
    return { k1, k2, handshakeHash, remoteStatic: this.#remoteStatic };
  }

  /** Erases what can be erased and makes every further call `STATE`; for an attempt that is given up. */
  abort(): void {
    this.#state = { name: 'spent' };
    this.#symmetric.erase();
    this.#psk?.fill(0);
    this.#psk = undefined;
  }

  /** Section 7.3: whose turn it is, the initiator's first. */
  #turn(index: number): State {
    if (index === this.#messages.length) return { name: 'complete' };
    const initiatorWrites = index % 2 === 0;
    return { name: initiatorWrites === this.#initiator ? 'write' : 'read', index };
  }

  #writeToken(token: Token): Uint8Array {
    switch (token) {
      case 'e':
        this.#mixEphemeral(this.#ephemeral.publicKey);
        return this.#ephemeral.publicKey;
      case 's':
        return this.#symmetric.encryptAndHash(this.#static!.publicKey);
      default:
        this.#mixSecret(token);
        return new Uint8Array(0);
    }
  }

  #readToken(token: Token, reader: ByteReader): void {
    switch (token) {
      case 'e':
        this.#remoteEphemeral = Uint8Array.from(reader.take(KEY_BYTES));
        this.#mixEphemeral(this.#remoteEphemeral);
        break;
      case 's': {
        const length = this.#symmetric.hasKey ? KEY_BYTES + TAG_BYTES : KEY_BYTES;
        this.#remoteStatic = this.#symmetric.decryptAndHash(reader.take(length));
        break;
      }
      default:
        this.#mixSecret(token);
    }
  }

  #readPayload(index: number, reader: ByteReader): Uint8Array {
    if (this.#symmetric.hasKey && reader.remaining < TAG_BYTES) {
      throw new LineError('MALFORMED', 'a Noise message ends before its payload');
    }
    const payload = this.#symmetric.decryptAndHash(reader.rest());
    this.#state = this.#turn(index + 1);
    return payload;
  }

  /** Section 9.2: with a psk, the ephemeral key is also mixed into the key, as it randomises what the psk alone cannot. */
  #mixEphemeral(publicKey: Uint8Array): void {
    this.#symmetric.mixHash(publicKey);
    if (this.#messages.flat().includes('psk')) this.#symmetric.mixKey(publicKey);
  }

  /** The first letter is the initiator's key, the second the responder's (section 5.3). */
  #mixSecret(token: 'ee' | 'es' | 'se' | 'psk'): void {
    if (token === 'psk') {
      this.#symmetric.mixKeyAndHash(this.#psk!);
      this.#psk!.fill(0);
      this.#psk = undefined;
      return;
    }
    const ownLetter = this.#initiator ? token[0] : token[1];
    const peerLetter = this.#initiator ? token[1] : token[0];
    const own = ownLetter === 'e' ? this.#ephemeral : this.#static!;
    const peer = peerLetter === 'e' ? this.#remoteEphemeral! : this.#remoteStatic!;
    const secret = this.#provider.diffieHellman(own.privateKey, peer);
    this.#symmetric.mixKey(secret);
    secret.fill(0);
  }

  #pausedBefore(token: Token): boolean {
    return this.#state.name === 'paused' && this.#state.rest.includes(token);
  }

  #requirePskFor(tokens: readonly Token[]): void {
    if (tokens.includes('psk') && this.#psk === undefined) {
      throw new LineError('STATE', 'the psk must be set before this Noise message');
    }
  }

  /** Runs one step; if it fails, the handshake ends and only the code tells why. */
  #orFail(step: () => Uint8Array): Uint8Array {
    try {
      return step();
    } catch (cause) {
      this.abort();
      if (cause instanceof LineError && (cause.code === 'MALFORMED' || cause.code === 'SIZE')) throw cause;
      throw new LineError('AUTH', 'the handshake did not verify', { cause });
    }
  }
}

/** Section 5.2. */
class SymmetricState {
  readonly #provider: CryptoProvider;
  #cipher: CipherState | undefined;
  #ck: Uint8Array;
  #h: Uint8Array;

  /** InitializeSymmetric(); the names here are shorter than a hash, so they are padded with zeros. */
  constructor(provider: CryptoProvider, protocolName: string) {
    this.#provider = provider;
    this.#h = new Uint8Array(HASH_BYTES);
    this.#h.set(encodeAscii(protocolName));
    this.#ck = Uint8Array.from(this.#h);
  }

  get hasKey(): boolean {
    return this.#cipher !== undefined;
  }

  get handshakeHash(): Uint8Array {
    return this.#h;
  }

  mixKey(inputKey: Uint8Array): void {
    const [ck, tempK] = this.#hkdf(inputKey, 2);
    this.#setChainingKey(ck!);
    this.#setKey(tempK!);
  }

  mixHash(data: Uint8Array): void {
    this.#h = this.#provider.sha512(this.#h, data);
  }

  mixKeyAndHash(inputKey: Uint8Array): void {
    const [ck, tempH, tempK] = this.#hkdf(inputKey, 3);
    this.#setChainingKey(ck!);
    this.mixHash(tempH!);
    this.#setKey(tempK!);
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#cipher === undefined ? plaintext : this.#cipher.encryptWithAd(this.#h, plaintext);
    this.mixHash(ciphertext);
    return ciphertext;
  }

  /** Returns fresh memory. */
  decryptAndHash(ciphertext: Uint8Array): Uint8Array {
    const plaintext =
      this.#cipher === undefined ? Uint8Array.from(ciphertext) : this.#cipher.decryptWithAd(this.#h, ciphertext);
    this.mixHash(ciphertext);
    return plaintext;
  }

  split(): { k1: Uint8Array; k2: Uint8Array } {
    const [k1, k2] = this.#hkdf(new Uint8Array(0), 2);
    return { k1: k1!.slice(0, KEY_BYTES), k2: k2!.slice(0, KEY_BYTES) };
  }

  erase(): void {
    this.#ck.fill(0);
    this.#cipher = undefined;
  }

  /** HKDF() (section 4.3), which is HKDF of RFC 5869 with ck as salt and no info. */
  #hkdf(inputKey: Uint8Array, outputs: 2 | 3): Uint8Array[] {
    const secret = extract(this.#provider, this.#ck, inputKey);
    const bytes = expand(this.#provider, secret, new Uint8Array(0), outputs * HASH_BYTES);
    secret.fill(0);
    return Array.from({ length: outputs }, (_, index) => bytes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES));
  }

  #setChainingKey(ck: Uint8Array): void {
    this.#ck.fill(0);
    this.#ck = ck;
  }

  /** InitializeKey() with the first 32 of the 64 bytes (section 5.2, MixKey). */
  #setKey(tempK: Uint8Array): void {
    this.#cipher = new CipherState(this.#provider, tempK.subarray(0, KEY_BYTES));
    tempK.fill(0);
  }
}

/** Section 5.1. */
export class CipherState {
  readonly #aead: Aead;
  #n = 0;

  constructor(provider: CryptoProvider, k: Uint8Array) {
    this.#aead = provider.aead(k);
  }

  encryptWithAd(ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    return concatBytes(...this.#aead.seal(this.#nextNonce(), ad, [plaintext]));
  }

  /** Throws `AUTH` if it does not verify. */
  decryptWithAd(ad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const plaintext = this.#aead.open(this.#nextNonce(), ad, ciphertext);
    if (plaintext === undefined) throw new LineError('AUTH', 'a Noise ciphertext does not verify');
    return plaintext;
  }

  /** AESGCM's nonce (section 12.4): 32 zero bits, then n as 64 bits big-endian. */
  #nextNonce(): Uint8Array {
    const nonce = new Uint8Array(12);
    putU64(nonce, 4, this.#n++);
    return nonce;
  }
}

function openMessage(message: Uint8Array): ByteReader {
  if (message.length > MAX_MESSAGE_BYTES) throw new LineError('SIZE', 'a Noise message exceeds 65535 bytes');
  return new ByteReader(message);
}

function notDue(call: string): LineError {
  return new LineError('STATE', `${call} is not due in this state of the handshake`);
}

/** Where a handshake stands: the message due, or what of a message is still to be read. */
type State =
  | { readonly name: 'write'; readonly index: number }
  | { readonly name: 'read'; readonly index: number }
  | { readonly name: 'paused'; readonly index: number; readonly reader: ByteReader; readonly rest: readonly Token[] }
  | { readonly name: 'complete' }
  | { readonly name: 'spent' };

type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'psk';
type Pattern = readonly (readonly Token[])[];

/** Sections 7.4 and 9.4; the initiator writes the first message, then they take turns. */
const PATTERNS: Record<NoisePattern, Pattern> = {
  XX: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']],
  XXpsk3: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se', 'psk']],
  NNpsk0: [
    ['psk', 'e'],
    ['e', 'ee'],
  ],
};

const HASH_BYTES = 64;
const KEY_BYTES = 32;
/** Section 3. */
const MAX_MESSAGE_BYTES = 65_535;
