import { encodeAscii } from '../bytes/text.ts';
import { concatBytes } from '../bytes/writer.ts';
import type { CryptoProvider, PrivateKey } from '../crypto/provider.ts';
import { elligator2 } from './elligator2.ts';

/**
 * CPace, suite CPACE-X25519-SHA512, initiator-responder (draft-irtf-cfrg-cpace-21). Names in capitals are the draft's.
 *
 *   1. Each side makes its share from the password with `cpaceShare` (Ya, Yb) and sends it.
 *   2. Each side makes the session key from both shares with `cpaceSessionKey` (ISK).
 *
 * Both sides get the same key exactly if password, channel, session and what each saw of the other agree. Nothing here
 * tells whether they do: the caller must let the key prove itself.
 */

/** What both sides know beforehand (draft, section "CPace inputs"). */
export interface CpaceInputs {
  /** PRS: the password, or what was stretched from it. */
  readonly password: Uint8Array;
  /** CI: the names of the two ends. */
  readonly channelIdentifier: Uint8Array;
  /** sid: fresh in every run. */
  readonly sessionId: Uint8Array;
}

/** What one side sends: Y and AD. */
export interface CpaceMessage {
  readonly share: Uint8Array;
  /** Bound to the key, so both sides must have seen the same. */
  readonly associatedData: Uint8Array;
}

/**
 * The public share of this side: Y = X25519(y, g). `privateKey` must be fresh in every run and used in no other way
 * than for `cpaceSessionKey`.
 */
export function cpaceShare(provider: CryptoProvider, inputs: CpaceInputs, privateKey: PrivateKey): Uint8Array {
  return provider.diffieHellman(privateKey, cpaceGenerator(provider, inputs));
}

/**
 * The session key ISK, 64 bytes. The peer's share is the one of `initiator` and `responder` that `role` is not. Throws
 * `AUTH` if it is of low order, so that K would be the neutral element.
 */
export function cpaceSessionKey(
  provider: CryptoProvider,
  sessionId: Uint8Array,
  role: 'initiator' | 'responder',
  privateKey: PrivateKey,
  initiator: CpaceMessage,
  responder: CpaceMessage,
): Uint8Array {
  const peer = role === 'initiator' ? responder : initiator;
  const sharedPoint = provider.diffieHellman(privateKey, peer.share);
  const key = provider.sha512(lvCat(ISK_LABEL, sessionId, sharedPoint), transcriptIr(initiator, responder));
  sharedPoint.fill(0);
  return key;
}

/** g = Elligator2(first 32 bytes of H(generator_string)); its bit 255 is ignored by the map. */
export function cpaceGenerator(provider: CryptoProvider, inputs: CpaceInputs): Uint8Array {
  const hash = provider.sha512(generatorString(inputs));
  return elligator2(hash.subarray(0, 32));
}

/** generator_string: the zero bytes fill SHA-512's first block, so that its time does not tell about the password. */
export function generatorString(inputs: CpaceInputs): Uint8Array {
  const prefixed = lvCat(GENERATOR_LABEL, inputs.password).length;
  const padding = new Uint8Array(Math.max(0, SHA512_BLOCK_BYTES - 1 - prefixed));
  return lvCat(GENERATOR_LABEL, inputs.password, padding, inputs.channelIdentifier, inputs.sessionId);
}

/** transcript_ir: what the two sides sent, the initiator's first. */
export function transcriptIr(initiator: CpaceMessage, responder: CpaceMessage): Uint8Array {
  return concatBytes(
    lvCat(initiator.share, initiator.associatedData),
    lvCat(responder.share, responder.associatedData),
  );
}

/** lv_cat: each part after its length as LEB128; of one part, prepend_len. */
export function lvCat(...parts: Uint8Array[]): Uint8Array {
  return concatBytes(...parts.flatMap(part => [leb128(part.length), part]));
}

function leb128(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

const GENERATOR_LABEL = encodeAscii('CPace255');
const ISK_LABEL = encodeAscii('CPace255_ISK');
const SHA512_BLOCK_BYTES = 128;
