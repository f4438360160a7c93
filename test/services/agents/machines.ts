import type { Channel } from '../../../src/line/channel.ts';
import { type OpenLineOptions, openLine } from '../../../src/line/connect.ts';
import type { Line } from '../../../src/line/line.ts';
import type { Listener, ListenerOptions } from '../../../src/line/listener.ts';
import type { Route } from '../../../src/line/route.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { SHARED_LINE_CREDIT_BYTES } from '../../../src/protocol/limits.ts';
import { Agent, type AgentOptions, joinAgents, type Membership } from '../../../src/services/agents/agent.ts';
import { agentsHost } from '../../../src/services/agents/host.ts';
import { AgentRoutes, findAgent } from '../../../src/services/agents/routes.ts';
import type { Permission } from '../../../src/services/permission.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import type { Service } from '../../../src/services/service.ts';
import { type MemoryOptions, type MemoryTransport, memoryPair } from '../../../src/transports/memory.ts';
import { loginOptions, makeListener } from '../../support/lines.ts';

/** A server in memory that agents join, and whatever dials it. */
export class Machines {
  readonly listener: Listener;
  /** What the server took for faults of its own. */
  readonly faults: unknown[] = [];
  /** `joined NAME` and `left NAME`, as the server saw it. */
  readonly comings: string[];

  private constructor(listener: Listener, faults: unknown[], comings: string[]) {
    this.listener = listener;
    this.faults = faults;
    this.comings = comings;
  }

  static async serve(options: ServeOptions = {}): Promise<Machines> {
    const faults: unknown[] = [];
    const comings: string[] = [];
    const service = agentsHost({
      nowMs: () => NOW_MS,
      onAgent: (event, { name }) => comings.push(`${event} ${name}`),
    });
    const listener = await makeListener({
      limits: { hellosPerSecond: 1e6, helloBurst: 1e6, hellosPerSecondPerSource: 1e6, helloBurstPerSource: 1e6 },
      onChannel: dispatchChannels([service], options.allow ?? ['agents']),
      onFault: thrown => faults.push(thrown),
      creditBytes: SHARED_LINE_CREDIT_BYTES,
      ...options.listener,
    });
    return new Machines(listener, faults, comings);
  }

  async dial(options: Partial<OpenLineOptions> = {}, memory: MemoryOptions = {}): Promise<Dialled> {
    const [near, far] = memoryPair(memory);
    this.listener.accept(far);
    const { line } = await openLine(near, await loginOptions(options));
    await line.ping();
    return { line, transport: near };
  }

  /** A machine that has joined as `name`. */
  async agent(name: string, options: AgentSetup = {}): Promise<JoinedAgent> {
    const allow = options.allow ?? [];
    const agent = new Agent({
      services: options.services ?? [],
      allow,
      randomBytes: length => nodeCrypto.randomBytes(length),
      onReached: options.onReached,
    });
    const onChannel = options.onChannel ?? ((channel, line) => agent.handle(channel, line));
    const dialling = { onChannel, creditBytes: SHARED_LINE_CREDIT_BYTES, ...options.dialling };
    const dialled = await this.dial(dialling, options.memory);
    const membership = await joinAgents(dialled.line, { name, platform: 'test', allow });
    return { ...dialled, membership };
  }

  /** Who reaches machines: a line, and the routes over it. */
  async operator(
    onChannel?: ConstructorParameters<typeof AgentRoutes>[1],
    dialling: Partial<OpenLineOptions> = {},
    memory: MemoryOptions = {},
  ): Promise<Operator> {
    const routes = new AgentRoutes(length => nodeCrypto.randomBytes(length), onChannel);
    const options = {
      onChannel: (channel: Channel, line: Route) => routes.handle(channel, line),
      creditBytes: SHARED_LINE_CREDIT_BYTES,
      ...dialling,
    };
    const dialled = await this.dial(options, memory);
    return { ...dialled, to: async name => routes.to(dialled.line, await findAgent(dialled.line, name)) };
  }

  async end(): Promise<void> {
    await this.listener.close(0);
  }
}

export interface ServeOptions {
  readonly allow?: readonly Permission[];
  readonly listener?: Partial<ListenerOptions>;
}

export interface AgentSetup extends Partial<Pick<AgentOptions, 'allow' | 'services' | 'onReached'>> {
  /** In place of an honest agent. */
  readonly onChannel?: OpenLineOptions['onChannel'];
  readonly dialling?: Partial<OpenLineOptions>;
  readonly memory?: MemoryOptions;
}

export interface Dialled {
  readonly line: Line;
  readonly transport: MemoryTransport;
}

export interface JoinedAgent extends Dialled {
  readonly membership: Membership;
}

export interface Operator extends Dialled {
  readonly to: (name: string) => Promise<Route>;
}

/** One kind of channel with the handler of a test, for those who may read. */
export function serviceOf(kinds: { readonly [kind: string]: Service['kinds'][string]['handle'] }): Service {
  return {
    name: 'test',
    kinds: Object.fromEntries(
      Object.entries(kinds).map(([kind, handle]) => [kind, { permission: 'read' as const, handle }]),
    ),
  };
}

export const NOW_MS = 1_700_000_000_000;
