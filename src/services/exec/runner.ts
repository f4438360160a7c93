import type { ProcessEnd, Signal } from './messages.ts';
import type { PermittedStart } from './policy.ts';

/**
 * The port through which processes start: node/exec/process-runner.ts on Node. It takes nothing but what the policy has
 * permitted.
 */
export interface ProcessRunner {
  /**
   * Starts a process at the head of a group of its own. Resolves when it runs.
   *
   * Throws a `StartFailure` if there is no such command or it cannot be run, `NOT_FOUND` and `ACCESS` for the folder where
   * it shall start, `TOO_MANY` if the system has no more processes.
   */
  start(start: PermittedStart): Promise<RunningProcess>;
}

/** A process and its group. Whoever started it reads both outputs to their end or calls `close`. */
export interface RunningProcess {
  readonly pid: number;
  readonly stdin: ProcessInput;
  /** Bytes as they come; nothing is read ahead of the reader but one buffer. Ends, and never throws, when there is no more. */
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  /** Settles when the process itself has ended; others of its group may live on and hold the outputs. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** To every process of the group. Does nothing once the process itself has ended: who sends it may be slow on purpose. */
  signal(name: Signal): void;
  /** Ends the group: HUP and TERM, and KILL for what is left after `graceMs`. Resolves when no process of it is left. */
  end(graceMs: number): Promise<void>;
  /** Lets go of input and outputs, ended or not; the iterations end. */
  close(): void;
}

export interface ProcessInput {
  /** Resolves when more is welcome, `false` once the process reads no more. Takes over the bytes. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Closes the input behind what was written. */
  end(): void;
}

/** Why a permitted command did not start, as a shell would have it: 127 there is none, 126 it cannot be run. */
export class StartFailure extends Error {
  readonly status: 126 | 127;

  /** `message` is for the asking side: no path of this machine but those that it named. */
  constructor(status: 126 | 127, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StartFailure';
    this.status = status;
  }
}
