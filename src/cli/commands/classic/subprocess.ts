import { type Encoding, showSubprocess } from '../../../classic/index.ts';
import { makeCommands } from './commands.ts';
import { encodes } from './options.ts';
import type { ClassicProgram } from './program.ts';
import { TerminalPerson } from './terminal-person.ts';

/** The demonstration of the subprocess module. */
export const subprocess: ClassicProgram = {
  name: 'subprocess',
  summary: "a command's two outputs, decoded",
  add: (program, grammar) => {
    const runs = grammar.runs<{ readonly encoding: Encoding }, [string?]>(
      program.argument('[line]', 'a line for the shell of this machine; asked for if it is not given'),
      (context, [command], { encoding }) =>
        showSubprocess({
          person: new TerminalPerson(context),
          signal: context.signal,
          commands: makeCommands('classic.subprocess', undefined),
          encoding,
          command,
        }),
    );
    // What a command prints here is in this machine's encoding, and that is no longer GBK.
    encodes(runs, process.platform === 'win32' ? 'gbk' : 'utf-8');
  },
};
