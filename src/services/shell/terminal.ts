import type { LineError } from '../../errors.ts';
import type { Command } from '../command.ts';

/**
 * The port through which terminals come: node/exec/terminal-runner.ts on Node, behind the policy (node/exec/terminal-service.ts).
 */
export interface Terminals {
  /**
   * Starts a terminal. Resolves when its process runs.
   *
   * Throws `FORBIDDEN` for what the policy does not let start, `UNSUPPORTED` where there are no terminals, `NOT_FOUND` and
   * `ACCESS` for a command that cannot be run.
   */
  start(request: TerminalRequest, asking: AskingPeer): Promise<Terminal>;
  /** Hears of what was refused before it came to `start`. Never rejects. */
  refused(asking: AskingPeer, error: LineError): Promise<void>;
}

/** A process in a terminal of its own. Whoever started it reads its output to the end. */
export interface Terminal {
  /**
   * The next bytes of output, `undefined` when there are no more: the process has ended, and what it had written was
   * read. Nothing is read ahead of the caller but one buffer, so a reader who waits makes the process wait. Never rejects.
   */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when the terminal has taken the bytes, or when it has ended and never will. Never rejects. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ignored once the process has ended, like a signal. */
  resize(size: TerminalSize): void;
  /** To the process that was started and its group. */
  signal(name: TerminalSignal): void;
  /** How the process ended; settles before `read` gives `undefined`, and never rejects. */
  readonly ended: Promise<TerminalEnd>;
}

/** What shall run in which terminal. Checked for form alone. */
export interface TerminalRequest {
  readonly size: TerminalSize;
  /** The kind of terminal that will show it, a name of terminfo: what programs find as TERM. */
  readonly term: string;
  /**
   * Added to the host's environment. For a shell only the language and colours of the asking side, which
   * `passedVariables` picks; others are left out. For a command whatever the policy there lets be set.
   */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** A command and its arguments, or a line for the user's shell; absent is the user's login shell. */
  readonly command?: Command | undefined;
  /** Where a command starts: absolute, or relative to the served folder, which is the default. A shell starts at home. */
  readonly cwd?: string | undefined;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** By itself with a status, or by a signal, whose name is one of the host's system. */
export type TerminalEnd = { readonly status: number } | { readonly signal: string };

/** The signals that may be sent to what runs in a terminal. */
export const TERMINAL_SIGNALS = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGKILL',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
] as const;

export type TerminalSignal = (typeof TERMINAL_SIGNALS)[number];

/** Who asks for a terminal, and over which kind of channel: for the policy and the record of what was started. */
export interface AskingPeer {
  readonly kind: string;
  readonly key: Uint8Array;
  readonly address: string;
}

/**
 * The variables that go along to a shell: what programs need to know of the person who asks is how to write, and in which
 * language (`de_DE.UTF-8@euro`, `en:de`, `truecolor`). No value that could be a path is among them.
 */
export function passedVariables(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (PASSED_NAME.test(name) && value !== undefined && PASSED_VALUE.test(value)) passed[name] = value;
  }
  return passed;
}

const PASSED_NAME = /^(?:COLORTERM|LANG|LANGUAGE|LC_[A-Z]{1,16})$/;
const PASSED_VALUE = /^[A-Za-z0-9_.@:+-]{1,64}$/;
