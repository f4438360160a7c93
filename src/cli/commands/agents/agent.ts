import { resolve } from 'node:path';
import {
  type AgentEvent,
  type AuditEntry,
  agentName,
  fingerprint,
  LineError,
  type Permission,
  type ReachedEvent,
  runAgent,
  type Service,
  serveCommands,
  serveFolder,
  serveTerminals,
  serveTime,
} from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { EventLog } from '../../event-log.ts';
import { ownName } from '../../own-name.ts';
import { parsePermissions } from '../../permissions.ts';
import { formatHost } from '../../place.ts';
import { escapeText } from '../../terminal/escape.ts';
import { AGENT } from '../../version.ts';
import { type DialOptions, loginFor, remoteHost, tellMore } from '../dial.ts';

export interface AgentCommandOptions extends DialOptions {
  readonly name?: string;
  readonly allow?: string;
  readonly dir?: string;
  readonly only?: readonly string[];
}

/**
 * Makes this machine reachable through HOST, until it is told to stop. What may be done here is what the options say, told
 * at the start; each thing that is done is one line.
 */
export async function agent(context: CommandContext, text: string, options: AgentCommandOptions): Promise<void> {
  const place = await remoteHost(context, text, options);
  context.doing = `cannot be an agent of ${formatHost(place.host)}`;
  const name = agentName(options.name ?? ownName());
  const allow = parseAllow(options);
  const log = new AgentLog(context);
  context.hint = '--dir names a folder of this machine';
  const opened = await openServices(allow, options, log);
  context.hint = undefined;
  const stop = new AbortController();
  const passphrase = await loginFor(context, place, options);
  announce(context, log, name, { ...options, allow });
  context.phase = 'connecting';
  // Who waits for a process hears of its end before this machine is gone.
  const leave = (): void => void opened.endProcesses().finally(() => stop.abort());
  if (context.signal.aborted) leave();
  else context.signal.addEventListener('abort', leave, { once: true });
  try {
    await runAgent({
      host: place.host,
      port: place.port,
      passphrase,
      connectTimeoutMs: (options.connectTimeout ?? DEFAULT_TIMEOUT_SECONDS) * 1000,
      agent: AGENT,
      name,
      services: opened.services,
      allow,
      signal: stop.signal,
      onEvent: event => log.event(event, name),
      onReached: event => log.reached(event),
    });
  } catch (thrown) {
    throw tellMore(context, thrown, place, { ...options, passphrase });
  } finally {
    context.signal.removeEventListener('abort', leave);
    await opened.close();
  }
}

/** What this machine permits, before anybody can ask for it. */
function announce(context: CommandContext, log: AgentLog, name: string, { allow, dir, only }: Permitted): void {
  if (context.options.json) {
    log.write('allows', { name, allow, dir: dir === undefined ? undefined : resolve(dir), only });
    return;
  }
  const powers = allow.length === 0 ? 'nothing' : allow.join(', ');
  const folder = dir === undefined ? '' : ` in ${escapeText(resolve(dir))}`;
  const commands = only === undefined ? '' : `, of commands only ${only.map(escapeText).join(', ')}`;
  context.note(`this machine is ${name} and allows ${powers}${folder}${commands}`);
}

interface Permitted extends Pick<AgentCommandOptions, 'dir' | 'only'> {
  readonly allow: readonly Permission[];
}

interface Opened {
  readonly services: readonly Service[];
  /** Ends terminals and commands, and starts no more. */
  endProcesses(): Promise<void>;
  close(): Promise<void>;
}

async function openServices(
  allow: readonly Permission[],
  { dir, only }: AgentCommandOptions,
  log: AgentLog,
): Promise<Opened> {
  const folder = allow.some(needsFolder) ? await serveFolder(dir!, allow) : undefined;
  const recorded = {
    only,
    onAudit: (entry: AuditEntry) => log.audit(entry),
    onFault: (thrown: unknown) => log.fault(thrown),
  };
  const commands = allow.includes('exec') ? await serveCommands(dir ?? '.', recorded) : undefined;
  const hasTerminals = allow.includes('shell') || allow.includes('exec');
  const terminals = hasTerminals ? await serveTerminals(dir ?? '.', recorded) : undefined;
  const time = allow.includes('time') ? await serveTime() : undefined;
  const endProcesses = async (): Promise<void> => {
    await Promise.all([terminals?.close(), commands?.close()]);
  };
  return {
    services: [folder, commands, terminals, time].filter(service => service !== undefined),
    endProcesses,
    close: async () => {
      await endProcesses();
      await folder?.close();
    },
  };
}

function parseAllow({ allow: list = '', dir, only }: AgentCommandOptions): readonly Permission[] {
  const allow = parsePermissions(list);
  const useless = allow.find(name => name === 'agents' || name === 'chat');
  if (useless !== undefined) throw new LineError('USAGE', `an agent does not offer ${useless}`);
  if (allow.some(needsFolder) && dir === undefined) {
    throw new LineError('USAGE', 'to allow files, name the folder: --dir DIR');
  }
  if (only !== undefined && allow.includes('shell')) {
    throw new LineError('USAGE', 'with --allow shell everything can be run, so --only makes no sense');
  }
  if (only !== undefined && !allow.includes('exec')) throw new LineError('USAGE', '--only goes with --allow exec');
  return allow;
}

function needsFolder(permission: Permission): boolean {
  return permission === 'read' || permission === 'write' || permission === 'delete';
}

class AgentLog extends EventLog {
  event(event: AgentEvent, name: string): void {
    if (event.type === 'joined') this.write('joined', { name, server: event.line.peer.address });
    else {
      const { error, waitMs, attempt } = event;
      this.write('lost', { code: error.code, reason: error.message, attempt, wait_ms: Math.round(waitMs) });
    }
  }

  /** Who, from where, what, and what came of it. */
  reached({ kind, request, peer, error }: ReachedEvent): void {
    const path = request['path'];
    this.write('reached', {
      address: peer.address,
      device: fingerprint(peer.key),
      kind,
      path: typeof path === 'string' && path !== '' ? path : undefined,
      outcome: error === undefined ? 'done' : error.code,
      reason: error?.message,
    });
  }
}

const DEFAULT_TIMEOUT_SECONDS = 10;
