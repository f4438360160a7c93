import type { ByteStream } from '../../../src/classic/net/connection.ts';

/** A peer whose bytes come in the given pieces; `'quiet'` is a pause between two of them. Time does not pass here. */
export class Pieces implements ByteStream {
  readonly sent: Uint8Array[] = [];
  #pieces: (Uint8Array | 'quiet')[];

  constructor(...pieces: (Uint8Array | 'quiet')[]) {
    this.#pieces = pieces.filter(piece => piece === 'quiet' || piece.length > 0);
  }

  async receive(maxBytes: number): Promise<Uint8Array | undefined> {
    while (this.#pieces[0] === 'quiet') this.#pieces.shift();
    const piece = this.#pieces.shift() as Uint8Array | undefined;
    if (piece === undefined || piece.length <= maxBytes) return piece;
    this.#pieces.unshift(piece.subarray(maxBytes));
    return piece.subarray(0, maxBytes);
  }

  async hasMore(): Promise<boolean> {
    return this.#pieces.length > 0 && this.#pieces[0] !== 'quiet';
  }

  async send(bytes: Uint8Array): Promise<void> {
    this.sent.push(bytes);
  }
}

/** The ways in which TCP may deliver the same bytes. */
export function deliveries(bytes: Uint8Array): [string, Uint8Array[]][] {
  return [
    ['whole', [bytes]],
    ['byte by byte', [...bytes].map(byte => Uint8Array.of(byte))],
    ['in uneven pieces', [...uneven(bytes)]],
  ];
}

function* uneven(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size % 7) + 2) yield bytes.subarray(at, at + size);
}
