import { LineError } from '../../errors.ts';
import { hasField, type JsonObject, readFlag, readInteger, readList, readText } from '../../protocol/bytes/json.ts';
import {
  MAX_EXEC_ARGUMENTS,
  MAX_EXEC_TIMEOUT_MS,
  MAX_EXEC_VARIABLES,
  MAX_MESSAGE_BYTES,
} from '../../protocol/limits.ts';

/** The messages of the exec service (docs/protocol/4-services.md §2). Everything read here is untrusted. */

export const EXEC_KIND = 'exec.run';

/** What to run: a program with its arguments, no shell between; or a line for the host's shell. */
export type Command = { readonly argv: readonly string[] } | { readonly shell: string };

/** What the asking side wants to be started. Checked for form alone: whether it may is for the policy. */
export interface StartRequest {
  readonly command: Command;
  /** Where it starts, on that machine: absolute, or relative to the served folder, which is the default. */
  readonly cwd?: string | undefined;
  /** Added to the host's environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Ended after so many milliseconds, counted by the host from its start. */
  readonly timeoutMs?: number | undefined;
  /** Nothing connects it with the asking side once it has started: no input, no outputs, no end with the line. */
  readonly detach?: boolean | undefined;
}

/** How a process ended: by itself with a status, or by a signal. */
export interface ProcessEnd {
  readonly status?: number | undefined;
  /** `SIGTERM`; a name of the host's system. */
  readonly signal?: string | undefined;
  /** Its time was up, and the host ended it. */
  readonly timedOut?: boolean | undefined;
}

export type OutputName = 'stdout' | 'stderr';

/** The signals that may be sent to a process. */
export const SIGNALS = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGKILL',
  'SIGUSR1',
  'SIGUSR2',
  'SIGSTOP',
  'SIGCONT',
] as const;

export type Signal = (typeof SIGNALS)[number];

export function encodeRun(request: StartRequest): JsonObject {
  const { command, cwd, env, timeoutMs, detach } = request;
  return {
    t: 'run',
    ...('argv' in command ? { argv: command.argv } : { shell: command.shell }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env: Object.entries(env).map(([name, value]) => ({ name, value })) }),
    ...(timeoutMs === undefined ? {} : { timeout_ms: timeoutMs }),
    ...(detach === true ? { detach } : {}),
  };
}

/** Throws `MALFORMED` for what no process can be started with; NUL is in none of its texts. */
export function decodeRun(message: JsonObject): StartRequest {
  if (readText(message, 't', 16) !== 'run') throw new LineError('PROTOCOL', 'the first message is not what to run');
  return {
    command: decodeCommand(message),
    ...(hasField(message, 'cwd') ? { cwd: readCText(message, 'cwd') } : {}),
    ...(hasField(message, 'env') ? { env: decodeEnvironment(message) } : {}),
    ...(hasField(message, 'timeout_ms')
      ? { timeoutMs: readInteger(message, 'timeout_ms', 1, MAX_EXEC_TIMEOUT_MS) }
      : {}),
    detach: readFlag(message, 'detach'),
  };
}

export function encodeExit(end: ProcessEnd): JsonObject {
  return {
    t: 'exit',
    ...(end.signal === undefined ? { status: end.status ?? 0 } : { signal: end.signal }),
    ...(end.timedOut === true ? { timed_out: true } : {}),
  };
}

export function decodeExit(message: JsonObject): ProcessEnd {
  const timedOut = readFlag(message, 'timed_out');
  if (!hasField(message, 'signal')) return { status: readInteger(message, 'status', 0, MAX_STATUS), timedOut };
  const signal = readText(message, 'signal', 16);
  if (!SIGNAL_NAME.test(signal)) throw new LineError('MALFORMED', 'an end by what is no signal');
  return { signal, timedOut };
}

/** One of `SIGNALS`, or `MALFORMED`. */
export function decodeSignal(message: JsonObject): Signal {
  const name = readText(message, 'name', 16);
  const signal = SIGNALS.find(known => known === name);
  if (signal === undefined) throw new LineError('MALFORMED', 'a signal that may not be sent');
  return signal;
}

export function decodeOutputName(message: JsonObject): OutputName {
  const name = readText(message, 'to', 16);
  if (name !== 'stdout' && name !== 'stderr') throw new LineError('MALFORMED', 'an output that there is not');
  return name;
}

function decodeCommand(message: JsonObject): Command {
  if (hasField(message, 'argv') === hasField(message, 'shell')) {
    throw new LineError('MALFORMED', 'a command is either a list of arguments or a line for the shell');
  }
  if (hasField(message, 'shell')) return { shell: readCText(message, 'shell') };
  const argv = readList(message, 'argv', MAX_EXEC_ARGUMENTS).map(argument => asCText(argument, 'argv'));
  if (argv[0] === undefined || argv[0] === '') throw new LineError('MALFORMED', 'a command without a name');
  return { argv };
}

function decodeEnvironment(message: JsonObject): Readonly<Record<string, string>> {
  // No prototype: a variable may be called as the peer likes.
  const env = Object.create(null) as Record<string, string>;
  for (const entry of readList(message, 'env', MAX_EXEC_VARIABLES)) {
    if (typeof entry !== 'object' || entry === null) throw new LineError('MALFORMED', 'a variable is not an object');
    const name = readText(entry as JsonObject, 'name', MAX_VARIABLE_NAME);
    if (!VARIABLE_NAME.test(name)) throw new LineError('MALFORMED', 'a name that no variable has');
    env[name] = readCText(entry as JsonObject, 'value');
  }
  return env;
}

function readCText(message: JsonObject, key: string): string {
  return asCText(readText(message, key, MAX_MESSAGE_BYTES), key);
}

/** What the system ends at the first NUL may not hold one: what was judged and what runs must be the same. */
function asCText(value: unknown, key: string): string {
  if (typeof value !== 'string' || !value.isWellFormed() || value.includes('\0')) {
    throw new LineError('MALFORMED', `the field ${key} is no text without NUL`);
  }
  return value;
}

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MAX_VARIABLE_NAME = 256;
const SIGNAL_NAME = /^SIG[A-Z0-9]{1,12}$/;
/** Windows has 32 bits of it. */
const MAX_STATUS = 0xffff_ffff;
