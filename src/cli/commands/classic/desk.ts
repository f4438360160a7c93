import { callDesk, OLD_WANG, ORIGINAL_PORT, serveDesk } from '../../../classic/index.ts';
import { addressed, type ListenOptions, listens } from './options.ts';
import type { ClassicProgram } from './program.ts';
import { calling, serving } from './verb.ts';

/** The threaded socketserver: its operator answers each caller. */
export const desk: ClassicProgram = {
  name: 'desk',
  summary: 'many callers, and one who answers',
  add: (program, grammar) => {
    const serves = grammar.verb<ListenOptions>(program, 'serve', 'answer each caller in turn', (context, _, options) =>
      serving(context, DESK, options, serveDesk),
    );
    listens(serves, DESK.port);
    const calls = grammar.verb<{ readonly as: string }, [string?]>(
      program,
      'call',
      'speak first; q leaves',
      (context, [address], { as }) =>
        calling(context, DESK, address, (to, options) => callDesk(to, { ...options, name: as })),
    );
    addressed(calls, DESK.port).option('--as <name>', 'who you are', OLD_WANG);
  },
};

const DESK = { program: 'desk', port: ORIGINAL_PORT.usual, secure: 'postern chat HOST' };
