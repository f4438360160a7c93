#!/usr/bin/env node
import { runCommand } from './run.ts';

// Before anything else runs: without a handler of ours Node answers SIGUSR1 by opening its debugger.
process.on('SIGUSR1', () => {});

await runCommand(process.argv.slice(2));
