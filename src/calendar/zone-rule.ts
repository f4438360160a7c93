import { LineError } from '../errors.ts';
import type { ZoneOffset } from './zone.ts';

/**
 * The rule of a zone without a table: what POSIX lets stand in TZ, as `CET-1CEST,M3.5.0,M10.5.0/3`. A TZif file ends with one
 * for all times after its last change.
 */
export class ZoneRule {
  readonly #standard: ZoneOffset;
  readonly #summer: { readonly offset: ZoneOffset; readonly begins: YearlyDate; readonly ends: YearlyDate } | undefined;

  /** `MALFORMED` for what is no such rule. */
  constructor(text: string) {
    const match = text.length <= MAX_RULE_CHARACTERS ? RULE.exec(text) : null;
    if (!match) throw new LineError('MALFORMED', 'no rule of a time zone');
    const [, name, west, summerName, summerWest, begins, beginsAt, ends, endsAt] = match;
    const standardSeconds = offsetOf(west!);
    this.#standard = { offsetSeconds: standardSeconds, abbreviation: withoutBrackets(name!) };
    if (summerName === undefined) return;
    this.#summer = {
      offset: {
        offsetSeconds: summerWest === undefined ? checkOffset(standardSeconds + 3600) : offsetOf(summerWest),
        abbreviation: withoutBrackets(summerName),
      },
      // Without dates the rule of the USA counts, as in other implementations.
      begins: yearlyDate(begins ?? 'M3.2.0', beginsAt),
      ends: yearlyDate(ends ?? 'M11.1.0', endsAt),
    };
  }

  at(unixSeconds: number): ZoneOffset {
    if (!this.#summer) return this.#standard;
    const year = new Date((unixSeconds + this.#standard.offsetSeconds) * 1000).getUTCFullYear();
    let latest = { atSeconds: Number.NEGATIVE_INFINITY, offset: this.#standard };
    // A change may lie some days beyond its year, so the years beside it count too.
    for (const change of [year - 1, year, year + 1].flatMap(each => this.#changesIn(each))) {
      if (change.atSeconds <= unixSeconds && change.atSeconds >= latest.atSeconds) latest = change;
    }
    return latest.offset;
  }

  /** The end first: where summer begins again as it ends, it is summer always. */
  #changesIn(year: number): { atSeconds: number; offset: ZoneOffset }[] {
    const { offset, begins, ends } = this.#summer!;
    return [
      { atSeconds: ends(year) - offset.offsetSeconds, offset: this.#standard },
      { atSeconds: begins(year) - this.#standard.offsetSeconds, offset },
    ];
  }
}

/** Of a year, in seconds since 1970 by the clocks of the place. */
type YearlyDate = (year: number) => number;

function yearlyDate(date: string, time = '2'): YearlyDate {
  const timeSeconds = secondsOf(time);
  const [first = 0, week = 0, weekday = 0] = date.replace(/^[MJ]/, '').split('.').map(Number);
  if (date.startsWith('M')) {
    if (first < 1 || first > 12 || week < 1 || week > 5 || weekday > 6) throw new LineError('MALFORMED', 'no such day');
    return year => dayOfMonth(year, first - 1, week, weekday) + timeSeconds;
  }
  if (first > 365 || date === 'J0') throw new LineError('MALFORMED', 'no such day');
  // With a J days are counted from 1 and as if there were no 29 February; without, from 0.
  if (date.startsWith('J'))
    return year => utcSeconds(year, 0, first + (first >= 60 && isLeapYear(year) ? 1 : 0)) + timeSeconds;
  return year => utcSeconds(year, 0, 1 + first) + timeSeconds;
}

/** Midnight of the `week`-th such weekday of the month, and of the last one if `week` is 5. */
function dayOfMonth(year: number, month: number, week: number, weekday: number): number {
  const firstWeekday = new Date(utcSeconds(year, month, 1) * 1000).getUTCDay();
  const day = 1 + ((weekday - firstWeekday + 7) % 7) + (week - 1) * 7;
  const lastDay = new Date(utcSeconds(year, month + 1, 0) * 1000).getUTCDate();
  return utcSeconds(year, month, day > lastDay ? day - 7 : day);
}

/** Unlike `Date.UTC` it takes the years 0 to 99 as they are. */
function utcSeconds(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month, day) / 1000;
}

function isLeapYear(year: number): boolean {
  return new Date(utcSeconds(year, 1, 29) * 1000).getUTCMonth() === 1;
}

/** Of `[+-]h[h[h]][:mm[:ss]]`. */
function secondsOf(time: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = time.replace(/^[+-]/, '').split(':').map(Number);
  if (hours > 167 || minutes > 59 || seconds > 59) throw new LineError('MALFORMED', 'no such time');
  return (time.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
}

/** POSIX counts west of UTC; subtracted, because -0 is another number to some. */
function offsetOf(west: string): number {
  return checkOffset(0 - secondsOf(west));
}

/** The hours of a change may be many, those of an offset are a day's at most. */
function checkOffset(offsetSeconds: number): number {
  if (Math.abs(offsetSeconds) > MAX_OFFSET_SECONDS) throw new LineError('MALFORMED', 'no such offset');
  return offsetSeconds;
}

function withoutBrackets(name: string): string {
  return name.replace(/[<>]/g, '');
}

const MAX_RULE_CHARACTERS = 256;
const MAX_OFFSET_SECONDS = 24 * 3600;
const NAME = '(<[A-Za-z0-9+-]{3,32}>|[A-Za-z]{3,32})';
const TIME = String.raw`([+-]?\d{1,3}(?::\d{2}){0,2})`;
const DATE = String.raw`(M\d{1,2}\.\d\.\d|J\d{1,3}|\d{1,3})(?:/${TIME})?`;
const RULE = new RegExp(`^${NAME}${TIME}(?:${NAME}${TIME}?(?:,${DATE},${DATE})?)?$`);
