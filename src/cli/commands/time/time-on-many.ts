import { askTime, LineError, makeAgentRoutes, type Route, type TimeEstimate } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { EXIT } from '../../exit-status.ts';
import { explainError } from '../../failure.ts';
import type { RemotePlace } from '../../place.ts';
import { columns } from '../../terminal/columns.ts';
import { atOnce, chosenAgents, notThere } from '../agents/chosen-agents.ts';
import { requirePermission, withLine } from '../dial.ts';
import { EXCHANGES, formatOffset, offsetJson } from './offset.ts';
import type { TimeOptions } from './time.ts';

/**
 * Asks many machines behind one server, some at a time, and tells of each how far its clock is from ours. 3 if one of them
 * could not be asked.
 */
export async function timeOnMany(
  context: CommandContext,
  place: Pick<RemotePlace, 'host' | 'port'>,
  options: TimeOptions,
): Promise<void> {
  if (options.parallel < 1) throw new LineError('USAGE', '--parallel is 1 or more');
  const { on: _, ...dialling } = options;
  const outcomes = await withLine(context, place, { ...dialling, sharesLine: true }, async connected => {
    requirePermission(connected, 'agents', 'reach machines there');
    const { line } = connected;
    const { found, missing } = await chosenAgents(context, line, options);
    const routes = makeAgentRoutes();
    const asked = new Map<string, Outcome>();
    await atOnce(found, options.parallel, async agent => {
      asked.set(agent.name, await ask(context, routes.to(line, agent), agent.name));
    });
    if (context.signal.aborted) throw new LineError('CANCELLED', '');
    // In the order in which they are listed, whoever answered first.
    return [...found.map(({ name }) => asked.get(name)!), ...missing.map(name => ({ name, error: notThere(name) }))];
  });
  if (context.options.json) await context.printJson(outcomesJson(outcomes));
  else await show(context, outcomes);
  if (outcomes.some(({ error }) => error !== undefined)) context.exitStatus = EXIT.partial;
}

interface Outcome {
  readonly name: string;
  readonly answer?: TimeEstimate;
  readonly error?: LineError;
}

async function ask(context: CommandContext, route: Route, name: string): Promise<Outcome> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ANSWER_MS)]);
  try {
    return { name, answer: await askTime(route, { exchanges: EXCHANGES, signal }) };
  } catch (thrown) {
    if (!(thrown instanceof LineError)) throw thrown;
    return { name, error: thrown };
  }
}

async function show(context: CommandContext, outcomes: readonly Outcome[]): Promise<void> {
  const rows = outcomes.flatMap(({ name, answer }) =>
    answer === undefined ? [] : [[name, formatOffset(answer), verdict(answer)]],
  );
  const lines = context.stdout.terminal ? columns(rows) : rows.map(cells => cells.join('\t'));
  for (const line of lines) await context.print(line);
  const failed = outcomes.filter(({ error }) => error !== undefined);
  if (failed.length === 0) return;
  context.tell(`postern: ${failed.length} of ${outcomes.length} machines could not be asked`);
  for (const { name, error } of failed) context.tell(`postern: ${name}: ${explainError(error!)}`);
}

function outcomesJson(outcomes: readonly Outcome[]): Record<string, unknown> {
  return {
    machines: outcomes.flatMap(({ name, answer }) =>
      answer === undefined ? [] : [{ machine: name, ...offsetJson(answer), verdict: verdict(answer), via: 'line' }],
    ),
    failed: outcomes.flatMap(({ name, error }) =>
      error === undefined ? [] : [{ machine: name, code: error.code, message: explainError(error) }],
    ),
  };
}

/** Less than the error bound is no difference that is known. */
function verdict({ offsetMs, errorMs }: TimeEstimate): 'ahead' | 'behind' | 'same' {
  if (Math.abs(offsetMs) <= errorMs) return 'same';
  return offsetMs > 0 ? 'ahead' : 'behind';
}

/** A machine that does not answer is given up, and the others are told. */
const ANSWER_MS = 10_000;
