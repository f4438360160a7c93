import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Command,
  type ConnectedLine,
  isLineLost,
  LineError,
  makeAgentRoutes,
  openShell,
  passedVariables,
  type RemoteTerminal,
  type Route,
  SHELL_AWAY_MS,
  type TerminalEnd,
} from '../../node/index.ts';
import type { CommandContext } from '../context.ts';
import { EXIT, exitStatusOfCommandFailure, exitStatusOfSignal } from '../exit-status.ts';
import { formatHost, type RemotePlace } from '../place.ts';
import { ESCAPE_HELP, EscapeKeys } from '../terminal/escape-keys.ts';
import { RawTerminal } from '../terminal/raw-terminal.ts';
import { isMany } from './agents/chosen-agents.ts';
import { dial, hintAtAgent, type Reached, type ReachOptions, reach, remoteHost, requirePermission } from './dial.ts';
import { waitBeforeTry } from './wait-before-try.ts';

/** A shell of another machine in this terminal. Its exit status is that of the shell. */
export async function shell(context: CommandContext, text: string, options: ReachOptions): Promise<void> {
  const place = await remoteHost(context, text, options, ': a shell starts in the home folder');
  context.doing = `cannot open a shell on ${formatHost(place.host)}`;
  await runInTerminal(context, place, options, {});
}

/** What shall run: a command with its variables and folder, or the login shell. */
export interface TerminalWork {
  readonly command?: Command | undefined;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/**
 * Lends this terminal to a shell or command of another machine until that has ended, over as many lines as it takes. The
 * terminal is given back as it was, whatever happens.
 */
export async function runInTerminal(
  context: CommandContext,
  place: RemotePlace,
  options: TerminalOptions,
  { command, cwd, env }: TerminalWork,
): Promise<void> {
  if (isMany(options)) throw new LineError('USAGE', 'a terminal is on one machine: name that one with --on');
  const { stdin, stdout } = process;
  if (!stdin.isTTY || !stdout.isTTY) {
    context.hint = 'without a terminal use: postern exec HOST -- CMD';
    throw new LineError('USAGE', 'standard input and output are no terminal');
  }
  context.failureStatus = exitStatusOfCommandFailure;
  const way = new Way(context, place, options);
  const permission = command === undefined ? 'shell' : 'exec';
  try {
    const reached = await way.find();
    requirePermission(reached, permission, command === undefined ? 'open a shell' : 'run commands');
    context.detail('~. at the start of a line leaves, ~? tells what else there is');
    const local = new RawTerminal(stdin, stdout);
    const term = process.env['TERM'] ?? 'xterm';
    const redialling = new Redialling(context, way, local, term);
    const remote = await openShell(
      reached.route,
      { term, size: local.size, environment: { ...passedVariables(process.env), ...env }, command, cwd },
      {
        signal: context.signal,
        redial: (error, signal) => redialling.redial(error, signal),
        onResume: () => redialling.resumed(remote),
      },
    ).catch((thrown: unknown) => {
      throw tellMissing(context, thrown);
    });
    // What fails from here on is no file, and a shell cannot be continued by another run.
    context.hint = '';
    context.onClose(() => local.leave());
    context.display = {
      print: line => local.print(line),
      pause: () => {},
      resume: () => {},
    };
    try {
      const end = await join(local, remote, redialling);
      context.exitStatus = statusOf(end);
      local.leave();
      // As a host does that stops; without a word it looks as if the shell had left by itself.
      if ('signal' in end && end.signal === 'SIGHUP')
        context.note('\nhung up there: the host has stopped, or ended it');
    } catch (thrown) {
      // The cursor is wherever the program there has left it, and what failed is told on a line of its own.
      local.leave();
      if (!context.options.json) context.tell('');
      throw thrown;
    } finally {
      context.display = undefined;
    }
    await way.close();
  } catch (thrown) {
    hintAtAgent(context, thrown, options.on);
    await way.giveUp();
    throw thrown;
  }
}

/** Which machine: one, by name, if it is an agent. */
type TerminalOptions = ReachOptions & { readonly all?: boolean };

/** Keys there, output here, until the process there has ended. */
async function join(local: RawTerminal, remote: RemoteTerminal, redialling: Redialling): Promise<TerminalEnd> {
  const { stdin, stdout } = process;
  const keys = new EscapeKeys();
  redialling.onAway = () => keys.startLine();
  let waiting = 0;
  const typed = (bytes: Uint8Array): void => {
    for (const part of keys.feed(bytes)) {
      if (part === 'leave') remote.close(new LineError('CANCELLED', 'left, and hung up'));
      else if (part === 'help') local.print(...ESCAPE_HELP);
      else if (part === 'suspend') suspend(local, remote);
      else {
        waiting += part.length;
        if (waiting > MAX_TYPED_BYTES) stdin.pause();
        remote.write(part).then(
          () => {
            waiting -= part.length;
            if (waiting <= MAX_TYPED_BYTES) stdin.resume();
          },
          // What ends the terminal is told once, by `wait`.
          () => {},
        );
      }
    }
  };
  const resized = (): void => remote.resize(local.size);
  local.enter();
  stdin.on('data', typed);
  stdout.on('resize', resized);
  // The terminal of this side is gone, and whoever sat there.
  stdin.once('end', () => remote.close());
  resized();
  try {
    for await (const bytes of remote.output) await local.write(bytes);
    return await remote.wait();
  } finally {
    stdin.removeListener('data', typed);
    stdout.removeListener('resize', resized);
  }
}

/** Gives the terminal back to the shell that postern was started from, until that continues us. */
function suspend(local: RawTerminal, remote: RemoteTerminal): void {
  const isFullScreen = local.isFullScreen;
  local.suspend();
  process.once('SIGCONT', () => {
    local.enter();
    if (isFullScreen) drawAgain(local, remote);
  });
  // The whole group, as Ctrl-Z does: whoever started us waits for it.
  process.kill(0, 'SIGTSTP');
}

/** A full-screen program draws everything when the size changes, and only then. */
function drawAgain(local: RawTerminal, remote: RemoteTerminal): void {
  const { columns, rows } = local.size;
  remote.resize({ columns, rows: rows > 1 ? rows - 1 : rows + 1 });
  // Two changes at once would be none.
  setTimeout(() => remote.resize(local.size), REDRAW_MS);
}

/** The way to the machine: a line, and perhaps through the server at its end to an agent. Owns the line. */
class Way {
  readonly #context: CommandContext;
  readonly #place: RemotePlace;
  readonly #options: ReachOptions;
  readonly #routes = makeAgentRoutes();
  #connected: ConnectedLine | undefined;

