import { encodeUtf8 } from '../../../protocol/bytes/text.ts';
import type { Entry } from '../entry.ts';
import type { MakeSha256 } from '../hash.ts';
import { DigestSet } from './digest-set.ts';

/**
 * A list that somebody has agreed to, as `accept` of a download (R-F5): a digest of 16 bytes for each entry, so in little
 * memory for a million. A host chooses what is listed, so the digest is one in which it cannot find two entries alike.
 *
 * An entry is the same if path, type, size, time and target are; of a folder path and type, since its time changes with
 * what is in it.
 */
export class EntrySet {
  readonly #digests = new DigestSet(DIGEST_WORDS);
  readonly #makeSha256: MakeSha256;

  constructor(makeSha256: MakeSha256) {
    this.#makeSha256 = makeSha256;
  }

  add(entry: Entry): void {
    this.#digests.add(this.#digestOf(entry));
  }

  has(entry: Entry): boolean {
    return this.#digests.has(this.#digestOf(entry));
  }

  #digestOf({ path, type, size, mtimeUs, target }: Entry): Uint32Array {
    const hash = this.#makeSha256();
    // JSON writes half of a surrogate pair, which a name that is not UTF-8 holds, as an escape.
    hash.update(encodeUtf8(JSON.stringify(type === 'folder' ? [path, type] : [path, type, size, mtimeUs, target])));
    const { buffer, byteOffset } = hash.digest();
    const digest = new DataView(buffer, byteOffset);
    const words = Uint32Array.from({ length: DIGEST_WORDS }, (_, word) => digest.getUint32(4 * word));
    words[0]! |= 1;
    return words;
  }
}

const DIGEST_WORDS = 4;
