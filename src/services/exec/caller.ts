import { LineError } from '../../errors.ts';
import { toLineError } from '../../line/abort.ts';
import type { Channel } from '../../line/channel.ts';
import type { Route } from '../../line/route.ts';
import { type JsonObject, readInteger, readText } from '../../protocol/bytes/json.ts';
import { EXEC_BULK_AFTER_BYTES, EXEC_STDIN_WINDOW_BYTES, MAX_MESSAGE_BYTES } from '../../protocol/limits.ts';
import type { Command } from '../command.ts';
import {
  decodeExit,
  decodeOutputName,
  decodeRun,
  EXEC_KIND,
  encodeRun,
  type ProcessEnd,
  type Signal,
  type StartRequest,
} from './messages.ts';
import { Output } from './output.ts';

/** A command, and how it shall be run: `{ argv: ['ls', '-l'] }` without a shell between, or `{ shell: 'ls | wc' }`. */
export type ExecRequest = Command & Omit<StartRequest, 'command'>;

/**
 * Runs a command on the other machine and resolves once it has started. A command that is not there or cannot be run is
 * no error: it ends with 127 or 126, as in a shell, and `failure` says why.
 *
 * Throws `FORBIDDEN` for what the login or the host's policy does not allow, `NOT_FOUND` and the like for `cwd`, `TOO_MANY`,
 * `USAGE` for what no process can be started with, and what ended the line. When `signal` is aborted the command is ended,
 * unless it was detached.
 */
export function exec(route: Route, request: ExecRequest, options: ExecOptions = {}): Promise<RemoteProcess> {
  const checked = checkRequest(request);
  return startRemote(route.open(EXEC_KIND, {}, { signal: options.signal }), checked);
}

export interface ExecOptions {
  readonly signal?: AbortSignal | undefined;
}

/** As `exec`, over a channel that leads to a host of the exec service; the channel is the process's own from then on. */
export async function startRemote(channel: Channel, request: StartRequest): Promise<RemoteProcess> {
  try {
    await channel.send(encodeRun(request));
    const answer = await channel.readMessage();
    switch (readText(answer, 't', 16)) {
      case 'started':
        return new RemoteProcess(channel, readInteger(answer, 'pid'), request.detach === true);
      case 'failed':
        return await notStarted(channel, answer);
      default:
        throw new LineError('PROTOCOL', 'a message that is not due');
    }
  } catch (thrown) {
    channel.reset();
    throw thrown;
  }
}

/**
 * A process on the other machine. Read both outputs at the same time, or neither: one that fills up holds back the other
 * as well.
 */
export class RemoteProcess {
  /** There; `undefined` for a command that did not start. */
  readonly pid: number | undefined;
  readonly stdin: RemoteInput;
  /** Bytes as they come. They can be read once. */
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  readonly #channel: Channel;
  readonly #outputs = { stdout: new Output(), stderr: new Output() };
  readonly #input: Input;
  readonly #ended: Promise<RemoteEnd>;

  /** Made by `exec`. */
  constructor(channel: Channel, pid: number | undefined, isDetached: boolean, over?: RemoteEnd) {
    this.pid = pid;
    this.#channel = channel;
    this.#input = new Input(channel);
    this.stdin = this.#input;
    this.stdout = this.#outputs.stdout;
    this.stderr = this.#outputs.stderr;
    this.#ended = this.#follow(isDetached ? {} : over);
    // Whoever does not wait hears of a failure through what it reads.
    this.#ended.catch(() => {});
  }

  /**
   * How it ended. Outputs that nobody has begun to read are dropped. Throws what ended the line or the command from here; a
   * detached command is over as soon as it has started.
   */
  wait(): Promise<RemoteEnd> {
    this.#outputs.stdout.dropUnlessRead();
    this.#outputs.stderr.dropUnlessRead();
    return this.#ended;
  }

