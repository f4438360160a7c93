import { LineError } from '../../errors.ts';
import type { Command } from '../command.ts';
import type { StartRequest } from './messages.ts';

/**
 * The one place that decides whether a process starts for a peer, and with which environment. It is pure: what it knows of
 * the machine is given to it. A runner takes nothing but a `PermittedStart`, and nothing else can make one.
 *
 * Without a list every command may run, and whoever may run `env` could set any variable; those that turn one command into
 * another are refused all the same, for programs that pass on variables of others to a command of their own. With a list
 * (`only`) a login has exactly these commands: no shell, no terminal, no folder of its choice, and of variables only those
 * that say how to print.
 */
export class ExecPolicy {
  readonly #only: ReadonlySet<string> | undefined;
  readonly #environment: Readonly<Record<string, string>>;

  /** Throws `USAGE` for a list that could mean something else than it says. */
  constructor(options: ExecPolicyOptions) {
    const { only, environment, isWindows = false } = options;
    for (const name of only ?? []) checkListed(name, isWindows);
    this.#only = only === undefined ? undefined : new Set(only);
    const child = childEnvironment(environment);
    this.#environment = only === undefined ? child : withOwnPath(child, isWindows);
  }

  /** Throws `FORBIDDEN` for what may not be started, with pipes or in a terminal. */
  permit(request: StartRequest, on: 'pipes' | 'terminal' = 'pipes'): PermittedStart {
    if (this.#only !== undefined) {
      // A pager, an editor, whatever starts one of them: in a terminal half of all commands can be talked into a shell.
      if (on === 'terminal') throw forbidden('only some commands may be run here, and none in a terminal');
      checkOnly(request, this.#only);
    }
    for (const [name, value] of Object.entries(request.env ?? {})) {
      if (changesWhatRuns(name)) throw forbidden(`the variable ${name} may not be set`);
      if (this.#only !== undefined && !isPlain(name, value)) {
        throw forbidden(`the variable ${name} may not be set here, or not to this`);
      }
    }
    const { command, cwd, detach = false } = request;
    const permitted: Omit<PermittedStart, typeof PERMITTED> = {
      command,
      cwd,
      environment: { ...this.#environment, ...request.env },
      detach,
    };
    return permitted as PermittedStart;
  }
}

export interface ExecPolicyOptions {
  /**
   * The commands that may run, each called exactly as it stands here: a name, which is looked for on the host's own PATH,
   * or an absolute path. Absent: every command. Empty: none.
   */
  readonly only?: readonly string[] | undefined;
  /** The host's own. */
  readonly environment: Environment;
  /** There, names are looked for in the current folder first, so a list takes absolute paths alone. */
  readonly isWindows?: boolean | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a runner may start, and how. Only the policy makes it. */
export interface PermittedStart {
  readonly [PERMITTED]: true;
  readonly command: Command;
  /** As asked for: absolute, or relative to the served folder. */
  readonly cwd: string | undefined;
  /** All of it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly detach: boolean;
}

declare const PERMITTED: unique symbol;

/** The environment for whatever postern starts: a copy without any `POSTERN_*`. */
export function childEnvironment(environment: Environment): Record<string, string> {
  const child: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && !isOurs(name)) child[name] = value;
  }
  return child;
}

/** A relative path would depend on a folder that may be full of what somebody has put there. */
function checkListed(name: string, isWindows: boolean): void {
  const isAbsolute = isWindows ? /^[A-Za-z]:[\\/]/.test(name) : name.startsWith('/');
  const isName = !isWindows && name !== '' && !name.includes('/');
  if (name.includes('\0') || !(isAbsolute || isName)) {
    const what = isWindows ? 'an absolute path' : 'a name or an absolute path';
    throw new LineError('USAGE', `a command that may run is ${what}, not ${JSON.stringify(name)}`);
  }
}

function checkOnly({ command, cwd }: StartRequest, only: ReadonlySet<string>): void {
  if ('shell' in command) throw forbidden('only some commands may be run here, and no shell');
  if (!only.has(command.argv[0]!))
    throw forbidden(`the command ${JSON.stringify(command.argv[0])} may not be run here`);
  // A Makefile, a repository's hooks: many commands do what the folder says that they are started in.
  if (cwd !== undefined) throw forbidden('commands start in the served folder here, and nowhere else');
}

/** The host's own PATH, but for entries that mean the current folder. */
function withOwnPath(environment: Record<string, string>, isWindows: boolean): Record<string, string> {
  if (isWindows) return environment;
  const folders = (environment['PATH'] ?? '').split(':').filter(folder => folder.startsWith('/'));
  // An empty PATH has the system look where it likes, which once was the current folder.
  return { ...environment, PATH: folders.length === 0 ? '/usr/bin:/bin' : folders.join(':') };
}

function isOurs(name: string): boolean {
  // Upper case, because names are the same in any case on Windows.
  return name.toUpperCase().startsWith('POSTERN_');
}

function changesWhatRuns(name: string): boolean {
  const upper = name.toUpperCase();
  return isOurs(name) || (TURNING.test(upper) && !HARMLESS.has(upper));
}

/** What may be set where only listed commands run. A value with a slash or a percent sign could name a file or a format. */
function isPlain(name: string, value: string): boolean {
  if (name === 'TZ') return /^[\w+-]{1,32}(?:\/[\w+-]{1,32}){0,2}$/.test(value);
  return PLAIN.test(name) && /^[\w.@:+-]{0,64}$/.test(value);
}

function forbidden(message: string): LineError {
  return new LineError('FORBIDDEN', message);
}

/**
 * Variables that have a program load, run or read as code something else than its name says: of the loader and the C
 * library, of shells, and of interpreters.
 */
const TURNING = new RegExp(
  `^(?:${[
    'LD_.*|DYLD_.*|_RLD.*|LIBPATH|SHLIB_PATH|LDR_.*|GCONV_PATH|GETCONF_DIR|LOCPATH|NLSPATH|MALLOC_TRACE|GLIBC_TUNABLES',
    'HOSTALIASES|LOCALDOMAIN|RES_OPTIONS|RESOLV_.*',
    'BASH_ENV|BASH_FUNC_.*|BASHOPTS|SHELLOPTS|BASH_LOADABLES_PATH|BASH_XTRACEFD|ENV|IFS|CDPATH|GLOBIGNORE|PS4|PROMPT_COMMAND',
    'ZDOTDIR|FPATH|NULLCMD|READNULLCMD|KSH_ENV|TMPPREFIX',
    'NODE_OPTIONS|NODE_PATH|NODE_REPL_.*|NODE_V8_COVERAGE|NODE_EXTRA_CA_CERTS|ELECTRON_RUN_AS_NODE|DENO_.*|BUN_.*',
    'PYTHON.*|PERL5LIB|PERL5OPT|PERL5DB|PERL5SHELL|PERLLIB|PERLIO.*|PERL_.*|RUBYLIB|RUBYOPT|RUBYSHELL|GEM_.*|BUNDLE_.*',
    'JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|CLASSPATH|LUA_.*|GUILE_.*|PHPRC|PHP_INI_SCAN_DIR|R_PROFILE.*|R_ENVIRON.*',
    'TCLLIBPATH|TCL_LIBRARY|AWKPATH|AWKLIBPATH|DOTNET_.*|CORECLR_.*|COR_.*|COMPLUS_.*|OPENSSL_.*|SSLKEYLOGFILE',
    'COMSPEC|PATHEXT|PSMODULEPATH|SYSTEMROOT|WINDIR',
  ].join('|')})$`,
);
/** These say only how to print. */
const HARMLESS: ReadonlySet<string> = new Set([
  'PYTHONUNBUFFERED',
  'PYTHONIOENCODING',
  'PYTHONUTF8',
  'PYTHONDONTWRITEBYTECODE',
]);
const PLAIN = /^(?:LANG|LANGUAGE|LC_[A-Z]+|TERM|COLORTERM|COLUMNS|LINES|NO_COLOR|FORCE_COLOR|CLICOLOR|CLICOLOR_FORCE)$/;
