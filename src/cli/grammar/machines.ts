import { type Command, Option } from 'commander';
import { collect, connecting, type MakeContext, parseCount, parseSeconds, reaching } from './options.ts';

/** Commands that run something on another machine, talk, or tell the time. */

export function addExec(program: Command, makeContext: MakeContext): void {
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
      const { exec } = await import('../commands/exec.ts');
      await exec(makeContext(options), place, argv, ran.opts());
    });
  reaching(command);
}

export function addShell(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('shell')
    .argument('<place>', 'HOST')
    .summary('a terminal there')
    .description(
      'Opens your login shell on the other machine in this terminal, where that is allowed. ~? at the start of a line helps.',
    )
    .action(async (place: string, options, ran) => {
      const { shell } = await import('../commands/shell.ts');
      await shell(makeContext(options), place, ran.opts());
    });
  reaching(command);
}

export function addChat(program: Command, makeContext: MakeContext): void {
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
      const { chat } = await import('../commands/chat/chat.ts');
      await chat(makeContext(options), place, room, ran.opts());
    });
  connecting(command);
}

export function addTime(program: Command, makeContext: MakeContext): void {
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
      const { time } = await import('../commands/time/time.ts');
      await time(makeContext(options), place, format, ran.opts());
    });
  reaching(command);
}

export function addAgent(program: Command, makeContext: MakeContext): void {
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
      const { agent } = await import('../commands/agents/agent.ts');
      await agent(makeContext(options), place, ran.opts());
    });
  connecting(command);
}

export function addAgents(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('agents')
    .argument('<place>', 'HOST')
    .summary('list the machines that have dialled in there')
    .description('Lists the agents of HOST: name, platform, since when, and what each allows.')
    .action(async (place: string, options, ran) => {
      const { agents } = await import('../commands/agents/agents.ts');
      await agents(makeContext(options), place, ran.opts());
    });
  connecting(command);
}

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
