import { LineError } from '../errors.ts';
import type { AdmissionLimits } from '../protocol/admission/admission-limits.ts';
import { Admission, type AdmissionTicket, type HelloMode } from '../protocol/admission.ts';
import { encodeBase64url } from '../protocol/bytes/base64url.ts';
import type { JsonObject } from '../protocol/bytes/json.ts';
import { encodeUtf8 } from '../protocol/bytes/text.ts';
import type { Settings } from '../protocol/channels/settings.ts';
import type { CryptoProvider, KeyPair } from '../protocol/crypto/provider.ts';
import { DGRAM } from '../protocol/datagrams/control.ts';
import { Endpoint, type Session } from '../protocol/endpoint.ts';
import type { Device } from '../protocol/handshake/device.ts';
import { MODE } from '../protocol/handshake/messages.ts';
import type { LoginGate, Realm } from '../protocol/handshake/responder.ts';
import { HANDSHAKE_TIMEOUT_MS, HELLO_TIMEOUT_MS, MAX_LINES_PER_DEVICE } from '../protocol/limits.ts';
import { PAIR } from '../protocol/pairing.ts';
import type { DatagramPort } from '../transports/datagram.ts';
import type { Transport } from '../transports/transport.ts';
import { withinCeiling } from './ceiling.ts';
import type { Channel } from './channel.ts';
import { type Clock, systemClock } from './clock.ts';
import { DatagramHost, type DatagramHostOptions } from './datagram-host.ts';
import { DeviceSessions } from './device-sessions.ts';
import type { Line } from './line.ts';
import { ourSettings } from './our-settings.ts';
import { type ListenerDevices, PairingHost } from './pairing-host.ts';
import { LineSession } from './session.ts';
import { UnreadBudget } from './unread-budget.ts';

