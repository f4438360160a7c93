import { Command } from 'commander';
import type { CommandContext, OutputOptions } from '../../context.ts';
import { Grammar } from './program.ts';
import { PROGRAMS } from './programs.ts';

/**
 * `postern classic …`: the programs of two tutorials, as they were on the wire. The command knows this file alone, loads
 * it when it is asked for, and can lose it (docs/decisions/0024-classic-wing.md).
 */
export async function classic(
  words: readonly string[],
  makeContext: (options: OutputOptions) => CommandContext,
  addOutputOptions: (command: Command) => void,
): Promise<void> {
  const program = buildClassic(makeContext, addOutputOptions);
  await program.parseAsync(lacksVerb(program, words) ? [...words, '--help'] : putFlagsLast(words), { from: 'user' });
}

/** The grammar alone; the table of docs/classic.md is compared with it. */
export function buildClassic(
  makeContext: (options: OutputOptions) => CommandContext,
  addOutputOptions: (command: Command) => void,
): Command {
  const program = new Command('postern classic')
    .usage('PROGRAM …, and postern classic PROGRAM --help for its verbs')
    .description(DESCRIPTION)
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [program]', 'show help for a program')
    .exitOverride()
    .enablePositionalOptions()
    // What is wrong with the command line is told by run.ts, like every other failure.
    .configureOutput({ writeErr: () => {} });
  const grammar = new Grammar(makeContext, addOutputOptions);
  for (const { name, summary, add } of PROGRAMS)
    add(program.command(name).summary(summary).description(summary), grammar);
  return program;
}

/** `classic`, `classic talk` and `classic hello tcp` ask what there is. */
function lacksVerb(program: Command, words: readonly string[]): boolean {
  let command: Command | undefined = program;
  for (const word of words) command = command?.commands.find(one => one.name() === word);
  return command !== undefined && command.commands.length > 0;
}

/** `postern --json classic talk serve`: what stands before the name of the program is meant for its verb. */
function putFlagsLast(words: readonly string[]): readonly string[] {
  const from = words.findIndex(word => !word.startsWith('-'));
  const flags = words.slice(0, Math.max(from, 0)).filter(word => word !== '-h' && word !== '--help');
  if (flags.length === 0) return words;
  const rest = words.slice(from);
  const end = rest.includes('--') ? rest.indexOf('--') : rest.length;
  return [...rest.slice(0, end), ...flags, ...rest.slice(end)];
}

const DESCRIPTION = `The programs of two tutorials about sockets, as they were on the wire: not secure.
They listen on this machine alone, unless --insecure is given.`;
