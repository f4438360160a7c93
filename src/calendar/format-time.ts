import { LineError } from '../errors.ts';
import { MAX_TIME_FORMAT_CHARACTERS, MAX_TIME_TEXT_CHARACTERS } from '../protocol/limits.ts';
import { offsetParts, type Zone, type ZoneOffset } from './zone.ts';

export interface Instant {
  /** Since 1970, may be negative and have a fraction, which counts to the microsecond. */
  readonly unixMs: number;
  /** Of the second, 0 to 999,999,999, where they are known better than by `unixMs`. */
  readonly nanos?: number | undefined;
}

/**
 * The text that GNU `date` in the locale C makes of a format, for all of its directives; it takes no widths and no flags. What
 * is no directive is kept as it stands.
 *
 * The format is to be our own user's; whoever takes a peer's compares it with a list before. Still it can do nothing but become
 * text: one piece after the other, and `USAGE` if the format or the text passes its limit, or the instant is none that a calendar
 * has.
 */
export function formatTime(format: string, instant: Instant, zone: Zone): string {
  if (format.length > MAX_TIME_FORMAT_CHARACTERS) throw new LineError('USAGE', 'the format of the time is too long');
  const moment = momentOf(instant, zone);
  let text = '';
  for (const [piece, percent, modifier, directive] of format.matchAll(PIECE)) {
    text += percent ?? expand(directive, modifier, moment) ?? piece;
    if (text.length > MAX_TIME_TEXT_CHARACTERS) throw new LineError('USAGE', 'the time would become too long a text');
  }
  return text;
}

/** An instant as the clocks and calendars of a zone show it. */
interface Moment extends ZoneOffset {
  readonly year: number;
  /** From 0, as `weekday` and `yearDay`. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** From Sunday on. */
  readonly weekday: number;
  readonly yearDay: number;
  readonly nanos: number;
  readonly unixSeconds: number;
}

function momentOf(instant: Instant, zone: Zone): Moment {
  const { unixSeconds, nanos } = secondsOf(instant);
  const offset = zone.at(unixSeconds);
  // The local time as if it were UTC: a Date has the arithmetic, and its own zone is not asked.
  const local = new Date((unixSeconds + offset.offsetSeconds) * 1000);
  const year = local.getUTCFullYear();
  return {
    ...offset,
    year,
    month: local.getUTCMonth(),
    day: local.getUTCDate(),
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
    second: local.getUTCSeconds(),
    weekday: local.getUTCDay(),
    yearDay: Math.floor((local.getTime() - new Date(0).setUTCFullYear(year, 0, 1)) / DAY_MS),
    nanos,
    unixSeconds,
  };
}

function secondsOf({ unixMs, nanos }: Instant): { unixSeconds: number; nanos: number } {
  if (!(Math.abs(unixMs) <= MAX_UNIX_MS)) throw new LineError('USAGE', 'no instant that a calendar has');
  if (nanos !== undefined) {
    if (!(Number.isInteger(nanos) && nanos >= 0 && nanos < 1e9))
      throw new LineError('USAGE', 'nanos are of one second');
    return { unixSeconds: Math.floor(unixMs / 1000), nanos };
  }
  // Whole milliseconds first: with the fraction a double has no place for microseconds of far years.
  const wholeMs = Math.floor(unixMs);
  const micros = (wholeMs - Math.floor(wholeMs / 1000) * 1000) * 1000 + Math.round((unixMs - wholeMs) * 1000);
  return { unixSeconds: Math.floor(wholeMs / 1000) + Math.floor(micros / 1e6), nanos: (micros % 1e6) * 1000 };
}

function expand(directive: string | undefined, modifier: string | undefined, moment: Moment): string | undefined {
  if (directive === undefined) return undefined;
  if (modifier === 'E' && !MODIFIED_BY_E.includes(directive.slice(-1))) return undefined;
  if (modifier === 'O' && !MODIFIED_BY_O.includes(directive.slice(-1))) return undefined;
  return DIRECTIVES.get(directive)?.(moment);
}

