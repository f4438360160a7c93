import { type ChatKeep, LineError } from '../node/index.ts';

/** The value of `--chat-keep`: a time such as `30d`, or a number of messages of each room. */
export function parseKeep(text: string): ChatKeep {
  const parts = /^(\d{1,9})([smhdwy]?)$/.exec(text);
  const number = Number(parts?.[1]);
  if (parts === null || number === 0) {
    throw new LineError('USAGE', '--chat-keep takes a time, 12h, 30d, 2w or 1y, or a number of messages');
  }
  const unitMs = UNITS_MS.get(parts[2]!);
  return unitMs === undefined ? { count: number } : { ageMs: number * unitMs };
}

const DAY_MS = 86_400_000;

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', DAY_MS],
  ['w', 7 * DAY_MS],
  ['y', 365 * DAY_MS],
]);
