import { LineError } from '../../errors.ts';
import type { CryptoProvider, KeyPair } from '../crypto/provider.ts';
import { PROTOCOL_VERSION, SUITE } from '../limits.ts';
import { cpaceSessionKey, cpaceShare } from '../pake/cpace.ts';
import { channelIdentifier, passphrasePsk } from '../pake/passphrase.ts';
import type { Unit } from '../records/unit-reader.ts';
import { deriveSession, type SessionSecrets } from './key-schedule.ts';
import {
  checkFinishPayload,
  decodeHello,
  decodeHelloStart,
  encodeMessage,
  encodeReject,
  encodeReplyPayload,
  encodeRetry,
  type Hello,
  MESSAGE,
  MODE,
  prologueOf,
  REJECT,
} from './messages.ts';
import { NoiseHandshake } from './noise.ts';

/**
 * The server's side of a passphrase login (docs/protocol/1-handshake.md §3, §4).
 *
 *   1. HELLO: cheap checks in the fixed order, limits before any public-key work, then REPLY with the share Yb.
 *   2. FINISH: the client's static key is read first, the guess is charged, and only then the passphrase decides.
 *
 * A session exists only if the passphrase matched; everything else ends in a `ResponderResult` of type `reject`.
 */
export class ResponderHandshake {
  readonly #provider: CryptoProvider;
  readonly #options: ResponderOptions;
  #state: ResponderState = { name: 'start', retried: false };

  constructor(provider: CryptoProvider, options: ResponderOptions) {
    this.#provider = provider;
    this.#options = options;
  }

  receive(unit: Unit): ResponderResult {
    const state = this.#state;
    this.#state = { name: 'over' };
    try {
      if (state.name === 'start' && unit.type === MESSAGE.HELLO) return this.#receiveHello(state.retried, unit);
      if (state.name === 'reply-sent' && unit.type === MESSAGE.FINISH) return this.#receiveFinish(state, unit.body);
    } catch (cause) {
      if (!(cause instanceof LineError)) throw cause;
      return rejected(REJECT.MALFORMED, new LineError('MALFORMED', 'a handshake message is not valid', { cause }));
    }
    return rejected(REJECT.MALFORMED, new LineError('STATE', 'a handshake message is not due'));
  }

  // ── 1. HELLO ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #receiveHello(retried: boolean, unit: Unit): ResponderResult {
    const { body } = unit;
    const { versionUsed, highestVersion, mode } = decodeHelloStart(body);
    const admitted = this.#options.gate.hello(mode);
    if (admitted !== 'admit') return busy(admitted.retryAfterSeconds);

    const version = Math.min(highestVersion, PROTOCOL_VERSION);
    if (version < 1) return rejected(REJECT.VERSION, new LineError('VERSION', 'no version in common'));
    if (versionUsed !== version) {
      if (retried) return rejected(REJECT.VERSION, new LineError('VERSION', 'no version in common'));
      this.#state = { name: 'start', retried: true };
      return { type: 'send', message: encodeRetry(version) };
    }
    const hello = decodeHello(body);
    if (hello.suiteUsed !== SUITE || (hello.suites & (1 << (SUITE - 1))) === 0) {
      return rejected(REJECT.VERSION, new LineError('VERSION', 'no suite in common'));
    }
    if (hello.flags !== 0) throw new LineError('MALFORMED', 'HELLO has an unknown flag');
    if (hello.mode < MODE.PASSPHRASE || hello.mode > MODE.JOIN) throw new LineError('MALFORMED', 'an unknown mode');
    if (hello.mode !== MODE.PASSPHRASE) {
      // A way to log in that is switched off: nothing to guess, so nothing to delay.
      return rejected(REJECT.AUTH, new LineError('AUTH', 'a way to log in that is not offered here'));
    }
    checkPassphraseFields(hello);
    return this.#reply(unit, hello);
  }

  #reply(unit: Unit, hello: Hello): ResponderResult {
    const realmName = String.fromCharCode(...hello.identity);
    const { ephemeral, pakeKey, unknownPrs } = this.#options.fresh();
    // An unknown realm runs with a random password, so that it looks like a wrong guess and counts as one.
    const realm = this.#options.realm(realmName) ?? { ...this.#options.unknownRealm, name: realmName, prs: unknownPrs };
    const nonce = hello.nonce.slice();
    const inputs = { password: realm.prs, channelIdentifier: channelIdentifier(realmName), sessionId: nonce };
    const share = cpaceShare(this.#provider, inputs, pakeKey.privateKey);

    const beforeNoise = new Uint8Array(unit.header.length + unit.body.length - hello.noise.length);
    beforeNoise.set(unit.header);
    beforeNoise.set(unit.body.subarray(0, unit.body.length - hello.noise.length), unit.header.length);
    const noise = new NoiseHandshake(this.#provider, {
      pattern: 'XXpsk3',
      role: 'responder',
      prologue: prologueOf(beforeNoise),
      ephemeral,
      static: this.#options.staticKey,
    });
    noise.readMessage(hello.noise);
    const message = encodeMessage(MESSAGE.REPLY, noise.writeMessage(encodeReplyPayload(share)));
    const clientShare = hello.pake.slice();
    this.#state = { name: 'reply-sent', noise, nonce, realm, clientShare, share, pakeKey, ephemeral };
    this.#options.gate.replied();
    return { type: 'send', message };
  }

  // ── 2. FINISH ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #receiveFinish(state: ReplySent, body: Uint8Array): ResponderResult {
    const { noise, realm } = state;
    let staticKey: Uint8Array;
    try {
      staticKey = noise.readStaticKey(body);
    } catch (cause) {
      return failedLogin(cause);
    }
    // Looking and charging are one step, before the passphrase is touched: logins held open side by side buy nothing.
    const admitted = this.#options.gate.guess(realm, staticKey);
    if (admitted === 'gone') return rejected(REJECT.GONE, new LineError('GONE', 'a one-time code was used again'));
    if (admitted !== 'admit') return busy(admitted.retryAfterSeconds);
    try {
      noise.setPsk(this.#psk(state));
      checkFinishPayload(noise.finishMessage());
    } catch (cause) {
      return failedLogin(cause);
    }
    const secrets = deriveSession(this.#provider, noise.split());
    return { type: 'session', secrets, clientKey: staticKey, realm: realm.name };
  }

  #psk(state: ReplySent): Uint8Array {
    const sessionKey = cpaceSessionKey(
      this.#provider,
      state.nonce,
      'responder',
      state.pakeKey.privateKey,
      { share: state.clientShare, associatedData: state.noise.remoteEphemeral! },
      { share: state.share, associatedData: state.ephemeral.publicKey },
    );
    const psk = passphrasePsk(this.#provider, state.nonce, sessionKey);
    sessionKey.fill(0);
    return psk;
  }
}