/**
 * The listening side over any transport: takes connections, lets them log in within the limits, and runs the handler of
 * each channel of each line. What all connections share lives here: limits before login, memory for unread bytes.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #clock: Clock;
  readonly #admission: Admission;
  readonly #knownClients: KnownClients;
  readonly #budget = new UnreadBudget();
  readonly #sessions = new Set<LineSession>();
  readonly #linesOfDevice = new Map<string, number>();
  readonly #deviceSessions: DeviceSessions;
  readonly #datagrams: DatagramHost | undefined;
  #datagramPort: number | undefined;
  #isClosing = false;

  constructor(options: ListenerOptions) {
    if (options.realms.length === 0) throw new LineError('USAGE', 'a listener needs at least one passphrase');
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { provider, onFault, datagrams } = options;
    if (datagrams !== undefined) {
      this.#datagrams = new DatagramHost({ ...datagrams, provider, clock: this.#clock, onFault });
    }
    this.#deviceSessions = new DeviceSessions(options.devices);
    this.#knownClients = options.knownClients ?? new MemoryKnownClients();
    this.#admission = new Admission(options.limits ?? {}, {
      has: (key, realm) => this.#knownClients.has(this.#clientTag(key, realm)),
    });
  }

  /** Connections that are logging in or logged in. */
  get connectionCount(): number {
    return this.#sessions.size;
  }

  /**
   * Answers the datagrams of lines at `port`, and tells logins from now on of it: `number` is where they find it at the
   * address that they dial, 0 if it is the number that they dial. Only with the option `datagrams`.
   */
  answerDatagrams(port: DatagramPort, number: number): void {
    if (this.#datagrams === undefined) throw new LineError('USAGE', 'this listener answers no datagrams');
    const host = this.#datagrams;
    this.#datagramPort = number;
    port.start(packet => host.receive(packet));
  }

  /** Takes one connection. Nothing is thrown: what happens to it is told by the options' functions. */
  accept(transport: Transport): void {
    if (this.#isClosing) {
      transport.destroy();
      return;
    }
    const login = new Login(this.#clock, transport, this.#admission);
    const session = this.#makeSession(transport, login);
    this.#sessions.add(session);
    login.begin(session);
    session.start();
    void session.closed.then(error => {
      this.#sessions.delete(session);
      login.connectionEnded();
      if (login.isOpen) return;
      const rejected = {
        address: transport.peer.label,
        error: error ?? new LineError('TRUNCATED', 'the connection ended before login'),
        usedUpCode: login.usedUpCode,
      };
      this.#tell(() => this.#options.onRejected?.(rejected));
    });
  }

  /** Closes every line: in good order, and after `graceMs` at once. */
  async close(graceMs = 2_000): Promise<void> {
    this.#isClosing = true;
    this.#deviceSessions.close();
    const sessions = [...this.#sessions];
    const timer = this.#clock.after(graceMs, () => {
      for (const session of sessions) session.abort(new LineError('SHUTDOWN', 'this machine stops serving'));
    });
    await Promise.all(sessions.map(session => session.close(Infinity)));
    timer.cancel();
  }

  #makeSession(transport: Transport, login: Login): LineSession {
    const { provider } = this.#options;
    const datagrams = this.#datagrams?.forSession();
    const pairing = this.#makePairing(message => session.answerControl(message), transport);
    let opened: Session | undefined;
    const session: LineSession = new LineSession(
      transport,
      this.#clock,
      {
        role: 'responder',
        provider,
        budget: this.#budget,
        onLogin: loggedIn => {
          opened = loggedIn;
          login.succeeded();
          this.#countDevice(session, loggedIn.peerKey);
          const { realm, device } = loggedIn.login;
          if (realm !== undefined) this.#rememberClient(loggedIn.peerKey, realm);
          if (device !== undefined) this.#deviceSessions.add(session, device, () => datagrams?.close());
          session.sendControl(this.#welcome(device?.allow));
        },
        onControl: (type, message) => {
          if (opened === undefined) return false;
          if (type === PAIR) {
            pairing.receive(message, opened);
            return true;
          }
          if (type !== DGRAM || datagrams === undefined || !this.#mayAsk(opened.login.device?.allow)) return false;
          const answer = datagrams.open(message, opened);
          if (answer !== undefined) session.answerControl(answer);
          return true;
        },
        onOpen: line => {
          login.ready();
          this.#tell(() => this.#options.onLine?.(line));
        },
        onChannel: this.#options.onChannel,
        onFault: this.#options.onFault,
        randomFraction: () => provider.randomBytes(1)[0]! / 256,
      },
      events =>
        Endpoint.responder(provider, this.#settings(), events, {
          staticKey: this.#options.staticKey,
          fresh: () => ({
            ephemeral: provider.generateKeyPair(),
            pakeKey: provider.generateKeyPair(),
            unknownPrs: provider.randomBytes(32),
          }),
          realm: name => this.#options.realms.find(realm => realm.name === name),
          unknownRealm: { generated: this.#options.realms.every(realm => realm.generated) },
          devices: () => this.#deviceSessions.offered,
          gate: login,
        }),
    );
    void session.closed.then(() => datagrams?.close());
    return session;
  }

  /** What a login is told first: what it may do, and whether by datagrams too. */
  #welcome(ceiling: readonly string[] | undefined): JsonObject {
    const { allowed = [] } = this.#options;
    const udp = this.#mayAsk(ceiling) ? this.#datagramPort : undefined;
    return { t: 'welcome', caps: withinCeiling(allowed, ceiling), udp };
  }

  #mayAsk(ceiling: readonly string[] | undefined): boolean {
    return this.#datagrams?.mayAsk(ceiling) === true;
  }

  #makePairing(answer: (message: JsonObject) => void, { peer }: Transport): PairingHost {
    const { devices, allowed = [], onPairing, onFault } = this.#options;
    return new PairingHost({
      devices,
      allowed,
      answer,
      onAsked: result => {
        const [device, error] = result instanceof LineError ? [undefined, result] : [result, undefined];
        this.#tell(() => onPairing?.({ address: peer.label, device, error }));
      },
      onFault: thrown => onFault?.(thrown),
    });
  }

  #settings(): Settings {
    const { agent, creditBytes } = this.#options;
    return ourSettings(agent, { memoryIsShort: this.#budget.isShort, creditBytes });
  }

  /** Calls a function of the options; what it throws is a fault on our side of the line, and no connection's end. */
  #tell(action: () => void): void {
    try {
      action();
    } catch (thrown) {
      this.#options.onFault?.(thrown);
    }
  }

  /** One device has a bounded number of lines; a line too many is ended, not the older ones. */
  #countDevice(session: LineSession, peerKey: Uint8Array): void {
    const device = encodeBase64url(peerKey);
    const count = (this.#linesOfDevice.get(device) ?? 0) + 1;
    this.#linesOfDevice.set(device, count);
    void session.closed.then(() => {
      const left = this.#linesOfDevice.get(device)! - 1;
      if (left === 0) this.#linesOfDevice.delete(device);
      else this.#linesOfDevice.set(device, left);
    });
    if (count <= MAX_LINES_PER_DEVICE) return;
    queueMicrotask(() => session.abort(new LineError('TOO_MANY', 'this device has too many lines open here')));
  }

  #rememberClient(key: Uint8Array, realm: string): void {
    const tag = this.#clientTag(key, realm);
    if (this.#knownClients.has(tag)) return;
    // It counts from now on; that it could not be stored concerns the next run only.
    Promise.resolve(this.#knownClients.add(tag)).catch((thrown: unknown) => this.#options.onFault?.(thrown));
  }

  /**
   * What stands for "this key has logged in with this passphrase": bound to the passphrase, so that changing it forgets
   * everyone, and not the key itself, so that the list names nobody.
   */
  #clientTag(key: Uint8Array, realmName: string): string {
    const realm = this.#options.realms.find(one => one.name === realmName);
    if (realm === undefined) return '';
    const tag = this.#options.provider.hmacSha512(realm.prs, encodeUtf8(`line1 known client\0${realmName}\0`), key);
    return encodeBase64url(tag.subarray(0, 16));
  }
}

