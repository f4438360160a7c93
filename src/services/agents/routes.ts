import { LineError } from '../../errors.ts';
import type { Channel } from '../../line/channel.ts';
import type { LinePeer, OpenOptions, Route } from '../../line/route.ts';
import { type JsonObject, readList, readText } from '../../protocol/bytes/json.ts';
import type { Aead } from '../../protocol/crypto/provider.ts';
import { MAX_AGENTS } from '../../protocol/limits.ts';
import {
  AGENTS_KIND,
  type AgentEntry,
  agentName,
  asObject,
  decodeAgent,
  decodeCarried,
  encodeCarried,
  KEY_BYTES,
  readReach,
} from './messages.ts';

/**
 * The side of an operator: routes through a server to the machines that have dialled in there. What such a machine opens
 * in return (to fetch what is put there) comes over the line to the server too: `handle` must be its `onChannel`.
 */
export class AgentRoutes {
  readonly #randomBytes: (length: number) => Uint8Array;
  readonly #onChannel: ((channel: Channel, route: Route) => Promise<void>) | undefined;
  /** Of each line, the route of every channel that reaches an agent, by its number. */
  readonly #reaches = new WeakMap<Route, Map<number, Route>>();

  /** `onChannel` runs what is opened towards this side, on a line itself or on a route; without it nothing is taken. */
  constructor(
    randomBytes: (length: number) => Uint8Array,
    onChannel?: (channel: Channel, route: Route) => Promise<void>,
  ) {
    this.#randomBytes = randomBytes;
    this.#onChannel = onChannel;
  }

  /** The way over `line` to `agent`, as `listAgents` or `findAgent` gave it. Nothing is sent yet. */
  to(line: Route, agent: AgentEntry): Route {
    const reaches = this.#reaches.get(line) ?? new Map<number, Route>();
    this.#reaches.set(line, reaches);
    return new AgentRoute(line, agent, reaches, this.#randomBytes);
  }

  /** For `onChannel` of the line to the server. */
  async handle(channel: Channel, line: Route): Promise<void> {
    if (this.#onChannel === undefined) throw new LineError('UNSUPPORTED', 'this side offers nothing');
    if (channel.kind !== AGENTS_KIND.backed) {
      await this.#onChannel(channel, line);
      return;
    }
    const route = this.#reaches.get(line)?.get(readReach(channel.request));
    if (route === undefined) throw new LineError('FORBIDDEN', 'no machine is reached over that channel');
    const carried = decodeCarried(channel.request);
    if (carried.kind.startsWith('agents.')) throw new LineError('FORBIDDEN', 'this side is no way to others');
    channel.stepAside();
    channel.takeAs(carried);
    await this.#onChannel(channel, route);
  }
}

/** Who has dialled in at the other end of `line`, in the order in which they came. */
export async function listAgents(line: Route, options: ListAgentsOptions = {}): Promise<readonly AgentEntry[]> {
  const request = options.name === undefined ? {} : { name: agentName(options.name) };
  const channel = line.open(AGENTS_KIND.list, request, { signal: options.signal });
  const agents: AgentEntry[] = [];
  try {
    for (;;) {
      const message = await channel.readMessage();
      const type = readText(message, 't', 16);
      if (type === 'done') return agents;
      if (type !== 'agents') throw new LineError('PROTOCOL', 'a message that is not due');
      for (const agent of readList(message, 'agents', MAX_AGENTS)) agents.push(decodeAgent(asObject(agent)));
      if (agents.length > MAX_AGENTS) throw new LineError('SIZE', 'more machines than a server can have');
    }
  } finally {
    channel.reset();
  }
}

export interface ListAgentsOptions {
  /** Only the one of this name. */
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The agent of this name; `UNREACHABLE` if it is not there. */
export async function findAgent(
  line: Route,
  name: string,
  options: Pick<ListAgentsOptions, 'signal'> = {},
): Promise<AgentEntry> {
  const wanted = agentName(name);
  const found = (await listAgents(line, { ...options, name })).find(agent => agent.name === wanted);
  if (found === undefined) throw new LineError('UNREACHABLE', `no machine ${wanted} is there now`);
  return found;
}

class AgentRoute implements Route {
  readonly peer: LinePeer;
  readonly #line: Route;
  readonly #name: string;
  readonly #reaches: Map<number, Route>;
  readonly #randomBytes: (length: number) => Uint8Array;

  constructor(
    line: Route,
    agent: AgentEntry,
    reaches: Map<number, Route>,
    randomBytes: (length: number) => Uint8Array,
  ) {
    this.#line = line;
    this.#name = agent.name;
    this.peer = { key: agent.device, address: agent.name, agent: '' };
    this.#reaches = reaches;
    this.#randomBytes = randomBytes;
  }

  get origin(): object {
    return this;
  }

  open(kind: string, request: JsonObject = {}, options: OpenOptions = {}): Channel {
    const carried = { kind, request, secret: this.#randomBytes(KEY_BYTES) };
    const channel = this.#line.open(AGENTS_KIND.reach, { ...encodeCarried(carried), name: this.#name }, options);
    channel.takeAs(carried);
    // One machine that sends more than is read of it shall not hold back the others.
    channel.stepAside();
    this.#reaches.set(channel.id, this);
    channel.whenOver(() => this.#reaches.delete(channel.id));
    return channel;
  }

  channelKey(channel: Channel, name: string, length: number): Uint8Array {
    return this.#line.channelKey(channel, name, length);
  }

  chunkAead(channel: Channel): Aead {
    return this.#line.chunkAead(channel);
  }
}
