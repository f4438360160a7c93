import { LineError } from '../../errors.ts';
import { toLineError } from '../../line/abort.ts';
import type { Channel } from '../../line/channel.ts';
import type { Clock } from '../../line/clock.ts';
import { type JsonObject, readText } from '../../protocol/bytes/json.ts';
import {
  EXEC_BULK_AFTER_BYTES,
  EXEC_STDIN_WINDOW_BYTES,
  PROCESS_DRAIN_BYTES,
  PROCESS_DRAIN_MS,
  PROCESS_KILL_GRACE_MS,
} from '../../protocol/limits.ts';
import { ByteQueue } from './byte-queue.ts';
import { decodeSignal, encodeExit, type OutputName, type ProcessEnd } from './messages.ts';
import type { RunningProcess } from './runner.ts';

/**
 * One process joined to its channel (docs/protocol/4-services.md §2):
 *
 *   1. The channel is always read: signals and the end of the other side never wait behind input that the process does not
 *      take. What it has not taken lies in a queue that the window bounds.
 *   2. Both outputs are read as fast as the channel takes them, each on its own, so neither stands in the other's way.
 *   3. The process ends: its outputs are read to their end, but not for ever on behalf of others who hold them open.
 *   4. Or the other side goes, and the whole group with it.
 */
export class Serving {
  /** How the process ended. Settles in any case, if `run` was called. */
  readonly ended: Promise<ProcessEnd>;
  readonly #channel: Channel;
  readonly #running: RunningProcess;
  readonly #clock: Clock;
  readonly #input: Input;
  readonly #outputBytes = { stdout: 0, stderr: 0 };
  #to: OutputName | undefined;
  /** Writes of outputs that the channel has not taken yet. */
  #writing = 0;
  /** Bytes of the outputs once the process itself had ended. */
  #afterEnd: number | undefined;
  #isTold = false;
  #listening: Promise<void> | undefined;
  #settleEnded!: (end: ProcessEnd) => void;

  constructor(channel: Channel, running: RunningProcess, clock: Clock) {
    this.#channel = channel;
    this.#running = running;
    this.#clock = clock;
    this.#input = new Input(channel, running);
    this.ended = new Promise(resolve => {
      this.#settleEnded = resolve;
    });
  }