const DIRECTIVES: ReadonlyMap<string, (moment: Moment) => string> = new Map(
  Object.entries({
    n: () => '\n',
    t: () => '\t',

    a: ({ weekday }) => WEEKDAYS[weekday]!.slice(0, 3),
    A: ({ weekday }) => WEEKDAYS[weekday]!,
    u: ({ weekday }) => String(weekday || 7),
    w: ({ weekday }) => String(weekday),
    b: ({ month }) => MONTHS[month]!.slice(0, 3),
    h: ({ month }) => MONTHS[month]!.slice(0, 3),
    B: ({ month }) => MONTHS[month]!,
    m: ({ month }) => digits(month + 1),
    q: ({ month }) => String(Math.floor(month / 3) + 1),
    d: ({ day }) => digits(day),
    e: ({ day }) => digits(day, 2, ' '),
    j: ({ yearDay }) => digits(yearDay + 1, 3),
    U: ({ yearDay, weekday }) => digits(Math.floor((yearDay + 7 - weekday) / 7)),
    W: ({ yearDay, weekday }) => digits(Math.floor((yearDay + 7 - ((weekday + 6) % 7)) / 7)),
    V: moment => digits(isoWeek(moment).week),
    G: moment => digits(isoWeek(moment).year, 4),
    g: moment => digits(Math.abs(isoWeek(moment).year % 100)),
    Y: ({ year }) => digits(year, 4),
    y: ({ year }) => digits(Math.abs(year % 100)),
    // Before year 0 a century has its sign even where it is none.
    C: ({ year }) => (year < 0 ? `-${Math.floor(-year / 100)}` : digits(Math.floor(year / 100))),

    H: ({ hour }) => digits(hour),
    I: ({ hour }) => digits(hour % 12 || 12),
    k: ({ hour }) => digits(hour, 2, ' '),
    l: ({ hour }) => digits(hour % 12 || 12, 2, ' '),
    p: ({ hour }) => (hour < 12 ? 'AM' : 'PM'),
    P: ({ hour }) => (hour < 12 ? 'am' : 'pm'),
    M: ({ minute }) => digits(minute),
    S: ({ second }) => digits(second),
    N: ({ nanos }) => digits(nanos, 9),
    s: ({ unixSeconds }) => String(unixSeconds),

    Z: ({ abbreviation }) => abbreviation,
    z: moment => offsetText(moment, 2, ''),
    ':z': moment => offsetText(moment, 2),
    '::z': moment => offsetText(moment, 3),
    ':::z': moment => offsetText(moment, 1),

    R: moment => all('H:M', moment),
    T: moment => all('H:M:S', moment),
    X: moment => all('H:M:S', moment),
    r: moment => all('I:M:S p', moment),
    D: moment => all('m/d/y', moment),
    // The century of a year before 0 counts backwards here, and not in %D.
    x: moment => all(`m/d/${digits(((moment.year % 100) + 100) % 100)}`, moment),
    F: moment => (moment.year > 9999 ? '+' : '') + all('Y-m-d', moment),
    c: moment => all(`a b e H:M:S ${moment.year}`, moment),
  } satisfies Record<string, (moment: Moment) => string>),
);

/** A text in which each letter is a directive. */
function all(letters: string, moment: Moment): string {
  return letters.replace(/[A-Za-z]/g, letter => DIRECTIVES.get(letter)!(moment));
}

/** A sign takes the place of a zero. */
function digits(value: number, width = 2, filling = '0'): string {
  return value < 0 ? `-${String(-value).padStart(width - 1, filling)}` : String(value).padStart(width, filling);
}

/** The first `precision` of hours, minutes and seconds; with 1, as many as are needed. */
function offsetText({ offsetSeconds, abbreviation }: ZoneOffset, precision: 1 | 2 | 3, colon = ':'): string {
  const { sign, hours, minutes, seconds } = offsetParts(offsetSeconds);
  const needed = seconds !== '00' ? 3 : minutes !== '00' ? 2 : 1;
  const fields = [hours, minutes, seconds].slice(0, precision === 1 ? needed : precision);
  // An offset that nobody knows is written -00.
  return (offsetSeconds === 0 && abbreviation.startsWith('-') ? '-' : sign) + fields.join(colon);
}

/** ISO 8601: weeks begin on Monday, and belong to the year in which their Thursday lies. */
function isoWeek({ year, yearDay, weekday }: Moment): { year: number; week: number } {
  const thursday = yearDay + 3 - ((weekday + 6) % 7);
  if (thursday < 0) return { year: year - 1, week: Math.floor((thursday + daysOf(year - 1)) / 7) + 1 };
  if (thursday >= daysOf(year)) return { year: year + 1, week: 1 };
  return { year, week: Math.floor(thursday / 7) + 1 };
}

function daysOf(year: number): number {
  const begin = (of: number) => new Date(0).setUTCFullYear(of, 0, 1);
  return (begin(year + 1) - begin(year)) / DAY_MS;
}

/** A directive with its modifier, which means nothing in the locale C; or text up to the next one. */
const PIECE = /%(%)|%([EO]?)(:{1,3}z|[^%])?|[^%]+/gu;
const MODIFIED_BY_E = 'CPRTXYZcnpqrstuxyz';
const MODIFIED_BY_O = 'BCGHIMNPRSTUVWZbdeghjklmnprstuwyz';
const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July'],
  ...['August', 'September', 'October', 'November', 'December'],
];
const DAY_MS = 86_400_000;
/** Some centuries less than what a Date can hold, so that the zone and the week may reach over it: the year 274,000. */
const MAX_UNIX_MS = 8.6e15;
