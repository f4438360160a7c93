import { LineError } from '../errors.ts';
import { type JsonObject, readText } from '../protocol/bytes/json.ts';
import type { CryptoProvider } from '../protocol/crypto/provider.ts';
import { DatagramConnection } from '../protocol/datagrams/connection.ts';
import { decodeOpened, encodeOpening } from '../protocol/datagrams/control.ts';
import { type DatagramMessage, ID_BYTES, KIND, readPacketHeader } from '../protocol/datagrams/packet.ts';
import type { Session } from '../protocol/endpoint.ts';
import { DATAGRAM_RENEW_MS, DATAGRAM_REQUEST_BYTES } from '../protocol/limits.ts';
import type { DatagramSocket } from '../transports/datagram.ts';
import { onAbort } from './abort.ts';
import type { Clock, Timer } from './clock.ts';

/**
 * The asking side of datagrams on one line (docs/protocol/5-datagrams.md).
 *
 *   1. `ask` sees to a connection: `dgram` over the line and back, once for many questions.
 *   2. It sends, and sends again, until an answer comes, its time is up, or the network says that nobody is there.
 *   3. The line's end ends it, and so does `close`.
 */
export class DatagramAsker {
  readonly #host: DatagramAskerHost;
  readonly #socket: DatagramSocket;
  readonly #questions = new Map<number, Question>();
  #lastRequest = 0;
  #connection: OpenConnection | undefined;
  #opening: Opening | undefined;
  #end: LineError | undefined;

