import { Command, InvalidArgumentError as InvalidArgument, Option } from 'commander';
import type { CommandContext, OutputOptions } from './context.ts';
import { HELP_FORMAT } from './help.ts';
import { parsePort } from './port.ts';
import { VERSION } from './version.ts';

/** Makes the context of the one command that runs. */
export type MakeContext = (options: OutputOptions) => CommandContext;

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

function addServe(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('serve')
    .argument('[DIR]', 'folder to serve', '.')
    .summary('serve a folder to whoever knows the passphrase')
    .description('Serves DIR. Without a passphrase of yours one is drawn and shown; it lives for this run.')
    .option('--listen <address>', 'ADDR:PORT or PORT, 0 for any free port (default: all addresses, 7678)')
    .option('--allow <list>', 'what may be done: read,write,delete,exec,shell,chat,time,agents', 'read,chat,time')
    .option('--chat-keep <what>', 'how long chat is kept (30d, 12h), or how many messages of each room (default: 90d)')
    .option('--chat-files <size>', 'what files in rooms may take up together, 0 for no files (default: 256M)')
    .action(async (dir: string, options, ran) => {
      const { serve } = await import('./commands/serve.ts');
      await serve(makeContext(options), dir, ran.opts());
    });
  connecting(command, 'serving');
}

function addLs(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('ls')
    .argument('<place>', 'HOST, HOST:PATH or postern://HOST/PATH')
    .summary('list a folder')
    .description('Lists a folder of the other machine.')
    .option('-l, --long', 'with type, size and time')
    .option('-R, --recursive', 'folders with all that is in them')
    .option('-0, --null', 'names end with NUL in place of a newline')
    .action(async (place: string, options, ran) => {
      const { list } = await import('./commands/files/ls.ts');
      await list(makeContext(options), place, ran.opts());
    });
  reaching(command);
}

function addGet(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('get')
    .argument('<place...>', 'HOST:PATH… [DEST]; DEST - is standard output')
    .summary('download files and folders')
    .description('Downloads files and folders. With no path it asks which file, as a conversation.')
    .option('--offset <bytes>', 'with DEST -: begin at this byte', parseCount)
    .option('--length <bytes>', 'with DEST -: at most so many bytes', parseCount)
    .addHelpText('after', GET_EXAMPLES)
    .action(async (places: string[], options, ran) => {
      const { get } = await import('./commands/files/get.ts');
      await get(makeContext(options), places, ran.opts());
    });
  transferring(command);
  reaching(command);
}

function addPut(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('put')
    .argument('<path...>', 'PATH… HOST[:PATH]; PATH - is standard input')
    .summary('upload files and folders')
    .description('Uploads files and folders into the folder that HOST serves, where writing is allowed.')
    .addHelpText('after', PUT_EXAMPLES)
    .action(async (paths: string[], options, ran) => {
      const { put } = await import('./commands/files/put.ts');
      await put(makeContext(options), paths, ran.opts());
    });
  transferring(command);
  reaching(command);
}

function addRm(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('rm')
    .argument('<place...>', 'HOST:PATH…')
    .summary('remove files and folders there')
    .description('Removes files, links and empty folders of the other machine, where that is allowed.')
    .option('-r, --recursive', 'folders with all that is in them; asks first, unless --yes is given')
    .action(async (places: string[], options, ran) => {
      const { remove } = await import('./commands/files/changes.ts');
      await remove(makeContext(options), places, ran.opts());
    });
  reaching(command);
}

function addMkdir(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('mkdir')
    .argument('<place...>', 'HOST:PATH…')
    .summary('make folders there')
    .description('Makes folders on the other machine, and those above them.')
    .action(async (places: string[], options, ran) => {
      const { makeFolders } = await import('./commands/files/changes.ts');
      await makeFolders(makeContext(options), places, ran.opts());
    });
  reaching(command);
}

function addMv(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('mv')
    .argument('<from>', 'HOST:PATH')
    .argument('<to>', 'HOST:PATH on the same machine')
    .summary('rename or move there')
    .description('Gives a file or folder of the other machine another name; what has that name is not replaced.')
    .action(async (from: string, to: string, options, ran) => {
      const { move } = await import('./commands/files/changes.ts');
      await move(makeContext(options), from, to, ran.opts());
    });
  reaching(command);
}

function addSync(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('sync')
    .argument('<src>', 'folder here, or HOST:PATH')
    .argument('<dst>', 'folder here, or HOST:PATH')
    .summary('make one folder like another')
    .description("Makes DST's content like SRC's; one of them is on another machine. Replaces what differs.")
    .option('-n, --dry-run', 'tell what would be done, and do nothing')
    .option('--delete', 'remove from DST what SRC does not have')
    .option('--exclude <pattern>', 'leave out what matches, on both sides; may be repeated', collect)
    .option('--exclude-from <file>', 'patterns from a file, one a line')
    .option('--watch', 'stay, and sync again whenever SRC changes, until Ctrl-C')
    .option('--checksum', 'compare and verify by SHA-256 of what lies on both disks')
    .option('--no-retry', 'give up when the line is lost, in place of dialling again')
    .action(async (source: string, target: string, options, ran) => {
      const { sync } = await import('./commands/files/sync.ts');
      await sync(makeContext(options), source, target, ran.opts());
    });
  carrying(command);
  reaching(command);
}