/** One connection on its way through the limits: what the handshake asks (LoginGate), and the deadlines. */
class Login implements LoginGate {
  readonly #clock: Clock;
  readonly #transport: Transport;
  readonly #ticket: AdmissionTicket;
  #session: LineSession | undefined;
  #timers: { cancel(): void }[] = [];
  #stage: 'arrived' | 'replied' | 'guessed' | 'open' = 'arrived';

  constructor(clock: Clock, transport: Transport, admission: Admission) {
    this.#clock = clock;
    this.#transport = transport;
    this.#ticket = admission.arrive(this.#transport.peer.source, clock.now(), () =>
      // It has no place any more, so it must be gone at once: lingering connections would be bounded by nothing.
      this.#session?.drop(new LineError('BUSY', 'too many connections are logging in', { retryAfterSeconds: 1 })),
    );
  }

  begin(session: LineSession): void {
    this.#session = session;
    this.#timers = [
      this.#clock.after(HELLO_TIMEOUT_MS, () => {
        if (this.#stage === 'arrived') session.abort(new LineError('TIMEOUT', 'no HELLO came in time'));
      }),
      this.#clock.after(HANDSHAKE_TIMEOUT_MS, () => {
        session.abort(new LineError('TIMEOUT', 'the login took too long'));
      }),
    ];
  }

  get isOpen(): boolean {
    return this.#stage === 'open';
  }

  /** Whether this login has used up a one-time code, right or wrong. */
  get usedUpCode(): boolean {
    return this.#ticket.usedUpCode;
  }

  hello(mode: number): 'admit' | { readonly retryAfterSeconds: number } {
    const bucket: HelloMode = mode === MODE.DEVICE ? 'device' : mode === MODE.JOIN ? 'join' : 'passphrase';
    return this.#ticket.hello(bucket, this.#clock.now());
  }

  replied(): void {
    this.#stage = 'replied';
    this.#ticket.replied();
  }

  guess(realm: Realm, staticKey: Uint8Array): 'admit' | 'gone' | { readonly retryAfterSeconds: number } {
    this.#stage = 'guessed';
    return this.#ticket.guess({ realm, staticKey }, this.#clock.now());
  }

  succeeded(): void {
    this.#stage = 'open';
    this.#ticket.succeeded();
  }

  /** SETTINGS has been read: only now is the time for logging in no longer counted. */
  ready(): void {
    this.#stopTimers();
  }

  connectionEnded(): void {
    this.#stopTimers();
    if (this.#stage === 'guessed') this.#ticket.failed(this.#clock.now());
    this.#ticket.left(this.#clock.now());
  }

  #stopTimers(): void {
    for (const timer of this.#timers.splice(0)) timer.cancel();
  }
}

