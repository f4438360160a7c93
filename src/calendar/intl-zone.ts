import { LineError } from '../errors.ts';
import { numericName, type Zone, type ZoneOffset } from './zone.ts';

/**
 * A zone by what the runtime knows of it (`Intl`), where the system has no zoneinfo. Its abbreviations are offsets, as `+08`, but
 * for UTC. Without a name it is the zone that the runtime takes for the machine's. `USAGE` if the runtime does not know it.
 */
export function intlZone(name?: string): Zone {
  const format = formatFor(name);
  const known = format.resolvedOptions().timeZone;
  return {
    name: name ?? known,
    at(unixSeconds): ZoneOffset {
      const ms = Math.min(Math.max(unixSeconds * 1000, FIRST_MS), LAST_MS);
      const offsetSeconds = Math.round((localMs(format, ms) - ms) / 1000);
      return { offsetSeconds, abbreviation: known === 'UTC' ? known : numericName(offsetSeconds) };
    },
  };
}

/** What clocks in the zone show, as if it were UTC. */
function localMs(format: Intl.DateTimeFormat, ms: number): number {
  const fields = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const date = new Date(0);
  date.setUTCFullYear(fields.year!, fields.month! - 1, fields.day);
  return date.setUTCHours(fields.hour!, fields.minute, fields.second, ((ms % 1000) + 1000) % 1000);
}

function formatFor(name: string | undefined): Intl.DateTimeFormat {
  const field = 'numeric';
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: field,
      month: field,
      day: field,
      hour: field,
      minute: field,
      second: field,
    });
  } catch (cause) {
    throw new LineError('USAGE', `no such time zone: ${name}`, { cause });
  }
}

// Years that are written with four digits and without an era.
const FIRST_MS = new Date(0).setUTCFullYear(1, 0, 3);
const LAST_MS = Date.UTC(9999, 11, 29);
