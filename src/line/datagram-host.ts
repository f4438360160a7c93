import { Bucket } from '../protocol/admission/bucket.ts';
import type { JsonObject } from '../protocol/bytes/json.ts';
import type { CryptoProvider } from '../protocol/crypto/provider.ts';
import { DatagramConnection } from '../protocol/datagrams/connection.ts';
import { decodeOpening, encodeOpened } from '../protocol/datagrams/control.ts';
import { ID_BYTES } from '../protocol/datagrams/packet.ts';
import { DatagramResponder } from '../protocol/datagrams/responder.ts';
import type { Session } from '../protocol/endpoint.ts';
import { DATAGRAM_OPENING_BURST, DATAGRAM_REQUESTS_PER_SECOND } from '../protocol/limits.ts';
import { withinCeiling } from './ceiling.ts';
import type { Clock } from './clock.ts';

/**
 * The answering side of datagrams at a listener (docs/protocol/5-datagrams.md): joins the control messages of its lines, from
 * which connections come, to the packets of its port.
 */
export class DatagramHost {
  readonly #options: DatagramHostOptions;
  readonly #responder: DatagramResponder;

  constructor(options: DatagramHostOptions) {
    this.#options = options;
    this.#responder = new DatagramResponder();
  }

  get connectionCount(): number {
    return this.#responder.connectionCount;
  }

  /** For the port: the answer to one packet, or nothing. Never throws. */
  receive(packet: Uint8Array): Uint8Array | undefined {
    const { clock, answer, onFault } = this.#options;
    const atMs = clock.now();
    try {
      return this.#responder.receive(packet, atMs, (request, ceiling) => answer(request, { atMs, ceiling }));
    } catch (thrown) {
      onFault?.(thrown);
      return undefined;
    }
  }

  /** Whether a login with this ceiling may ask anything at all. */
  mayAsk(ceiling: readonly string[] | undefined): boolean {
    const { permissions } = this.#options;
    return permissions === undefined || withinCeiling(permissions, ceiling).length > 0;
  }

  /** What one session has of this: at most one connection, for as long as the session lasts. */
  forSession(): SessionDatagrams {
    return new SessionDatagrams(this.#responder, this.#options);
  }
}

export interface DatagramHostOptions {
  readonly provider: CryptoProvider;
  readonly clock: Clock;
  readonly answer: AnswerDatagram;
  /** The permissions that `answer` asks for: a login without any of them gets no connection. Every login gets one if absent. */
  readonly permissions?: readonly string[] | undefined;
  /** Of each session; 50 unless given. */
  readonly requestsPerSecond?: number | undefined;
  /** A fault of ours: the request is not answered. */
  readonly onFault?: ((thrown: unknown) => void) | undefined;
}

/** Answers a request at once, or throws a `LineError`, of which the asking side learns the code. */
export type AnswerDatagram = (request: JsonObject, arrival: DatagramArrival) => JsonObject;

export interface DatagramArrival {
  /** By the clock of the listener (`Clock.now`). */
  readonly atMs: number;
  /** Of the login that asks; see `Route.ceiling`. */
  readonly ceiling?: readonly string[] | undefined;
}

export class SessionDatagrams {
  readonly #responder: DatagramResponder;
  readonly #provider: CryptoProvider;
  readonly #clock: Clock;
  readonly #openings = new Bucket(1, DATAGRAM_OPENING_BURST);
  readonly #requests: Bucket;
  #id: Uint8Array | undefined;

  /** Made by `DatagramHost`. */
  constructor(responder: DatagramResponder, { provider, clock, requestsPerSecond }: DatagramHostOptions) {
    this.#responder = responder;
    this.#provider = provider;
    this.#clock = clock;
    const perSecond = requestsPerSecond ?? DATAGRAM_REQUESTS_PER_SECOND;
    this.#requests = new Bucket(perSecond, perSecond);
  }

  /** Takes `dgram` of the client: a new connection, and the answer that tells of it. Nothing for one too many. */
  open(message: JsonObject, { exporter, login }: Pick<Session, 'exporter' | 'login'>): JsonObject | undefined {
    const clientId = decodeOpening(message);
    const nowMs = this.#clock.now();
    if (this.#openings.waitMs(nowMs) > 0) return undefined;
    this.#openings.take();
    this.close();
    const id = this.#freshId();
    const { clientToServer, serverToClient } = exporter.datagramSecrets(id, clientId);
    const secrets = { sending: serverToClient, receiving: clientToServer };
    const connection = new DatagramConnection(this.#provider, secrets, clientId);
    this.#responder.add(id, connection, this.#requests, nowMs, login.device?.allow);
    this.#id = id;
    return encodeOpened(id, clientId);
  }

  /** The session is over, or has another connection: no packet of this one is answered from now on. */
  close(): void {
    if (this.#id !== undefined) this.#responder.remove(this.#id);
    this.#id = undefined;
  }

  /** Two connections of one id would answer for each other. */
  #freshId(): Uint8Array {
    for (;;) {
      const id = this.#provider.randomBytes(ID_BYTES);
      if (!this.#responder.has(id)) return id;
    }
  }
}
