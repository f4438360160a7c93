import { realpath } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { basename } from 'node:path';
import { LineError } from '../../errors.ts';
import { toLineError as asLineError } from '../../line/abort.ts';
import { type Clock, systemClock } from '../../line/clock.ts';
import type { AuditEnd, AuditEntry, AuditLog, AuditStart } from '../../services/exec/audit.ts';
import type { StartRequest } from '../../services/exec/messages.ts';
import { type Environment, ExecPolicy, type PermittedStart } from '../../services/exec/policy.ts';
import { StartFailure } from '../../services/exec/runner.ts';
import { type ShellHost, shellHost } from '../../services/shell/shell-host.ts';
import type { AskingPeer, Terminal, TerminalEnd, TerminalRequest, Terminals } from '../../services/shell/terminal.ts';
import { nodeCrypto } from '../crypto.ts';
import { toLineError } from '../node-errors.ts';
import { AuditFile } from '../state/audit-file.ts';
import { findFolder } from './find-command.ts';
import { type LoadPty, type RunningTerminal, TerminalRunner } from './terminal-runner.ts';

/**
 * The shell service: terminals of this machine, as the user who runs this program. With the permission `shell` that is the
 * user's login shell in the home folder; with `exec` a command, as `serveCommands` would run it, in `directory`. Every
 * start, refusal and end is recorded, by default in the audit file of this user.
 *
 * Terminals take the optional package `@lydell/node-pty`, which is loaded for the first of them; without it the answer is
 * `UNSUPPORTED`. Throws as `serveCommands` does.
 */
export async function serveTerminals(directory: string, options: TerminalOptions = {}): Promise<ShellHost> {
  const folder = await realpath(directory).catch((thrown: unknown) => {
    throw toLineError(thrown, JSON.stringify(directory));
  });
  return shellHost(new NodeTerminals(folder, options), {
    randomBytes: length => nodeCrypto.randomBytes(length),
    clock: options.clock,
  });
}

export interface TerminalOptions {
  /**
   * As for `serveCommands`: with such a list no command runs in a terminal, because in one many commands give a shell.
   * `shell` is a permission of its own, and can run everything.
   */
  readonly only?: readonly string[] | undefined;
  /** The program of `shell`, an absolute path; default `$SHELL`, else the login shell of this user. */
  readonly shell?: string | undefined;
  readonly audit?: AuditLog | undefined;
  /** Hears of each entry before it is recorded. */
  readonly onAudit?: ((entry: AuditEntry) => void) | undefined;
  readonly onFault?: ((thrown: unknown) => void) | undefined;
  readonly clock?: Clock | undefined;
  /** Loads the library for terminals; for tests. */
  readonly load?: LoadPty | undefined;
}

class NodeTerminals implements Terminals {
  readonly #folder: string;
  readonly #options: TerminalOptions;
  readonly #runner: TerminalRunner;
  readonly #audit: AuditLog;
  readonly #clock: Clock;
  readonly #commands: ExecPolicy;
  readonly #shells: ExecPolicy;
  #count = 0;

  constructor(folder: string, options: TerminalOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#runner = new TerminalRunner(options.load);
    this.#audit = options.audit ?? new AuditFile();
    this.#clock = options.clock ?? systemClock;
    const environment = withoutOurTerminal(process.env);
    this.#commands = new ExecPolicy({ only: options.only, environment });
    this.#shells = new ExecPolicy({ environment });
  }

