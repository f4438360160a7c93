import { ALL_BYTES, Key } from '../markov/key.ts';
import { Primer } from '../markov/primer.ts';
import { PythonRandom } from '../python/random.ts';

/** What both sides of the file server make of their password: always the same, for every connection and direction. */
export interface PasswordKey {
  readonly key: Key;
  readonly primer: Primer;
}

/** Throws `USAGE` for a password that Python could not encode. */
export function keyOfPassword(password: string): PasswordKey {
  const key = Key.chosen(ALL_BYTES, CHAIN_SIZE, new PythonRandom(password));
  return { key, primer: Primer.chosen(key, new PythonRandom(password)) };
}

const CHAIN_SIZE = 256;
