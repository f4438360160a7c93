#!/usr/bin/env node
// Before anything else is loaded: without a handler of ours Node answers SIGUSR1 by opening its debugger.
process.on('SIGUSR1', () => {});

const args = process.argv.slice(2);
const { headStart } = await import('./head-start.ts');
const started = headStart(args, process.env);

// A command makes much garbage and keeps little: room for new objects that grows to 48 MB would buy it nothing.
const { setFlagsFromString } = await import('node:v8');
setFlagsFromString('--semi-space-growth-factor=1');

const { runCommand } = await import('./run.ts');
await runCommand(args, started);
