#!/usr/bin/env node
// Before anything else is loaded: without a handler of ours Node answers SIGUSR1 by opening its debugger.
process.on('SIGUSR1', () => {});

const { runCommand } = await import('./run.ts');
await runCommand(process.argv.slice(2));
