/** What becomes of a word when Tab is pressed. */
export interface Completion {
  /** The word as far as it is certain; followed by what belongs behind it if it is whole. */
  readonly word: string;
  /** The first of what it could be, if that is several things and nothing could be added. */
  readonly choices: readonly string[];
}

/** `behind` follows a word that is certain. Letters count as the same in upper and lower case. */
export function completeWord(word: string, candidates: Iterable<string>, behind: string): Completion | undefined {
  const fitting = [...new Set(candidates)].filter(one => fold(one).startsWith(fold(word))).sort();
  const [first, ...others] = fitting;
  if (first === undefined) return undefined;
  if (others.length === 0) return { word: first + behind, choices: [] };
  const characters = Array.from(first);
  let certain = characters.length;
  for (const other of others) {
    const letters = Array.from(other);
    while (fold(characters.slice(0, certain).join('')) !== fold(letters.slice(0, certain).join(''))) certain -= 1;
  }
  const prefix = characters.slice(0, certain).join('');
  return prefix.length > word.length ? { word: prefix, choices: [] } : { word, choices: fitting.slice(0, MAX_CHOICES) };
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

/** Anybody can open rooms by the thousand. */
const MAX_CHOICES = 100;
