import type { Settings } from '../protocol/channels/settings.ts';
import {
  MAX_RECORD_BYTES,
  MIN_CREDIT_BYTES,
  MIN_LANE_CREDIT_BYTES,
  OUR_CREDIT_BYTES,
  OUR_LANE_CREDIT_BYTES,
  OUR_MAX_CHANNELS,
} from '../protocol/limits.ts';

/** What this side announces. `agent` is the program's name and version; while memory is short, windows are smallest. */
export function ourSettings(
  agent = 'postern',
  { memoryIsShort = false, creditBytes = OUR_CREDIT_BYTES }: SettingsOptions = {},
): Settings {
  return {
    agent,
    maxRecordBytes: MAX_RECORD_BYTES,
    creditBytes: memoryIsShort ? MIN_CREDIT_BYTES : creditBytes,
    laneCreditBytes: memoryIsShort ? MIN_LANE_CREDIT_BYTES : OUR_LANE_CREDIT_BYTES,
    maxChannels: OUR_MAX_CHANNELS,
    features: [],
  };
}

export interface SettingsOptions {
  readonly memoryIsShort?: boolean | undefined;
  /** First credit of each channel, from `MIN_CREDIT_BYTES` up. */
  readonly creditBytes?: number | undefined;
}
