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
  type LoginKind,
  MESSAGE,
  MODE,
  NOISE_BYTES,
  prologueOf,
} from './messages.ts';
import { NoiseHandshake } from './noise.ts';

/**
 * The client's side of a login by passphrase, or by this device's key alone (docs/protocol/1-handshake.md §3, §4).
 *
 *   1. `hello` makes HELLO: the first Noise message, beside it the CPace share Ya if there is a passphrase.
 *   2. `receive` takes REPLY, checks the server's static key, and makes FINISH, with the psk of the passphrase if there is one.
 *
 * After that this side has keys, but the server is proven only by its first record: until then whoever answered knows
 * neither passphrase nor plaintext.
 */
export class InitiatorHandshake {
  readonly #provider: CryptoProvider;
  readonly #options: InitiatorOptions;
  #state: InitiatorState = { name: 'new' };

  constructor(provider: CryptoProvider, options: InitiatorOptions) {
    if (options.passphrase === undefined && options.checkServerKey === undefined) {
      throw new LineError('USAGE', 'a login without a passphrase needs the key of the server');
    }
    this.#provider = provider;
    this.#options = options;
  }

  /** What is to open the line. */
  get kind(): LoginKind {
    return this.#options.passphrase === undefined ? 'device' : 'passphrase';
  }

  /** The HELLO message; called once. */
  hello(): Uint8Array {
    if (this.#state.name !== 'new') throw new LineError('STATE', 'HELLO was made before');
    const { nonce, passphrase, ephemeral, staticKey } = this.#options;
    const ownShare = passphrase === undefined ? NOTHING : this.#share(passphrase);
    const start =
      passphrase === undefined
        ? encodeHelloStart({ mode: MODE.DEVICE, nonce, identity: NOTHING, pake: NOTHING }, NOISE_BYTES.DEVICE)
        : encodeHelloStart(
            { mode: MODE.PASSPHRASE, nonce, identity: encodeAscii(passphrase.realm), pake: ownShare },
            NOISE_BYTES.PASSPHRASE,
          );
    const noise = new NoiseHandshake(this.#provider, {
      pattern: passphrase === undefined ? 'XX' : 'XXpsk3',
      role: 'initiator',
      prologue: prologueOf(start),
      ephemeral,
      static: staticKey,
    });
    const message = noise.writeMessage(NOTHING);
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
        throw errorFromReject(unit.body, this.kind);
      case MESSAGE.RETRY:
        // Over a stream RETRY only names another version, and there is none that this build could go to.
        throw new LineError('VERSION', 'the other side asks for a version of the protocol that this one has not');
      default:
        throw new LineError('STATE', 'a handshake message is not due');
    }
  }

  #receiveReply(state: HelloSent, body: Uint8Array): InitiatorResult {
    const { noise, ownShare } = state;
    const { passphrase } = this.#options;
    const reply = decodeReplyPayload(noise.readMessage(body));
    if (reply.version !== PROTOCOL_VERSION || reply.suite !== SUITE) {
      throw new LineError('VERSION', 'the other side answers in a version that was not asked for');
    }
    if (reply.pake.length !== ownShare.length) {
      throw new LineError('MALFORMED', 'REPLY carries another share than its mode has');
    }
    const serverKey = noise.remoteStatic!;
    // Before anything more is sent: an impostor shall get neither a guess nor this device's key.
    this.#options.checkServerKey?.(serverKey);
    if (passphrase !== undefined) noise.setPsk(this.#psk(passphrase, state, reply.pake));
    const finish = encodeMessage(MESSAGE.FINISH, noise.writeMessage(FINISH_PAYLOAD));
    return { finish, secrets: deriveSession(this.#provider, noise.split()), serverKey };
  }

  #share({ prs, realm, pakeKey }: PassphraseLogin): Uint8Array {
    const inputs = {
      password: prs,
      channelIdentifier: channelIdentifier(realm),
      sessionId: this.#options.nonce,
    };
    return cpaceShare(this.#provider, inputs, pakeKey.privateKey);
  }

  #psk({ pakeKey }: PassphraseLogin, { noise, ownShare }: HelloSent, theirShare: Uint8Array): Uint8Array {
    const { nonce, ephemeral } = this.#options;
    const sessionKey = cpaceSessionKey(
      this.#provider,
      nonce,
      'initiator',
      pakeKey.privateKey,
      { share: ownShare, associatedData: ephemeral.publicKey },
      { share: theirShare, associatedData: noise.remoteEphemeral! },
    );
    const psk = passphrasePsk(this.#provider, nonce, sessionKey);
    sessionKey.fill(0);
    return psk;
  }
}

export interface InitiatorOptions {
  /** Without one this device's key alone is to open the line: mode DEVICE. */
  readonly passphrase: PassphraseLogin | undefined;
  /** This device's dialling key. */
  readonly staticKey: KeyPair;
  /** Fresh for this handshake, both. */
  readonly nonce: Uint8Array;
  readonly ephemeral: KeyPair;
  /** Throws `PIN` if another key was pinned for this server. Mode DEVICE has nothing else that proves the server. */
  readonly checkServerKey: ((serverKey: Uint8Array) => void) | undefined;
}

export interface PassphraseLogin {
  /** The stretched passphrase (pake/passphrase.ts). */
  readonly prs: Uint8Array;
  readonly realm: string;
  /** Fresh for this handshake. */
  readonly pakeKey: KeyPair;
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
  /** Empty in mode DEVICE. */
  readonly ownShare: Uint8Array;
}

type InitiatorState = { readonly name: 'new' } | HelloSent | { readonly name: 'over' };

const NOTHING = new Uint8Array(0);
