import { LineError } from '../errors.ts';

export const DEFAULT_PORT = 7678;

/** Parses the value of `--port` and the port of a URL. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new LineError('USAGE', 'a port is a number from 1 to 65535');
  return port;
}
