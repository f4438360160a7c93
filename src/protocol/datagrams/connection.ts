import { LineError } from '../../errors.ts';
import { concatBytes } from '../bytes/writer.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import { deriveTrafficKey, numberedNonce, type TrafficKey } from '../crypto/traffic-key.ts';
import { DATAGRAM_NUMBERS, MAX_DATAGRAM_FORGERIES } from '../limits.ts';
import {
  type DatagramMessage,
  decodeMessage,
  encodeMessage,
  encodePacketHeader,
  PACKET_HEADER_BYTES,
  type PacketHeader,
} from './packet.ts';
import { ReplayWindow } from './replay-window.ts';

/**
 * One end of a datagram connection (docs/protocol/5-datagrams.md): the keys of both directions, the numbers that were used
 * and those that were seen. One object for one pair of ids, never cloned or made again: a number used twice breaks GCM.
 */
export class DatagramConnection {
  readonly #peerId: Uint8Array;
  readonly #sending: TrafficKey;
  readonly #receiving: TrafficKey;
  readonly #seen = new ReplayWindow();
  #nextNumber = 0;
  #forgeries = 0;

  /** Takes over both secrets, and erases them; `peerId` is what the other side calls this connection. */
  constructor(
    provider: CryptoProvider,
    { sending, receiving }: { readonly sending: Uint8Array; readonly receiving: Uint8Array },
    peerId: Uint8Array,
  ) {
    this.#peerId = peerId;
    this.#sending = deriveTrafficKey(provider, sending);
    this.#receiving = deriveTrafficKey(provider, receiving);
    sending.fill(0);
    receiving.fill(0);
  }

  /** Nothing can be sent any more, or too much that was forged has come. */
  get isUsedUp(): boolean {
    return this.#nextNumber >= DATAGRAM_NUMBERS || this.#forgeries >= MAX_DATAGRAM_FORGERIES;
  }

  /** A packet of at least `packetBytes` under the next number. Throws `STATE` when numbers are used up, `SIZE`. */
  seal(message: DatagramMessage, packetBytes = 0): Uint8Array {
    if (this.isUsedUp) throw new LineError('STATE', 'the numbers of this datagram connection are used up');
    const plaintext = encodeMessage(message, packetBytes);
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    const header = encodePacketHeader(this.#peerId, number, plaintext.length);
    const { aead, iv } = this.#sending;
    return concatBytes(header, ...aead.seal(numberedNonce(iv, number), header, [plaintext]));
  }

  /**
   * What a packet says whose header was read and names this connection; `undefined` for one that came before, is too late
   * or does not verify. Throws `MALFORMED` for one that verifies and is no message.
   */
  open({ number }: PacketHeader, packet: Uint8Array): DatagramMessage | undefined {
    if (!this.#seen.admits(number) || this.#forgeries >= MAX_DATAGRAM_FORGERIES) return undefined;
    const { aead, iv } = this.#receiving;
    const header = packet.subarray(0, PACKET_HEADER_BYTES);
    const plaintext = aead.open(numberedNonce(iv, number), header, packet.subarray(PACKET_HEADER_BYTES));
    if (plaintext === undefined) {
      this.#forgeries += 1;
      return undefined;
    }
    this.#seen.mark(number);
    return decodeMessage(plaintext);
  }
}
