/**
 * Places in a text where a cursor may stand, in UTF-16 units: between what people take for characters, so that an accent
 * stays with its letter and an emoji of several parts is one (UAX #29).
 */

export function clusters(text: string): string[] {
  // The segmenter takes long, and here it would find nothing.
  if (PLAIN.test(text)) return text.split('');
  return Array.from(SEGMENTER.segment(text), ({ segment }) => segment);
}

/** The nearest place before `at`. */
export function placeBefore(text: string, at: number): number {
  return at <= 0 ? 0 : SEGMENTER.segment(text).containing(at - 1)!.index;
}

/** The nearest place behind `at`. */
export function placeAfter(text: string, at: number): number {
  const cluster = SEGMENTER.segment(text).containing(at);
  return cluster === undefined ? text.length : cluster.index + cluster.segment.length;
}

/** `at` itself, unless it is inside of a character: then the end of that. */
export function placeFrom(text: string, at: number): number {
  return at <= 0 ? 0 : placeAfter(text, at - 1);
}

export function lineStart(text: string, at: number): number {
  return at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1;
}

export function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end === -1 ? text.length : end;
}

/** The start of the word that `at` is in or behind: of letters and digits in any script. */
export function wordBefore(text: string, at: number): number {
  return placeUpTo(text, text.slice(0, at).search(/[\p{L}\p{M}\p{N}_]*[^\p{L}\p{M}\p{N}_]*$/u));
}

export function wordAfter(text: string, at: number): number {
  return placeFrom(text, at + /^[^\p{L}\p{M}\p{N}_]*[\p{L}\p{M}\p{N}_]*/u.exec(text.slice(at))![0].length);
}

/** The start of the word that `at` is in or behind: of all but white space. */
export function spacedWordBefore(text: string, at: number): number {
  return placeUpTo(text, text.slice(0, at).search(/\S*\s*$/u));
}

/** `at` itself, unless it is inside of a character: then the start of that. */
function placeUpTo(text: string, at: number): number {
  return SEGMENTER.segment(text).containing(at)?.index ?? text.length;
}

const PLAIN = /^[ -~\t\n]*$/;
const SEGMENTER = new Intl.Segmenter();
