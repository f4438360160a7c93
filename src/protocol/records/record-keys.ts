import { LineError } from '../../errors.ts';
import { kdf } from '../crypto/kdf.ts';
import type { Aead, CryptoProvider } from '../crypto/provider.ts';
import { RECORDS_PER_EPOCH } from '../limits.ts';

/**
 * The keys of one direction of one lane (docs/protocol/2-records.md §2). Gives each record its cipher and nonce exactly
 * once, in order, and ratchets the traffic secret every 65,536 records, so that stolen keys do not open older records.
 *
 * One object, one writer, never cloned or serialised: a nonce used twice under one key breaks GCM for good.
 */
export class RecordKeys {
  readonly #provider: CryptoProvider;
  #trafficSecret: Uint8Array;
  #aead: Aead;
  #iv: Uint8Array;
  /** Epoch and position are kept apart: their 64-bit sum does not fit JavaScript's bit operations. */
  #epoch = 0;
  #position = 0;

  /** Takes ownership of `trafficSecret` (64 bytes) and erases it when it has been used up. */
  constructor(provider: CryptoProvider, trafficSecret: Uint8Array) {
    this.#provider = provider;
    this.#trafficSecret = trafficSecret;
    ({ aead: this.#aead, iv: this.#iv } = deriveEpoch(provider, trafficSecret));
  }

  /** Cipher and nonce of the next record. */
  next(): { aead: Aead; nonce: Uint8Array } {
    if (this.#position === RECORDS_PER_EPOCH) this.#ratchet();
    const sequence = this.#epoch * RECORDS_PER_EPOCH + this.#position;
    this.#position += 1;
    return { aead: this.#aead, nonce: recordNonce(this.#iv, sequence) };
  }

  #ratchet(): void {
    if (this.#epoch === MAX_EPOCH) throw new LineError('STATE', 'the record counter of this line is used up');
    const next = kdf(this.#provider, this.#trafficSecret, 'next', new Uint8Array(0), 64);
    this.#trafficSecret.fill(0);
    this.#iv.fill(0);
    this.#trafficSecret = next;
    ({ aead: this.#aead, iv: this.#iv } = deriveEpoch(this.#provider, next));
    this.#epoch += 1;
    this.#position = 0;
  }
}

/** Sequence numbers end at 2^48 (docs/protocol/2-records.md §1). */
const MAX_EPOCH = 2 ** 32 - 1;

function deriveEpoch(provider: CryptoProvider, trafficSecret: Uint8Array): { aead: Aead; iv: Uint8Array } {
  const none = new Uint8Array(0);
  const key = kdf(provider, trafficSecret, 'key', none, 32);
  const iv = kdf(provider, trafficSecret, 'iv', none, 12);
  const aead = provider.aead(key);
  key.fill(0);
  return { aead, iv };
}

/** nonce = iv XOR (0^4 || u64 sequence) */
function recordNonce(iv: Uint8Array, sequence: number): Uint8Array {
  const nonce = iv.slice();
  const high = Math.floor(sequence / 0x100000000);
  const low = sequence >>> 0;
  nonce[6]! ^= high >>> 8;
  nonce[7]! ^= high;
  nonce[8]! ^= low >>> 24;
  nonce[9]! ^= low >>> 16;
  nonce[10]! ^= low >>> 8;
  nonce[11]! ^= low;
  return nonce;
}
