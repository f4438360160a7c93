import { createHash, randomUUID } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { encodeName } from '../../protocol/bytes/text.ts';
import { MAX_NAME_BYTES } from '../../services/files/names.ts';

/**
 * Names of files on their way in: `NAME.PID-PLACE-RANDOM.postern-part` beside NAME while a process writes it, and
 * `NAME.0-RANDOM.postern-part` when nobody does any more. So a partial says what it is, two sessions never write into one,
 * and what a killed process left is found again without a journal (docs/decisions/0013).
 */
export interface PartialName {
  /** NAME, or as much of it as there was room for. */
  readonly stem: string;
  /** `undefined`: nobody. */
  readonly writer: Writer | undefined;
}

/** A process, and where its number means something. Names of earlier versions do not say where. */
export interface Writer {
  readonly pid: number;
  readonly place: string | undefined;
}

/** `undefined` for any other name. */
export function parsePartialName(name: string): PartialName | undefined {
  const parts = PATTERN.exec(name);
  if (parts === null) return undefined;
  const pid = Number(parts[2]);
  return { stem: parts[1]!, writer: pid === 0 ? undefined : { pid, place: parts[3] } };
}

export function freshPartialName(name: string, writer: Writer | undefined): string {
  // Node draws the randomness of UUIDs ahead, which for a small file is worth it.
  return nameWith(randomUUID().slice(0, 8), name, writer);
}

/** For whoever numbers its partials, with 32 bits, from a number drawn at random on. */
export function partialNameOf(name: string, writer: Writer, number: number): string {
  return nameWith(number.toString(16).padStart(8, '0'), name, writer);
}

function nameWith(random: string, name: string, writer: Writer | undefined): string {
  const end = writer === undefined ? `0-${random}` : `${writer.pid}-${writer.place}-${random}`;
  return `${stemOf(name, writer?.place)}.${end}${PARTIAL_SUFFIX}`;
}

export function isPartialOf(partial: PartialName, name: string): boolean {
  return partial.stem === stemOf(name, partial.writer?.place);
}

/**
 * Tells machines apart, and on Linux containers: eight digits of a hash of the host's name and of what gives processes
 * their numbers.
 */
export function thisPlace(): string {
  return createHash('sha256').update(`${hostname()}\0${numberSpace()}`).digest('hex').slice(0, 8);
}

function numberSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    // Another system: there the machine has one.
    return '';
  }
}

/** As much of the name as leaves room for the rest, cut at a character's border. */
function stemOf(name: string, place: string | undefined): string {
  const maxBytes = place === undefined ? MAX_STEM_BYTES : MAX_STEM_BYTES - place.length - 1;
  if (name.length * 3 <= maxBytes) return name;
  const characters = Array.from(name);
  while (encodeName(characters.join('')).length > maxBytes) characters.pop();
  return characters.join('');
}

export const PARTIAL_SUFFIX = '.postern-part';
/** As `isPartial` of services/files/exclude.ts. */
const PATTERN = /^(.*)\.(\d{1,10})-(?:([0-9a-f]{8})-)?[0-9a-f]{8}\.postern-part$/s;
/** Where there is no place in the name. */
const MAX_STEM_BYTES = MAX_NAME_BYTES - '.4294967295-00000000'.length - PARTIAL_SUFFIX.length;