  /** Sends a signal to the process and all of its group. Without effect once it has ended. */
  async kill(signal: Signal = 'SIGTERM'): Promise<void> {
    if (this.#input.isOver) return;
    await this.#channel.send({ t: 'signal', name: signal });
  }

  async #follow(over: RemoteEnd | undefined): Promise<RemoteEnd> {
    try {
      const end = over ?? (await this.#carry());
      this.#input.close();
      for (const output of Object.values(this.#outputs)) output.end();
      await this.#channel.finish();
      return end;
    } catch (thrown) {
      const error = toLineError(thrown);
      this.#input.close();
      for (const output of Object.values(this.#outputs)) output.fail(error);
      this.#channel.reset(error);
      throw error;
    }
  }

  /** Reads until the process has ended. */
  async #carry(): Promise<ProcessEnd> {
    let output: Output | undefined;
    for (;;) {
      const item = await this.#channel.read();
      if (item === undefined) throw new LineError('PROTOCOL', 'the channel ended before the process');
      if (item instanceof Uint8Array) {
        if (output === undefined) throw new LineError('PROTOCOL', 'bytes of no output');
        await output.push(item);
        continue;
      }
      switch (readText(item, 't', 16)) {
        case 'stream':
          output = this.#outputs[decodeOutputName(item)];
          break;
        case 'more':
          this.#input.allow(readInteger(item, 'stdin'));
          break;
        case 'exit':
          return decodeExit(item);
        default:
          throw new LineError('PROTOCOL', 'a message that is not due');
      }
    }
  }
}

/** The input of a remote process. */
export interface RemoteInput {
  /**
   * Resolves when more is welcome, and the bytes may be used again. Waits for a process that does not read; throws
   * `CLOSED` once it has ended.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Closes it: the process reads the end behind what was written. */
  end(): Promise<void>;
}

export interface RemoteEnd extends ProcessEnd {
  /** Why the command did not start; its status is 127 or 126 then. */
  readonly failure?: LineError | undefined;
}

class Input implements RemoteInput {
  readonly #channel: Channel;
  #sentBytes = 0;
  #allowedBytes = EXEC_STDIN_WINDOW_BYTES;
  #state: 'open' | 'ended' | 'over' = 'open';
  #waiting: (() => void)[] = [];

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  get isOver(): boolean {
    return this.#state === 'over';
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      while (this.#state === 'open' && this.#sentBytes >= this.#allowedBytes) {
        await new Promise<void>(resolve => this.#waiting.push(resolve));
      }
      if (this.#state !== 'open') throw new LineError('CLOSED', 'the command takes no more input');
      const part = bytes.subarray(at, at + this.#allowedBytes - this.#sentBytes);
      at += part.length;
      this.#sentBytes += part.length;
      if (this.#sentBytes > EXEC_BULK_AFTER_BYTES) this.#channel.setPriority('bulk');
      await this.#channel.write(part);
    }
  }

  async end(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#wake();
    await this.#channel.send({ t: 'eof' });
  }

  allow(byteCount: number): void {
    this.#allowedBytes = Math.max(this.#allowedBytes, byteCount);
    this.#wake();
  }

  close(): void {
    this.#state = 'over';
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** By the rules of the other side, so that what it would refuse as malformed is told here as the mistake that it is. */
function checkRequest({ cwd, env, timeoutMs, detach, ...command }: ExecRequest): StartRequest {
  try {
    const message = encodeRun({ command, cwd, env, timeoutMs, detach });
    if (JSON.stringify(message).length > MAX_MESSAGE_BYTES) {
      throw new LineError('SIZE', `a command with all its arguments has at most ${MAX_MESSAGE_BYTES} bytes`);
    }
    return decodeRun(message);
  } catch (thrown) {
    if (!(thrown instanceof LineError) || thrown.code !== 'MALFORMED') throw thrown;
    throw new LineError('USAGE', thrown.message, { cause: thrown });
  }
}

async function notStarted(channel: Channel, answer: JsonObject): Promise<RemoteProcess> {
  const status = readInteger(answer, 'status', 126, 127);
  const code = status === 127 ? 'NOT_FOUND' : 'ACCESS';
  const failure = new LineError(code, readText(answer, 'reason', 1024));
  return new RemoteProcess(channel, undefined, false, { status, failure });
}
