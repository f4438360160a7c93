import { LineError } from '../../errors.ts';
import type { Channel } from '../../line/channel.ts';
import type { Route } from '../../line/route.ts';
import { hasField, type JsonObject, readText } from '../../protocol/bytes/json.ts';
import {
  MAX_AGENTS,
  MAX_BACK_CHANNELS_PER_REACH,
  MAX_REACHES_PER_AGENT,
  MAX_REACHES_PER_OPERATOR,
} from '../../protocol/limits.ts';
import type { Service } from '../service.ts';
import {
  AGENTS_KIND,
  type AgentCard,
  type AgentEntry,
  agentName,
  decodeCard,
  decodeCarried,
  encodeAgent,
  encodeCarried,
  encodeReachedBy,
  readReach,
} from './messages.ts';
import { Reservations } from './reservations.ts';
import { splice } from './splice.ts';

/**
 * The server's side of the agents service: who has dialled in, and the way to them. It passes on what comes and does not
 * look into it; what an agent permits is the agent's affair (docs/protocol/4-services.md §5).
 */
export function agentsHost(options: AgentsHostOptions): Service {
  const host = new AgentsHost(options);
  return {
    name: 'agents',
    kinds: {
      [AGENTS_KIND.join]: { permission: 'agents', handle: (channel, route) => host.join(channel, route) },
      [AGENTS_KIND.list]: { permission: 'agents', handle: channel => host.list(channel) },
      [AGENTS_KIND.reach]: { permission: 'agents', handle: (channel, route) => host.reach(channel, route) },
      [AGENTS_KIND.back]: { permission: 'agents', handle: (channel, route) => host.back(channel, route) },
    },
  };
}

export interface AgentsHostOptions {
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Hears who has come and gone. Must not throw. */
  readonly onAgent?: ((event: 'joined' | 'left', agent: AgentEntry) => void) | undefined;
}

class AgentsHost {
  readonly #options: AgentsHostOptions;
  /** By name, in the order in which they came. */
  readonly #agents = new Map<string, Agent>();
  readonly #agentsByRoute = new Map<Route, Agent>();
  readonly #reservations = new Reservations();
  /** What agents are told in place of an operator's line. */
  readonly #lineNumbers = new WeakMap<Route, number>();
  #lastLineNumber = 0;

  constructor(options: AgentsHostOptions) {
    this.#options = options;
  }

