import { escapeText, UNSAFE_CLASS } from './escape.ts';

/**
 * For what people write to each other: as `escapeText`, but a standard emoji keeps the joiners and selectors that it is
 * made of, which on their own are escaped like every other invisible character.
 */
export function escapeProse(text: string): string {
  return text.replace(EMOJI_OR_UNSAFE, match => (EMOJI.test(match) ? match : escapeText(match)));
}

// A file of its own, because making the table of all emoji costs 30 ms. Flag v, which knows emoji of several code points,
// cannot be written as a literal for our compile target.
const EMOJI_OR_UNSAFE = new RegExp(`\\p{RGI_Emoji}|${UNSAFE_CLASS}`, 'gv');
const EMOJI = /^\p{Emoji}/u;
