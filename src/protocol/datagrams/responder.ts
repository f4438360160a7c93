import { LineError } from '../../errors.ts';
import type { Bucket } from '../admission/bucket.ts';
import { RecencyTable } from '../admission/recency-table.ts';
import type { JsonObject } from '../bytes/json.ts';
import { DATAGRAM_IDLE_MS, DATAGRAM_LIFE_MS, MAX_DATAGRAM_CONNECTIONS } from '../limits.ts';
import type { DatagramConnection } from './connection.ts';
import { type DatagramMessage, KIND, type PacketHeader, readPacketHeader } from './packet.ts';

/**
 * The answering side of all datagram connections of a listener (docs/protocol/5-datagrams.md): from a packet to the one
 * packet that answers it, or to nothing. It knows no addresses: the answer goes where the request came from.
 */
export class DatagramResponder {
  readonly #connections = new RecencyTable<Served>(MAX_DATAGRAM_CONNECTIONS);

  get connectionCount(): number {
    return this.#connections.size;
  }

  has(id: Uint8Array): boolean {
    return this.#connections.peek(keyOf(id)) !== undefined;
  }

  /**
   * From now on packets to `id` belong to `connection`; where there are too many, that which was quiet longest ends. `rate`
   * says how often it is answered, and is that of its session: whoever opens another one begins with what is left of it.
   * `ceiling` is that of its login, for whoever answers.
   */
  add(id: Uint8Array, connection: DatagramConnection, rate: Bucket, nowMs: number, ceiling?: readonly string[]): void {
    this.#connections.set(keyOf(id), { connection, rate, ceiling, bornMs: nowMs, heardMs: nowMs });
  }

  remove(id: Uint8Array): void {
    this.#connections.delete(keyOf(id));
  }

  /**
   * The answer to one packet, or `undefined`: then nothing is sent. `answer` is called only for a request that has verified,
   * and gives its answer at once; a `LineError` that it throws is answered by its code.
   */
  receive(packet: Uint8Array, nowMs: number, answer: Answer): Uint8Array | undefined {
    const header = readPacketHeader(packet);
    if (header === undefined) return undefined;
    const key = keyOf(header.id);
    const served = this.#find(key, nowMs);
    if (served === undefined) return undefined;
    const message = openRequest(served.connection, header, packet);
    if (message === undefined) return undefined;
    served.heardMs = nowMs;
    // Only now: what is forged does not keep a connection.
    this.#connections.set(key, served);
    if (served.rate.waitMs(nowMs) > 0 || served.connection.isUsedUp) return undefined;
    served.rate.take();
    return ifShorter(served.connection.seal(respond(message, answer, served.ceiling)), packet);
  }

  #find(key: string, nowMs: number): Served | undefined {
    const served = this.#connections.peek(key);
    if (served === undefined) return undefined;
    if (nowMs - served.heardMs < DATAGRAM_IDLE_MS && nowMs - served.bornMs < DATAGRAM_LIFE_MS) return served;
    this.#connections.delete(key);
    return undefined;
  }
}

type Answer = (request: JsonObject, ceiling: readonly string[] | undefined) => JsonObject;

interface Served {
  readonly connection: DatagramConnection;
  readonly rate: Bucket;
  readonly ceiling: readonly string[] | undefined;
  readonly bornMs: number;
  /** When a packet was opened last. */
  heardMs: number;
}

/** R-T1, for every answer: whoever makes us send something has sent more. */
function ifShorter(answer: Uint8Array, request: Uint8Array): Uint8Array | undefined {
  return answer.length < request.length ? answer : undefined;
}

/** What does not verify, and what is no request, is dropped alike. */
function openRequest(
  connection: DatagramConnection,
  header: PacketHeader,
  packet: Uint8Array,
): DatagramMessage | undefined {
  try {
    const message = connection.open(header, packet);
    return message?.kind === KIND.request ? message : undefined;
  } catch (thrown) {
    if (thrown instanceof LineError && thrown.code === 'MALFORMED') return undefined;
    throw thrown;
  }
}

function respond(
  { request, body }: DatagramMessage,
  answer: Answer,
  ceiling: readonly string[] | undefined,
): DatagramMessage {
  try {
    return { request, kind: KIND.response, body: answer(body, ceiling) };
  } catch (thrown) {
    if (!(thrown instanceof LineError)) throw thrown;
    return { request, kind: KIND.error, body: { code: thrown.code } };
  }
}

/** Eight bytes as the key of a map. */
function keyOf(id: Uint8Array): string {
  return String.fromCharCode(id[0]!, id[1]!, id[2]!, id[3]!, id[4]!, id[5]!, id[6]!, id[7]!);
}
