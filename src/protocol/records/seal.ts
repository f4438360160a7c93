import { LineError } from '../../errors.ts';
import { TAG_BYTES } from '../limits.ts';
import type { RecordKeys } from './record-keys.ts';
import type { Unit } from './unit-reader.ts';

/** Record: `u8 0x17, u24 L, ciphertext of L-16 bytes, tag` with the four header bytes as associated data. */
const RECORD_TYPE = 0x17;

/** The smallest record holds one frame header without payload (docs/protocol/2-records.md §1). */
const MIN_SEALED_BYTES = 8 + TAG_BYTES;

/**
 * Seals one record. `plaintext` is given in pieces of `byteLength` bytes together; the pieces may be reused when the
 * call returns. What comes back is ready for the transport and belongs to it.
 */
export function sealRecord(keys: RecordKeys, plaintext: readonly Uint8Array[], byteLength: number): Uint8Array[] {
  const length = byteLength + TAG_BYTES;
  const header = Uint8Array.of(RECORD_TYPE, length >>> 16, length >>> 8, length);
  const { aead, nonce } = keys.next();
  return [header, ...aead.seal(nonce, header, plaintext)];
}

/** Refuses a record by its header alone. `maxPlaintextBytes` is what this side announced. */
export function checkRecordHeader(type: number, length: number, maxPlaintextBytes: number): void {
  if (type !== RECORD_TYPE) throw new LineError('PROTOCOL', 'a record has an unknown type');
  if (length < MIN_SEALED_BYTES) throw new LineError('PROTOCOL', 'a record is too short to hold a frame');
  if (length > maxPlaintextBytes + TAG_BYTES) throw new LineError('SIZE', 'a record is over the announced limit');
}

/** Opens one record into fresh memory. One that does not verify is `INTEGRITY`, and no byte of it is ever used. */
export function openRecord(keys: RecordKeys, record: Unit): Uint8Array {
  const { aead, nonce } = keys.next();
  const plaintext = aead.open(nonce, record.header, record.body);
  if (plaintext === undefined) throw new LineError('INTEGRITY', 'a record does not verify');
  return plaintext;
}
