import { LineError } from '../../errors.ts';
import { hasField, type JsonObject, readFlag, readInteger, readText } from '../../protocol/bytes/json.ts';
import { MAX_EXEC_TIMEOUT_MS } from '../../protocol/limits.ts';
import { type Command, decodeCommand, decodeEnd, decodeVariables, encodeVariables, readCText } from '../command.ts';

/** The messages of the exec service (docs/protocol/4-services.md §2). Everything read here is untrusted. */

export const EXEC_KIND = 'exec.run';

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
    ...(env === undefined ? {} : { env: encodeVariables(env) }),
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
    ...(hasField(message, 'env') ? { env: decodeVariables(message) } : {}),
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
  return { ...decodeEnd(message), timedOut: readFlag(message, 'timed_out') };
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
