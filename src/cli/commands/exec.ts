import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import {
  type ExecRequest,
  exec as execOn,
  LineError,
  type RemoteEnd,
  type RemoteProcess,
  type Signal,
} from '../../node/index.ts';
import type { CommandContext } from '../context.ts';
import { EXIT, exitStatusOfCommandFailure, exitStatusOfSignal } from '../exit-status.ts';
import { explainError } from '../failure.ts';
import { formatHost } from '../place.ts';
import { OutputFilter } from '../terminal/output-filter.ts';
import { isMany } from './agents/chosen-agents.ts';
import { execOnMany, type ManyOptions } from './agents/exec-on-many.ts';
import { remoteHost, requirePermission, withLine } from './dial.ts';

export interface ExecCommandOptions extends ManyOptions {
  /** A line for the host's shell, in place of a command with arguments. */
  readonly command?: string;
  readonly cwd?: string;
  /** `NAME=VALUE`. */
  readonly env?: readonly string[];
  /** A label of TextDecoder. */
  readonly encoding?: string;
  readonly detach?: boolean;
  /** This terminal is given to it. */
  readonly terminal?: boolean;
  /** `false` under `--no-stdin`. */
  readonly stdin: boolean;
}

/**
 * Runs a command on another machine as if it ran here: input, both outputs, signals and the exit status pass through. The
 * status is the command's own; see docs/cli.md for those that are ours.
 */
export async function exec(
  context: CommandContext,
  text: string,
  argv: readonly string[],
  options: ExecCommandOptions,
): Promise<void> {
  const place = await remoteHost(context, text, options, '; --cwd says where the command starts');
  const name = formatHost(place.host);
  context.doing = `cannot run this on ${name}`;
  const { shell, env, makeDecoder } = parseOptions(argv, options);
  if (options.terminal) {
    requirePlainTerminal(context, options);
    const { runInTerminal } = await import('./shell.ts');
    const command = shell === undefined ? { argv } : { shell };
    await runInTerminal(context, place, options, { command, cwd: options.cwd, env });
    return;
  }
  context.failureStatus = exitStatusOfCommandFailure;
  const request: ExecRequest = {
    ...(shell === undefined ? { argv } : { shell }),
    cwd: options.cwd,
    env,
    timeoutMs: options.timeout === undefined ? undefined : Math.ceil(options.timeout * 1000),
    detach: options.detach,
  };
  if (isMany(options)) {
    await execOnMany(context, place, request, options, makeDecoder ?? (() => new TextDecoder()));
    return;
  }
  await withLine(context, place, options, async connected => {
    requirePermission(connected, 'exec', 'run commands');
    // What fails from here on is not among the files of the served folder, and says itself what it is.
    context.hint = '';
    const remote = await execOn(connected.route, request, { signal: context.signal });
    if (context.options.json) await context.printJson({ type: 'started', pid: remote.pid });
    if (options.detach && remote.pid !== undefined) {
      if (!context.options.json) await context.print(`${remote.pid}`);
      return;
    }
    context.exitStatus = await follow(context, remote, options, makeDecoder);
  });
}

/** Joins the process to this one's input, outputs and signals until it has ended. */
async function follow(
  context: CommandContext,
  remote: RemoteProcess,
  options: ExecCommandOptions,
  makeDecoder: MakeDecoder | undefined,
): Promise<number> {
  const letGo = passSignals(context, remote);
  try {
    // Nobody waits for it: our input may stay open long after the process has ended.
    if (takesInput(options)) void feed(remote);
    else await remote.stdin.end();
    const [end] = await Promise.all([
      // The outputs are being read by the time that it looks.
      Promise.resolve().then(() => remote.wait()),
      show(context, remote, 'stdout', makeDecoder),
      show(context, remote, 'stderr', makeDecoder),
    ]);
    return await tellEnd(context, end, options);
  } finally {
    letGo();
  }
}

async function feed({ stdin }: RemoteProcess): Promise<void> {
  try {
    for await (const bytes of process.stdin) await stdin.write(bytes as Uint8Array);
  } catch {
    // What cannot be read any more, a folder for one, is at its end; a command that takes no more has ended.
  }
  // A line that is gone is told by whoever reads from it.
  await stdin.end().catch(() => {});
}

/** The passphrase may have been all of it. */
function takesInput({ stdin, passwordFile }: ExecCommandOptions): boolean {
  return stdin && passwordFile !== '-';
}

/**
 * The first Ctrl-C, SIGTERM or SIGHUP is the command's, and it decides how it ends; the second is ours, and the host ends
 * what nobody waits for any more. SIGQUIT is always the command's.
 */
function passSignals(context: CommandContext, remote: RemoteProcess): () => void {
  // A line that is gone is told by whoever reads from it.
  const pass = (signal: Signal): void => void remote.kill(signal).catch(() => {});
  let isPassed = false;
  context.takeSignal = signal => {
    if (isPassed) return false;
    isPassed = true;
    pass(signal);
    return true;
  };
  const quit = (): void => pass('SIGQUIT');
  process.on('SIGQUIT', quit);
  return () => {
    context.takeSignal = undefined;
    process.removeListener('SIGQUIT', quit);
  };
}

