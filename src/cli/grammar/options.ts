import { type Command, InvalidArgumentError as InvalidArgument, Option } from 'commander';
import type { CommandContext, OutputOptions } from '../context.ts';
import { parsePort } from '../port.ts';

/** Options that several commands have, and how their values are read. */

/** Makes the context of the one command that runs. */
export type MakeContext = (options: OutputOptions) => CommandContext;

/** Options of every command. */
export function output(command: Command): Command {
  return command
    .helpOption('-h, --help', 'show help')
    .option('--json', 'answers and events as JSON')
    .option('-q, --quiet', 'errors only')
    .option('-v, --verbose', 'tell more; twice: also stacks', (_, before: number) => before + 1, 0)
    .addOption(new Option('--color <when>').choices(['auto', 'always', 'never']).default('auto').hideHelp())
    .addOption(
      new Option('--progress <how>').choices(['auto', 'bar', 'plain', 'json', 'none']).default('auto').hideHelp(),
    )
    .option('--no-input', 'never ask')
    .option('-y, --yes', 'answer questions with yes')
    .exitOverride();
}

/** Options of `get` and `put`. */
export function transferring(command: Command): void {
  for (const [name, meaning] of POLICIES) {
    const others = POLICIES.map(([other]) => other).filter(other => other !== name);
    command.addOption(new Option(`--${name}`, meaning).conflicts(others));
  }
  command
    .option('--checksum', 'compare and verify by SHA-256 of what lies on both disks')
    .option('--fsync', 'force each file to the disk before it gets its name')
    .option('--no-retry', 'give up when the line is lost, in place of dialling again');
  carrying(command);
}

/** Options of `get`, `put` and `sync`: how content travels, and which. */
export function carrying(command: Command): void {
  command
    .addOption(
      new Option('--compress <when>', 'compress what shrinks: auto or never')
        .choices(['auto', 'never'])
        .default('never'),
    )
    .option('--copy-links', 'send what links point to in their place, as far as it lies in the folder');
}

/** Options of commands that work with a machine that is dialled, or with an agent behind it. */
export function reaching(command: Command): void {
  command.option('--on <name>', 'do it on the machine of this name that has dialled in at HOST');
  connecting(command);
}

/** Options of commands that need a passphrase; those that dial also choose a port and how long to try. */
export function connecting(command: Command, role: 'dialling' | 'serving' = 'dialling'): Command {
  output(command)
    .option('-p, --port <n>', role === 'dialling' ? 'port of HOST (7678)' : 'port to listen on (7678)', parsePort)
    .option('--password-file <file>', 'read the passphrase from a file; - is standard input');
  if (role === 'dialling') command.option('--connect-timeout <s>', 'give up after so many seconds', parseSeconds, 10);
  return command;
}

export function collect(one: string, before: readonly string[] = []): readonly string[] {
  return [...before, one];
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count)) throw new InvalidArgument('a whole number is needed');
  return count;
}

export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds <= 0 || seconds > 86_400) {
    throw new InvalidArgument('a number of seconds above 0 and up to a day is needed');
  }
  return seconds;
}

/** What `serve` allows, and a machine may do that is let in by its key, unless something else is named. */
export const DEFAULT_ALLOW = 'read,chat,time';

const POLICIES = [
  ['force', 'replace what differs'],
  ['update', 'replace what is older'],
  ['skip', 'leave what differs'],
  ['rename', 'put what differs beside it, as NAME (2)'],
  ['backup', 'give what differs the name NAME~ first'],
] as const;
