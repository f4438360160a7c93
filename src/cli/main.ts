#!/usr/bin/env node
// Before anything else is loaded: without a handler of ours Node answers SIGUSR1 by opening its debugger.
process.on('SIGUSR1', () => {});

void main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  const { headStart } = await import('./head-start.ts');
  const started = headStart(args, process.env);
  const { setEngineFlags } = await import('./engine-flags.ts');
  setEngineFlags();
  const { loadCommand } = await import('./load-command.ts');
  const { runCommand } = loadCommand();
  await runCommand(args, started);
}