async function show(
  context: CommandContext,
  remote: RemoteProcess,
  name: 'stdout' | 'stderr',
  makeDecoder: MakeDecoder | undefined,
): Promise<void> {
  const print = printer(context, name, makeDecoder);
  for await (const bytes of remote[name]) await print(bytes);
  await print(undefined);
}

/** How bytes of an output are shown; `undefined` is its end. Only a command that was given the terminal may write to it raw. */
function printer(context: CommandContext, name: 'stdout' | 'stderr', makeDecoder: MakeDecoder | undefined): Print {
  if (context.options.json) return jsonPrinter(context, name, makeDecoder?.());
  const write = (data: string | Uint8Array): Promise<void> =>
    name === 'stdout' ? context.write(data) : writeError(data);
  const isTerminal = context[name].terminal;
  if (!isTerminal && makeDecoder === undefined) return async bytes => bytes && write(bytes);
  const decoder = makeDecoder?.() ?? new TextDecoder();
  const filter = isTerminal ? new OutputFilter() : undefined;
  return async bytes => {
    const text = bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    const shown = (filter?.filter(text) ?? text) + (bytes === undefined ? (filter?.end() ?? '') : '');
    if (shown !== '') await write(shown);
  };
}

/** Bytes that are text come as text. */
function jsonPrinter(context: CommandContext, stream: string, decoder: TextDecoder | undefined): Print {
  return async bytes => {
    let event: Readonly<Record<string, string>>;
    if (decoder !== undefined) event = { data: bytes === undefined ? decoder.decode() : decoder.decode(bytes, STREAM) };
    else if (bytes === undefined) return;
    else if (isUtf8(bytes)) event = { data: Buffer.from(bytes).toString('utf8') };
    else event = { base64: Buffer.from(bytes).toString('base64') };
    if (event['data'] !== '') await context.printJson({ type: 'output', stream, ...event });
  };
}

function writeError(data: string | Uint8Array): Promise<void> {
  return new Promise(resolve => {
    process.stderr.write(data, () => resolve());
  });
}

async function tellEnd(context: CommandContext, end: RemoteEnd, { timeout }: ExecCommandOptions): Promise<number> {
  const { status, signal, timedOut = false, failure } = end;
  if (context.options.json) {
    const reason = failure === undefined ? undefined : explainError(failure);
    await context.printJson({ type: 'summary', status, signal, timed_out: timedOut || undefined, reason });
  } else if (failure !== undefined) {
    context.tell(`postern: ${explainError(failure)}`);
  } else if (timedOut) {
    context.tell(`postern: ended after ${timeout} s`);
  }
  if (timedOut) return EXIT.timedOut;
  if (signal === undefined) return status ?? EXIT.ok;
  // A signal that this system does not have.
  return exitStatusOfSignal(signal as NodeJS.Signals) || EXIT.ownFailure;
}

/** A terminal is for a person: it has one output, which is not changed, and ends when the person or the command ends it. */
function requirePlainTerminal({ options: { json } }: CommandContext, options: ExecCommandOptions): void {
  if (json || options.detach || !options.stdin || options.timeout !== undefined || options.encoding !== undefined) {
    const others = '--json, --detach, --no-stdin, --timeout or --encoding';
    throw new LineError('USAGE', `-t gives the command this terminal, and does not go with ${others}`);
  }
}

interface ParsedOptions {
  readonly shell: string | undefined;
  readonly env: Readonly<Record<string, string>> | undefined;
  readonly makeDecoder: MakeDecoder | undefined;
}

function parseOptions(argv: readonly string[], options: ExecCommandOptions): ParsedOptions {
  if ((options.command === undefined) === (argv.length === 0)) {
    throw new LineError('USAGE', 'a command is needed: -- CMD ARG…, or -c STRING for the shell of the host, not both');
  }
  return {
    shell: options.command,
    env: options.env === undefined ? undefined : parseVariables(options.env),
    makeDecoder: options.encoding === undefined ? undefined : decoderOf(options.encoding),
  };
}

function parseVariables(assignments: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    assignments.map(assignment => {
      const at = assignment.indexOf('=');
      if (at <= 0) throw new LineError('USAGE', '--env takes NAME=VALUE');
      return [assignment.slice(0, at), assignment.slice(at + 1)];
    }),
  );
}

function decoderOf(label: string): MakeDecoder {
  try {
    void new TextDecoder(label);
  } catch (cause) {
    throw new LineError('USAGE', `no such encoding is known: ${label}`, { cause });
  }
  return () => new TextDecoder(label);
}

type MakeDecoder = () => TextDecoder;
type Print = (bytes: Uint8Array | undefined) => Promise<unknown>;

const STREAM = { stream: true };
