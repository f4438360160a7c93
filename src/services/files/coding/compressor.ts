/** Brotli (RFC 7932), given by the platform. Both functions throw `LineError` and nothing else. */
export interface Compressor {
  /** Copies nothing and keeps nothing: `bytes` must stay as they are until the promise settles. At most `MAX_BLOCK_BYTES`. */
  compress(bytes: Uint8Array): Promise<Uint8Array>;
  /**
   * What `coded` stands for, which must be exactly `byteLength` bytes, else `MISMATCH`: never more is made of it, whatever
   * it says (R-A12). The array belongs to the caller.
   */
  decompress(coded: Uint8Array, byteLength: number): Promise<Uint8Array>;
}
