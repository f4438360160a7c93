import { callTalk, ORIGINAL_PORT, serveTalk } from '../../../classic/index.ts';
import { addressed, type ListenOptions, listens } from './options.ts';
import type { ClassicProgram } from './program.ts';
import { calling, serving } from './verb.ts';

/** The two-way talk over TCP, ended by `bye`. */
export const talk: ClassicProgram = {
  name: 'talk',
  summary: 'a talk of two, in turns, ended by bye',
  add: (program, grammar) => {
    const serves = grammar.verb<ListenOptions>(program, 'serve', 'wait for one caller', (context, _, options) =>
      serving(context, TALK, options, serveTalk),
    );
    listens(serves, TALK.port);
    const calls = grammar.verb<object, [string?]>(program, 'call', 'call, and speak first', (context, [address]) =>
      calling(context, TALK, address, callTalk),
    );
    addressed(calls, TALK.port);
  },
};

const TALK = { program: 'talk', port: ORIGINAL_PORT.usual, secure: 'postern chat HOST' };
