import { showSticky } from '../../../classic/index.ts';
import type { ClassicProgram } from './program.ts';
import { TerminalPerson } from './terminal-person.ts';

/** The glued packets, and what cures them. */
export const sticky: ClassicProgram = {
  name: 'sticky',
  summary: 'glued packets, and four cures',
  add: (program, grammar) => {
    grammar.runs(program, context => showSticky({ person: new TerminalPerson(context), signal: context.signal }));
  },
};
