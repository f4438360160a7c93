import { setFlagsFromString } from 'node:v8';

/**
 * A command makes much garbage and keeps little: room for new objects that grows to 48 MB would buy it nothing. Nor would
 * optimising whatever runs a few thousand times: most commands are over before it pays, and the other end wants that core.
 * A flag that an engine does not know would be complained about, so only the one that this was measured on gets it.
 *
 * What was compiled ahead (load-command.ts) is taken only by an engine with the flags that it was compiled under: set these
 * before either.
 */
export function setEngineFlags(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=528000');
}
