import type { Command } from 'commander';
import type { CommandContext, OutputOptions } from '../../context.ts';

/** One of the tutorials' programs. It adds itself to the table in programs.ts and knows of no other. */
export interface ClassicProgram {
  /** The word behind `postern classic`. */
  readonly name: string;
  readonly summary: string;
  /** Adds verbs to the command of that name, or makes it one verb itself. */
  readonly add: (program: Command, grammar: Grammar) => void;
}

/** How a program puts its verbs into the grammar: each has the options of every command, and gets its context. */
export class Grammar {
  readonly #makeContext: (options: OutputOptions) => CommandContext;
  readonly #addOutputOptions: (command: Command) => void;

  constructor(makeContext: (options: OutputOptions) => CommandContext, addOutputOptions: (command: Command) => void) {
    this.#makeContext = makeContext;
    this.#addOutputOptions = addOutputOptions;
  }

  /** A verb below `parent`, `serve` for one. */
  verb<Options, Args extends readonly unknown[] = []>(
    parent: Command,
    name: string,
    summary: string,
    work: VerbWork<Options, Args>,
  ): Command {
    return this.runs(parent.command(name).summary(summary).description(summary), work);
  }

  /** Makes `command` itself a verb. */
  runs<Options, Args extends readonly unknown[] = []>(command: Command, work: VerbWork<Options, Args>): Command {
    this.#addOutputOptions(command);
    return command.action(async () => {
      const options = command.opts();
      await work(this.#makeContext(options), command.processedArgs as unknown as Args, options as Options);
    });
  }
}

/** Does the work of a verb. `args` are as the verb declares them, in their order; a variadic one is a list. */
export type VerbWork<Options, Args extends readonly unknown[]> = (
  context: CommandContext,
  args: Args,
  options: Options,
) => Promise<void>;
