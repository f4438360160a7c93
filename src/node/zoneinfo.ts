import { constants, type FileHandle, open, realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { intlZone } from '../calendar/intl-zone.ts';
import { decodeTzif } from '../calendar/tzif.ts';
import { isZoneName, utcZone, type Zone } from '../calendar/zone.ts';
import { ZoneRule } from '../calendar/zone-rule.ts';
import { LineError } from '../errors.ts';
import { MAX_ZONE_FILE_BYTES } from '../protocol/limits.ts';

export interface ZoneOptions {
  /** Where `TZ` and `TZDIR` are read. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** The machine's own zone. */
  readonly localtime?: string | undefined;
}

/**
 * A zone by its name, as `Europe/Berlin`: from the system's zoneinfo, and where that has none by that name from what the
 * runtime knows. `USAGE` if neither does, and for a name that would be a path elsewhere.
 */
export async function loadZone(name: string, options: ZoneOptions = {}): Promise<Zone> {
  if (!isZoneName(name)) throw new LineError('USAGE', 'a time zone has a name like Europe/Berlin');
  return (await zoneinfo(name, options)) ?? (name === 'UTC' ? utcZone() : intlZone(name));
}

/** The machine's own zone: what `TZ` says, or else the system. What `TZ` says and nobody understands is UTC, as elsewhere. */
export async function localZone(options: ZoneOptions = {}): Promise<Zone> {
  const { environment = process.env, localtime = '/etc/localtime' } = options;
  // Systems let it begin with a colon, and with the folder of zoneinfo.
  const wanted = environment['TZ']?.replace(/^:/, '');
  if (wanted === undefined || wanted === localtime) return (await systemZone(localtime)) ?? intlZone();
  const name = wanted.replace(/^\/.*\/zoneinfo\//, '');
  if (isZoneName(name)) {
    const zone = await loadZone(name, options).catch(() => undefined);
    if (zone) return zone;
  }
  return ruleZone(wanted) ?? utcZone();
}

async function systemZone(path: string): Promise<Zone | undefined> {
  const target = await realpath(path).catch(() => undefined);
  if (target === undefined) return undefined;
  const name = /\/zoneinfo\/(?:posix\/)?(.+)$/.exec(target)?.[1];
  return readZone(name !== undefined && isZoneName(name) ? name : 'local', target);
}

async function zoneinfo(name: string, { environment = process.env }: ZoneOptions): Promise<Zone | undefined> {
  const named = environment['TZDIR'];
  for (const folder of named !== undefined && isAbsolute(named) ? [named] : ZONEINFO_FOLDERS) {
    const zone = await readZone(name, join(folder, name));
    if (zone) return zone;
  }
  return undefined;
}

/** Nothing if it is not there, cannot be read, or is no zone: the list of all zones lies in the same folder. */
async function readZone(name: string, path: string): Promise<Zone | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch {
    return undefined;
  }
  try {
    if (!(await file.stat()).isFile()) return undefined;
    const { bytesRead, buffer } = await file.read(new Uint8Array(MAX_ZONE_FILE_BYTES));
    return decodeTzif(name, buffer.subarray(0, bytesRead));
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

function ruleZone(text: string): Zone | undefined {
  try {
    const rule = new ZoneRule(text);
    return { name: 'local', at: unixSeconds => rule.at(unixSeconds) };
  } catch {
    return undefined;
  }
}

const ZONEINFO_FOLDERS = ['/usr/share/zoneinfo', '/usr/lib/zoneinfo', '/usr/share/lib/zoneinfo', '/etc/zoneinfo'];
