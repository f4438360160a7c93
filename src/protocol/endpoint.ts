import { LineError } from '../errors.ts';
import { Multiplexer, type MultiplexerEvents } from './channels/multiplexer.ts';
import type { Settings } from './channels/settings.ts';
import type { CryptoProvider } from './crypto/provider.ts';
import { InitiatorHandshake, type InitiatorOptions } from './handshake/initiator.ts';
import type { Exporter, SessionSecrets } from './handshake/key-schedule.ts';
import {
  encodeReject,
  errorFromReject,
  type LoginKind,
  MESSAGE,
  maxMessageBytes,
  REJECT,
} from './handshake/messages.ts';
import { type AcceptedLogin, ResponderHandshake, type ResponderOptions } from './handshake/responder.ts';
import { RecordKeys } from './records/record-keys.ts';
import { checkRecordHeader, openRecord, sealRecord } from './records/seal.ts';
import { type Unit, UnitReader } from './records/unit-reader.ts';

/**
 * One end of a line as a pure machine: bytes and time come in, events and bytes to send go out. The conductor of the
 * core: handshake, then records, then channels. It does no I/O, draws no randomness, and waits for nothing.
 *
 *   1. `start` (initiator) gives HELLO; handshake messages pass through `received` until there are keys.
 *   2. From then on each record is opened, and its frames go to the multiplexer, which calls `events`.
 *   3. `takeOutput` gives the next bytes for the transport, one record at a time.
 *
 * `received` throws when the peer breaks the protocol. The owner then asks `farewell` what may still be sent, sends it,
 * and closes the transport: the endpoint is over and does nothing more.
 */
export class Endpoint {
  readonly #provider: CryptoProvider;
  readonly #settings: Settings;
  readonly #events: EndpointEvents;
  readonly #reader = new UnitReader();
  #phase: Phase;

  static initiator(provider: CryptoProvider, settings: Settings, events: EndpointEvents, login: InitiatorOptions) {
    return new Endpoint(provider, settings, events, {
      name: 'initiating',
      handshake: new InitiatorHandshake(provider, login),
    });
  }

  static responder(provider: CryptoProvider, settings: Settings, events: EndpointEvents, login: ResponderOptions) {
    return new Endpoint(provider, settings, events, {
      name: 'responding',
      handshake: new ResponderHandshake(provider, login),
    });
  }

  private constructor(provider: CryptoProvider, settings: Settings, events: EndpointEvents, phase: Phase) {
    this.#provider = provider;
    this.#settings = settings;
    this.#events = events;
    this.#phase = phase;
  }

  /** The first message of an initiator. */
  start(): Uint8Array {
    if (this.#phase.name !== 'initiating') throw new LineError('STATE', 'only an initiator begins');
    return this.#phase.handshake.hello();
  }

  /** Where the transport puts the next bytes; see `TransportSink.space`. */
  space(): Uint8Array {
    return this.#reader.space();
  }

  /**
   * Takes `byteLength` bytes that were put into `space()`, and calls `events` for what they bring. Handshake answers go
   * to `events.handshakeBytes`; everything after it waits in `takeOutput`.
   */
  received(byteLength: number): void {
    this.#reader.received(byteLength);
    for (;;) {
      const unit = this.#reader.next((type, length) => this.#checkHeader(type, length));
      if (unit === undefined) return;
      this.#receiveUnit(unit);
    }
  }

  /** The next record, sealed, or `undefined` when nothing may be sent now; `slow` as in `Multiplexer.nextRecord`. */
  takeOutput(slow: boolean): Uint8Array[] | undefined {
    const phase = this.#phase;
    if (phase.name !== 'confirming' && phase.name !== 'open') return undefined;
    const record = phase.multiplexer.nextRecord(slow);
    if (record === undefined) return undefined;
    return sealRecord(phase.sending, record.pieces, record.byteLength);
  }

  /** The channels, once there are keys. */
  get multiplexer(): Multiplexer | undefined {
    const phase = this.#phase;
    return phase.name === 'confirming' || phase.name === 'open' ? phase.multiplexer : undefined;
  }

  /**
   * Ends this endpoint because of `error` and says what may still be sent: in the handshake a REJECT at most once, on an
   * open lane CLOSE with the error's code, after a record that did not verify nothing at all.
   */
  farewell(error: LineError): Farewell {
    const phase = this.#phase;
    this.#phase = { name: 'over' };
    switch (phase.name) {
      case 'rejecting':
        return { segments: [phase.message], delayed: phase.delayed };
      case 'responding':
        return { segments: rejectFor(error), delayed: false };
      case 'confirming':
      case 'open': {
        if (error.code === 'INTEGRITY' || error.code === 'TRUNCATED') return NO_FAREWELL;
        phase.multiplexer.close(error);
        const segments: Uint8Array[] = [];
        while (!phase.multiplexer.closeSent) {
          const record = phase.multiplexer.nextRecord(true);
          if (record === undefined) break;
          segments.push(...sealRecord(phase.sending, record.pieces, record.byteLength));
        }
        return { segments, delayed: false };
      }
      default:
        return NO_FAREWELL;
    }
  }

  /** Gives back what an idle line does not need. */
  shrink(): void {
    this.#reader.shrink();
  }

  #checkHeader(type: number, length: number): void {
    const phase = this.#phase;
    if (phase.name === 'open' || (phase.name === 'confirming' && type !== MESSAGE.REJECT)) {
      checkRecordHeader(type, length, this.#settings.maxRecordBytes);
      return;
    }
    if (phase.name === 'over' || phase.name === 'rejecting') throw new LineError('STATE', 'bytes follow the end');
    // Whoever speaks another protocol is told apart here, before anything of it is waited for.
    const cap = maxMessageBytes(type);
    if (cap === 0) throw new LineError('MALFORMED', 'this is not the postern protocol');
    if (length > cap) throw new LineError('SIZE', 'a handshake message is over its limit');
  }

  #receiveUnit(unit: Unit): void {
    const phase = this.#phase;
    switch (phase.name) {
      case 'initiating': {
        const { finish, secrets, serverKey } = phase.handshake.receive(unit);
        this.#events.handshakeBytes([finish]);
        this.#begin('confirming', 'initiator', secrets, { peerKey: serverKey, login: { kind: phase.handshake.kind } });
        return;
      }
      case 'responding':
        this.#receiveLogin(phase.handshake, unit);
        return;
      case 'confirming':
        // Until the server's first record has verified, a REJECT may still be its answer to FINISH.
        if (unit.type === MESSAGE.REJECT) throw errorFromReject(unit.body, phase.session.login.kind);
        phase.multiplexer.receive(this.#openFirst(phase, unit));
        return;
      case 'open':
        phase.multiplexer.receive(openRecord(phase.receiving, unit));
        return;
      default:
        throw new LineError('STATE', 'bytes follow the end');
    }
  }

  #receiveLogin(handshake: ResponderHandshake, unit: Unit): void {
    const result = handshake.receive(unit);
    switch (result.type) {
      case 'send':
        this.#events.handshakeBytes([result.message]);
        return;
      case 'session':
        this.#begin('open', 'responder', result.secrets, { peerKey: result.clientKey, login: result.login });
        return;
      case 'reject':
        this.#phase = { name: 'rejecting', message: result.message, delayed: result.delayed };
        throw result.error;
    }
  }

