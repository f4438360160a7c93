import { Option } from 'commander';
import { COLORS, type Color, callQq, OLD_WANG, ORIGINAL_PORT, serveQq } from '../../../classic/index.ts';
import { addressed, type ListenOptions, listens } from './options.ts';
import type { ClassicProgram } from './program.ts';
import { calling, serving } from './verb.ts';

interface CallOptions {
  readonly as: string;
  readonly paint: Color;
}

/** The UDP chat with coloured names. */
export const qq: ClassicProgram = {
  name: 'qq',
  summary: 'a chat over UDP, with coloured names',
  add: (program, grammar) => {
    const serves = grammar.verb<ListenOptions>(program, 'serve', 'answer whoever speaks', (context, _, options) =>
      serving(context, QQ, options, serveQq),
    );
    listens(serves, QQ.port);
    const calls = grammar.verb<CallOptions, [string?]>(
      program,
      'call',
      'speak, until the other side says bye',
      (context, [address], { as, paint }) =>
        calling(context, QQ, address, (to, options) => callQq(to, { ...options, name: as, color: paint })),
    );
    addressed(calls, QQ.port)
      .option('--as <name>', 'who you are', OLD_WANG)
      .addOption(new Option('--paint <color>', 'the colour of what you say').choices(COLORS).default('blue'));
  },
};

const QQ = { program: 'qq', port: ORIGINAL_PORT.qq, secure: 'postern chat HOST' };
