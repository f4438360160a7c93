import type { Service } from '../services/service.ts';
import { timeHost } from '../services/time/host.ts';
import { localZone } from './zoneinfo.ts';

/** What time it is on this machine, in its own zone, for `services` of `listen`; needs the permission `time`. */
export async function serveTime(): Promise<Service> {
  const zone = await localZone();
  return timeHost({
    zone: unixMs => {
      const { offsetSeconds, abbreviation } = zone.at(Math.floor(unixMs / 1000));
      return {
        name: zone.name === UNNAMED ? '' : zone.name,
        offsetMinutes: Math.round(offsetSeconds / 60),
        abbreviation,
      };
    },
  });
}

/** What `localZone` calls a zone of which the system keeps no name. */
const UNNAMED = 'local';
