import { LineError } from '../errors.ts';
import { hasField, type JsonObject, readInteger, readList, readText } from '../protocol/bytes/json.ts';
import { MAX_EXEC_ARGUMENTS, MAX_EXEC_VARIABLES, MAX_MESSAGE_BYTES } from '../protocol/limits.ts';

/** What messages say of a command, with pipes or in a terminal (docs/protocol/4-services.md §2, §6). All of it is untrusted. */

/** What to run: a program with its arguments, no shell between; or a line for the host's shell. */
export type Command = { readonly argv: readonly string[] } | { readonly shell: string };

export function decodeCommand(message: JsonObject): Command {
  if (hasField(message, 'argv') === hasField(message, 'shell')) {
    throw new LineError('MALFORMED', 'a command is either a list of arguments or a line for the shell');
  }
  if (hasField(message, 'shell')) return { shell: readCText(message, 'shell') };
  const argv = readList(message, 'argv', MAX_EXEC_ARGUMENTS).map(argument => asCText(argument, 'argv'));
  if (argv[0] === undefined || argv[0] === '') throw new LineError('MALFORMED', 'a command without a name');
  return { argv };
}

export function encodeVariables(variables: Readonly<Record<string, string>>): readonly JsonObject[] {
  return Object.entries(variables).map(([name, value]) => ({ name, value }));
}

/** Of the field `env`. */
export function decodeVariables(message: JsonObject): Readonly<Record<string, string>> {
  // No prototype: a variable may be called as the peer likes.
  const variables = Object.create(null) as Record<string, string>;
  for (const entry of readList(message, 'env', MAX_EXEC_VARIABLES)) {
    if (typeof entry !== 'object' || entry === null) throw new LineError('MALFORMED', 'a variable is not an object');
    const name = readText(entry as JsonObject, 'name', MAX_VARIABLE_NAME);
    if (!VARIABLE_NAME.test(name)) throw new LineError('MALFORMED', 'a name that no variable has');
    variables[name] = readCText(entry as JsonObject, 'value');
  }
  return variables;
}

/** How a process ended: a status, or a signal by its name on the host's system. */
export function decodeEnd(
  message: JsonObject,
): { readonly status: number; readonly signal?: undefined } | { readonly signal: string; readonly status?: undefined } {
  if (!hasField(message, 'signal')) return { status: readInteger(message, 'status', 0, MAX_STATUS) };
  const signal = readText(message, 'signal', 16);
  if (!SIGNAL_NAME.test(signal)) throw new LineError('MALFORMED', 'an end by what is no signal');
  return { signal };
}

export function readCText(message: JsonObject, key: string): string {
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
