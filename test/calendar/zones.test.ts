import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intlZone } from '../../src/calendar/intl-zone.ts';
import { decodeTzif } from '../../src/calendar/tzif.ts';
import { fixedZone, isZoneName } from '../../src/calendar/zone.ts';
import { ZoneRule } from '../../src/calendar/zone-rule.ts';
import { LineError } from '../../src/errors.ts';
import { recordedTables, recordedZone, recordedZones } from './recorded.ts';

const berlin = recordedZones().get('Europe/Berlin')!;
const seconds = (text: string) => Date.parse(text) / 1000;

describe('a file of a time zone', () => {
  it('R-A12: is refused wherever it is cut, and not read past its end', () => {
    for (let length = 0; length < berlin.length; length++) {
      expect(() => decodeTzif('cut', berlin.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'MALFORMED' }),
      );
    }
  });

  it('R-A12: becomes a zone or an error, whatever its bytes', () => {
    const changedBytes = fc.array(fc.tuple(fc.nat(berlin.length - 1), fc.integer({ min: 0, max: 255 })), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(changedBytes, fc.integer({ min: -1e12, max: 1e12 }), (changes, instant) => {
        const bytes = Uint8Array.from(berlin);
        for (const [at, byte] of changes) bytes[at] = byte;
        try {
          const { offsetSeconds, abbreviation } = decodeTzif('changed', bytes).at(instant);
          expect(Math.abs(offsetSeconds)).toBeLessThanOrEqual(168 * 3600);
          expect(abbreviation).toMatch(/^[A-Za-z0-9+-]{1,32}$/);
        } catch (error) {
          expect(error).toBeInstanceOf(LineError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('R-A12: does not believe its counts', () => {
    for (const count of [20, 24, 28, 32, 36, 40]) {
      const bytes = Uint8Array.from(berlin);
      bytes.fill(0xff, count, count + 4);
      expect(() => decodeTzif('lying', bytes)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
    }
  });
});

describe('a rule of a time zone', () => {
  const shown = (rule: string, time: string) => {
    const { offsetSeconds, abbreviation } = new ZoneRule(rule).at(seconds(time));
    return `${abbreviation} ${offsetSeconds}`;
  };

  it('changes to the second, in both directions', () => {
    const rule = 'CET-1CEST,M3.5.0,M10.5.0/3';
    expect(shown(rule, '2500-03-28T00:59:59Z')).toBe('CET 3600');
    expect(shown(rule, '2500-03-28T01:00:00Z')).toBe('CEST 7200');
    expect(shown(rule, '2500-10-31T00:59:59Z')).toBe('CEST 7200');
    expect(shown(rule, '2500-10-31T01:00:00Z')).toBe('CET 3600');
  });

  it('knows southern summers, offsets of half an hour, winters that are the exception, and summers without an end', () => {
    expect(shown('<+1030>-10:30<+11>-11,M10.1.0,M4.1.0', '2024-01-01T00:00:00Z')).toBe('+11 39600');
    expect(shown('<+1030>-10:30<+11>-11,M10.1.0,M4.1.0', '2024-07-01T00:00:00Z')).toBe('+1030 37800');
    expect(shown('IST-1GMT0,M10.5.0,M3.5.0/1', '2024-01-01T00:00:00Z')).toBe('GMT 0');
    expect(shown('IST-1GMT0,M10.5.0,M3.5.0/1', '2024-07-01T00:00:00Z')).toBe('IST 3600');
    expect(shown('XXX3EDT4,0/0,J365/23', '2024-01-01T04:00:00Z')).toBe('EDT -14400');
    expect(shown('XXX3EDT4,0/0,J365/23', '2023-12-31T23:59:59Z')).toBe('EDT -14400');
  });

  it('counts days with and without 29 February', () => {
    expect(shown('AAA0BBB,J60/0,J365', '2024-02-29T12:00:00Z')).toBe('AAA 0');
    expect(shown('AAA0BBB,J60/0,J365', '2024-03-01T00:00:00Z')).toBe('BBB 3600');
    expect(shown('AAA0BBB,59/0,J365', '2024-02-29T00:00:00Z')).toBe('BBB 3600');
  });

  it('is the rule of the USA where it says no days', () => {
    expect(shown('EST5EDT', '2024-03-10T07:00:00Z')).toBe('EDT -14400');
    expect(shown('EST5EDT', '2024-11-03T06:00:00Z')).toBe('EST -18000');
  });

  it.each([
    ...[
      '',
      'CET',
      'CE-1',
      'CET-1CEST,M3.5.0',
      'CET-1CEST,M13.5.0,M10.5.0',
      'CET-1CEST,M3.0.0,M10.5.0',
      'CET-1CEST,M3.5.7,M10.5.0',
    ],
    ...[
      'CET-1CEST,J366,J1',
      'CET-168',
      'CET-25',
      'CET-24CEST',
      'CET24:00:01',
      'CET-1CEST,J0,J365',
      'CET-1:60',
      'C\u001bT-1',
      '<+0>1',
      'CET-1\n',
      `${'C'.repeat(33)}1`,
      `CET-1CEST,${'0'.repeat(300)}`,
    ],
  ])('is not %j', text => {
    expect(() => new ZoneRule(text)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });
});

describe('a zone as the runtime knows it', () => {
  it('has the offsets of the file, in years that both know', () => {
    for (const { zone: name, results } of recordedTables().filter(table => table.zone !== 'UTC')) {
      const [fromFile, fromRuntime] = [recordedZone(name), intlZone(name)];
      const known = results
        .map(([instant]) => Number(instant))
        .filter(instant => instant > seconds('1970-01-01') && instant < seconds('2020-01-01'));
      const offsets = (zone: typeof fromFile) => known.map(instant => [name, instant, zone.at(instant).offsetSeconds]);
      expect(offsets(fromRuntime)).toEqual(offsets(fromFile));
    }
  });

  it('is called by its offset, and answers for years that have more digits', () => {
    expect(intlZone('Asia/Shanghai').at(1.7e9)).toEqual({ offsetSeconds: 28_800, abbreviation: '+08' });
    expect(intlZone('Asia/Kolkata').at(1.7e9).abbreviation).toBe('+0530');
    expect(intlZone('UTC').at(1.7e9)).toEqual({ offsetSeconds: 0, abbreviation: 'UTC' });
    expect(intlZone('Asia/Shanghai').at(8.6e12).offsetSeconds).toBe(28_800);
    expect(intlZone('Asia/Shanghai').at(-8.6e12).offsetSeconds).toBe(29_143);
    expect(() => intlZone('Nowhere/Atall')).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('the name of a zone', () => {
  it('R-F1: is never a path elsewhere', () => {
    for (const name of ['Europe/Berlin', 'UTC', 'Etc/GMT+8', 'America/Port-au-Prince', 'EST5EDT']) {
      expect(isZoneName(name)).toBe(true);
    }
    const hostile = [
      '',
      '.',
      '..',
      '../shadow',
      'Europe/../../shadow',
      '/etc/passwd',
      'Europe//Berlin',
      'Europe/',
      'a\\b',
      'C:x',
      'a\0b',
      'a\n',
    ];
    for (const name of [...hostile, 'zone.tab', '\u001b[2J', 'x'.repeat(65)]) expect(isZoneName(name)).toBe(false);
  });

  it('is checked where a fixed zone is made, and so is its offset', () => {
    expect(() => fixedZone(60, '\u001b[2J')).toThrow(expect.objectContaining({ code: 'USAGE' }));
    for (const offsetMinutes of [1441, -1441, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => fixedZone(offsetMinutes)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    }
  });
});
