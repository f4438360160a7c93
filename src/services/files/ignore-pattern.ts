/**
 * One line of a .gitignore, compiled (docs/decisions/0016-exclude-patterns.md). Without regular expressions: a matcher
 * that goes back to its last star alone takes at most pattern × path steps, whatever the pattern.
 */
export interface IgnorePattern {
  /** False for a line that begins with `!`. */
  readonly excludes: boolean;
  readonly foldersOnly: boolean;
  /** Whether the pattern means the whole path below its own folder; else the last name alone. */
  readonly isAnchored: boolean;
  /** What matches if one of these does. Usually one; none for a pattern that nothing can match. */
  readonly forms: readonly (readonly NamePattern[])[];
}

/** Text to be equal to, the parts of a pattern for one name, or `**`: any number of names, also none. */
type NamePattern = string | readonly Unit[] | typeof ANY_NAMES;

/** A character by its code point, `?`, `*`, or a set. */
type Unit = number | '?' | '*' | CharacterSet;

interface CharacterSet {
  readonly isNegated: boolean;
  /** Code points, both ends included. */
  readonly ranges: readonly (readonly [number, number])[];
}

/** `undefined` for an empty line and a comment. */
export function compileIgnorePattern(line: string): IgnorePattern | undefined {
  let text = withoutTrailingSpaces(line.replace(/\r$/, ''));
  if (text === '' || text.startsWith('#')) return undefined;
  const excludes = !text.startsWith('!');
  if (!excludes) text = text.slice(1);
  const foldersOnly = text.endsWith('/');
  if (foldersOnly) text = text.slice(0, -1);
  const isAnchored = text.includes('/');
  const characters = Array.from(text.startsWith('/') ? text.slice(1) : text);
  const special = characters.findIndex(character => SPECIAL.has(character));
  return { excludes, foldersOnly, isAnchored, forms: formsOf(characters, isAnchored, special) };
}

/** Whether the pattern matches the thing whose path below the pattern's folder has these names, its folders aside. */
export function matchesIgnorePattern(pattern: IgnorePattern, names: readonly string[]): boolean {
  const considered = pattern.isAnchored ? names : names.slice(-1);
  return pattern.forms.some(form => matchesNames(form, considered));
}

/** As git does it: spaces alone, and not one behind a backslash. */
function withoutTrailingSpaces(line: string): string {
  let end = 0;
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === '\\') {
      at += 1;
      // A backslash at the very end keeps all as it is.
      if (at === line.length) return line;
      end = at + 1;
    } else if (line[at] !== ' ') end = at + 1;
  }
  return line.slice(0, end);
}

/**
 * Cuts a pattern into names. `special` is where its first special character stands: git compares what is before that as
 * text and begins with the rest anew, so that two stars right there stand for any number of names although no slash is in
 * front of them: `a**` before `/b` means `ab`, and all that begins with `a` and has a `b` somewhere below it.
 */
function formsOf(characters: readonly string[], isAnchored: boolean, special: number): NamePattern[][] {
  const forms: NamePattern[][] = [];
  const names: NamePattern[] = [];
  let units: Unit[] = [];
  const endName = (): void => {
    names.push(units.every(isCharacter) ? units.map(unit => String.fromCodePoint(unit)).join('') : units);
    units = [];
  };
  let at = 0;
  while (at < characters.length) {
    const character = characters[at]!;
    const stars = starsAt(characters, at);
    const slash = slashAt(characters, at + stars);
    const isEnd = at + stars === characters.length;
    if (isAnchored && stars > 1 && (isEnd || slash > 0) && (units.length === 0 || at === special)) {
      const next = at + stars + slash;
      if (units.length > 0) {
        if (slash === 1) {
          const behind = behindAnyNames(characters, next);
          forms.push(...formsOf([...characters.slice(0, at), ...characters.slice(behind)], isAnchored, special));
        }
        units.push('*');
        endName();
        names.push(ANY_NAMES);
      } else {
        names.push(ANY_NAMES);
        // At the end they mean something inside, and so they do before a slash that is written with a backslash.
        if (slash !== 1) names.push(['*']);
      }
      if (isEnd) return [...forms, names];
      at = next;
    } else if (stars > 0) {
      units.push('*');
      at += stars;
    } else if (slash > 0) {
      endName();
      at += slash;
    } else if (character === '[') {
      const set = readSet(characters, at + 1);
      if (set === undefined) return [];
      units.push(set);
      at = set.end;
    } else if (character === '\\') {
      // One at the end stands for nothing that could match.
      if (at + 1 === characters.length) return [];
      units.push(characters[at + 1]!.codePointAt(0)!);
      at += 2;
    } else {
      units.push(character === '?' ? '?' : character.codePointAt(0)!);
      at += 1;
    }
  }
  endName();
  return [...forms, names];
}

function isCharacter(unit: Unit): unit is number {
  return typeof unit === 'number';
}

function starsAt(characters: readonly string[], start: number): number {
  let at = start;
  while (characters[at] === '*') at += 1;
  return at - start;
}

/** Where the pattern goes on behind any number of `**` with a slash each: they mean what one of them means. */
function behindAnyNames(characters: readonly string[], start: number): number {
  let at = start;
  for (
    let stars = starsAt(characters, at);
    stars > 1 && characters[at + stars] === '/';
    stars = starsAt(characters, at)
  ) {
    at += stars + 1;
  }
  return at;
}

