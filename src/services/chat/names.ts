import { LineError } from '../../errors.ts';
import { MAX_CHAT_NAME_LENGTH } from '../../protocol/limits.ts';

/** The name of a person: as it is shown, and what it is compared by. */
export interface ChatName {
  readonly name: string;
  readonly key: string;
}

/** The one form of a person's name. Throws `BAD_NAME`. */
export function chatName(text: string): ChatName {
  const name = shownName(text);
  return { name, key: compared(name) };
}

/** Only what is shown of a person's name. Throws `BAD_NAME`. */
export function shownName(text: string): string {
  const name = text.normalize('NFC');
  requireName(name, 'a person');
  return name;
}

/** The one form of a room's name, in which it is compared too. Throws `BAD_NAME`. */
export function roomName(text: string): string {
  const name = compared(text);
  requireName(name, 'a room');
  return name;
}

export function nameIsTaken(name: string): LineError {
  return new LineError('EXISTS', `the name ${name} belongs to another device here`);
}

export function tooManyNames(): LineError {
  return new LineError('TOO_MANY', 'too many names are in use');
}

function requireName(name: string, of: string): void {
  // Units first: a long text is not cut into characters.
  if (name.length <= 2 * MAX_CHAT_NAME_LENGTH && Array.from(name).length <= MAX_CHAT_NAME_LENGTH && NAME.test(name))
    return;
  throw new LineError(
    'BAD_NAME',
    `${of} is called by 1 to ${MAX_CHAT_NAME_LENGTH} letters, digits, dots, underscores and hyphens, a letter or digit first`,
  );
}

function compared(name: string): string {
  return name.normalize('NFKC').toLowerCase().normalize('NFKC');
}

/** Letters of which nothing is seen (fillers, variation selectors) would make two names look like one. */
const NAME = /^(?!.*\p{Default_Ignorable_Code_Point})[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]*$/u;