  /** `agents.join`: the agent is here as long as its channel is open. */
  async join(channel: Channel, route: Route): Promise<void> {
    const agent = this.#admit(decodeCard(channel.request), channel, route);
    // At once, and before the channels that are joined to those of operators: these shall hear the reason, not its echo.
    channel.whenOver(() => this.#leave(agent));
    this.#options.onAgent?.('joined', agent.entry);
    try {
      await channel.send({ t: 'joined', name: agent.entry.name });
      if ((await channel.read()) !== undefined) throw new LineError('PROTOCOL', 'an agent says nothing but its end');
    } finally {
      this.#leave(agent);
    }
  }

  /** `agents.list`: who is here, or the one of that `name`. */
  async list(channel: Channel): Promise<void> {
    const { request } = channel;
    const one = hasField(request, 'name') ? [this.#agents.get(requestedName(request))] : undefined;
    const asked = one === undefined ? [...this.#agents.values()] : one.filter(agent => agent !== undefined);
    for (let at = 0; at < asked.length; at += LISTED_AT_ONCE) {
      const some = asked.slice(at, at + LISTED_AT_ONCE);
      await channel.send({ t: 'agents', agents: some.map(({ entry }) => encodeAgent(entry)) });
    }
    await channel.send({ t: 'done' });
  }

  /** `agents.reach`: opens the channel that is asked for on the line of the agent, and joins the two. */
  async reach(channel: Channel, route: Route): Promise<void> {
    const agent = this.#agents.get(requestedName(channel.request));
    if (agent === undefined) throw notHere();
    const ofThisOperator = [...agent.reaches.values()].filter(({ operator }) => operator === route);
    if (agent.reaches.size >= MAX_REACHES_PER_AGENT || ofThisOperator.length >= MAX_REACHES_PER_OPERATOR) {
      throw new LineError('TOO_MANY', 'too many channels to this machine are open');
    }
    const far = openFor(agent.route, AGENTS_KIND.reached, {
      ...encodeCarried(decodeCarried(channel.request)),
      by: encodeReachedBy({ line: this.#lineNumberOf(route), peer: route.peer }),
    });
    const reach: Reach = { operator: route, channel, far, back: new Set() };
    agent.reaches.set(far.id, reach);
    await splice(channel, far);
    agent.reaches.delete(far.id);
    for (const back of reach.back) back.reset(new LineError('CANCELLED', 'what this belonged to has ended'));
  }

  /** `agents.back`: the same towards the operator, for an agent that is being reached over the channel it names. */
  async back(channel: Channel, route: Route): Promise<void> {
    const reach = this.#agentsByRoute.get(route)?.reaches.get(readReach(channel.request));
    if (reach === undefined) throw new LineError('FORBIDDEN', 'nobody reaches this machine over that channel');
    if (reach.back.size >= MAX_BACK_CHANNELS_PER_REACH) {
      throw new LineError('TOO_MANY', 'too many channels back to who reaches this machine');
    }
    const far = openFor(reach.operator, AGENTS_KIND.backed, {
      ...encodeCarried(decodeCarried(channel.request)),
      reach: reach.channel.id,
    });
    reach.back.add(channel);
    await splice(channel, far);
    reach.back.delete(channel);
  }

  #admit(card: AgentCard, channel: Channel, route: Route): Agent {
    if (this.#agentsByRoute.has(route)) throw new LineError('STATE', 'this line has joined already');
    const { key } = route.peer;
    const present = this.#agents.get(card.name);
    const owner = present?.entry.device ?? this.#reservations.ownerOf(card.name);
    if (owner !== undefined && !isSameKey(owner, key)) {
      throw new LineError('EXISTS', `the name ${card.name} belongs to another machine here`);
    }
    if (present !== undefined) {
      // It has come back before its old line was noticed to be dead.
      present.channel.reset(new LineError('EXISTS', `the name ${card.name} was taken by another line of this machine`));
      this.#leave(present);
    }
    if (this.#agents.size >= MAX_AGENTS) throw new LineError('TOO_MANY', 'too many machines are here');
    const entry: AgentEntry = { ...card, sinceMs: this.#options.nowMs(), device: key };
    const agent: Agent = { entry, channel, route, reaches: new Map() };
    this.#reservations.release(card.name);
    this.#agents.set(card.name, agent);
    this.#agentsByRoute.set(route, agent);
    return agent;
  }

  #leave(agent: Agent): void {
    const { entry, route, reaches } = agent;
    if (this.#agents.get(entry.name) !== agent) return;
    this.#agents.delete(entry.name);
    this.#agentsByRoute.delete(route);
    this.#reservations.keep(entry.name, entry.device);
    for (const { channel } of reaches.values()) {
      channel.reset(new LineError('TRUNCATED', `the machine ${entry.name} is gone`));
    }
    this.#options.onAgent?.('left', entry);
  }

  #lineNumberOf(route: Route): number {
    const known = this.#lineNumbers.get(route);
    if (known !== undefined) return known;
    this.#lastLineNumber += 1;
    this.#lineNumbers.set(route, this.#lastLineNumber);
    return this.#lastLineNumber;
  }
}

interface Agent {
  readonly entry: AgentEntry;
  readonly channel: Channel;
  readonly route: Route;
  /** By the number of the channel on the line of the agent. */
  readonly reaches: Map<number, Reach>;
}

/** A channel of an operator, joined to one on the line of an agent. */
interface Reach {
  readonly operator: Route;
  readonly channel: Channel;
  readonly far: Channel;
  /** Channels of the agent that were joined to ones on the line of the operator because of it. */
  readonly back: Set<Channel>;
}

function requestedName(request: JsonObject): string {
  return agentName(readText(request, 'name', 63));
}

/** A line that is about to end takes no channels any more, and its machine is as good as gone. */
function openFor(route: Route, kind: string, request: JsonObject): Channel {
  try {
    return route.open(kind, request);
  } catch (thrown) {
    if (thrown instanceof LineError && (thrown.code === 'TOO_MANY' || thrown.code === 'SIZE')) throw thrown;
    throw notHere();
  }
}

function notHere(): LineError {
  return new LineError('UNREACHABLE', 'no machine of this name is here');
}

function isSameKey(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** An entry is at most 600 bytes of JSON. */
const LISTED_AT_ONCE = 64;
