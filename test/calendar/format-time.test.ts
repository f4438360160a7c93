import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTime } from '../../src/calendar/format-time.ts';
import { fixedZone, utcZone, type Zone } from '../../src/calendar/zone.ts';
import { MAX_TIME_FORMAT_CHARACTERS, MAX_TIME_TEXT_CHARACTERS } from '../../src/protocol/limits.ts';
import { recordedTables, recordedZone } from './recorded.ts';

const noon = { unixMs: Date.UTC(2024, 1, 29, 12) };

describe('the text of a time', () => {
  it.each(recordedTables())('is that of GNU date: $format in $zone', ({ zone: name, format, results }) => {
    const zone = recordedZone(name);
    const ours = results.map(([instant]) => [instant, formatTime(format, { unixMs: Number(instant) * 1000 }, zone)]);
    expect(ours).toEqual(results);
  });

  it('takes nanoseconds where they are known', () => {
    const unixMs = 1_700_000_000_999;
    expect(formatTime('%s.%N', { unixMs, nanos: 123_456_789 }, utcZone())).toBe('1700000000.123456789');
    expect(formatTime('%s.%N', { unixMs }, utcZone())).toBe('1700000000.999000000');
    expect(formatTime('%s.%N', { unixMs: -1, nanos: 1 }, utcZone())).toBe('-1.000000001');
  });

  it('counts a fraction to the microsecond, and carries it', () => {
    const text = (unixMs: number) => formatTime('%T.%N', { unixMs }, utcZone());
    expect(text(1_700_000_000_000.001)).toBe('22:13:20.000001000');
    expect(text(1_700_000_000_999.9998)).toBe('22:13:21.000000000');
    expect(text(-0.001)).toBe('23:59:59.999999000');
  });

  it('has no name for an offset that is nobody’s but its digits', () => {
    expect(formatTime('%z %Z', noon, fixedZone(330))).toBe('+0530 +0530');
    expect(formatTime('%z %Z', noon, fixedZone(-180))).toBe('-0300 -03');
    expect(formatTime('%T %:::z %Z', noon, fixedZone(-210, 'NST'))).toBe('08:30:00 -03:30 NST');
  });

  it('does not take widths and flags for directives', () => {
    for (const format of ['%-d', '%010Y', '%1400d', '%_H', '%^a', '%#Z', '%+4Y']) {
      expect(formatTime(format, noon, utcZone())).toBe(format);
    }
  });

  it('R-T2: is bounded, whatever the format, the instant and the zone', () => {
    const anyFormat = fc.oneof(
      fc.string({ unit: 'binary', maxLength: MAX_TIME_FORMAT_CHARACTERS }),
      fc
        .array(fc.constantFrom('%c', '%', '%E', '%O', ':', 'z', '%N', '%F', 'é'), { maxLength: 512 })
        .map(list => list.join('')),
    );
    const anyMs = fc.double({ min: -8.6e15, max: 8.6e15, noNaN: true });
    fc.assert(
      fc.property(anyFormat, anyMs, fc.integer({ min: -1440, max: 1440 }), (format, unixMs, offsetMinutes) => {
        let text = '';
        try {
          text = formatTime(format, { unixMs }, fixedZone(offsetMinutes));
        } catch (error) {
          expect(error).toMatchObject({ code: 'USAGE' });
        }
        expect(text.length).toBeLessThanOrEqual(MAX_TIME_TEXT_CHARACTERS);
      }),
    );
  });

  it('R-T2: refuses a format, a text and an instant beyond their limits', () => {
    const usage = expect.objectContaining({ code: 'USAGE' });
    const long = 'x'.repeat(MAX_TIME_FORMAT_CHARACTERS);
    expect(formatTime(long, noon, utcZone())).toBe(long);
    expect(() => formatTime(`${long}x`, noon, utcZone())).toThrow(usage);
    expect(() => formatTime('%c'.repeat(512), noon, utcZone())).toThrow(usage);
    const talkative: Zone = { name: 'long', at: () => ({ offsetSeconds: 0, abbreviation: 'x'.repeat(10_000) }) };
    expect(() => formatTime('%Z', noon, talkative)).toThrow(usage);
    for (const unixMs of [Number.NaN, Number.POSITIVE_INFINITY, -8.64e15, 1e300]) {
      expect(() => formatTime('%s', { unixMs }, utcZone())).toThrow(usage);
    }
    for (const nanos of [-1, 1e9, 0.5, Number.NaN]) {
      expect(() => formatTime('%N', { unixMs: 0, nanos }, utcZone())).toThrow(usage);
    }
  });
});
