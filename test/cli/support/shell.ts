import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunOptions } from './command.ts';
import { Served } from './served.ts';
import { InTerminal, type TerminalOptions } from './terminal.ts';

/** A server whose shell is a plain one with a prompt that is easy to find. */
export async function serveShell(args: readonly string[] = [], options: RunOptions = {}): Promise<Served> {
  const served = await Served.start(args.includes('--allow') ? args : ['--allow', 'read,exec,shell', ...args], {
    ...options,
    env: { SHELL: '/bin/sh', POSTERN_SECRET: 'not for a child', LANG: 'C.UTF-8', ...options.env },
  });
  await writeFile(join(served.home.path, '.profile'), "PS1='there> '\n");
  return served;
}

/** A shell on it in a terminal, at its first prompt. */
export async function openShell(served: Served, options: TerminalOptions = {}): Promise<InTerminal> {
  const terminal = new InTerminal(served.client, ['shell', served.url], options);
  await terminal.until(/^there>$/m);
  return terminal;
}
