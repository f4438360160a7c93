import type { TextDecoder } from 'node:util';
import {
  type ExecRequest,
  exec as execOn,
  LineError,
  makeAgentRoutes,
  type RemoteEnd,
  type Route,
} from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { EXIT } from '../../exit-status.ts';
import { explainError } from '../../failure.ts';
import type { RemotePlace } from '../../place.ts';
import { escapeJson } from '../../terminal/escape.ts';
import { type ReachOptions, requirePermission, withLine } from '../dial.ts';
import { atOnce, type Choice, chosenAgents, notThere } from './chosen-agents.ts';
import { GroupedOutput, type MachineOutput, OutputEvents, PrefixedOutput } from './machine-output.ts';

export interface ManyOptions extends ReachOptions, Choice {
  readonly group?: boolean;
  readonly parallel: number;
  /** Seconds. */
  readonly timeout?: number;
}

/**
 * Runs one command on many machines behind one server, some at a time.
 *
 *   1. Who is meant: names, patterns, or all who are there. A name that is not there is a machine that failed.
 *   2. Each runs without input; what it prints comes with its name, or in groups of those that printed the same.
 *   3. The summary names the machines where it did not succeed: 0 if there are none, else 3.
 */
export async function execOnMany(
  context: CommandContext,
  place: Pick<RemotePlace, 'host' | 'port'>,
  request: ExecRequest,
  options: ManyOptions,
  makeDecoder: () => TextDecoder,
): Promise<void> {
  if (options.parallel < 1) throw new LineError('USAGE', '--parallel is 1 or more');
  const { on: _, ...dialling } = options;
  const outcomes = await withLine(context, place, { ...dialling, sharesLine: true }, async connected => {
    requirePermission(connected, 'agents', 'reach machines there');
    const { line } = connected;
    const { found, missing } = await chosenAgents(context, line, options);
    const output = makeOutput(context, options);
    const routes = makeAgentRoutes();
    const done: Outcome[] = missing.map(name => ({ name, error: notThere(name) }));
    await atOnce(found, options.parallel, async agent => {
      const signal = deadlineOf(context.signal, options.timeout);
      const one = output.machine(agent.name);
      const outcome = await runOn(routes.to(line, agent), agent.name, request, { signal, one, makeDecoder });
      await one.end(said(outcome));
      done.push(outcome);
    });
    if (context.signal.aborted) throw new LineError('CANCELLED', '');
    await output.end();
    return done;
  });
  await tellSummary(context, outcomes);
}

// ── 2. Each of them ─────────────────────────────────────────────────────────────────────────────────────────────────

interface Outcome {
  readonly name: string;
  readonly end?: RemoteEnd;
  readonly error?: LineError;
}

async function runOn(
  route: Route,
  name: string,
  request: ExecRequest,
  how: { readonly signal: AbortSignal; readonly one: MachineOutput; readonly makeDecoder: () => TextDecoder },
): Promise<Outcome> {
  try {
    const remote = await execOn(route, request, { signal: how.signal });
    await remote.stdin.end();
    const show = async (stream: 'stdout' | 'stderr'): Promise<void> => {
      const decoder = how.makeDecoder();
      for await (const bytes of remote[stream]) await how.one.text(stream, decoder.decode(bytes, { stream: true }));
      await how.one.text(stream, decoder.decode());
    };
    const [end] = await Promise.all([Promise.resolve().then(() => remote.wait()), show('stdout'), show('stderr')]);
    return { name, end };
  } catch (thrown) {
    if (!(thrown instanceof LineError)) throw thrown;
    return { name, error: thrown };
  }
}

/** A machine that does not even say that the time is up is given up a little later. */
function deadlineOf(signal: AbortSignal, timeoutSeconds: number | undefined): AbortSignal {
  if (timeoutSeconds === undefined) return signal;
  return AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(timeoutSeconds * 1000) + ANSWER_MS)]);
}

function makeOutput(context: CommandContext, options: ManyOptions): PrefixedOutput | GroupedOutput | OutputEvents {
  if (context.options.json) return new OutputEvents(context);
  return options.group === true ? new GroupedOutput(context) : new PrefixedOutput(context);
}

// ── 3. What came of it ──────────────────────────────────────────────────────────────────────────────────────────────

/** Why it did not succeed there; `undefined` if it did. */
function said({ end, error }: Outcome): string | undefined {
  if (error !== undefined) return explainError(error);
  const { status, signal, timedOut, failure } = end!;
  if (failure !== undefined) return explainError(failure);
  if (timedOut === true) return 'ended because its time was up';
  if (signal !== undefined) return `ended by ${signal}`;
  return status === 0 ? undefined : `ended with ${status}`;
}

async function tellSummary(context: CommandContext, outcomes: readonly Outcome[]): Promise<void> {
  const failed = outcomes.filter(outcome => said(outcome) !== undefined);
  if (failed.length > 0) context.exitStatus = EXIT.partial;
  if (context.options.json) {
    const list = failed.map(outcome => ({
      machine: outcome.name,
      status: outcome.end?.status,
      signal: outcome.end?.signal,
      code: outcome.error?.code,
      message: said(outcome),
    }));
    await context.print(
      escapeJson({
        type: 'summary',
        machines: outcomes.length,
        succeeded: outcomes.length - failed.length,
        failed: list,
      }),
    );
    return;
  }
  if (failed.length === 0) return;
  context.tell(`postern: failed on ${failed.length} of ${outcomes.length} machines`);
  for (const outcome of failed) context.tell(`postern: ${outcome.name}: ${said(outcome)}`);
}

const ANSWER_MS = 10_000;
