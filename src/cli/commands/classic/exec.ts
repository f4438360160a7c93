import { callExec, type Encoding, ORIGINAL_PORT, serveExec } from '../../../classic/index.ts';
import { LineError } from '../../../node/index.ts';
import { makeCommands } from './commands.ts';
import { addressed, encodes, type ListenOptions, listens } from './options.ts';
import type { ClassicProgram } from './program.ts';
import { calling, serving } from './verb.ts';

interface ServeCommandOptions extends ListenOptions {
  readonly encoding: Encoding;
  readonly only?: readonly string[];
  readonly any?: boolean;
}

interface CallCommandOptions {
  readonly encoding: Encoding;
  readonly command?: string;
}

/** The command server with a JSON header. */
export const exec: ClassicProgram = {
  name: 'exec',
  summary: 'a command server, with a JSON header',
  add: (program, grammar) => {
    const serves = grammar.verb<ServeCommandOptions>(
      program,
      'serve',
      'run the commands of whoever calls; needs --only or --any',
      (context, _, options) => {
        const { only, any, encoding } = options;
        if ((only === undefined) === (any !== true)) {
          throw new LineError('USAGE', 'whoever calls runs commands as you: say --only CMD…, or --any, not both');
        }
        const commands = makeCommands('classic.exec', only);
        return serving(context, EXEC, options, (at, around) => serveExec(at, { ...around, commands, encoding }));
      },
    );
    encodes(listens(serves, EXEC.port), 'gbk')
      .option('--only <command...>', 'these commands and no others, with any arguments, without a shell')
      .option('--any', 'any command, as you');
    const calls = grammar.verb<CallCommandOptions, [string?]>(
      program,
      'call',
      'run one command there, or as many as are typed',
      (context, [address], { encoding, command }) =>
        calling(context, EXEC, address, (to, around) => callExec(to, { ...around, encoding, command })),
    );
    encodes(addressed(calls, EXEC.port), 'gbk').option('-c, --command <line>', 'this one alone');
  },
};

const EXEC = { program: 'exec', port: ORIGINAL_PORT.exec, secure: 'postern exec HOST -- CMD' };
