import { type AgentEntry, fingerprint, listAgents } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { formatHost } from '../../place.ts';
import { columns } from '../../terminal/columns.ts';
import { formatLocalTime, formatTimestamp } from '../../terminal/format.ts';
import { type DialOptions, remoteHost, requirePermission, withLine } from '../dial.ts';

/** Who has dialled in there. */
export async function agents(context: CommandContext, text: string, options: DialOptions): Promise<void> {
  const place = await remoteHost(context, text, options);
  context.doing = `cannot list the agents of ${formatHost(place.host)}`;
  const found = await withLine(context, place, options, connected => {
    requirePermission(connected, 'agents', 'list machines there');
    return listAgents(connected.line, { signal: context.signal });
  });
  if (context.options.json) {
    await context.printJson({ agents: found.map(agentJson) });
    return;
  }
  const rows = found.map(agent => row(agent, context.stdout.terminal));
  // Everything in an entry has been checked to be printable ASCII (services/agents/messages.ts).
  if (!context.stdout.terminal) for (const cells of rows) await context.print(cells.join('\t'));
  else for (const line of columns([HEADINGS, ...rows])) await context.print(line);
}

function row({ name, platform, sinceMs, allow }: AgentEntry, isTerminal: boolean): readonly string[] {
  const since = isTerminal ? formatLocalTime(sinceMs) : formatTimestamp(sinceMs);
  return [name, platform, since, allow.join(',') || (isTerminal ? 'nothing' : '')];
}

function agentJson({ name, platform, sinceMs, allow, device }: AgentEntry): Record<string, unknown> {
  return { name, platform, since: formatTimestamp(sinceMs), allow, device: fingerprint(device) };
}

const HEADINGS = ['NAME', 'PLATFORM', 'SINCE', 'ALLOWS'];
