import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { LineError } from '../../errors.ts';
import type { ProcessEnd, Signal } from '../../services/exec/messages.ts';
import type { PermittedStart } from '../../services/exec/policy.ts';
import {
  type ProcessInput,
  type ProcessRunner,
  type RunningProcess,
  StartFailure,
} from '../../services/exec/runner.ts';
import { codeOf, toLineError } from '../node-errors.ts';
import { findFolder, quoted } from './find-command.ts';

/**
 * The one file in which a process starts for a peer. It decides nothing: what it is given has passed the policy
 * (services/exec/policy.ts), and the compiler lets nothing else in.
 *
 * `folder` is where processes start and what relative folders are relative to: the real path of what is served.
 */
export class NodeProcessRunner implements ProcessRunner {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async start({ command, cwd, environment, detach }: PermittedStart): Promise<RunningProcess> {
    // Looked at first: the system has one error for a missing command and a missing folder.
    const folder = await findFolder(this.#folder, cwd);
    const name = 'argv' in command ? command.argv[0]! : 'the shell';
    const [file, args, shell] =
      'argv' in command ? [command.argv[0]!, command.argv.slice(1), false] : [command.shell, [], true];
    let child: ChildProcess;
    try {
      // A group of its own, and a session: no signal meant for us reaches it, and our terminal is not its terminal.
      child = spawn(file, args, {
        cwd: folder,
        env: environment,
        shell,
        detached: true,
        windowsHide: true,
        stdio: detach ? 'ignore' : 'pipe',
      });
    } catch (thrown) {
      throw startError(thrown, name);
    }
    // The system has answered when `spawn` returns; only the error comes later.
    if (child.pid === undefined) throw startError(await errorOf(child), name);
    // Signals that cannot be sent are told here too, and are nobody's fault.
    child.on('error', () => {});
    if (detach) child.unref();
    return new NodeProcess(child, child.pid);
  }
}

class NodeProcess implements RunningProcess {
  readonly pid: number;
  readonly stdin: ProcessInput;
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  #hasEnded = false;
  #isGroupGone = false;

  constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
    this.stdin = inputOf(child.stdin);
    this.stdout = outputOf(child.stdout);
    this.stderr = outputOf(child.stderr);
    this.ended = new Promise(settle => {
      child.once('exit', (status, signal) => {
        this.#hasEnded = true;
        // A group that is empty now is not asked later, when its number may be somebody else's.
        this.#kill(0);
        settle(signal === null ? { status: status ?? 0 } : { signal });
      });
    });
  }

  signal(name: Signal): void {
    if (!this.#hasEnded) this.#kill(name);
  }

  async end(graceMs: number): Promise<void> {
    const until = performance.now() + graceMs;
    // HUP for those that take TERM for something to ask about; CONT, because what is stopped hears of neither.
    for (const name of ['SIGHUP', 'SIGTERM', 'SIGCONT'] as const) this.#kill(name);
    while (this.#isGroupAlive()) {
      if (performance.now() >= until) {
        this.#kill('SIGKILL');
        break;
      }
      await sleep(GROUP_POLL_MS);
    }
    await this.ended;
  }

  close(): void {
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream?.destroy();
  }

  #isGroupAlive(): boolean {
    return this.#kill(0) && !(WINDOWS && this.#hasEnded);
  }

  /** `false` if there is no such group any more; from then on its number may be somebody else's and is left alone. */
  #kill(signal: Signal | 0): boolean {
    if (this.#isGroupGone) return false;
    if (WINDOWS) return this.#child.kill(signal);
    try {
      process.kill(-this.pid, signal);
      return true;
    } catch (thrown) {
      // EPERM: what is left of it belongs to another user, out of our reach.
      if (codeOf(thrown) === 'EPERM' && !this.#hasEnded) return true;
      this.#isGroupGone = true;
      return false;
    }
  }
}

function inputOf(stream: Writable | null): ProcessInput {
  // A process that reads no more is told by `write`.
  stream?.on('error', () => {});
  return {
    write: bytes =>
      new Promise(settle => {
        if (stream === null || !stream.writable) settle(false);
        else stream.write(bytes, error => settle(error === null || error === undefined));
      }),
    end: () => void stream?.end(),
  };
}

async function* outputOf(stream: Readable | null): AsyncGenerator<Uint8Array> {
  if (stream === null) return;
  try {
    for await (const bytes of stream) yield bytes as Uint8Array;
  } catch {
    // Closed by us, or broken in the system: either way nothing more comes.
  }
}

function errorOf(child: ChildProcess): Promise<unknown> {
  return new Promise(settle => {
    child.once('error', settle);
  });
}

function startError(thrown: unknown, name: string): Error {
  const code = codeOf(thrown);
  switch (code) {
    case 'ENOENT':
      return new StartFailure(127, `${quoted(name)}: command not found`, { cause: thrown });
    case 'EACCES':
    case 'EPERM':
    case 'ENOEXEC':
    case 'EISDIR':
    case 'ENOTDIR':
    case 'ELOOP':
    case 'ETXTBSY':
    case 'ENAMETOOLONG':
    case 'E2BIG':
    case 'EINVAL':
    case 'UNKNOWN':
      return new StartFailure(126, `${quoted(name)}: cannot be run (${code})`, { cause: thrown });
    case 'EAGAIN':
    case 'ENOMEM':
      return new LineError('TOO_MANY', 'this machine has no room for another process', { cause: thrown });
    default:
      return toLineError(thrown, quoted(name));
  }
}

const GROUP_POLL_MS = 20;
const WINDOWS = process.platform === 'win32';
