/** Bytes as people read them: SI units, one decimal (`512 B`, `18.4 kB`). JSON gets the integer instead. */
export function formatSize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  // 999.95 would be printed as 1000.0, so it belongs to the next unit already.
  while (unit < SIZE_UNITS.length - 1 && value >= (unit === 0 ? 1000 : 999.95)) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${SIZE_UNITS[unit]}`;
}

/** A number of things: `1,204`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

export function formatRate(bytesPerSecond: number): string {
  return `${formatSize(bytesPerSecond)}/s`;
}

/** How long something took: `350 ms`, `4.2 s`, `42 s`, `3 min 5 s`, `2 h 7 min`, `3 d 4 h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 9_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  return inTwoUnits(Math.round(milliseconds / 1000));
}

/** How long something will take, in whole seconds and never too short. */
export function formatTimeLeft(seconds: number): string {
  return inTwoUnits(Math.ceil(seconds));
}

/** RFC 3339 in UTC, for JSON and logs. */
export function formatTimestamp(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

/** Local time for people, in a fixed width: `2025-11-21 22:19`. */
export function formatLocalTime(unixMs: number): string {
  const time = new Date(unixMs);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

function inTwoUnits(totalSeconds: number): string {
  if (totalSeconds < 60) return `${totalSeconds} s`;
  if (totalSeconds < 3600) return `${Math.floor(totalSeconds / 60)} min ${totalSeconds % 60} s`;
  const minutes = Math.floor(totalSeconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const SIZE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const;
