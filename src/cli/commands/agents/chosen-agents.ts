import { type AgentEntry, agentName, LineError, listAgents, type Route } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';

/** Which of the machines behind a server are meant. */
export interface Choice {
  /** A name, several with commas between, or patterns. */
  readonly on?: string;
  readonly all?: boolean;
}

/** Whether `--on` means more than the one machine of that name. */
export function isMany({ on, all }: Choice): boolean {
  return all === true || (on !== undefined && /[,*?]/.test(on));
}

/** Who of those that are there is meant, and the names that were given and are not there; `UNREACHABLE` if there is neither. */
export async function chosenAgents(context: CommandContext, line: Route, choice: Choice): Promise<ChosenAgents> {
  context.hint = 'postern agents HOST shows who is there';
  const chosen = choose(await listAgents(line, { signal: context.signal }), choice);
  context.hint = undefined;
  return chosen;
}

export interface ChosenAgents {
  readonly found: readonly AgentEntry[];
  readonly missing: readonly string[];
}

export function notThere(name: string): LineError {
  return new LineError('UNREACHABLE', `no machine ${name} is there now`);
}

/** Runs `work` for each item, at most `parallel` at once, in their order. */
export async function atOnce<T>(
  items: readonly T[],
  parallel: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
}

function choose(agents: readonly AgentEntry[], { on, all }: Choice): ChosenAgents {
  if (all === true && on !== undefined) throw new LineError('USAGE', '--all and --on do not go together');
  const patterns = all === true ? ['*'] : on!.split(',').map(text => text.trim());
  const matchers = patterns.map(matcherOf);
  const found = agents.filter(({ name }) => matchers.some(matches => matches(name)));
  const missing = patterns.filter(
    (pattern, at) => !/[*?]/.test(pattern) && !agents.some(({ name }) => matchers[at]!(name)),
  );
  if (found.length === 0 && missing.length === 0)
    throw new LineError('UNREACHABLE', all === true ? 'no machine is there now' : 'no machine of such a name is there');
  return { found, missing: [...new Set(missing)] };
}

/** `*` is any number of characters, `?` one; everything else of a name stands for itself. */
function matcherOf(pattern: string): (name: string) => boolean {
  if (!/[*?]/.test(pattern)) {
    const wanted = agentName(pattern);
    return name => name === wanted;
  }
  // Runs of stars are one: many of them would take the matcher very long.
  const source = pattern.toLowerCase().replace(/[*?]+|[^*?]+/g, part => {
    if (!/[*?]/.test(part)) return part.replace(/[^a-z0-9]/g, '\\$&');
    const ones = '.'.repeat(part.replaceAll('*', '').length);
    return part.includes('*') ? `${ones}.*` : ones;
  });
  const expression = new RegExp(`^${source}$`);
  return name => expression.test(name);
}
