import { readFileSync } from 'node:fs';

/** The version in package.json, which lies two folders above this file in the sources as well as in the build. */
export const VERSION: string = readVersion();

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

/** What this program is called towards a peer. */
export const AGENT = `postern/${VERSION}`;
