import { randomUUID } from 'node:crypto';
import { encodeName } from '../../protocol/bytes/text.ts';
import { MAX_NAME_BYTES } from '../../services/files/names.ts';

/**
 * Names of files on their way in: `NAME.PID-RANDOM.postern-part` beside NAME. PID is the process that writes it, 0 when
 * nobody does any more. So a partial says what it is, two sessions never write into one, and what a killed process left
 * is found again without a journal.
 */
export interface PartialName {
  /** As much of NAME as `stemOf` leaves. */
  readonly stem: string;
  readonly pid: number;
}

/** `undefined` for any other name. */
export function parsePartialName(name: string): PartialName | undefined {
  const parts = PATTERN.exec(name);
  return parts === null ? undefined : { stem: parts[1]!, pid: Number(parts[2]) };
}

export function freshPartialName(name: string, pid: number): string {
  // Node draws the randomness of UUIDs ahead, which for a small file is worth it.
  return `${stemOf(name)}.${pid}-${randomUUID().slice(0, 8)}${PARTIAL_SUFFIX}`;
}

/** As much of the name as leaves room for the rest, cut at a character's border. */
export function stemOf(name: string): string {
  if (name.length * 3 <= MAX_STEM_BYTES) return name;
  const characters = Array.from(name);
  while (encodeName(characters.join('')).length > MAX_STEM_BYTES) characters.pop();
  return characters.join('');
}

export const PARTIAL_SUFFIX = '.postern-part';
const PATTERN = /^(.*)\.(\d{1,10})-[0-9a-f]{8}\.postern-part$/s;
const MAX_STEM_BYTES = MAX_NAME_BYTES - '.4294967295-00000000'.length - PARTIAL_SUFFIX.length;
