import { LineError } from '../../errors.ts';

/**
 * `struct.pack('i', number)`: 4 bytes, signed, in the byte order of the machine. The tutorials' machines are little-endian
 * and so are we, on every machine: two ends that differ in it would have read each other wrong.
 */
export function packNativeInt(number: number): Uint8Array {
  if (!Number.isInteger(number) || number < MIN_INT || number > MAX_INT) {
    throw new LineError('USAGE', `'i' holds whole numbers from ${MIN_INT} to ${MAX_INT}`);
  }
  const bytes = new Uint8Array(NATIVE_INT_BYTES);
  new DataView(bytes.buffer).setInt32(0, number, true);
  return bytes;
}

/** `struct.unpack('i', bytes)[0]`. Throws `MALFORMED` unless there are 4 bytes. */
export function unpackNativeInt(bytes: Uint8Array): number {
  if (bytes.length !== NATIVE_INT_BYTES) throw new LineError('MALFORMED', "'i' is 4 bytes");
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true);
}

export const NATIVE_INT_BYTES = 4;
const MAX_INT = 0x7fff_ffff;
const MIN_INT = -MAX_INT - 1;