  constructor(context: CommandContext, place: RemotePlace, options: ReachOptions) {
    this.#context = context;
    this.#place = place;
    this.#options = options;
  }

  /** Over the line that there is, if the agent alone was away, else over a new one. Throws what `dial` and `reach` do. */
  async find(): Promise<Reached> {
    const { on } = this.#options;
    if (on !== undefined && this.#connected !== undefined) {
      try {
        return await reach(this.#context, this.#connected, this.#routes, on);
      } catch (thrown) {
        // The server says so, and that needs no other line. All else is the end of this one.
        if (thrown instanceof LineError && thrown.code === 'UNREACHABLE') throw thrown;
        await this.giveUp();
      }
    }
    this.#connected = await dial(this.#context, this.#place, { ...this.#options, sharesLine: on !== undefined });
    return reach(this.#context, this.#connected, this.#routes, on);
  }

  async close(): Promise<void> {
    await this.#connected?.line.close();
  }

  async giveUp(): Promise<void> {
    this.#connected?.line.abort(new LineError('CANCELLED', 'the other side has given up'));
    await this.#connected?.line.closed;
    this.#connected = undefined;
  }
}

/** Finds the way back after a lost line, and says meanwhile what is going on. */
class Redialling {
  readonly #context: CommandContext;
  readonly #way: Way;
  readonly #local: RawTerminal;
  readonly #term: string;
  onAway: () => void = () => {};
  #tries = 0;
  #lostAtMs = 0;

  constructor(context: CommandContext, way: Way, local: RawTerminal, term: string) {
    this.#context = context;
    this.#way = way;
    this.#local = local;
    this.#term = term;
  }

  async redial(error: LineError, signal: AbortSignal): Promise<Route> {
    if (this.#tries === 0) {
      this.#lostAtMs = performance.now();
      this.onAway();
    }
    let lost = error;
    for (;;) {
      if (performance.now() - this.#lostAtMs > SHELL_AWAY_MS) throw lost;
      this.#local.showStatus('connection lost, trying again… ~. leaves', this.#term);
      await sleep(waitBeforeTry(this.#tries, Math.random(), LONGEST_WAIT_MS), undefined, { signal });
      this.#tries += 1;
      try {
        return (await this.#way.find()).route;
      } catch (thrown) {
        if (!isLineLost(thrown)) throw thrown;
        // What would help a command that begins is no hint for one that goes on by itself.
        this.#context.hint = '';
        lost = thrown;
      }
    }
  }

  resumed(remote: RemoteTerminal): void {
    this.#tries = 0;
    if (this.#local.clearStatus()) drawAgain(this.#local, remote);
  }
}

function statusOf(end: TerminalEnd): number {
  if ('status' in end) return end.status;
  // A signal that this system does not have.
  return exitStatusOfSignal(end.signal as NodeJS.Signals) || EXIT.ownFailure;
}

/** The login allows it, so the kind is known there: what is missing is the library. */
function tellMissing(context: CommandContext, thrown: unknown): unknown {
  if (!(thrown instanceof LineError) || thrown.code !== 'UNSUPPORTED') return thrown;
  context.hint = 'install @lydell/node-pty on that machine; it is an optional dependency of postern';
  return new LineError('REFUSED', thrown.message, { cause: thrown });
}

/** Beyond it nothing more is read from the keyboard: `~.` would not be seen either, but the memory has an end. */
const MAX_TYPED_BYTES = 1024 * 1024;
const LONGEST_WAIT_MS = 5_000;
const REDRAW_MS = 150;
