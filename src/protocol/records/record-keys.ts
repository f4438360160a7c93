import { LineError } from '../../errors.ts';
import { kdf } from '../crypto/kdf.ts';
import type { Aead, CryptoProvider } from '../crypto/provider.ts';
import { deriveTrafficKey, numberedNonce } from '../crypto/traffic-key.ts';
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
    ({ aead: this.#aead, iv: this.#iv } = deriveTrafficKey(provider, trafficSecret));
  }

  /** Cipher and nonce of the next record. */
  next(): { aead: Aead; nonce: Uint8Array } {
    if (this.#position === RECORDS_PER_EPOCH) this.#ratchet();
    const sequence = this.#epoch * RECORDS_PER_EPOCH + this.#position;
    this.#position += 1;
    return { aead: this.#aead, nonce: numberedNonce(this.#iv, sequence) };
  }

  #ratchet(): void {
    if (this.#epoch === MAX_EPOCH) throw new LineError('STATE', 'the record counter of this line is used up');
    const next = kdf(this.#provider, this.#trafficSecret, 'next', new Uint8Array(0), 64);
    this.#trafficSecret.fill(0);
    this.#iv.fill(0);
    this.#trafficSecret = next;
    ({ aead: this.#aead, iv: this.#iv } = deriveTrafficKey(this.#provider, next));
    this.#epoch += 1;
    this.#position = 0;
  }
}

/** Sequence numbers end at 2^48 (docs/protocol/2-records.md §1). */
const MAX_EPOCH = 2 ** 32 - 1;
