import { readFileSync } from 'node:fs';
import { Key, Primer, PythonRandom } from '../../../src/classic/index.ts';
import { fromHex } from '../../support/bytes.ts';
import type { Conversation } from './vectors.ts';

/** What the originals of the file server gave (test/vectors/README.md). */

export interface RecordedFiles {
  readonly password: string;
  readonly files: Readonly<Record<string, string>>;
  readonly conversations: readonly Conversation[];
}

/** How a key was made: drawn by a password, the one for everybody, or as its blocks are. */
export interface KeyRecipe {
  readonly password?: string;
  readonly deterministic?: boolean;
  readonly alphabet?: string;
  readonly chainSize?: number;
  readonly blocks?: readonly string[];
}

export function readVectors<T>(name: string): T {
  const path = new URL(`../../vectors/classic/${name}`, import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

export function keyOf(recipe: KeyRecipe): Key {
  if (recipe.alphabet === undefined) return new Key(recipe.blocks!.map(fromHex));
  const alphabet = fromHex(recipe.alphabet);
  if (recipe.deterministic) return Key.deterministic(alphabet, recipe.chainSize!);
  return Key.chosen(alphabet, recipe.chainSize!, new PythonRandom(recipe.password!));
}

export function primerOf(key: Key, recipe: KeyRecipe): Primer {
  return recipe.deterministic ? Primer.deterministic(key) : Primer.chosen(key, new PythonRandom(recipe.password!));
}