export interface ResponderOptions {
  /** This machine's serving key. */
  readonly staticKey: KeyPair;
  /** Randomness for one handshake, drawn only after the limits have admitted it. */
  fresh(): { readonly ephemeral: KeyPair; readonly pakeKey: KeyPair; readonly unknownPrs: Uint8Array };
  /** The passphrase of a realm; `undefined` if there is none of that name. */
  realm(name: string): Realm | undefined;
  /** What an unknown realm is treated like, so that the two answer alike. */
  readonly unknownRealm: { readonly generated: boolean };
  readonly gate: LoginGate;
}

/** One of the passphrases that open this server. */
export interface Realm {
  /** `[a-z0-9._-]{0,64}`; the usual one is `''`. */
  readonly name: string;
  readonly prs: Uint8Array;
  /** Whether the passphrase was generated with at least 40 bits, rather than chosen. */
  readonly generated: boolean;
  /** 1 for a one-time code. */
  readonly uses?: 1 | undefined;
}

/** The limits before login, bound to one connection and to the time (admission.ts). */
export interface LoginGate {
  hello(mode: number): 'admit' | { readonly retryAfterSeconds: number };
  /** REPLY has been made: from here on, leaving counts as a guess of its source. */
  replied(): void;
  guess(realm: Realm, staticKey: Uint8Array): 'admit' | 'gone' | { readonly retryAfterSeconds: number };
}

export type ResponderResult =
  | { readonly type: 'send'; readonly message: Uint8Array }
  | {
      readonly type: 'session';
      readonly secrets: SessionSecrets;
      readonly clientKey: Uint8Array;
      readonly realm: string;
    }
  /** The connection ends. `delayed`: after a random pause, because the answer tells about a guess. */
  | { readonly type: 'reject'; readonly message: Uint8Array; readonly error: LineError; readonly delayed: boolean };

interface ReplySent {
  readonly name: 'reply-sent';
  readonly noise: NoiseHandshake;
  readonly nonce: Uint8Array;
  readonly realm: Realm;
  readonly clientShare: Uint8Array;
  readonly share: Uint8Array;
  readonly pakeKey: KeyPair;
  readonly ephemeral: KeyPair;
}

type ResponderState = { readonly name: 'start'; readonly retried: boolean } | ReplySent | { readonly name: 'over' };

function checkPassphraseFields(hello: Hello): void {
  const isRealm = hello.identity.length <= 64 && hello.identity.every(isRealmByte);
  if (!isRealm) throw new LineError('MALFORMED', 'HELLO names no realm');
  if (hello.pake.length !== 32) throw new LineError('MALFORMED', 'HELLO carries no share');
  if (hello.cookie.length !== 0 || hello.padding.length !== 0) {
    throw new LineError('MALFORMED', 'HELLO carries over a stream what only datagrams have');
  }
  if (hello.noise.length !== 48) throw new LineError('MALFORMED', 'HELLO carries no Noise message');
}

function isRealmByte(byte: number): boolean {
  const isLetter = byte >= 0x61 && byte <= 0x7a;
  const isDigit = byte >= 0x30 && byte <= 0x39;
  return isLetter || isDigit || byte === 0x2e || byte === 0x5f || byte === 0x2d;
}

/** Wrong passphrase, altered message and attack are one answer; what it was stays in the local cause. */
function failedLogin(cause: unknown): ResponderResult {
  const error = new LineError('AUTH', 'a login failed: wrong passphrase, or an altered message', { cause });
  return { type: 'reject', message: encodeReject(REJECT.AUTH), error, delayed: true };
}

function busy(retryAfterSeconds: number): ResponderResult {
  const error = new LineError('BUSY', 'a login was refused by the limits', { retryAfterSeconds });
  return { type: 'reject', message: encodeReject(REJECT.BUSY, retryAfterSeconds), error, delayed: false };
}

function rejected(code: number, error: LineError): ResponderResult {
  return { type: 'reject', message: encodeReject(code), error, delayed: false };
}
