import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatTime } from '../../src/calendar/format-time.ts';
import { loadZone, localZone } from '../../src/node/zoneinfo.ts';
import { MAX_ZONE_FILE_BYTES } from '../../src/protocol/limits.ts';
import { recordedZones } from '../calendar/recorded.ts';

const shanghai = recordedZones().get('Asia/Shanghai')!;
const winter = Date.UTC(2024, 0, 1) / 1000;

let base: string;
let environment: { TZDIR: string; TZ?: string };
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'postern-zones-'));
  environment = { TZDIR: join(base, 'zoneinfo') };
  await mkdir(join(environment.TZDIR, 'Test'), { recursive: true });
  await writeFile(join(environment.TZDIR, 'Test/Place'), shanghai);
});
afterEach(() => rm(base, { recursive: true, force: true }));

const usage = expect.objectContaining({ code: 'USAGE' });

describe('a zone that is loaded', () => {
  it('is the one of the system', async () => {
    const zone = await loadZone('Test/Place', { environment });
    expect(zone.name).toBe('Test/Place');
    expect(zone.at(winter)).toEqual({ offsetSeconds: 28_800, abbreviation: 'CST' });
  });

  it('is what the runtime knows where the system has no such file, and else USAGE', async () => {
    const nowhere = { environment: { TZDIR: join(base, 'none') } };
    expect((await loadZone('Asia/Shanghai', nowhere)).at(winter)).toEqual({
      offsetSeconds: 28_800,
      abbreviation: '+08',
    });
    await expect(loadZone('Test/Place', nowhere)).rejects.toEqual(usage);
    expect((await loadZone('UTC', nowhere)).at(winter)).toEqual({ offsetSeconds: 0, abbreviation: 'UTC' });
  });

  it('R-F1: is never read from elsewhere', async () => {
    await writeFile(join(base, 'outside'), shanghai);
    for (const name of ['../outside', 'Test/../../outside', join(base, 'outside'), '', '.', 'Test/']) {
      await expect(loadZone(name, { environment })).rejects.toEqual(usage);
    }
  });

  it('is no folder, no file of another kind, and none that is too long', async () => {
    await writeFile(join(environment.TZDIR, 'list'), '# no zone');
    await writeFile(join(environment.TZDIR, 'long'), Buffer.concat([new Uint8Array(MAX_ZONE_FILE_BYTES), shanghai]));
    for (const name of ['Test', 'list', 'long']) await expect(loadZone(name, { environment })).rejects.toEqual(usage);
  });
});

describe('the zone of the machine', () => {
  const named = async (TZ: string) =>
    (await localZone({ environment: { ...environment, TZ } })).at(winter).abbreviation;

  it('is what TZ says: a name, a path to one, a rule, or nothing', async () => {
    expect(await named('Test/Place')).toBe('CST');
    expect(await named(':Test/Place')).toBe('CST');
    expect(await named(':/usr/share/zoneinfo/Test/Place')).toBe('CST');
    expect(await named('CET-1CEST,M3.5.0,M10.5.0/3')).toBe('CET');
    expect(await named('<+08>-8')).toBe('+08');
    expect(await named('')).toBe('UTC');
    expect(await named('no zone at all')).toBe('UTC');
  });

  it('is the one of the system without TZ, by the name that its link leads to', async () => {
    const localtime = join(base, 'localtime');
    await symlink(join(environment.TZDIR, 'Test/Place'), localtime);
    const zone = await localZone({ environment, localtime });
    expect([zone.name, zone.at(winter).abbreviation]).toEqual(['Test/Place', 'CST']);
    await rm(localtime);
    await writeFile(localtime, shanghai);
    expect((await localZone({ environment, localtime })).name).toBe('local');
  });

  it('is what the runtime takes for it where the system says nothing', async () => {
    const zone = await localZone({ environment, localtime: join(base, 'none') });
    expect(zone.name).toBe(new Intl.DateTimeFormat().resolvedOptions().timeZone);
  });
});

const hasGnuDate = /GNU coreutils/.test(spawnSync('date', ['--version'], { encoding: 'utf8' }).stdout ?? '');

describe.skipIf(!hasGnuDate)('beside the date of this machine', () => {
  const zones = [
    'Europe/Dublin',
    'America/St_Johns',
    'Asia/Kathmandu',
    'Africa/El_Aaiun',
    'Antarctica/Troll',
    'America/Nuuk',
  ];
  const format =
    '%a %A %b %B %c %C %d %D %e %F %g %G %H %I %j %k %l %m %M %N %p %P %q %r %R %s %S %T %u %U %V %w %W %x %X %y %Y %z %:z %::z %:::z %Z';

  it.each(zones)('all directives give the same in %s', async name => {
    const zone = await loadZone(name);
    // Where the system has no zones of its own, date takes every name for UTC.
    if (/^[+-]\d+$/.test(zone.at(winter).abbreviation) && dateSays(name, '%Z', [winter])[0] === name) return;
    const instants = [
      ...fc.sample(fc.integer({ min: 0, max: 4e9 }), { numRuns: 200, seed: 1 }),
      ...fc.sample(fc.integer({ min: -6e10, max: 1e12 }), { numRuns: 100, seed: 2 }),
    ];
    const ours = instants.map(instant => formatTime(format, { unixMs: instant * 1000 }, zone));
    expect(ours).toEqual(dateSays(name, format, instants));
  });

  function dateSays(zone: string, wanted: string, instants: readonly number[]): string[] {
    const { stdout } = spawnSync('date', ['-f', '-', `+${wanted}`], {
      input: instants.map(instant => `@${instant}\n`).join(''),
      env: { ...process.env, TZ: zone, LC_ALL: 'C' },
      encoding: 'utf8',
    });
    return stdout.trimEnd().split('\n');
  }
});