  async start(request: TerminalRequest, { kind, key, address }: AskingPeer): Promise<Terminal> {
    const { command, cwd, environment: env } = request;
    const start: StartRequest = { command: command ?? { argv: loginShell(this.#options.shell) }, cwd, env };
    const about: About = { id: ++this.#count, kind, asker: { key, address } };
    let permitted: PermittedStart;
    let running: RunningTerminal;
    const began = this.#clock.now();
    try {
      permitted = (command === undefined ? this.#shells : this.#commands).permit(start, 'terminal');
      const folder = command === undefined ? await homeFolder() : await findFolder(this.#folder, cwd);
      await this.#recordStart({ ...about, event: 'start', request: start });
      running = await this.#runner.start(permitted, { folder, term: request.term, size: request.size });
    } catch (thrown) {
      if (thrown instanceof StartFailure) {
        await this.#recordEnd(about, { status: thrown.status }, began, NO_BYTES);
        return new FailedTerminal(thrown);
      }
      await this.#recordRefusal(about, asLineError(thrown), start);
      throw thrown;
    }
    const counted = new CountedTerminal(running);
    void running.ended.then(end => this.#recordEnd({ ...about, pid: running.pid }, end, began, counted.bytes));
    return counted;
  }

  async refused({ kind, key, address }: AskingPeer, error: LineError): Promise<void> {
    await this.#recordRefusal({ id: ++this.#count, kind, asker: { key, address } }, error);
  }

  /** Why it cannot be recorded is for the owner: it may name files of this machine. */
  async #recordStart(entry: AuditStart): Promise<void> {
    try {
      await this.#record(entry);
    } catch (cause) {
      this.#options.onFault?.(cause);
      throw new LineError('REFUSED', 'this cannot be recorded here, so it is not run', { cause });
    }
  }

  async #recordRefusal(about: About, { code, message }: LineError, request?: StartRequest): Promise<void> {
    await this.#recordAfterwards({ ...about, event: 'refused', request, code, reason: message });
  }

  async #recordEnd(about: About, end: TerminalEnd, began: number, bytes: Bytes): Promise<void> {
    const durationMs = Math.round(this.#clock.now() - began);
    await this.#recordAfterwards({ ...about, event: 'end', end, durationMs, ...bytes });
  }

  /** What is over, or has never run, is not changed by a record that fails. */
  async #recordAfterwards(entry: AuditEntry): Promise<void> {
    await this.#record(entry).catch((thrown: unknown) => this.#options.onFault?.(thrown));
  }

  async #record(entry: AuditEntry): Promise<void> {
    this.#options.onAudit?.(entry);
    await this.#audit.record(entry);
  }
}

type About = Pick<AuditEnd, 'id' | 'kind' | 'asker' | 'pid'>;
type Bytes = Pick<AuditEnd, 'stdinBytes' | 'stdoutBytes' | 'stderrBytes'>;

const NO_BYTES: Bytes = { stdinBytes: 0, stdoutBytes: 0, stderrBytes: 0 };

/** Counts what goes through a terminal, for the record. */
class CountedTerminal implements Terminal {
  readonly ended: Promise<TerminalEnd>;
  readonly #terminal: Terminal;
  #typed = 0;
  #printed = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.ended = terminal.ended;
  }

  get bytes(): Bytes {
    return { stdinBytes: this.#typed, stdoutBytes: this.#printed, stderrBytes: 0 };
  }

  async read(): Promise<Uint8Array | undefined> {
    const bytes = await this.#terminal.read();
    this.#printed += bytes?.length ?? 0;
    return bytes;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#typed += bytes.length;
    return this.#terminal.write(bytes);
  }

  resize: Terminal['resize'] = size => this.#terminal.resize(size);
  signal: Terminal['signal'] = name => this.#terminal.signal(name);
}

/** What a shell would say of a command that it cannot start, in the terminal and as its status. */
class FailedTerminal implements Terminal {
  readonly ended: Promise<TerminalEnd>;
  #message: Uint8Array | undefined;

  constructor({ message, status }: StartFailure) {
    this.ended = Promise.resolve({ status });
    this.#message = new TextEncoder().encode(`postern: ${message}\r\n`);
  }

  async read(): Promise<Uint8Array | undefined> {
    const message = this.#message;
    this.#message = undefined;
    return message;
  }

  async write(): Promise<void> {}
  resize(): void {}
  signal(): void {}
}

/** Of a shell that is known to take it, as one that somebody logs in to. */
function loginShell(chosen: string | undefined): readonly string[] {
  const shell = chosen ?? (process.env['SHELL'] || userShell() || '/bin/sh');
  return TAKES_LOGIN.has(basename(shell)) ? [shell, '-l'] : [shell];
}

function userShell(): string | null {
  try {
    return userInfo().shell;
  } catch {
    // A number without a name, as in containers.
    return null;
  }
}

async function homeFolder(): Promise<string> {
  try {
    return await realpath(homedir());
  } catch (cause) {
    throw new LineError('NOT_FOUND', 'the home folder of the user there does not exist', { cause });
  }
}

/** The terminal that this program may have been started in is not the one that is shown. */
function withoutOurTerminal(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !OF_A_TERMINAL.test(name)));
}

const TAKES_LOGIN: ReadonlySet<string> = new Set([
  'sh',
  'ash',
  'dash',
  'bash',
  'ksh',
  'mksh',
  'zsh',
  'fish',
  'csh',
  'tcsh',
]);
const OF_A_TERMINAL =
  /^(?:TERM|TERMCAP|TERM_.*|COLORTERM|COLUMNS|LINES|TMUX.*|STY|WINDOW|WINDOWID|VTE_VERSION|KITTY_.*|ITERM_.*|WEZTERM_.*|GHOSTTY_.*|KONSOLE_.*|LC_TERMINAL.*)$/;
