import { LineError } from '../../errors.ts';
import { encodeAscii } from '../bytes/text.ts';
import type { CryptoProvider, KeyPair } from '../crypto/provider.ts';
import { PROTOCOL_VERSION, SUITE } from '../limits.ts';
import { cpaceSessionKey, cpaceShare } from '../pake/cpace.ts';
import { channelIdentifier, passphrasePsk } from '../pake/passphrase.ts';
import type { Unit } from '../records/unit-reader.ts';
import { deriveSession, type SessionSecrets } from './key-schedule.ts';
import {
  decodeReplyPayload,
  encodeHelloStart,
  encodeMessage,
  errorFromReject,
  FINISH_PAYLOAD,
  MESSAGE,
  MODE,
  prologueOf,
} from './messages.ts';
import { NoiseHandshake } from './noise.ts';

/**
 * The client's side of a passphrase login (docs/protocol/1-handshake.md §3, §4).
 *
 *   1. `hello` makes HELLO: CPace share Ya beside the first Noise message.
 *   2. `receive` takes REPLY, checks the server's static key, and makes FINISH with the psk of the shared passphrase.
 *
 * After that this side has keys, but the server is proven only by its first record: until then whoever answered knows
 * neither passphrase nor plaintext.
 */
export class InitiatorHandshake {
  readonly #provider: CryptoProvider;
  readonly #options: InitiatorOptions;
  #state: InitiatorState = { name: 'new' };

  constructor(provider: CryptoProvider, options: InitiatorOptions) {
    this.#provider = provider;
    this.#options = options;
  }

  /** The HELLO message; called once. */
  hello(): Uint8Array {
    if (this.#state.name !== 'new') throw new LineError('STATE', 'HELLO was made before');
    const { nonce, realm, pakeKey, ephemeral, staticKey } = this.#options;
    const ownShare = cpaceShare(this.#provider, this.#cpaceInputs(), pakeKey.privateKey);
    const fields = { mode: MODE.PASSPHRASE, nonce, identity: encodeAscii(realm), pake: ownShare };
    const start = encodeHelloStart(fields, NOISE_MESSAGE_1_BYTES);
    const noise = new NoiseHandshake(this.#provider, {
      pattern: 'XXpsk3',
      role: 'initiator',
      prologue: prologueOf(start),
      ephemeral,
      static: staticKey,
    });
    const message = noise.writeMessage(new Uint8Array(0));
    this.#state = { name: 'hello-sent', noise, ownShare };
    const hello = new Uint8Array(start.length + message.length);
    hello.set(start);
    hello.set(message, start.length);
    return hello;
  }

  /** Takes the server's answer. REJECT, a wrong pin and everything that is not due throw; nothing is sent then. */
  receive(unit: Unit): InitiatorResult {
    const state = this.#state;
    if (state.name !== 'hello-sent') throw new LineError('STATE', 'no handshake message is due');
    this.#state = { name: 'over' };
    switch (unit.type) {
      case MESSAGE.REPLY:
        return this.#receiveReply(state, unit.body);
      case MESSAGE.REJECT:
        throw errorFromReject(unit.body);
      case MESSAGE.RETRY:
        // Over a stream RETRY only names another version, and there is none that this build could go to.
        throw new LineError('VERSION', 'the other side asks for a version of the protocol that this one has not');
      default:
        throw new LineError('STATE', 'a handshake message is not due');
    }
  }

  #receiveReply(state: HelloSent, body: Uint8Array): InitiatorResult {
    const { noise, ownShare } = state;
    const { nonce, ephemeral, pakeKey } = this.#options;
    const reply = decodeReplyPayload(noise.readMessage(body));
    if (reply.version !== PROTOCOL_VERSION || reply.suite !== SUITE) {
      throw new LineError('VERSION', 'the other side answers in a version that was not asked for');
    }
    if (reply.pake.length !== 32) throw new LineError('MALFORMED', 'REPLY carries no share');
    const serverKey = noise.remoteStatic!;
    // Before anything more is sent: an impostor shall get neither a guess nor this device's key.
    this.#options.checkServerKey(serverKey);
    const sessionKey = cpaceSessionKey(
      this.#provider,
      nonce,
      'initiator',
      pakeKey.privateKey,
      { share: ownShare, associatedData: ephemeral.publicKey },
      { share: reply.pake, associatedData: noise.remoteEphemeral! },
    );
    noise.setPsk(passphrasePsk(this.#provider, nonce, sessionKey));
    sessionKey.fill(0);
    const finish = encodeMessage(MESSAGE.FINISH, noise.writeMessage(FINISH_PAYLOAD));
    return { finish, secrets: deriveSession(this.#provider, noise.split()), serverKey };
  }

  #cpaceInputs() {
    const { prs, realm, nonce } = this.#options;
    return { password: prs, channelIdentifier: channelIdentifier(realm), sessionId: nonce };
  }
}

export interface InitiatorOptions {
  /** The stretched passphrase (pake/passphrase.ts). */
  readonly prs: Uint8Array;
  readonly realm: string;
  /** This device's dialling key. */
  readonly staticKey: KeyPair;
  /** Fresh for this handshake, all three. */
  readonly nonce: Uint8Array;
  readonly ephemeral: KeyPair;
  readonly pakeKey: KeyPair;
  /** Throws `PIN` if another key was pinned for this server. */
  checkServerKey(serverKey: Uint8Array): void;
}

export interface InitiatorResult {
  /** FINISH, to be sent before any record. */
  readonly finish: Uint8Array;
  readonly secrets: SessionSecrets;
  readonly serverKey: Uint8Array;
}

interface HelloSent {
  readonly name: 'hello-sent';
  readonly noise: NoiseHandshake;
  readonly ownShare: Uint8Array;
}

type InitiatorState = { readonly name: 'new' } | HelloSent | { readonly name: 'over' };

/** Ephemeral key and the tag of an empty payload. */
const NOISE_MESSAGE_1_BYTES = 48;