function addExec(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('exec')
    .argument('<place>', 'HOST')
    .argument('[command...]', 'CMD ARG…; what comes behind CMD is no option of postern')
    .summary('run a command there')
    .description('Runs a command of the other machine, where that is allowed. Its exit status is that of the command.')
    .option('-c, --command <line>', 'a line for the shell there, in place of CMD ARG…')
    .option('-t, --terminal', 'give it this terminal, for programs that draw on one')
    .option('-n, --no-stdin', 'give it no input')
    .option('--cwd <folder>', 'where it starts: absolute, or in the served folder')
    .option('--env <name=value>', 'set a variable; may be repeated', collect)
    .option('--timeout <s>', 'end it after so many seconds (124)', parseSeconds)
    .option('--encoding <name>', 'what it prints is in this encoding, gbk for one; shown as UTF-8')
    .option('--detach', 'start it, print its number, and leave it running')
    .option('--all', 'on all machines that have dialled in at HOST')
    .option('--parallel <n>', 'on how many machines at once', parseCount, 32)
    .option('--group', 'show what several machines print the same once, when all are done')
    .addHelpText('after', EXEC_EXAMPLES)
    .action(async (place: string, argv: string[], options, ran) => {
      const { exec } = await import('./commands/exec.ts');
      await exec(makeContext(options), place, argv, ran.opts());
    });
  reaching(command);
}

function addAgent(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('agent')
    .argument('<place>', 'HOST')
    .summary('let this machine be reached through HOST')
    .description('Dials HOST and stays there under a name, until Ctrl-C. Nothing is allowed that is not named.')
    .option('--name <name>', 'what it is called there (default: its own name)')
    .option('--allow <list>', 'what may be done here: read,write,delete,exec,shell,time (default: nothing)')
    .option('--dir <folder>', 'the folder that files and commands are in')
    .option('--only <command...>', 'with exec: no other commands than these, which take any arguments')
    .action(async (place: string, options, ran) => {
      const { agent } = await import('./commands/agents/agent.ts');
      await agent(makeContext(options), place, ran.opts());
    });
  connecting(command);
}

function addAgents(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('agents')
    .argument('<place>', 'HOST')
    .summary('list the machines that have dialled in there')
    .description('Lists the agents of HOST: name, platform, since when, and what each allows.')
    .action(async (place: string, options, ran) => {
      const { agents } = await import('./commands/agents/agents.ts');
      await agents(makeContext(options), place, ran.opts());
    });
  connecting(command);
}

function addShell(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('shell')
    .argument('<place>', 'HOST')
    .summary('a terminal there')
    .description(
      'Opens your login shell on the other machine in this terminal, where that is allowed. ~? at the start of a line helps.',
    )
    .action(async (place: string, options, ran) => {
      const { shell } = await import('./commands/shell.ts');
      await shell(makeContext(options), place, ran.opts());
    });
  reaching(command);
}

function addChat(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('chat')
    .argument('<place>', 'HOST')
    .argument('[room]', 'ROOM', 'lobby')
    .summary('talk in a room there')
    .description(
      'Talks with whoever is in a room of HOST. bye leaves, /help lists commands. Off a terminal each line of input is a message.',
    )
    .option('--as <name>', 'what you are called there (default: chat_name of config.toml, else your login name)')
    .option('--last <n>', 'how many messages of the past to show', parseCount, 50)
    .option('--commands', 'off a terminal, lines may be /send FILE and /get N: for input that is your own')
    .option('--no-retry', 'give up when the line is lost, in place of dialling again')
    .addHelpText('after', CHAT_EXAMPLES)
    .action(async (place: string, room: string, options, ran) => {
      const { chat } = await import('./commands/chat/chat.ts');
      await chat(makeContext(options), place, room, ran.opts());
    });
  connecting(command);
}

function addTime(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('time')
    .argument('<place>', 'HOST')
    .argument('[format]', 'as of date, %H:%M for one')
    .summary('what time it is there')
    .description('Asks HOST for the time, by UDP under keys of the line. Shown in the zone of HOST, as FORMAT says.')
    .option('--utc', 'show it in UTC')
    .option('--zone <name>', 'show it in this zone, Europe/Berlin for one')
    .option('--offset', 'tell how far its clock is from ours, and how sure that is')
    .option('--all', 'how far the clocks of all machines are that have dialled in at HOST')
    .option('--parallel <n>', 'how many machines at once', parseCount, 32)
    .addOption(new Option('--via <way>', 'auto, udp or line').choices(['auto', 'udp', 'line']).default('auto'))
    .action(async (place: string, format: string | undefined, options, ran) => {
      const { time } = await import('./commands/time/time.ts');
      await time(makeContext(options), place, format, ran.opts());
    });
  reaching(command);
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
    .description('Tells what this passphrase may do on HOST.')
    .action(async (place: string, options, ran) => {
      const { may } = await import('./commands/may.ts');
      await may(makeContext(options), place, ran.opts());
    });
  reaching(command);
}

