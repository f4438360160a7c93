import { setTimeout as sleep } from 'node:timers/promises';
import type { LineError } from '../errors.ts';
import { onAbort, toLineError } from '../line/abort.ts';
import type { Line } from '../line/line.ts';
import { Agent, type AgentOptions, joinAgents } from '../services/agents/agent.ts';
import { type AgentsHostOptions, agentsHost } from '../services/agents/host.ts';
import { AgentRoutes } from '../services/agents/routes.ts';
import { offeredPermissions } from '../services/registry.ts';
import type { Service } from '../services/service.ts';
import { type ConnectOptions, connect, stretchFor } from './connect.ts';
import { nodeCrypto } from './crypto.ts';

/**
 * Makes this machine an agent of a server: dials, joins under `name` and stays. When the line is lost, or the server cannot
 * be reached, it dials again: after 1 s, then twice as long each time, up to 60 s, less up to half by chance. Ends when
 * `signal` is aborted, in good order and without an error.
 *
 * Throws what another try would not change: `AUTH`, `PIN`, `VERSION`, `FORBIDDEN` and `UNSUPPORTED` where no agents are
 * taken, `EXISTS` for a name that belongs to another machine or was taken over by another line of this one, `BAD_NAME`,
 * `USAGE`.
 */
export async function runAgent(options: RunAgentOptions): Promise<void> {
  const { signal } = options;
  const stretched = stretchFor(options);
  const agent = new Agent({ ...options, randomBytes: length => nodeCrypto.randomBytes(length) });
  const isStopped = (): boolean => signal?.aborted === true;
  let attempt = 0;
  while (!isStopped()) {
    const began = performance.now();
    const error = await stay(agent, { ...options, passphrase: stretched }).catch(toLineError);
    if (isStopped()) return;
    if (LASTING.has(error.code)) throw error;
    if (performance.now() - began > STEADY_MS) attempt = 0;
    const waitMs = waitBeforeDialling(attempt, Math.random());
    attempt += 1;
    options.onEvent?.({ type: 'lost', error, waitMs, attempt });
    await sleep(waitMs, undefined, { signal }).catch(() => {}); // Aborted: the loop ends.
  }
}

export interface RunAgentOptions
  extends Omit<ConnectOptions, 'onChannel' | 'onStage' | 'sharesLine'>,
    Pick<AgentOptions, 'services' | 'allow' | 'onReached'> {
  readonly name: string;
  readonly onEvent?: ((event: AgentEvent) => void) | undefined;
}

export type AgentEvent =
  | { readonly type: 'joined'; readonly line: Line }
  /** It is not there any more, or could not get there, and dials again after `waitMs`. */
  | { readonly type: 'lost'; readonly error: LineError; readonly waitMs: number; readonly attempt: number };

/** One line, from dialling to its end; gives the reason for which this machine is no longer there. */
async function stay(agent: Agent, options: RunAgentOptions): Promise<LineError> {
  const { line } = await connect({
    ...options,
    sharesLine: true,
    onChannel: (channel, line) => agent.handle(channel, line),
  });
  try {
    const card = {
      name: options.name,
      platform: `${process.platform} ${process.arch}`,
      allow: offeredPermissions(options.services, options.allow),
    };
    const membership = await joinAgents(line, card, { signal: options.signal });
    options.onEvent?.({ type: 'joined', line });
    const stopListening = onAbort(options.signal, () => membership.leave());
    const reason = await membership.left;
    stopListening();
    return reason;
  } finally {
    await line.close();
  }
}

/** 1, 2, 4 … 60 s, less up to half of it by chance, so that the agents of one server do not all return at once. */
export function waitBeforeDialling(attempt: number, chance: number): number {
  return Math.min(1000 * 2 ** Math.min(attempt, 16), MAX_WAIT_MS) * (1 - chance / 2);
}

/** The server's side of agents, for `listen`; see `agentsHost`. */
export function serveAgents(options: Pick<AgentsHostOptions, 'onAgent'> = {}): Service {
  return agentsHost({ nowMs: Date.now, onAgent: options.onAgent });
}

/** Routes to agents, for a line that was connected with `routes.handle` as its `onChannel`; see `AgentRoutes`. */
export function makeAgentRoutes(onChannel?: ConstructorParameters<typeof AgentRoutes>[1]): AgentRoutes {
  return new AgentRoutes(length => nodeCrypto.randomBytes(length), onChannel);
}

/** A line that held so long was a good one: the next wait is the shortest again. */
const STEADY_MS = 60_000;
const MAX_WAIT_MS = 60_000;
/** What another try would find the same. All else may be the network's doing, or that of somebody on it. */
export const LASTING: ReadonlySet<string> = new Set([
  'AUTH',
  'PIN',
  'GONE',
  'REVOKED',
  'VERSION',
  'UNSUPPORTED',
  'FORBIDDEN',
  'EXISTS',
  'BAD_NAME',
  'USAGE',
  'ACCESS',
  'NO_SPACE',
]);