/** How many characters a slash takes here, 0 if there is none. */
function slashAt(characters: readonly string[], at: number): number {
  if (characters[at] === '/') return 1;
  return characters[at] === '\\' && characters[at + 1] === '/' ? 2 : 0;
}

/** `[…]` from behind the bracket. `undefined` if it does not end or names a class that there is not. */
function readSet(characters: readonly string[], start: number): (CharacterSet & { readonly end: number }) | undefined {
  const isNegated = characters[start] === '!' || characters[start] === '^';
  const first = isNegated ? start + 1 : start;
  const ranges: (readonly [number, number])[] = [];
  /** What a `-` would make a range with. */
  let lower: number | undefined;
  const addOne = (character: string): void => {
    lower = character.codePointAt(0)!;
    ranges.push([lower, lower]);
  };
  for (let at = first; at < characters.length; at += 1) {
    const character = characters[at]!;
    const next = characters[at + 1];
    if (character === ']' && at > first) return { isNegated, ranges, end: at + 1 };
    if (character === '\\') {
      if (next === undefined) return undefined;
      addOne(next);
      at += 1;
    } else if (character === '-' && lower !== undefined && next !== undefined && next !== ']') {
      at += next === '\\' ? 2 : 1;
      const upper = characters[at];
      if (upper === undefined) return undefined;
      ranges.push([lower, upper.codePointAt(0)!]);
      lower = undefined;
    } else if (character === '[' && next === ':') {
      const end = characters.indexOf(']', at + 2);
      if (end === -1) return undefined;
      if (end < at + 3 || characters[end - 1] !== ':') {
        addOne(character);
        continue;
      }
      const members = CLASSES.get(characters.slice(at + 2, end - 1).join(''));
      if (members === undefined) return undefined;
      ranges.push(...members);
      lower = undefined;
      at = end;
    } else addOne(character);
  }
  return undefined;
}

/** After a mismatch it goes on behind the last `**` with one name more; those before it need not be tried again. */
function matchesNames(form: readonly NamePattern[], names: readonly string[]): boolean {
  let at = 0;
  let position = 0;
  let behindAny = -1;
  let resumeAt = 0;
  while (position < names.length) {
    const part = form[at];
    if (part === ANY_NAMES) {
      at += 1;
      behindAny = at;
      resumeAt = position;
    } else if (part !== undefined && matchesName(part, names[position]!)) {
      at += 1;
      position += 1;
    } else {
      if (behindAny === -1) return false;
      resumeAt += 1;
      position = resumeAt;
      at = behindAny;
    }
  }
  while (form[at] === ANY_NAMES) at += 1;
  return at === form.length;
}

/** The same for `*` inside of a name. */
function matchesName(pattern: string | readonly Unit[], name: string): boolean {
  if (typeof pattern === 'string') return pattern === name;
  let at = 0;
  let position = 0;
  let behindStar = -1;
  let resumeAt = 0;
  while (position < name.length) {
    const unit = pattern[at];
    const point = name.codePointAt(position)!;
    if (unit === '*') {
      at += 1;
      behindStar = at;
      resumeAt = position;
    } else if (unit !== undefined && matchesPoint(unit, point)) {
      at += 1;
      position += lengthOf(point);
    } else {
      if (behindStar === -1) return false;
      resumeAt += lengthOf(name.codePointAt(resumeAt)!);
      position = resumeAt;
      at = behindStar;
    }
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}

function matchesPoint(unit: Exclude<Unit, '*'>, point: number): boolean {
  if (unit === '?') return true;
  if (typeof unit === 'number') return unit === point;
  return unit.ranges.some(([low, high]) => low <= point && point <= high) !== unit.isNegated;
}

/** In units of a string. */
function lengthOf(point: number): number {
  return point > 0xffff ? 2 : 1;
}

const ANY_NAMES = Symbol('**');
const SPECIAL: ReadonlySet<string> = new Set(['*', '?', '[', '\\']);

const range = (from: string, to: string = from): readonly [number, number] => [from.charCodeAt(0), to.charCodeAt(0)];
const DIGITS = [range('0', '9')];
const UPPER = [range('A', 'Z')];
const LOWER = [range('a', 'z')];
const SPACES = [range('\t', '\n'), range('\r'), range(' ')];
/** Of ASCII alone, as in git. */
const CLASSES: ReadonlyMap<string, readonly (readonly [number, number])[]> = new Map([
  ['alnum', [...DIGITS, ...UPPER, ...LOWER]],
  ['alpha', [...UPPER, ...LOWER]],
  ['blank', [range('\t'), range(' ')]],
  ['cntrl', [range('\0', '\u001f'), range('\u007f')]],
  ['digit', DIGITS],
  ['graph', [range('!', '~')]],
  ['lower', LOWER],
  ['print', [range(' ', '~')]],
  ['punct', [range('!', '/'), range(':', '@'), range('[', '`'), range('{', '~')]],
  ['space', SPACES],
  ['upper', UPPER],
  ['xdigit', [...DIGITS, range('A', 'F'), range('a', 'f')]],
]);
