#!/usr/bin/env node
// Before anything else is loaded: without a handler of ours Node answers SIGUSR1 by opening its debugger.
process.on('SIGUSR1', () => {});

const args = process.argv.slice(2);
const { headStart } = await import('./head-start.ts');
const started = headStart(args, process.env);

// A command makes much garbage and keeps little: room for new objects that grows to 48 MB would buy it nothing. Nor would
// optimising whatever runs a few thousand times: most commands are over before it pays, and the other end wants that core.
// A flag that an engine does not know would be complained about, so only the one that this was measured on gets it.
const { setFlagsFromString } = await import('node:v8');
setFlagsFromString('--semi-space-growth-factor=1');
if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=528000');

const { runCommand } = await import('./run.ts');
await runCommand(args, started);
