import { LineError } from '../../errors.ts';
import { hasField, type JsonObject, readInteger, readList, readText } from '../../protocol/bytes/json.ts';
import { MAX_EXEC_ARGUMENTS, MAX_EXEC_VARIABLES, MAX_MESSAGE_BYTES, MAX_TERMINAL_SIDE } from '../../protocol/limits.ts';
import {
  passedVariables,
  TERMINAL_SIGNALS,
  type TerminalCommand,
  type TerminalEnd,
  type TerminalRequest,
  type TerminalSignal,
  type TerminalSize,
} from './terminal.ts';

/** The messages of the shell service (docs/protocol/4-services.md §6). Everything read here is untrusted. */

/** A shell and a command have a pair of kinds each, because they need different permissions. */
export const SHELL_KIND = { open: 'shell.open', attach: 'shell.attach' } as const;
export const COMMAND_KIND = { open: 'exec.terminal', attach: 'exec.attach' } as const;

export type OpenKind = typeof SHELL_KIND.open | typeof COMMAND_KIND.open;

/** The kind that returns to a session which was opened by `open`. */
export function attachKind(open: OpenKind): string {
  return open === SHELL_KIND.open ? SHELL_KIND.attach : COMMAND_KIND.attach;
}

export function encodeStart(request: TerminalRequest): JsonObject {
  const { size, term, environment = {}, command, cwd } = request;
  const env = Object.entries(environment).map(([name, value]) => ({ name, value }));
  return {
    t: 'start',
    term,
    ...size,
    ...(env.length === 0 ? {} : { env }),
    ...command,
    ...(cwd === undefined ? {} : { cwd }),
  };
}

/**
 * Throws `MALFORMED` for what no terminal can be started with. For a shell, variables that are not passed, or hold what no
 * language is called, are left out: whoever may have a shell sets them there, and what programs take for a path does not
 * come along unseen, here or in TERM.
 */
export function decodeStart(message: JsonObject, kind: OpenKind): TerminalRequest {
  if (messageType(message) !== 'start') throw notDue();
  const term = readText(message, 'term', MAX_TERM_LENGTH);
  if (!TERM_NAME.test(term)) throw new LineError('MALFORMED', 'a kind of terminal that there is not');
  const size = decodeSize(message);
  const environment = decodeEnvironment(message);
  if (kind === SHELL_KIND.open) return { term, size, environment: passedVariables(environment) };
  const cwd = hasField(message, 'cwd') ? asCText(readText(message, 'cwd', MAX_MESSAGE_BYTES)) : undefined;
  return { term, size, environment, command: decodeCommand(message), cwd };
}

export function decodeSize(message: JsonObject): TerminalSize {
  return {
    columns: readInteger(message, 'columns', 1, MAX_TERMINAL_SIDE),
    rows: readInteger(message, 'rows', 1, MAX_TERMINAL_SIDE),
  };
}

export function decodeSignal(message: JsonObject): TerminalSignal {
  const name = readText(message, 'name', 16);
  const signal = TERMINAL_SIGNALS.find(known => known === name);
  if (signal === undefined) throw new LineError('MALFORMED', 'a signal that may not be sent');
  return signal;
}

export function encodeEnd(end: TerminalEnd): JsonObject {
  return { t: 'exit', ...end };
}

export function decodeEnd(message: JsonObject): TerminalEnd {
  if (!hasField(message, 'signal')) return { status: readInteger(message, 'status', 0, MAX_STATUS) };
  const signal = readText(message, 'signal', 16);
  if (!SIGNAL_NAME.test(signal)) throw new LineError('MALFORMED', 'an end by what is no signal');
  return { signal };
}

export function decodeSession(message: JsonObject): { readonly id: string; readonly received: number } {
  if (messageType(message) !== 'session') throw notDue();
  return { id: readText(message, 'id', SESSION_ID_LENGTH), received: readInteger(message, 'received') };
}

export function messageType(message: JsonObject): string {
  return readText(message, 't', 16);
}

export function notDue(): LineError {
  return new LineError('PROTOCOL', 'a message that is not due');
}

/** 128 bits in base64url. */
export const SESSION_ID_BYTES = 16;
export const SESSION_ID_LENGTH = 22;

function decodeCommand(message: JsonObject): TerminalCommand {
  if (hasField(message, 'argv') === hasField(message, 'shell')) {
    throw new LineError('MALFORMED', 'a command is either a list of arguments or a line for the shell');
  }
  if (hasField(message, 'shell')) return { shell: asCText(readText(message, 'shell', MAX_MESSAGE_BYTES)) };
  const argv = readList(message, 'argv', MAX_EXEC_ARGUMENTS).map(asCText);
  if (argv[0] === undefined || argv[0] === '') throw new LineError('MALFORMED', 'a command without a name');
  return { argv };
}

function decodeEnvironment(message: JsonObject): Readonly<Record<string, string>> {
  // No prototype: a variable may be called as the peer likes.
  const environment = Object.create(null) as Record<string, string>;
  if (!hasField(message, 'env')) return environment;
  for (const entry of readList(message, 'env', MAX_EXEC_VARIABLES)) {
    if (typeof entry !== 'object' || entry === null) throw new LineError('MALFORMED', 'a variable is not an object');
    const name = readText(entry as JsonObject, 'name', MAX_VARIABLE_NAME);
    if (!VARIABLE_NAME.test(name)) throw new LineError('MALFORMED', 'a name that no variable has');
    environment[name] = asCText(readText(entry as JsonObject, 'value', MAX_MESSAGE_BYTES));
  }
  return environment;
}

/** What the system ends at the first NUL may not hold one: what was judged and what runs must be the same. */
function asCText(value: unknown): string {
  if (typeof value !== 'string' || !value.isWellFormed() || value.includes('\0')) {
    throw new LineError('MALFORMED', 'an argument is no text without NUL');
  }
  return value;
}

const MAX_TERM_LENGTH = 64;
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MAX_VARIABLE_NAME = 256;
/** Of terminfo: no slash, because a library makes a path of it. */
const TERM_NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]*$/;
const SIGNAL_NAME = /^SIG[A-Z0-9]{1,12}$/;
/** Windows has 32 bits of it. */
const MAX_STATUS = 0xffff_ffff;
