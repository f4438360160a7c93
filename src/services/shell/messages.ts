import { LineError } from '../../errors.ts';
import { hasField, type JsonObject, readInteger, readText } from '../../protocol/bytes/json.ts';
import { MAX_TERMINAL_SIDE } from '../../protocol/limits.ts';
import { decodeCommand, decodeVariables, encodeVariables, readCText } from '../command.ts';
import {
  passedVariables,
  TERMINAL_SIGNALS,
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
  const env = encodeVariables(environment);
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
  const environment = hasField(message, 'env') ? decodeVariables(message) : {};
  if (kind === SHELL_KIND.open) return { term, size, environment: passedVariables(environment) };
  const cwd = hasField(message, 'cwd') ? readCText(message, 'cwd') : undefined;
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

const MAX_TERM_LENGTH = 64;
/** Of terminfo: no slash, because a library makes a path of it. */
const TERM_NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]*$/;
