import { MAX_CHAT_SEARCH_WORDS } from '../../protocol/limits.ts';

/**
 * What a text is found by: runs of letters and digits in NFKC and lower case without marks. Writing that sets no spaces
 * between words is cut into its characters, so that any part of it is found as a phrase.
 */
export function wordsOf(text: string): readonly string[] {
  const plain = text.normalize('NFKC').toLowerCase().normalize('NFKD').replace(MARKS, '');
  return plain.match(WORDS) ?? [];
}

/** The phrases of a search, all of which a text must hold: the words of each part of it between spaces. */
export function searchPhrases(search: string): readonly (readonly string[])[] {
  return search
    .split(/\s+/u)
    .map(wordsOf)
    .filter(phrase => phrase.length > 0)
    .slice(0, MAX_CHAT_SEARCH_WORDS);
}

/** Whether a text holds all phrases: the words of each one behind the other. */
export function holdsPhrases(text: string, phrases: readonly (readonly string[])[]): boolean {
  const words = wordsOf(text);
  return phrases.every(phrase => words.some((_, at) => phrase.every((word, offset) => words[at + offset] === word)));
}

/** UTF-16 units of texts that one step of a search cuts into words: some milliseconds, whatever they are. */
export const CUT_AT_ONCE = 16 * 1024;

const MARKS = /\p{M}+/gu;
/** Scripts without spaces first, one character each. */
const WORDS =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}])[\p{L}\p{N}])+/gu;