  get bytes(): { stdinBytes: number; stdoutBytes: number; stderrBytes: number } {
    const { stdout, stderr } = this.#outputBytes;
    return { stdinBytes: this.#input.takenBytes, stdoutBytes: stdout, stderrBytes: stderr };
  }

  /** Returns when the process is over and the other side told. Throws what ended the channel before; then the group is gone. */
  async run(timeoutMs: number | undefined): Promise<void> {
    const ended = endInTime(this.#running, timeoutMs, this.#clock);
    void ended.then(this.#settleEnded);
    this.#listening = this.#listen();
    const serving = this.#serve(ended);
    try {
      await Promise.race([serving, this.#listening.then(() => this.#requireTold())]);
    } catch (thrown) {
      // The other side hears of it now, and nothing more of the process; what is still being written fails by it.
      serving.catch(() => {});
      const gone = this.#running.end(PROCESS_KILL_GRACE_MS);
      this.#channel.reset(toLineError(thrown));
      await gone;
      this.#running.close();
      throw thrown;
    }
  }

  /** The rest of the conversation: the other side's end. */
  async finish(): Promise<void> {
    await this.#channel.end();
    await this.#listening;
  }

  async #serve(ended: Promise<ProcessEnd>): Promise<void> {
    await this.#channel.send({ t: 'started', pid: this.#running.pid });
    const outputs = Promise.all([this.#carry('stdout'), this.#carry('stderr')]);
    const end = await Promise.race([ended, outputs.then(() => ended)]);
    this.#afterEnd = 0;
    const stopWaiting = this.#boundDrain();
    try {
      await outputs;
    } finally {
      stopWaiting();
      this.#running.close();
    }
    await this.#channel.send(encodeExit(end));
    this.#isTold = true;
  }

  /** Whoever ends its direction before it knows how the process ended does not want to know. */
  #requireTold(): void {
    if (!this.#isTold) throw new LineError('CANCELLED', 'the asking side has gone');
  }

  async #listen(): Promise<void> {
    for (let item = await this.#channel.read(); item !== undefined; item = await this.#channel.read()) {
      if (item instanceof Uint8Array) this.#input.push(item);
      else this.#take(item);
    }
  }

  #take(message: JsonObject): void {
    switch (readText(message, 't', 16)) {
      case 'signal':
        this.#running.signal(decodeSignal(message));
        break;
      case 'eof':
        this.#input.end();
        break;
      default:
        throw new LineError('PROTOCOL', 'a message that is not due');
    }
  }

  async #carry(name: OutputName): Promise<void> {
    for await (const bytes of this.#running[name]) {
      this.#outputBytes[name] += bytes.length;
      if (this.#outputBytes[name] > EXEC_BULK_AFTER_BYTES) this.#channel.setPriority('bulk');
      this.#writing += 1;
      await this.#write(name, bytes);
      this.#writing -= 1;
      if (this.#afterEnd === undefined) continue;
      this.#afterEnd += bytes.length;
      if (this.#afterEnd > PROCESS_DRAIN_BYTES) this.#running.close();
    }
  }

  /** Both are queued before anything else can come between. */
  async #write(name: OutputName, bytes: Uint8Array): Promise<void> {
    const isSwitched = this.#to !== name;
    this.#to = name;
    const switched = isSwitched ? this.#channel.send({ t: 'stream', to: name }) : undefined;
    await Promise.all([switched, this.#channel.write(bytes)]);
  }

  /** Lets go of the outputs after a while, not counting the time in which the channel takes nothing. */
  #boundDrain(): () => void {
    let waits = 0;
    const look = (): void => {
      if (this.#writing === 0) waits += 1;
      if (waits >= 2) this.#running.close();
      else timer = this.#clock.after(PROCESS_DRAIN_MS / 2, look);
    };
    let timer = this.#clock.after(PROCESS_DRAIN_MS / 2, look);
    return () => timer.cancel();
  }
}

/** How `running` ends, which after `timeoutMs` it is made to. */
export async function endInTime(
  running: RunningProcess,
  timeoutMs: number | undefined,
  clock: Clock,
): Promise<ProcessEnd> {
  if (timeoutMs === undefined) return running.ended;
  let timedOut = false;
  const timer = clock.after(timeoutMs, () => {
    timedOut = true;
    void running.end(PROCESS_KILL_GRACE_MS);
  });
  const end = await running.ended;
  timer.cancel();
  return timedOut ? { ...end, timedOut } : end;
}

/** What comes for the process, up to the window, until it takes it. */
class Input {
  readonly #channel: Channel;
  readonly #running: RunningProcess;
  readonly #queue = new ByteQueue();
  /** All that has come, that the process has taken, and that may come. */
  #receivedBytes = 0;
  #takenBytes = 0;
  #allowedBytes = EXEC_STDIN_WINDOW_BYTES;
  #state: 'open' | 'ending' | 'closed' = 'open';
  #isFeeding = false;

  constructor(channel: Channel, running: RunningProcess) {
    this.#channel = channel;
    this.#running = running;
  }

  get takenBytes(): number {
    return this.#takenBytes;
  }

  push(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    if (this.#receivedBytes > this.#allowedBytes) throw new LineError('FLOW', 'more input than the window allows');
    if (this.#state === 'ending') throw new LineError('PROTOCOL', 'input behind its end');
    if (this.#state === 'closed') return;
    this.#queue.push(bytes);
    this.#feedSoon();
  }

  end(): void {
    if (this.#state === 'ending') throw new LineError('PROTOCOL', 'the input ends twice');
    if (this.#state === 'open') this.#state = 'ending';
    this.#feedSoon();
  }

  #feedSoon(): void {
    if (this.#isFeeding) return;
    this.#isFeeding = true;
    this.#feed().catch(() => {}); // Only the channel can fail, and `Serving` hears of that itself.
  }

  async #feed(): Promise<void> {
    for (let bytes = this.#queue.shift(); bytes !== undefined; bytes = this.#queue.shift()) {
      const byteLength = bytes.length;
      if (!(await this.#running.stdin.write(bytes))) {
        // Nothing more is taken, so nothing more is allowed: the other side's writer waits for the end.
        this.#state = 'closed';
        this.#queue.clear();
        return;
      }
      this.#takenBytes += byteLength;
      if (this.#state === 'open') await this.#allow();
    }
    this.#isFeeding = false;
    if (this.#state === 'ending') this.#running.stdin.end();
  }

  async #allow(): Promise<void> {
    const allowed = this.#takenBytes + EXEC_STDIN_WINDOW_BYTES;
    if (allowed - this.#allowedBytes < EXEC_STDIN_WINDOW_BYTES / 2) return;
    this.#allowedBytes = allowed;
    await this.#channel.send({ t: 'more', stdin: allowed });
  }
}