  /** Made by `DatagramOffer.open`. Takes over the socket. */
  constructor(host: DatagramAskerHost, socket: DatagramSocket) {
    this.#host = host;
    this.#socket = socket;
    socket.start({ received: packet => this.#received(packet), refused: cause => this.#refused(cause) });
  }

  /**
   * Asks, and gives the first answer. Throws `TIMEOUT` when none comes, `UNREACHABLE` when the network says that nobody
   * listens, `FORBIDDEN` and `UNSUPPORTED` as the other side says, `SIZE` for what fits into no datagram, and what ended the
   * line. The other side may handle the request more than once.
   */
  async ask(request: JsonObject, options: AskOptions = {}): Promise<DatagramAnswer> {
    const { clock } = this.#host;
    const untilMs = clock.now() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const connection = await this.#open(untilMs - clock.now(), options.signal);
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) throw this.#end;
      const number = this.#freeNumber();
      const question: Question = {
        connection,
        timers: [],
        sentAtMs: clock.now(),
        settle: outcome => {
          this.#questions.delete(number);
          for (const timer of question.timers) timer.cancel();
          stopListening();
          if (outcome instanceof LineError) reject(outcome);
          else resolve(outcome);
        },
      };
      let stopListening = (): void => {};
      const send = (): void => {
        if (connection.keys.isUsedUp) return;
        // Sealed anew each time, so that no number is used twice; the same request, so that any answer will do.
        const message = { request: number, kind: KIND.request, body: request };
        this.#socket.send(connection.keys.seal(message, DATAGRAM_REQUEST_BYTES));
      };
      send();
      this.#questions.set(number, question);
      question.timers.push(
        clock.after(Math.max(untilMs - clock.now(), 0), () => {
          // Perhaps the other side has forgotten the connection: the next question makes a new one.
          this.#forget(connection);
          question.settle(new LineError('TIMEOUT', 'no answer came by datagrams'));
        }),
        ...RESEND_AFTER_MS.map(delayMs => clock.after(delayMs, send)),
      );
      stopListening = onAbort(options.signal, error => question.settle(error));
    });
  }

  /** Ends it: open questions throw `CLOSED`. May be called twice. */
  close(): void {
    this.end(new LineError('CLOSED', 'the datagrams of this line are closed'));
  }

  /** @internal */
  end(error: LineError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#socket.close();
    this.#connection = undefined;
    this.#opening?.reject(error);
    for (const question of [...this.#questions.values()]) question.settle(error);
  }

  /** @internal Takes the server's `dgram`. One that answers another question than the last is of no use. */
  opened(message: JsonObject): void {
    const { serverId, clientId } = decodeOpened(message);
    const opening = this.#opening;
    if (opening === undefined || !isEqual(opening.clientId, clientId)) return;
    const { provider, clock, exporter } = this.#host;
    const { clientToServer, serverToClient } = exporter.datagramSecrets(serverId, clientId);
    const secrets = { sending: clientToServer, receiving: serverToClient };
    const keys = new DatagramConnection(provider, secrets, serverId);
    opening.resolve({ keys, id: clientId, heardMs: clock.now() });
  }

  /** The connection that there is, or a new one. */
  async #open(withinMs: number, signal: AbortSignal | undefined): Promise<OpenConnection> {
    if (this.#end !== undefined) throw this.#end;
    const { clock, provider } = this.#host;
    const current = this.#connection;
    if (current !== undefined && !current.keys.isUsedUp && clock.now() - current.heardMs < DATAGRAM_RENEW_MS) {
      return current;
    }
    this.#opening ??= this.#begin(provider.randomBytes(ID_BYTES));
    const opening = this.#opening;
    let timer: Timer | undefined;
    let stopListening = (): void => {};
    try {
      return await new Promise<OpenConnection>((resolve, reject) => {
        opening.promise.then(resolve, reject);
        timer = clock.after(Math.max(withinMs, 0), () => {
          // Perhaps it has had enough of new connections for now: the next question asks for one again.
          if (this.#opening === opening) this.#opening = undefined;
          reject(new LineError('TIMEOUT', 'the other side has opened no datagrams'));
        });
        stopListening = onAbort(signal, reject);
      });
    } finally {
      timer?.cancel();
      stopListening();
    }
  }

  #begin(clientId: Uint8Array): Opening {
    let settle: Pick<Opening, 'resolve' | 'reject'> | undefined;
    const promise = new Promise<OpenConnection>((resolve, reject) => {
      settle = { resolve, reject };
    });
    // Each question that waits for it hears of the failure itself.
    promise.catch(() => {});
    const { resolve, reject } = settle!;
    this.#host.sendControl(encodeOpening(clientId));
    return {
      clientId,
      promise,
      resolve: connection => {
        this.#opening = undefined;
        this.#connection = connection;
        resolve(connection);
      },
      reject: error => {
        this.#opening = undefined;
        reject(error);
      },
    };
  }

  #forget(connection: OpenConnection): void {
    if (this.#connection === connection) this.#connection = undefined;
  }

  #received(packet: Uint8Array): void {
    const arrivedAtMs = this.#host.clock.now();
    const header = readPacketHeader(packet);
    if (header === undefined) return;
    const connection = this.#connectionOf(header.id);
    if (connection === undefined) return;
    let message: DatagramMessage | undefined;
    try {
      message = connection.keys.open(header, packet);
    } catch {
      // It verifies and is no message: dropped like what does not verify (docs/protocol/5-datagrams.md §3).
      return;
    }
    if (message === undefined) return;
    const question = this.#questions.get(message.request);
    if (question === undefined || question.connection !== connection) return;
    connection.heardMs = arrivedAtMs;
    if (message.kind === KIND.response) {
      question.settle({ body: message.body, sentAtMs: question.sentAtMs, arrivedAtMs });
    } else if (message.kind === KIND.error) question.settle(errorOf(message.body));
  }

  /** The one that there is, or one that was given up while questions over it are still open: they may be answered yet. */
  #connectionOf(id: Uint8Array): OpenConnection | undefined {
    if (this.#connection !== undefined && isEqual(this.#connection.id, id)) return this.#connection;
    for (const { connection } of this.#questions.values()) if (isEqual(connection.id, id)) return connection;
    return undefined;
  }

  #refused(cause: unknown): void {
    const error = new LineError('UNREACHABLE', 'nothing answers datagrams there', { cause });
    for (const question of [...this.#questions.values()]) question.settle(error);
  }

  #freeNumber(): number {
    do this.#lastRequest = (this.#lastRequest + 1) % 2 ** 32;
    while (this.#questions.has(this.#lastRequest));
    return this.#lastRequest;
  }
}

/** What the asking side needs of its line. */
export interface DatagramAskerHost {
  readonly provider: CryptoProvider;
  readonly clock: Clock;
  readonly exporter: Session['exporter'];
  sendControl(message: JsonObject): void;
}

export interface AskOptions {
  /** For all of it, a new connection included; default 8 s. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DatagramAnswer {
  /** The other side's, unchecked. */
  readonly body: JsonObject;
  /** When the request was sent the first time, by `Clock.now`; the answer may be one to a later time. */
  readonly sentAtMs: number;
  readonly arrivedAtMs: number;
}

interface OpenConnection {
  readonly keys: DatagramConnection;
  /** What the other side calls us by. */
  readonly id: Uint8Array;
  heardMs: number;
}

interface Opening {
  readonly clientId: Uint8Array;
  readonly promise: Promise<OpenConnection>;
  resolve(connection: OpenConnection): void;
  reject(error: LineError): void;
}

interface Question {
  readonly connection: OpenConnection;
  readonly timers: Timer[];
  readonly sentAtMs: number;
  settle(outcome: DatagramAnswer | LineError): void;
}

/** docs/protocol/5-datagrams.md §4: 0.5, 1, 2 and 4 s, each after the one before. */
const RESEND_AFTER_MS = [500, 1500, 3500, 7500];
const DEFAULT_TIMEOUT_MS = 8_000;

function errorOf(body: JsonObject): LineError {
  let code: string;
  try {
    code = readText(body, 'code', 64);
  } catch (cause) {
    return new LineError('MALFORMED', 'the other side tells of an error without a name', { cause });
  }
  if (code === 'UNSUPPORTED') return new LineError(code, 'nothing of this kind is answered by datagrams');
  if (code === 'FORBIDDEN') return new LineError(code, 'not allowed for this login');
  return new LineError('INTERNAL', 'the other side could not answer');
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
