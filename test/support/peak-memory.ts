import { existsSync, readFileSync } from 'node:fs';

/** Whether this system tells how much memory a process has held at most. */
export const TELLS_PEAKS = existsSync('/proc/self/status');

/** The most memory that the process ever held, in MB; `status` is what /proc says of it. */
export function peakMegabytes(status: string): number {
  return Math.round((Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(status, 'utf8'))![1]) * 1024) / 1e6);
}
