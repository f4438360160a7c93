import { readSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { LineError } from '../../errors.ts';
import type { PermittedStart } from '../../services/exec/policy.ts';
import type { Terminal, TerminalEnd, TerminalSignal, TerminalSize } from '../../services/shell/terminal.ts';
import { codeOf } from '../node-errors.ts';
import { findCommand } from './find-command.ts';

/**
 * The one file in which a process starts in a terminal. It decides nothing: what it is given has passed the policy
 * (services/exec/policy.ts), and the compiler lets nothing else in.
 */
export class TerminalRunner {
  readonly #load: LoadPty;

  /** `load` stands in for the library, which is optional and loaded when it is first needed. */
  constructor(load: LoadPty = () => import('@lydell/node-pty')) {
    this.#load = load;
  }

  /**
   * Starts a process in a new terminal, in `folder`, at the head of a session and a group of its own.
   *
   * Throws a `StartFailure` if there is no such command or it cannot be run, and `UNSUPPORTED` where there are no terminals.
   */
  async start(permitted: PermittedStart, { folder, term, size }: TerminalPlace): Promise<RunningTerminal> {
    const { command, environment } = permitted;
    const [name, ...args] = 'argv' in command ? command.argv : [SYSTEM_SHELL, '-c', command.shell];
    const { spawn } = await this.#loadPty();
    const file = await findCommand(name!, folder, environment['PATH']);
    try {
      const pty = spawn(file, args, {
        name: term,
        cols: size.columns,
        rows: size.rows,
        cwd: folder,
        env: environment,
        // Has the system count characters, not bytes, when a line is edited; PtyTerminal then undoes the decoding.
        encoding: 'utf8',
      });
      return new PtyTerminal(pty as OpenedPty);
    } catch (cause) {
      throw new LineError('TOO_MANY', 'this machine has no room for another terminal', { cause });
    }
  }

  async #loadPty(): Promise<Pty> {
    if (process.platform === 'win32') throw new LineError('UNSUPPORTED', 'a host on Windows has no terminals');
    try {
      return await this.#load();
    } catch (cause) {
      const message =
        'this host has no terminals: the package @lydell/node-pty is not installed, or not for this system';
      throw new LineError('UNSUPPORTED', message, { cause });
    }
  }
}

export interface TerminalPlace {
  readonly folder: string;
  readonly term: string;
  readonly size: TerminalSize;
}

export interface RunningTerminal extends Terminal {
  readonly pid: number;
}

type Pty = Pick<typeof import('@lydell/node-pty'), 'spawn'>;
export type LoadPty = () => Promise<Pty>;

/**
 * What the library does not declare: the descriptor of the terminal, and the socket that reads it. Its version is pinned,
 * and terminal-runner.test.ts holds what is relied on.
 */
type OpenedPty = ReturnType<Pty['spawn']> & { readonly fd: number; readonly _socket: Socket };

class PtyTerminal implements RunningTerminal {
  readonly ended: Promise<TerminalEnd>;
  readonly pid: number;
  readonly #pty: OpenedPty;
  readonly #socket: Socket;
  readonly #output: Uint8Array[] = [];
  #isClosed = false;
  #hasEnded = false;
  #wakeReader: (() => void) | undefined;

  constructor(pty: OpenedPty) {
    this.#pty = pty;
    this.pid = pty.pid;
    this.#socket = pty._socket;
    this.ended = new Promise(settle => {
      pty.onExit(({ exitCode, signal }) => {
        this.#hasEnded = true;
        settle(endOf(exitCode, signal));
      });
    });
    // One character for each byte.
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => this.#arrived(Buffer.from(text, 'latin1')));
    this.#readToTheEnd();
  }

  async read(): Promise<Uint8Array | undefined> {
    while (this.#output.length === 0 && !this.#isClosed) {
      this.#socket.resume();
      await new Promise<void>(resolve => {
        this.#wakeReader = resolve;
      });
    }
    const bytes = this.#output.shift();
    if (bytes === undefined) await this.ended;
    return bytes;
  }

  /**
   * Not by the socket: libuv blocks the whole process while a terminal takes no more. The descriptor does not block, and it
   * is written to at once or not at all, because once it is closed its number is somebody else's.
   */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0, waitMs = 1; !this.#isClosed; ) {
      try {
        at += writeSync(this.#pty.fd, bytes, at);
        if (at === bytes.length) return;
        waitMs = 1;
      } catch (thrown) {
        // EIO: its process has just ended.
        if (codeOf(thrown) !== 'EAGAIN') return;
      }
      await sleep(waitMs);
      waitMs = Math.min(2 * waitMs, MAX_WRITE_WAIT_MS);
    }
  }

  resize({ columns, rows }: TerminalSize): void {
    if (this.#isClosed) return;
    try {
      this.#pty.resize(columns, rows);
    } catch {
      // Its process has just ended, which its reader is told.
    }
  }

  signal(name: TerminalSignal): void {
    // Its number may be somebody else's by now.
    if (this.#hasEnded) return;
    this.#kill(name);
    // What is stopped would not hear of it.
    if (name === 'SIGHUP') this.#kill('SIGCONT');
  }

  #kill(name: TerminalSignal): void {
    // Just started, it may not be at the head of its group yet.
    for (const target of [-this.pid, this.pid]) {
      try {
        process.kill(target, name);
        return;
      } catch (thrown) {
        const code = codeOf(thrown);
        if (code !== 'ESRCH' && code !== 'EPERM') throw thrown;
        // It has become another user, as `sudo` does, and is out of our reach; but the system hangs up whoever loses his terminal.
        if (code === 'EPERM' && name === 'SIGKILL') this.#socket.destroy();
      }
    }
  }

  #arrived(bytes: Uint8Array): void {
    this.#output.push(bytes);
    // At most one more buffer comes after it.
    this.#socket.pause();
    this.#wake();
  }

  /**
   * The end of the socket is not the end of the output: libuv reads a terminal that has hung up once more and takes a short
   * read for the last, and the library destroys the socket 200 ms after the end of the process. So the rest is read first.
   */
  #readToTheEnd(): void {
    const socket = this.#socket;
    const destroy = socket.destroy.bind(socket);
    socket.destroy = () => {
      if (!this.#isClosed) {
        this.#drain();
        this.#isClosed = true;
        destroy();
        this.#wake();
      }
      return socket;
    };
  }

  /** All that the process has written lies in the system; what is more than that is of others that it has left behind. */
  #drain(): void {
    // First what the socket holds, which comes to `#arrived`.
    this.#socket.read();
    const buffer = new Uint8Array(DRAIN_BYTES);
    try {
      for (let drained = 0; drained < MAX_DRAINED_BYTES; ) {
        const length = readSync(this.#pty.fd, buffer);
        if (length === 0) return;
        this.#output.push(buffer.slice(0, length));
        drained += length;
      }
    } catch {
      // EIO: nobody holds it any more. EAGAIN: somebody does, and has written nothing.
    }
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeReader = undefined;
  }
}

function endOf(status: number, signal: number | undefined): TerminalEnd {
  if (signal === undefined || signal === 0) return { status };
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  return name === undefined ? { status: 128 + signal } : { signal: name };
}

const SYSTEM_SHELL = '/bin/sh';
/** How often a terminal that takes nothing is tried again, at the least. */
const MAX_WRITE_WAIT_MS = 50;
const DRAIN_BYTES = 16 * 1024;
/** More than a system holds of one terminal. */
const MAX_DRAINED_BYTES = 1024 * 1024;
