import { LineError } from '../../errors.ts';
import { decodeJson, encodeJson, hasField, readInteger, readList, readText } from '../bytes/json.ts';
import {
  INITIAL_RECORD_BYTES,
  MAX_CREDIT_BYTES,
  MAX_LANE_CREDIT_BYTES,
  MAX_RECORD_BYTES,
  MAX_SETTINGS_BYTES,
  MIN_CHANNELS,
  MIN_CREDIT_BYTES,
  MIN_LANE_CREDIT_BYTES,
  MIN_RECORD_BYTES,
} from '../limits.ts';

/** What one side tells the other in its first frame (docs/protocol/3-channels.md §6). */
export interface Settings {
  /** Name and version of the program, for people; the peer's text. */
  readonly agent: string;
  /** Largest record plaintext this side takes. */
  readonly maxRecordBytes: number;
  /** First credit of each channel, and of the lane. */
  readonly creditBytes: number;
  readonly laneCreditBytes: number;
  /** Channels that the other side may have open at once. */
  readonly maxChannels: number;
  readonly features: readonly string[];
}

/** What holds until the peer's SETTINGS has been read: the smallest of everything. */
export const SETTINGS_BEFORE: Settings = {
  agent: '',
  maxRecordBytes: INITIAL_RECORD_BYTES,
  creditBytes: MIN_CREDIT_BYTES,
  laneCreditBytes: MIN_LANE_CREDIT_BYTES,
  maxChannels: MIN_CHANNELS,
  features: [],
};

export function encodeSettings(settings: Settings): Uint8Array {
  return encodeJson(
    {
      v: 1,
      agent: settings.agent,
      max_record: settings.maxRecordBytes,
      credit: settings.creditBytes,
      lane_credit: settings.laneCreditBytes,
      max_streams: settings.maxChannels,
      features: settings.features,
    },
    MAX_SETTINGS_BYTES,
  );
}

/** A value below the smallest is a violation, one above the largest counts as the largest. */
export function decodeSettings(payload: Uint8Array): Settings {
  const message = decodeJson(payload);
  if (readInteger(message, 'v') !== 1) throw new LineError('PROTOCOL', 'SETTINGS of an unknown version');
  const bounded = (key: string, smallest: number, largest: number): number =>
    hasField(message, key) ? Math.min(readInteger(message, key, smallest), largest) : smallest;
  return {
    agent: hasField(message, 'agent') ? readText(message, 'agent', 256) : '',
    maxRecordBytes: bounded('max_record', MIN_RECORD_BYTES, MAX_RECORD_BYTES),
    creditBytes: bounded('credit', MIN_CREDIT_BYTES, MAX_CREDIT_BYTES),
    laneCreditBytes: bounded('lane_credit', MIN_LANE_CREDIT_BYTES, MAX_LANE_CREDIT_BYTES),
    maxChannels: bounded('max_streams', MIN_CHANNELS, 65_536),
    features: hasField(message, 'features') ? readList(message, 'features', 64).filter(isFeature) : [],
  };
}

function isFeature(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 64;
}
