import type { CommanderError } from 'commander';
import { LineError } from '../errors.ts';
import { CommandContext, type OutputOptions } from './context.ts';
import { EXIT, exitStatusOfSignal } from './exit-status.ts';
import { describeFailure } from './failure.ts';
import type { HeadStart } from './head-start.ts';
import { buildProgram, valueFlags } from './program.ts';
import { takePassphrase } from './secrets.ts';
import { explainUsage, markCommand, orderArguments, seeHelp } from './usage.ts';

/**
 * From arguments to an exit status:
 *
 *   1. The passphrase leaves the environment, signals get their handlers.
 *   2. Commander parses (usage.ts puts its complaints into our words) and runs one command of program.ts, which gets a `CommandContext`.
 *   3. Whatever is thrown becomes lines on stderr and a status (failure.ts, exit-status.ts).
 */
export async function runCommand(args: readonly string[], started?: HeadStart): Promise<void> {
  const passphrase = takePassphrase(process.env);
  const stop = new AbortController();
  let context: CommandContext | undefined;
  const signalled = handleSignals(stop, () => context);
  handleFailedWrites(() => context);
  const program = buildProgram((options: OutputOptions) => {
    context = new CommandContext(options, passphrase, stop.signal, started);
    return context;
  });
  const inOrder = orderArguments(args);
  const command = program.commands.find(one => one.name() === inOrder[0]);
  const verb = command?.name();
  // Whatever looks like an option behind the name of a program is meant for that.
  const ordered = command !== undefined && verb === 'exec' ? markCommand(inOrder, valueFlags(command)) : inOrder;
  let status: number = EXIT.ok;
  try {
    await program.parseAsync(ordered, { from: 'user' });
    status = context?.exitStatus ?? EXIT.ok;
  } catch (thrown) {
    if (signalled.by === undefined) status = reportFailure(thrown, context, verb, ordered);
  }
  context?.close();
  process.exit(signalled.by === undefined ? status : exitStatusOfSignal(signalled.by));
}

function reportFailure(
  thrown: unknown,
  context: CommandContext | undefined,
  verb: string | undefined,
  args: readonly string[],
): number {
  if (isParserExit(thrown) && thrown.exitCode === 0) return EXIT.ok;
  const mistake = isParserExit(thrown) ? explainUsage(thrown.message, verb, args) : undefined;
  const error = mistake?.error ?? thrown;
  const isUsage = error instanceof LineError && error.code === 'USAGE';
  const failure = describeFailure(error, {
    // Whoever has just said no needs no account of what that keeps from being done.
    what: error instanceof LineError && error.code === 'CANCELLED' ? undefined : context?.doing,
    why: context?.why,
    phase: context?.phase,
    exitStatus: context?.failureStatus,
    verbose: context?.options.verbose,
    hint: mistake?.hint ?? context?.hint ?? (isUsage ? seeHelp(verb) : hintByKey(error, context)),
  });
  context?.close();
  if (args.includes('--json')) process.stderr.write(`${failure.json}\n`);
  else process.stderr.write(`${failure.lines.join('\n')}\n`);
  return failure.exit;
}

/** The usual hint is half of it for a machine that is paired: it keeps what it was given then. */
function hintByKey(error: unknown, context: CommandContext | undefined): string | undefined {
  if (context?.isByKey !== true || !(error instanceof LineError) || error.code !== 'FORBIDDEN') return undefined;
  return 'postern may HOST shows what is; where postern serve --allow grants more now, pair again for it';
}

/**
 * The first Ctrl-C or SIGTERM asks the command to end and gives it three seconds; the second ends it at once. SIGUSR1
 * (and SIGINFO, where there is one) prints one line of what is going on.
 */
function handleSignals(
  stop: AbortController,
  context: () => CommandContext | undefined,
): { by: NodeJS.Signals | undefined } {
  const signalled: { by: NodeJS.Signals | undefined } = { by: undefined };
  const end = (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void => {
    if (signal === 'SIGINT' && context()?.isTerminalLent()) return;
    if (context()?.takeSignal?.(signal)) return;
    if (signalled.by !== undefined) {
      context()?.close();
      process.exit(exitStatusOfSignal(signal));
    }
    signalled.by = signal;
    if (signal === 'SIGINT') context()?.note('stopping…');
    stop.abort();
    setTimeout(() => {
      context()?.close();
      process.exit(exitStatusOfSignal(signal));
    }, TIDY_UP_MS).unref();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(signal));
  process.on('SIGUSR1', () => context()?.showStatus());
  if (process.platform === 'darwin') process.on('SIGINFO', () => context()?.showStatus());
  return signalled;
}

/**
 * Who reads our output has had enough: end as a program that SIGPIPE ends, without a word. Any other failure to write the
 * answer is told; for one to write to stderr there is no place to tell it.
 */
function handleFailedWrites(context: () => CommandContext | undefined): void {
  const failed = (error: NodeJS.ErrnoException, isAnswer: boolean): void => {
    context()?.close();
    if (error.code === 'EPIPE') process.exit(exitStatusOfSignal('SIGPIPE'));
    if (isAnswer) {
      const code = error.code === 'ENOSPC' || error.code === 'EDQUOT' ? 'NO_SPACE' : 'ACCESS';
      const { lines } = describeFailure(new LineError(code, ''), { what: 'cannot write to standard output', hint: '' });
      process.stderr.write(`${lines.join('\n')}\n`);
    }
    process.exit(EXIT.general);
  };
  process.stdout.on('error', error => failed(error, true));
  process.stderr.on('error', error => failed(error, false));
}

/** Told by its form, so that nothing of the parser is needed here but its type. */
function isParserExit(thrown: unknown): thrown is CommanderError {
  return thrown instanceof Error && 'exitCode' in thrown;
}

const TIDY_UP_MS = 3_000;
