import { LineError } from '../../errors.ts';
import { hasField, type JsonObject, readInteger, readText } from '../../protocol/bytes/json.ts';

/** Messages of the time service (docs/protocol/4-services.md §4). */
export const TIME_KIND = 'time.ask';
export const TIME_TYPE = 'time';

/** What a machine says of its clock. */
export interface ServerTime {
  /** When the question came and when the answer left, in milliseconds since 1970 in UTC, with their fraction. */
  readonly receivedMs: number;
  readonly sentMs: number;
  /** How far these may be from the clock there, as it can be read only so finely. */
  readonly errorMs: number;
  readonly zone: ZoneNow;
}

/** A zone at one instant. */
export interface ZoneNow {
  /** IANA name; empty if it is not known. */
  readonly name: string;
  readonly offsetMinutes: number;
  /** What people there call it now, if that is known. */
  readonly abbreviation?: string | undefined;
}

export const TIME_REQUEST: JsonObject = { t: TIME_TYPE };

export function encodeTime({ receivedMs, sentMs, errorMs, zone }: ServerTime): JsonObject {
  return {
    t: TIME_TYPE,
    received_us: Math.round(receivedMs * 1000),
    sent_us: Math.round(sentMs * 1000),
    error_us: Math.ceil(Math.min(errorMs * 1000, MAX_ERROR_US)),
    zone: ZONE_NAME.test(zone.name) ? zone.name : '',
    offset_min: zone.offsetMinutes,
    abbreviation:
      zone.abbreviation !== undefined && ABBREVIATION.test(zone.abbreviation) ? zone.abbreviation : undefined,
  };
}

/** Throws `MALFORMED` for what is no answer, or names what a name of a zone cannot be: it may be looked up by it. */
export function decodeTime(message: JsonObject): ServerTime {
  if (readText(message, 't', 16) !== TIME_TYPE)
    throw new LineError('MALFORMED', 'this is no answer to a question for the time');
  const receivedMs = readInteger(message, 'received_us') / 1000;
  const sentMs = readInteger(message, 'sent_us') / 1000;
  if (sentMs < receivedMs) throw new LineError('MALFORMED', 'an answer left before its question came');
  const abbreviation = hasField(message, 'abbreviation') ? readText(message, 'abbreviation', 16) : undefined;
  const name = readText(message, 'zone', 64);
  if (!ZONE_NAME.test(name) || (abbreviation !== undefined && !ABBREVIATION.test(abbreviation))) {
    throw new LineError('MALFORMED', 'an answer names no zone');
  }
  return {
    receivedMs,
    sentMs,
    errorMs: readInteger(message, 'error_us', 0, MAX_ERROR_US) / 1000,
    zone: { name, offsetMinutes: readInteger(message, 'offset_min', -1440, 1440), abbreviation },
  };
}

const MAX_ERROR_US = 10_000_000;
const ZONE_NAME = /^[A-Za-z0-9_+/-]{0,64}$/;
const ABBREVIATION = /^[A-Za-z0-9+-]{1,16}$/;
