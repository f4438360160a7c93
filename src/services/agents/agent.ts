import { LineError } from '../../errors.ts';
import { toLineError } from '../../line/abort.ts';
import type { Channel } from '../../line/channel.ts';
import type { LinePeer, OpenOptions, Route } from '../../line/route.ts';
import { type JsonObject, readText } from '../../protocol/bytes/json.ts';
import type { Aead } from '../../protocol/crypto/provider.ts';
import type { Permission } from '../permission.ts';
import { dispatchChannels } from '../registry.ts';
import type { Service } from '../service.ts';
import {
  AGENTS_KIND,
  type AgentCard,
  agentName,
  decodeCarried,
  decodeReachedBy,
  encodeCard,
  encodeCarried,
  KEY_BYTES,
} from './messages.ts';

/**
 * The side of an agent: a machine that has dialled a server and is reached through it. What may be done here is decided
 * here, by a table and permissions of its own, whatever the server permits and says.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #dispatch: (channel: Channel, route: Route) => Promise<void>;
  /** By the line to the server: an object for each line of an operator that reaches this machine now. */
  readonly #origins = new WeakMap<Route, Map<number, Origin>>();

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#dispatch = dispatchChannels(options.services, options.allow);
  }

  /** For `onChannel` of the line to the server. */
  async handle(channel: Channel, line: Route): Promise<void> {
    if (channel.kind !== AGENTS_KIND.reached) throw new LineError('UNSUPPORTED', 'this machine is an agent');
    const carried = decodeCarried(channel.request);
    const by = decodeReachedBy(channel.request);
    // A peer that sends more than is read here shall not keep others from reaching this machine.
    channel.stepAside();
    channel.takeAs(carried);
    const origins = this.#originsOf(line);
    const origin = origins.get(by.line) ?? { reaches: 0 };
    origins.set(by.line, origin);
    origin.reaches += 1;
    const back = new BackRoute(line, channel.id, by.peer, origin, this.#options.randomBytes);
    let error: LineError | undefined;
    try {
      this.#requireOffered(carried.kind);
      await this.#dispatch(channel, back);
    } catch (thrown) {
      error = toLineError(thrown);
      throw thrown;
    } finally {
      back.close();
      origin.reaches -= 1;
      if (origin.reaches === 0) origins.delete(by.line);
      this.#options.onReached?.({ kind: carried.kind, request: carried.request, peer: by.peer, error });
    }
  }

  /** What the owner has not named is not allowed, whether this program knows it or not. */
  #requireOffered(kind: string): void {
    const isOffered = this.#options.services.some(({ kinds }) => Object.hasOwn(kinds, kind));
    // A way on to others would be one that their owners know nothing of.
    if (!isOffered || kind.startsWith('agents.')) throw new LineError('FORBIDDEN', 'this machine does not allow that');
  }

  #originsOf(line: Route): Map<number, Origin> {
    const origins = this.#origins.get(line) ?? new Map<number, Origin>();
    this.#origins.set(line, origins);
    return origins;
  }
}

export interface AgentOptions {
  /** What this machine can do for those who reach it. */
  readonly services: readonly Service[];
  /** What its owner permits; nothing that is not named. */
  readonly allow: readonly Permission[];
  readonly randomBytes: (length: number) => Uint8Array;
  /** Hears of each channel when it is over, a refused one too. Must not throw. */
  readonly onReached?: ((reached: ReachedEvent) => void) | undefined;
}

export interface ReachedEvent {
  readonly kind: string;
  /** The peer's. */
  readonly request: JsonObject;
  /** Who it was: proven to the server, and told by it. */
  readonly peer: LinePeer;
  readonly error: LineError | undefined;
}

/**
 * Joins the server at the other end of `line` under a name. Throws `EXISTS` for one that belongs to another machine,
 * `FORBIDDEN`, `BAD_NAME`, `TOO_MANY`, and `UNSUPPORTED` where no agents are taken.
 */
export async function joinAgents(
  line: Route,
  card: AgentCard,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Membership> {
  const channel = line.open(AGENTS_KIND.join, encodeCard({ ...card, name: agentName(card.name) }), options);
  try {
    if (readText(await channel.readMessage(), 't', 16) !== 'joined') {
      throw new LineError('PROTOCOL', 'a message that is not due');
    }
  } catch (thrown) {
    channel.reset();
    throw thrown;
  }
  const left = channel
    .read()
    .then(
      item =>
        item === undefined
          ? new LineError('SHUTDOWN', 'the server takes no agents any more')
          : new LineError('PROTOCOL', 'a message that is not due'),
      toLineError,
    );
  return { left, leave: () => channel.reset() };
}

export interface Membership {
  /** Resolves when this machine is no longer there, with the reason: `EXISTS` if another of its lines took its place. */
  readonly left: Promise<LineError>;
  /** Goes: nobody reaches this machine any more, and what is under way ends. */
  leave(): void;
}

/** One line of an operator, for as long as it reaches this machine over at least one channel. */
interface Origin {
  reaches: number;
}

/** From an agent to who reaches it over one channel, for as long as that is open. */
class BackRoute implements Route {
  readonly peer: LinePeer;
  readonly origin: object;
  readonly #line: Route;
  readonly #reach: number;
  readonly #randomBytes: (length: number) => Uint8Array;
  #isOver = false;

  constructor(line: Route, reach: number, peer: LinePeer, origin: object, randomBytes: (length: number) => Uint8Array) {
    this.#line = line;
    this.#reach = reach;
    this.peer = peer;
    this.origin = origin;
    this.#randomBytes = randomBytes;
  }

  open(kind: string, request: JsonObject = {}, options: OpenOptions = {}): Channel {
    if (this.#isOver) throw new LineError('CLOSED', 'the channel that led here is over');
    const carried = { kind, request, secret: this.#randomBytes(KEY_BYTES) };
    const channel = this.#line.open(AGENTS_KIND.back, { ...encodeCarried(carried), reach: this.#reach }, options);
    channel.takeAs(carried);
    return channel;
  }

  channelKey(channel: Channel, name: string, length: number): Uint8Array {
    return this.#line.channelKey(channel, name, length);
  }

  chunkAead(channel: Channel): Aead {
    return this.#line.chunkAead(channel);
  }

  close(): void {
    this.#isOver = true;
  }
}