  /** The server's first record proves that it has the keys; only now is the line open for this side. */
  #openFirst(phase: Lane, unit: Unit): Uint8Array {
    const plaintext = openRecord(phase.receiving, unit);
    this.#phase = { ...phase, name: 'open' };
    this.#events.opened(phase.session);
    return plaintext;
  }

  #begin(
    name: 'confirming' | 'open',
    role: 'initiator' | 'responder',
    secrets: SessionSecrets,
    peer: Pick<Session, 'peerKey' | 'login'>,
  ): void {
    const { clientToServer, serverToClient } = secrets;
    const [sending, receiving] =
      role === 'initiator' ? [clientToServer, serverToClient] : [serverToClient, clientToServer];
    const session = { ...peer, sessionId: secrets.sessionId, exporter: secrets.exporter };
    this.#phase = {
      name,
      session,
      sending: new RecordKeys(this.#provider, sending),
      receiving: new RecordKeys(this.#provider, receiving),
      multiplexer: new Multiplexer(role, this.#settings, this.#events),
    };
    this.#events.keyed();
    if (name === 'open') this.#events.opened(session);
  }
}

/** What an endpoint tells its owner, as `MultiplexerEvents` does. */
export interface EndpointEvents extends MultiplexerEvents {
  /** Handshake bytes for the transport. */
  handshakeBytes(segments: Uint8Array[]): void;
  /** There are keys: channels may be opened, and what they send may travel. Nothing is known of the peer yet. */
  keyed(): void;
  /** The peer has proven that it holds its static key, and knows the passphrase if one opens the line. */
  opened(session: Session): void;
}

export interface Session {
  /** The peer's static key, 32 bytes, proven by the handshake. */
  readonly peerKey: Uint8Array;
  /** What opened the line. Only the responder knows which passphrase of its, or which entry of its list. */
  readonly login: AcceptedLogin | { readonly kind: LoginKind; readonly realm?: undefined; readonly device?: undefined };
  readonly sessionId: Uint8Array;
  readonly exporter: Exporter;
}

export interface Farewell {
  readonly segments: readonly Uint8Array[];
  /** To be sent after a random pause, so that its time tells nothing. */
  readonly delayed: boolean;
}

interface Lane {
  readonly name: 'confirming' | 'open';
  readonly session: Session;
  readonly sending: RecordKeys;
  readonly receiving: RecordKeys;
  readonly multiplexer: Multiplexer;
}

type Phase =
  | { readonly name: 'initiating'; readonly handshake: InitiatorHandshake }
  | { readonly name: 'responding'; readonly handshake: ResponderHandshake }
  | Lane
  | { readonly name: 'rejecting'; readonly message: Uint8Array; readonly delayed: boolean }
  | { readonly name: 'over' };

const NO_FAREWELL: Farewell = { segments: [], delayed: false };

/** What a login that this side ends is told: nothing of why, except that another try may be let in. */
function rejectFor(error: LineError): Uint8Array[] {
  switch (error.code) {
    case 'BUSY':
    case 'SHUTDOWN':
    case 'CANCELLED':
      return [encodeReject(REJECT.BUSY, error.retryAfterSeconds ?? 1)];
    case 'TIMEOUT':
    case 'TRUNCATED':
      return [];
    default:
      return [encodeReject(REJECT.MALFORMED)];
  }
}
