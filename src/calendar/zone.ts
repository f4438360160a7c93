import { LineError } from '../errors.ts';

/** What clocks show at a place, and since when. */
export interface Zone {
  /** Of the zone, as `Europe/Berlin`. */
  readonly name: string;
  /** At an instant, in seconds since 1970. Total: it never throws for a finite number. */
  at(unixSeconds: number): ZoneOffset;
}

export interface ZoneOffset {
  /** East of UTC; local time is UTC plus this. */
  readonly offsetSeconds: number;
  /** What `%Z` prints, as `CEST`. */
  readonly abbreviation: string;
}

export function utcZone(): Zone {
  return fixedZone(0, 'UTC');
}

/**
 * A zone that never changes. The name is what `%Z` prints; without one it is the offset, as `+0530`. `USAGE` if it is more than
 * a day, no whole number of minutes, or the name holds anything but letters, digits and `+-_/`.
 */
export function fixedZone(offsetMinutes: number, name = numericName(offsetMinutes * 60)): Zone {
  if (!Number.isInteger(offsetMinutes) || Math.abs(offsetMinutes) > MAX_OFFSET_MINUTES) {
    throw new LineError('USAGE', 'the offset of a zone is a whole number of minutes, at most a day');
  }
  if (!isZoneName(name)) throw new LineError('USAGE', 'no name of a zone');
  const offset = { offsetSeconds: offsetMinutes * 60, abbreviation: name };
  return { name, at: () => offset };
}

/** Whether it can be the name of a zone: no `..`, no path from the root, nothing that a terminal would obey. */
export function isZoneName(name: string): boolean {
  return name.length <= MAX_ZONE_NAME_CHARACTERS && /^[\w+-]+(?:\/[\w+-]+)*$/.test(name);
}

/** What zones without an abbreviation of their own are called: `+08`, `-0330`, and with seconds `+005328`. */
export function numericName(offsetSeconds: number): string {
  const { sign, hours, minutes, seconds } = offsetParts(offsetSeconds);
  if (seconds !== '00') return sign + hours + minutes + seconds;
  return minutes === '00' ? sign + hours : sign + hours + minutes;
}

/** An offset as its digits, two each. */
export function offsetParts(offsetSeconds: number) {
  const rest = Math.abs(offsetSeconds);
  const digits = (value: number) => String(Math.floor(value)).padStart(2, '0');
  return {
    sign: offsetSeconds < 0 ? '-' : '+',
    hours: digits(rest / 3600),
    minutes: digits((rest / 60) % 60),
    seconds: digits(rest % 60),
  };
}

const MAX_OFFSET_MINUTES = 24 * 60;
const MAX_ZONE_NAME_CHARACTERS = 64;
