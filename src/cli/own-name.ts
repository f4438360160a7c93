import { hostname } from 'node:os';

/** The first label of what this machine calls itself. */
export function ownName(): string {
  return hostname().split('.')[0]!;
}
