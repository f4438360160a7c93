import { LineError } from '../../errors.ts';
import {
  type AuditEntry,
  type AuditLog,
  type Command,
  ExecPolicy,
  type ExecPolicyOptions,
  NodeProcessRunner,
  type PermittedStart,
  type ProcessEnd,
  type RunningProcess,
  StartFailure,
} from '../../node/index.ts';
import { GrowingBytes } from '../framing/growing-bytes.ts';
import { COMMAND_GRACE_MS, COMMAND_MS, MAX_OUTPUT_BYTES } from '../limits.ts';

/**
 * Runs the commands of a peer: permitted by the project's policy, recorded, started by its runner. What the originals did
 * with Popen(shell=True), without their faults: both outputs are read at once, so none stops the other, and both are
 * bounded in bytes and in time; the command has no input, so it cannot read our terminal.
 */
export class CommandRunner {
  readonly #options: CommandRunnerOptions;
  readonly #policy: ExecPolicy;
  readonly #runner: NodeProcessRunner;
  #count = 0;

  /** Throws `USAGE` for a list that could mean something else than it says. */
  constructor(options: CommandRunnerOptions) {
    this.#options = options;
    this.#policy = new ExecPolicy(options);
    this.#runner = new NodeProcessRunner(options.folder);
  }

  /** A line as the peer sent it. What may not run, cannot run or runs too long is said in `stderr`, as a shell would. */
  async run(line: string, peer: string, signal: AbortSignal): Promise<CommandOutput> {
    const command: Command = this.#options.only === undefined ? { shell: line } : { argv: wordsOf(line) };
    this.#count += 1;
    const about = { id: this.#count, kind: this.#options.kind, asker: { key: NO_KEY, address: peer } };
    let permitted: PermittedStart;
    try {
      if (line.includes('\0')) throw new LineError('MALFORMED', 'a command has no NUL in it');
      permitted = this.#policy.permit({ command });
    } catch (thrown) {
      if (!(thrown instanceof LineError)) throw thrown;
      await this.#record({
        ...about,
        event: 'refused',
        request: { command },
        code: thrown.code,
        reason: thrown.message,
      });
      return failed(thrown.message);
    }
    // Nothing starts that could not be recorded.
    await this.#record({ ...about, event: 'start', request: { command } });
    const began = performance.now();
    let outcome: Outcome;
    try {
      outcome = await this.#collect(await this.#runner.start(permitted), signal);
    } catch (thrown) {
      if (!(thrown instanceof StartFailure || thrown instanceof LineError)) throw thrown;
      const status = thrown instanceof StartFailure ? thrown.status : 126;
      outcome = { ...failed(thrown.message), end: { status } };
    }
    const { end, stdout, stderr, cut } = outcome;
    await this.#record({
      ...about,
      event: 'end',
      end,
      durationMs: performance.now() - began,
      stdinBytes: 0,
      stdoutBytes: stdout.length,
      stderrBytes: stderr.length,
    });
    return { stdout, stderr, cut };
  }

  async #record(entry: AuditEntry): Promise<void> {
    await this.#options.audit.record(entry);
  }

  async #collect(running: RunningProcess, signal: AbortSignal): Promise<Outcome> {
    const { timeoutMs = COMMAND_MS } = this.#options;
    let cut: string | undefined;
    let ending: Promise<void> | undefined;
    const stop = (why: string): void => {
      cut ??= why;
      ending ??= running.end(COMMAND_GRACE_MS).finally(() => running.close());
    };
    const timer = setTimeout(() => stop(`ended after ${timeoutMs / 1000} s`), timeoutMs);
    const aborted = (): void => stop('ended with the program');
    signal.addEventListener('abort', aborted);
    if (signal.aborted) aborted();
    running.stdin.end();
    let leftBytes = MAX_OUTPUT_BYTES;
    const read = async (output: AsyncIterable<Uint8Array>): Promise<Uint8Array> => {
      const bytes = new GrowingBytes();
      for await (const piece of output) {
        bytes.append(piece.subarray(0, leftBytes));
        leftBytes -= Math.min(piece.length, leftBytes);
        if (leftBytes === 0) stop(`cut at ${MAX_OUTPUT_BYTES} bytes of output`);
      }
      return bytes.take();
    };
    try {
      const [stdout, stderr, end] = await Promise.all([read(running.stdout), read(running.stderr), running.ended]);
      await ending;
      return { stdout, stderr, end, cut };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
    }
  }
}

export interface CommandRunnerOptions extends Pick<ExecPolicyOptions, 'only' | 'environment' | 'isWindows'> {
  /** Where commands start. */
  readonly folder: string;
  readonly audit: AuditLog;
  /** What the audit calls it: `classic.exec`. */
  readonly kind: string;
  /** `COMMAND_MS` unless given. */
  readonly timeoutMs?: number | undefined;
}

export interface CommandOutput {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** Why this is not all that it would have printed. */
  readonly cut?: string | undefined;
}

interface Outcome extends CommandOutput {
  readonly end: ProcessEnd;
}

/** With a list there is no shell, so words are what spaces separate, and nothing in them is special. */
function wordsOf(line: string): readonly string[] {
  return line.trim().split(/\s+/);
}

function failed(reason: string): CommandOutput {
  return { stdout: new Uint8Array(), stderr: new TextEncoder().encode(`postern: ${reason}\n`) };
}

/** Nobody has proved to be anybody here. */
const NO_KEY = new Uint8Array();
