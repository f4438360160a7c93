/**
 * The one gate between what a peer sent and a terminal or a log (R-X1, R-X2). Whatever could move a cursor, end a line,
 * turn the reading direction or stand there unseen comes out as a visible escape; printable text stays as it is.
 */

/** For names, messages and everything else that must be one line with nothing hidden in it. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, visible);
}

/**
 * For what people write to each other, still one line: as `escapeText`, but what joins the parts of an emoji, or letters in
 * scripts that need it, stays where it does just that.
 */
export function escapeProse(text: string): string {
  let shown = '';
  let from = 0;
  for (const { 0: joined, index } of text.matchAll(JOINED)) {
    shown += escapeText(text.slice(from, index)) + joined;
    from = index + joined.length;
  }
  return shown + escapeText(text.slice(from));
}

/** One JSON document on one line. The value is untouched: what a terminal would act on is written as `\uXXXX`. */
export function escapeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, asUtf16);
}

/**
 * One line of a log: `event key=value key="a value"`. A value that could be mistaken for the next field is quoted, so no
 * value can end its line or forge another field (R-X2).
 */
export function escapeLogLine(event: string, fields: Readonly<Record<string, LogValue>>): string {
  const parts = [logWord(event)];
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) parts.push(`${logWord(name)}=${logWord(String(value))}`);
  }
  return parts.join(' ');
}

export type LogValue = string | number | boolean | undefined;

function logWord(text: string): string {
  const escaped = escapeText(text);
  if (PLAIN_WORD.test(escaped)) return escaped;
  return `"${escaped.replace(/["\\]/g, '\\$&')}"`;
}

function visible(character: string): string {
  const code = character.codePointAt(0)!;
  const short = SHORT_ESCAPES.get(code);
  if (short !== undefined) return short;
  if (code < 0x80) return `\\x${hex(code, 2)}`;
  // A byte of a name that is not UTF-8 (protocol/bytes/text.ts, decodeName).
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${hex(code - 0xdc00, 2)}`;
  return `\\u{${hex(code, 1)}}`;
}

function asUtf16(character: string): string {
  let escaped = '';
  for (let at = 0; at < character.length; at++) escaped += `\\u${hex(character.charCodeAt(at), 4)}`;
  return escaped;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}

const SHORT_ESCAPES = new Map([
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
]);

/**
 * Controls (C0, DEL, C1), both Unicode line ends, everything that is invisible by definition (bidi controls, zero-width
 * characters, tags, fillers, selectors), annotation marks, and halves of surrogate pairs.
 */
const UNSAFE =
  /[\u{0}-\u{1f}\u{7f}-\u{9f}\u{2028}\u{2029}\u{fff9}-\u{fffb}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\p{Surrogate}]/gu;
/**
 * In this order: keys such as 1️⃣, the flags of England, Scotland and Wales, emoji with what chooses their look and joins
 * them (UTS #51), and joiners between two letters of scripts in which they change how a word is written.
 */
const JOINED =
  /[0-9#*]\ufe0f\u20e3|\u{1f3f4}[\u{e0061}-\u{e007a}]{3,6}\u{e007f}|\p{ExtPict}(?:\ufe0f|\p{EMod})?(?:\u200d\p{ExtPict}(?:\ufe0f|\p{EMod})?)*|(?<=[\p{scx=Arab}\p{scx=Deva}\p{scx=Beng}\p{scx=Gujr}\p{scx=Guru}\p{scx=Knda}\p{scx=Mlym}\p{scx=Orya}\p{scx=Sinh}\p{scx=Taml}\p{scx=Telu}])[\u200c\u200d](?=[\p{scx=Arab}\p{scx=Deva}\p{scx=Beng}\p{scx=Gujr}\p{scx=Guru}\p{scx=Knda}\p{scx=Mlym}\p{scx=Orya}\p{scx=Sinh}\p{scx=Taml}\p{scx=Telu}])/gu;
const PLAIN_WORD = /^[^\s"\\=]+$/u;
