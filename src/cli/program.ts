import { Command } from 'commander';
import { addGet, addLs, addMkdir, addMv, addPut, addRm, addServe, addSync } from './grammar/files.ts';
import { addAgent, addAgents, addChat, addExec, addShell, addTime } from './grammar/machines.ts';
import { connecting, DEFAULT_ALLOW, type MakeContext, output, parseCount, reaching } from './grammar/options.ts';
import { HELP_FORMAT } from './help.ts';
import { parsePort } from './port.ts';
import { VERSION } from './version.ts';

/**
 * The grammar of the command: verbs, options, help. What a verb does is in commands/, loaded when it runs, so that help
 * and completion cost no start of the library.
 */
export function buildProgram(makeContext: MakeContext): Command {
  const program = new Command('postern')
    .usage('COMMAND …, and postern COMMAND --help for its options')
    .commandsGroup('A private door into your machines: one passphrase, one encrypted line.')
    .version(`postern ${VERSION} (Node ${process.version}, ${process.platform} ${process.arch})`, '--version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp(HELP_FORMAT)
    .exitOverride()
    // So that `--` is left to the command that it was written for.
    .enablePositionalOptions()
    // What is wrong with the command line is told by run.ts, like every other failure.
    .configureOutput({ writeErr: () => {} })
    .addHelpText('after', EXAMPLES);

  for (const add of ADDERS) add(program, makeContext);
  return program;
}

function addPing(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('ping')
    .argument('<place>', 'HOST')
    .summary('measure reach, login and round trips')
    .description('Tells how long it takes to reach HOST, to log in, and to ask and be answered.')
    .option('-c, --count <n>', 'round trips', parseCount, 5)
    .action(async (place: string, options, ran) => {
      const { ping } = await import('./commands/ping.ts');
      await ping(makeContext(options), place, ran.opts());
    });
  connecting(command);
}

function addMay(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('may')
    .argument('<place>', 'HOST')
    .summary('what you may do there')
    .description('Tells what you may do on HOST.')
    .action(async (place: string, options, ran) => {
      const { may } = await import('./commands/may.ts');
      await may(makeContext(options), place, ran.opts());
    });
  reaching(command);
}

function addPair(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('pair')
    .argument('<place>', 'HOST')
    .summary('need no passphrase there from now on')
    .description(
      'Has HOST let this machine in by its key from now on, where that is allowed (serve --pair). Takes the passphrase once.',
    )
    .option('--name <name>', 'what this machine is called there (default: its own name)')
    .action(async (place: string, options, ran) => {
      const { pair } = await import('./commands/pair.ts');
      await pair(makeContext(options), place, ran.opts());
    });
  connecting(command);
}

function addDevices(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('devices')
    .argument('[action]', 'list, add KEY, or remove NAME or FINGERPRINT', 'list')
    .argument('[word...]', 'KEY, NAME or FINGERPRINT')
    .summary('who needs no passphrase here')
    .description('Lists the machines that servers of yours here let in by their key, puts one in, or takes one out.')
    .option('--name <name>', 'with add: what it is called here')
    .option('--allow <list>', `with add: what it may do at most (default: what it had, else ${DEFAULT_ALLOW})`)
    .action(async (action: string, words: string[], options, ran) => {
      const { devices } = await import('./commands/devices.ts');
      await devices(makeContext(options), action, words, ran.opts());
    });
  output(command);
}

function addForget(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('forget')
    .argument('<place>', 'HOST')
    .summary('forget the key of a server')
    .description(
      'Forgets the key that was pinned for HOST at the first login, and that this machine is paired there; with --port only of one port.',
    )
    .option('-p, --port <n>', 'only this port', parsePort)
    .action(async (place: string, options, ran) => {
      const { forget } = await import('./commands/forget.ts');
      await forget(makeContext(options), place, ran.opts());
    });
  output(command);
}

function addDemo(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('demo')
    .summary('a tour on this machine alone')
    .description(
      'Serves a folder on loopback, lists and fetches it, runs a command and asks the time from a second process, and checks what came.',
    )
    .action(async options => {
      const { demo } = await import('./commands/demo.ts');
      await demo(makeContext(options));
    });
  output(command);
}

/** A wing with a grammar of its own, which is loaded with it: what stands behind the name is read there. */
function addClassic(program: Command, makeContext: MakeContext): void {
  program
    .command('classic', { hidden: true })
    .argument('[word...]', 'PROGRAM …; postern classic --help lists them')
    .summary("the tutorials' programs, not secure")
    .description('The programs of two tutorials, byte for byte on the wire: postern classic --help lists them.')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (words: string[]) => {
      const { classic } = await import('./commands/classic/classic.ts');
      await classic(words, makeContext, output);
    });
}

/** The flags of a command whose value is the word behind them. */
export function valueFlags(command: Command): ReadonlySet<string> {
  const valued = command.options.filter(option => option.required);
  return new Set(valued.flatMap(({ short, long }) => [short, long].filter(flag => flag !== undefined)));
}

/** In the order of help: what is used most comes first. */
const ADDERS = [
  addServe,
  addLs,
  addGet,
  addPut,
  addSync,
  addRm,
  addMkdir,
  addMv,
  addExec,
  addShell,
  addChat,
  addAgent,
  addAgents,
  addTime,
  addPing,
  addMay,
  addPair,
  addDevices,
  addForget,
  addDemo,
  addClassic,
];

const EXAMPLES = `
Examples:
  postern serve ~/share                     serve a folder, read only
  postern get lab:notes.txt                 fetch a file
  postern exec lab -- uname -a              run a command there
  postern chat lab                          talk there`;
