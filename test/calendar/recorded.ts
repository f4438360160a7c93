import { readFileSync } from 'node:fs';
import { decodeTzif } from '../../src/calendar/tzif.ts';
import { utcZone, type Zone } from '../../src/calendar/zone.ts';

/** A format in a zone, and the texts of GNU `date` for instants as it takes them: seconds since 1970. */
export interface RecordedTable {
  readonly zone: string;
  readonly format: string;
  readonly results: readonly (readonly [instant: string, text: string])[];
}

export function recordedTables(): readonly RecordedTable[] {
  return (vector('recorded.json') as { tables: RecordedTable[] }).tables;
}

/** The files of zones with which the tables were recorded: what the system knows may have changed since. */
export function recordedZones(): ReadonlyMap<string, Uint8Array> {
  const files = Object.entries(vector('zones.json') as Record<string, string>);
  return new Map(files.map(([name, text]) => [name, Buffer.from(text, 'base64')]));
}

export function recordedZone(name: string): Zone {
  return name === 'UTC' ? utcZone() : decodeTzif(name, recordedZones().get(name)!);
}

function vector(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../vectors/gnu-date/${name}`, import.meta.url), 'utf8'));
}
