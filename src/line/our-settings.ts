import type { Settings } from '../protocol/channels/settings.ts';
import { MAX_RECORD_BYTES, OUR_CREDIT_BYTES, OUR_LANE_CREDIT_BYTES, OUR_MAX_CHANNELS } from '../protocol/limits.ts';

/** What this side announces. `agent` is the program's name and version. */
export function ourSettings(agent = 'postern'): Settings {
  return {
    agent,
    maxRecordBytes: MAX_RECORD_BYTES,
    creditBytes: OUR_CREDIT_BYTES,
    laneCreditBytes: OUR_LANE_CREDIT_BYTES,
    maxChannels: OUR_MAX_CHANNELS,
    features: [],
  };
}
