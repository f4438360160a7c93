import { type Command, Option } from 'commander';
import {
  CONTROL_FRAMINGS,
  type ControlFraming,
  type Encoding,
  ORIGINAL_PORT,
  obeyControl,
  serveControl,
} from '../../../classic/index.ts';
import type { CommandContext } from '../../context.ts';
import { confirm, requirePerson } from '../../terminal/prompt.ts';
import { makeCommands } from './commands.ts';
import { addressed, encodes, type ListenOptions, listens } from './options.ts';
import type { ClassicProgram } from './program.ts';
import { calling, serving } from './verb.ts';

interface FramingOptions {
  readonly framing: ControlFraming;
  readonly encoding: Encoding;
}

/** The controller, and the machine that dials in and obeys. */
export const control: ClassicProgram = {
  name: 'control',
  summary: 'commands for a machine that dials in',
  add: (program, grammar) => {
    const serves = grammar.verb<ListenOptions & FramingOptions>(
      program,
      'serve',
      'type commands for the machine that dials in; q leaves',
      (context, _, options) => {
        const { framing, encoding } = options;
        return serving(context, CONTROL, options, (at, around) => serveControl(at, { ...around, framing, encoding }));
      },
    );
    frames(listens(serves, CONTROL.port));
    const obeys = grammar.verb<FramingOptions & { readonly only?: readonly string[] }, [string?]>(
      program,
      'obey',
      'dial in and run what is sent; asks before each command, unless --only or --yes is given',
      (context, [address], { framing, encoding, only }) => {
        const mayRun = judge(context, only);
        const commands = makeCommands('classic.control', only);
        return calling(context, { ...CONTROL, secure: 'postern agent HOST' }, address, (to, around) =>
          obeyControl(to, { ...around, framing, encoding, commands, mayRun }),
        );
      },
    );
    frames(addressed(obeys, CONTROL.port)).option(
      '--only <command...>',
      'run these commands and no others, without asking and without a shell; stands behind HOST:PORT',
    );
  },
};

function frames(command: Command): Command {
  const option = new Option('--framing <how>', 'how output is framed: raw, length or struct');
  return encodes(command.addOption(option.choices(CONTROL_FRAMINGS).default('raw')), 'gbk');
}

/** What is on the list is judged by the policy; what is not listed is asked about, each time. */
function judge(context: CommandContext, only: readonly string[] | undefined): (command: string) => Promise<boolean> {
  const { yes, input } = context.options;
  if (yes || only !== undefined) return async () => true;
  const asking = { answeredBy: ['--only CMD…', '--yes'], noInput: input === false, signal: context.signal };
  requirePerson('may the controller run this', asking);
  return command => context.alone(() => confirm(`run ${JSON.stringify(command)} here?`, asking));
}

const CONTROL = { program: 'control', port: ORIGINAL_PORT.usual, secure: 'postern exec HOST --on NAME' };