/** Known clients of a listener that keeps nothing beyond its own life. */
class MemoryKnownClients implements KnownClients {
  readonly #tags = new Set<string>();

  has(tag: string): boolean {
    return this.#tags.has(tag);
  }

  add(tag: string): void {
    if (this.#tags.size >= MAX_KNOWN_CLIENTS) this.#tags.delete(this.#tags.values().next().value!);
    this.#tags.add(tag);
  }
}

const MAX_KNOWN_CLIENTS = 10_000;

export interface ListenerOptions {
  readonly provider: CryptoProvider;
  /** The passphrases that open this listener; at least one. */
  readonly realms: readonly Realm[];
  /** This machine's serving key. */
  readonly staticKey: KeyPair;
  /** What a login may do, told to it in `welcome`. It binds nobody: each channel is judged by `onChannel`. */
  readonly allowed?: readonly string[] | undefined;
  /** Runs one channel of a line; its failure is told to the peer. Without it every channel is refused. */
  readonly onChannel?: ((channel: Channel, line: Line) => Promise<void>) | undefined;
  /** A peer has logged in. */
  readonly onLine?: ((line: Line) => void) | undefined;
  /** Who is let in by key alone, and whether who logs in with a passphrase may be put there; nobody by default. */
  readonly devices?: ListenerDevices | undefined;
  /** A client has asked to be let in by its key from now on. */
  readonly onPairing?: ((asked: PairingAsked) => void) | undefined;
  /** A connection ended without having logged in. */
  readonly onRejected?: ((rejected: RejectedLogin) => void) | undefined;
  /** A fault of ours; the peer learns only that there was one. */
  readonly onFault?: ((thrown: unknown) => void) | undefined;
  /** Remembers who has logged in, so that a stranger's wrong guesses do not lock them out; in memory by default. */
  readonly knownClients?: KnownClients | undefined;
  readonly limits?: Partial<AdmissionLimits> | undefined;
  /** Answers questions by datagrams, once `answerDatagrams` has been called. */
  readonly datagrams?: Pick<DatagramHostOptions, 'answer' | 'permissions' | 'requestsPerSecond'> | undefined;
  /** Name and version of the program, shown to peers after login. */
  readonly agent?: string | undefined;
  /** First credit of each channel; 4 MiB unless given. Smaller where readers of many channels are other machines. */
  readonly creditBytes?: number | undefined;
  readonly clock?: Clock | undefined;
}

export interface KnownClients {
  has(tag: string): boolean;
  /** Counts at once; the promise settles when it is stored. */
  add(tag: string): Promise<void> | void;
}

export interface PairingAsked {
  /** As the operating system says. */
  readonly address: string;
  /** The entry that is kept now; `undefined` if there is none, for the reason `error`. */
  readonly device: Device | undefined;
  readonly error: LineError | undefined;
}

export interface RejectedLogin {
  /** As the operating system says. */
  readonly address: string;
  readonly error: LineError;
  /** A one-time code was used up by this attempt, right or wrong: its owner should know (R-A2). */
  readonly usedUpCode: boolean;
}
