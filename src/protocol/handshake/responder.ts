import { LineError } from '../../errors.ts';
import { concatBytes } from '../bytes/writer.ts';
import type { CryptoProvider, KeyPair } from '../crypto/provider.ts';
import { PROTOCOL_VERSION, SUITE } from '../limits.ts';
import { cpaceSessionKey, cpaceShare } from '../pake/cpace.ts';
import { channelIdentifier, passphrasePsk } from '../pake/passphrase.ts';
import type { Unit } from '../records/unit-reader.ts';
import { type Device, findDevice } from './device.ts';
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
  NOISE_BYTES,
  prologueOf,
  REJECT,
} from './messages.ts';
import { NoiseHandshake, type NoisePattern } from './noise.ts';

/**
 * The server's side of a login by passphrase, or by a device's key (docs/protocol/1-handshake.md §3, §4).
 *
 *   1. HELLO: cheap checks in the fixed order, limits before any public-key work, then REPLY, with the share Yb for a
 *      passphrase.
 *   2. FINISH by passphrase: the client's static key is read first, the guess is charged, and only then the passphrase
 *      decides. By key: all of it is verified first, and then the list decides.
 *
 * A session exists only if the passphrase matched, or a key of the list was proven; everything else ends in a
 * `ResponderResult` of type `reject`.
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
      if (state.name === 'device-replied' && unit.type === MESSAGE.FINISH) {
        return this.#receiveDeviceFinish(state, unit.body);
      }
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
    if (hello.mode === MODE.DEVICE && this.#options.devices?.() !== undefined) {
      checkFields(hello, { pakeBytes: 0, noiseBytes: NOISE_BYTES.DEVICE });
      if (hello.identity.length !== 0) throw new LineError('MALFORMED', 'HELLO names somebody in mode DEVICE');
      return this.#replyToDevice(unit, hello);
    }
    if (hello.mode !== MODE.PASSPHRASE) {
      // A way to log in that is switched off: nothing to guess, so nothing to delay.
      return rejected(REJECT.AUTH, new LineError('AUTH', 'a way to log in that is not offered here'));
    }
    checkFields(hello, { pakeBytes: 32, noiseBytes: NOISE_BYTES.PASSPHRASE });
    if (!isRealm(hello.identity)) throw new LineError('MALFORMED', 'HELLO names no realm');
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

    const noise = this.#beginNoise('XXpsk3', unit, hello, ephemeral);
    const message = encodeMessage(MESSAGE.REPLY, noise.writeMessage(encodeReplyPayload(share)));
    const clientShare = hello.pake.slice();
    this.#state = { name: 'reply-sent', noise, nonce, realm, clientShare, share, pakeKey, ephemeral };
    this.#options.gate.replied();
    return { type: 'send', message };
  }

  #replyToDevice(unit: Unit, hello: Hello): ResponderResult {
    const noise = this.#beginNoise('XX', unit, hello, this.#options.fresh().ephemeral);
    const message = encodeMessage(MESSAGE.REPLY, noise.writeMessage(encodeReplyPayload(NO_SHARE)));
    this.#state = { name: 'device-replied', noise };
    this.#options.gate.replied();
    return { type: 'send', message };
  }

  /** Reads Noise message 1 with everything before it as the prologue. */
  #beginNoise(pattern: NoisePattern, { header, body }: Unit, hello: Hello, ephemeral: KeyPair): NoiseHandshake {
    const beforeNoise = concatBytes(header, body.subarray(0, body.length - hello.noise.length));
    const noise = new NoiseHandshake(this.#provider, {
      pattern,
      role: 'responder',
      prologue: prologueOf(beforeNoise),
      ephemeral,
      static: this.#options.staticKey,
    });
    noise.readMessage(hello.noise);
    return noise;
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
    return { type: 'session', secrets, clientKey: staticKey, login: { kind: 'passphrase', realm: realm.name } };
  }

  /** The list is asked last: who does not hold the key that he names learns nothing of it, not even by the time it takes. */
  #receiveDeviceFinish({ noise }: DeviceReplied, body: Uint8Array): ResponderResult {
    try {
      checkFinishPayload(noise.readMessage(body));
    } catch (cause) {
      return failedLogin(cause);
    }
    const clientKey = noise.remoteStatic!;
    const device = findDevice(this.#options.devices?.() ?? [], clientKey);
    if (device === undefined) {
      noise.abort();
      return failedLogin(new LineError('AUTH', 'a key that is not in the list'));
    }
    const secrets = deriveSession(this.#provider, noise.split());
    return { type: 'session', secrets, clientKey, login: { kind: 'device', device } };
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
  /** Who is let in by key now; `undefined` where nobody can be, and the mode is not offered. */
  readonly devices?: (() => readonly Device[] | undefined) | undefined;
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
      readonly login: AcceptedLogin;
    }
  /** The connection ends. `delayed`: after a random pause, because the answer tells about a guess. */
  | { readonly type: 'reject'; readonly message: Uint8Array; readonly error: LineError; readonly delayed: boolean };

/** What let a client in. */
export type AcceptedLogin =
  | { readonly kind: 'passphrase'; readonly realm: string; readonly device?: undefined }
  | { readonly kind: 'device'; readonly realm?: undefined; readonly device: Device };

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

interface DeviceReplied {
  readonly name: 'device-replied';
  readonly noise: NoiseHandshake;
}

type ResponderState =
  | { readonly name: 'start'; readonly retried: boolean }
  | ReplySent
  | DeviceReplied
  | { readonly name: 'over' };

function checkFields(hello: Hello, expected: { readonly pakeBytes: number; readonly noiseBytes: number }): void {
  if (hello.pake.length !== expected.pakeBytes) {
    throw new LineError('MALFORMED', 'HELLO carries another share than its mode has');
  }
  if (hello.cookie.length !== 0 || hello.padding.length !== 0) {
    throw new LineError('MALFORMED', 'HELLO carries over a stream what only datagrams have');
  }
  if (hello.noise.length !== expected.noiseBytes) {
    throw new LineError('MALFORMED', 'HELLO carries no Noise message');
  }
}

function isRealm(identity: Uint8Array): boolean {
  return identity.length <= 64 && identity.every(isRealmByte);
}

function isRealmByte(byte: number): boolean {
  const isLetter = byte >= 0x61 && byte <= 0x7a;
  const isDigit = byte >= 0x30 && byte <= 0x39;
  return isLetter || isDigit || byte === 0x2e || byte === 0x5f || byte === 0x2d;
}

/** Wrong passphrase, unknown key, altered message and attack are one answer; what it was stays in the local cause. */
function failedLogin(cause: unknown): ResponderResult {
  const error = new LineError(
    'AUTH',
    'a login failed: wrong passphrase, a key that is not let in, or an altered message',
    { cause },
  );
  return { type: 'reject', message: encodeReject(REJECT.AUTH), error, delayed: true };
}

function busy(retryAfterSeconds: number): ResponderResult {
  const error = new LineError('BUSY', 'a login was refused by the limits', { retryAfterSeconds });
  return { type: 'reject', message: encodeReject(REJECT.BUSY, retryAfterSeconds), error, delayed: false };
}

function rejected(code: number, error: LineError): ResponderResult {
  return { type: 'reject', message: encodeReject(code), error, delayed: false };
}

const NO_SHARE = new Uint8Array(0);