function addForget(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('forget')
    .argument('<place>', 'HOST')
    .summary('forget the key of a server')
    .description('Forgets the key that was pinned for HOST at the first login; with --port only that of one port.')
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

/** Options of every command. */
function output(command: Command): Command {
  return command
    .helpOption('-h, --help', 'show help')
    .option('--json', 'answers and events as JSON')
    .option('-q, --quiet', 'errors only')
    .option('-v, --verbose', 'tell more; twice: also stacks', (_, before: number) => before + 1, 0)
    .addOption(new Option('--color <when>').choices(['auto', 'always', 'never']).default('auto').hideHelp())
    .addOption(
      new Option('--progress <how>').choices(['auto', 'bar', 'plain', 'json', 'none']).default('auto').hideHelp(),
    )
    .option('--no-input', 'never ask')
    .option('-y, --yes', 'answer questions with yes')
    .exitOverride();
}

/** Options of `get` and `put`. */
function transferring(command: Command): void {
  for (const [name, meaning] of POLICIES) {
    const others = POLICIES.map(([other]) => other).filter(other => other !== name);
    command.addOption(new Option(`--${name}`, meaning).conflicts(others));
  }
  command
    .option('--checksum', 'compare and verify by SHA-256 of what lies on both disks')
    .option('--fsync', 'force each file to the disk before it gets its name')
    .option('--no-retry', 'give up when the line is lost, in place of dialling again');
  carrying(command);
}

/** Options of `get`, `put` and `sync`: how content travels, and which. */
function carrying(command: Command): void {
  command
    .addOption(
      new Option('--compress <when>', 'compress what shrinks: auto or never')
        .choices(['auto', 'never'])
        .default('never'),
    )
    .option('--copy-links', 'send what links point to in their place, as far as it lies in the folder');
}

/** Options of commands that work with a machine that is dialled, or with an agent behind it. */
function reaching(command: Command): void {
  command.option('--on <name>', 'do it on the machine of this name that has dialled in at HOST');
  connecting(command);
}

/** Options of commands that need a passphrase; those that dial also choose a port and how long to try. */
function connecting(command: Command, role: 'dialling' | 'serving' = 'dialling'): Command {
  output(command)
    .option('-p, --port <n>', role === 'dialling' ? 'port of HOST (7678)' : 'port to listen on (7678)', parsePort)
    .option('--password-file <file>', 'read the passphrase from a file; - is standard input');
  if (role === 'dialling') command.option('--connect-timeout <s>', 'give up after so many seconds', parseSeconds, 10);
  return command;
}

/** The flags of a command whose value is the word behind them. */
export function valueFlags(command: Command): ReadonlySet<string> {
  const valued = command.options.filter(option => option.required);
  return new Set(valued.flatMap(({ short, long }) => [short, long].filter(flag => flag !== undefined)));
}

function collect(one: string, before: readonly string[] = []): readonly string[] {
  return [...before, one];
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count)) throw new InvalidArgument('a whole number is needed');
  return count;
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds <= 0 || seconds > 86_400) {
    throw new InvalidArgument('a number of seconds above 0 and up to a day is needed');
  }
  return seconds;
}

const POLICIES = [
  ['force', 'replace what differs'],
  ['update', 'replace what is older'],
  ['skip', 'leave what differs'],
  ['rename', 'put what differs beside it, as NAME (2)'],
  ['backup', 'give what differs the name NAME~ first'],
] as const;

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

const GET_EXAMPLES = `
Examples:
  postern get lab:notes.txt                 into the current folder
  postern get lab:photos /media/usb/        a folder
  postern get lab:backup.tar - | tar xf -   straight into another program
  postern get lab                           be asked which file`;

const PUT_EXAMPLES = `
Examples:
  postern put notes.txt lab                 into the served folder
  postern put photos lab:2024               a folder: 2024/photos
  postern put a.txt b.txt lab:inbox/        several files
  tar c . | postern put - lab:backup.tar    from another program`;

const EXEC_EXAMPLES = `
Examples:
  postern exec lab -- uname -a              a program with its arguments
  postern exec lab -c 'du -sh * | sort -h'  a line for the shell there
  tar c . | postern exec lab -- tar x       with input and output of any size
  postern exec lab --on 'web*' -- uptime    on machines that have dialled in there`;

const CHAT_EXAMPLES = `
Examples:
  postern chat lab                          the room lobby
  postern chat lab garden --as ann          another room, under a name
  echo 'backup done' | postern chat lab     one message
  postern chat lab < /dev/null              what was said last`;
