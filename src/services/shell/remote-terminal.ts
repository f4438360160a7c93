import { LineError } from '../../errors.ts';
import { onAbort, toLineError } from '../../line/abort.ts';
import type { Channel } from '../../line/channel.ts';
import { type Clock, systemClock } from '../../line/clock.ts';
import { isLineLost } from '../../line/lost.ts';
import type { Route } from '../../line/route.ts';
import type { JsonObject } from '../../protocol/bytes/json.ts';
import { SHELL_INPUT_WINDOW_BYTES, SHELL_OUTPUT_WINDOW_BYTES } from '../../protocol/limits.ts';
import { decodeEnd } from '../command.ts';
import { attachKind, COMMAND_KIND, decodeSession, encodeStart, messageType, notDue, SHELL_KIND } from './messages.ts';
import { ResumableStream } from './resumable-stream.ts';
import type { TerminalEnd, TerminalRequest, TerminalSignal, TerminalSize } from './terminal.ts';

/**
 * Opens a terminal at the other end of `route`: the user's login shell, which needs the permission `shell`, or the command
 * of the request, which needs `exec`. Resolves when it runs there; whoever opened it reads its output to the end or calls
 * `close`.
 *
 * Throws `FORBIDDEN`, `UNSUPPORTED` where there are no terminals, `TOO_MANY`, `NOT_FOUND`, `ACCESS`, and what ends the line.
 */
export async function openShell(
  route: Pick<Route, 'open'>,
  request: TerminalRequest,
  options: ShellOptions = {},
): Promise<RemoteTerminal> {
  const kind = request.command === undefined ? SHELL_KIND.open : COMMAND_KIND.open;
  const channel = route.open(kind, {}, { signal: options.signal });
  try {
    await channel.send(encodeStart(request));
    const { id, received } = decodeSession(await channel.readMessage());
    if (received !== 0) throw notDue();
    return new RemoteTerminal(channel, { id, kind: attachKind(kind), size: request.size }, options);
  } catch (thrown) {
    channel.reset();
    throw thrown;
  }
}

export interface ShellOptions {
  /**
   * Finds another way to the same machine after the line was lost with `error`, and may try for as long as it likes; what it
   * throws ends the terminal. The session there goes on meanwhile, and once there is a way nothing of it has been lost or
   * comes twice. Without it a lost line ends the terminal. `signal` is aborted by `close`.
   */
  readonly redial?: ((error: LineError, signal: AbortSignal) => Promise<Pick<Route, 'open'>>) | undefined;
  /** The terminal is shown again after its line was lost; a size that is set here is the first that is told. */
  readonly onResume?: (() => void) | undefined;
  /** Hangs up, as `close` does. */
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock | undefined;
}

/** A terminal on another machine. */
export class RemoteTerminal {
  /** Raw, for the terminal of this side. Throws what ended the terminal, if that was not the end of its process. */
  readonly output: AsyncIterable<Uint8Array>;
  readonly #session: { readonly id: string; readonly kind: string };
  readonly #options: ShellOptions;
  readonly #streams: ResumableStream;
  readonly #closing = new AbortController();
  readonly #ended: Promise<TerminalEnd>;
  #size: TerminalSize;
  #channel: Channel | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** Made by `openShell`. */
  constructor(channel: Channel, session: { id: string; kind: string; size: TerminalSize }, options: ShellOptions) {
    this.#session = session;
    this.#size = session.size;
    this.#options = options;
    this.#streams = new ResumableStream(
      { sendBytes: SHELL_INPUT_WINDOW_BYTES, receiveBytes: SHELL_OUTPUT_WINDOW_BYTES },
      options.clock ?? systemClock,
    );
    this.#streams.receivedBytes();
    this.output = { [Symbol.asyncIterator]: () => this.#readOutput() };
    const stopListening = onAbort(options.signal, error => this.close(error));
    this.#ended = this.#run(channel).finally(stopListening);
    // Who does not wait hears of it from `output` and `write`.
    this.#ended.catch(() => {});
  }

  /**
   * Types `bytes`. Resolves when they have a place in the window of 64 KiB that the program there has still to take; that
   * may be while the line is lost. Throws what ended the terminal.
   */
  write(bytes: Uint8Array): Promise<void> {
    const written = this.#writing.then(() => this.#streams.write(bytes));
    this.#writing = written.catch(() => {});
    return written;
  }

  resize(size: TerminalSize): void {
    this.#size = size;
    this.#say({ t: 'resize', ...size });
  }

  /** To the process there and its group; lost while the line is. Keys such as Ctrl-C are typed with `write`. */
  signal(name: TerminalSignal): void {
    this.#say({ t: 'signal', name });
  }

  /** How the process ended; throws what ended the terminal otherwise. Output may be left to read. */
  wait(): Promise<TerminalEnd> {
    return this.#ended;
  }

  /** Hangs up: the process there gets HUP. While the line is lost it cannot be told, and waits for its time. Twice is once. */
  close(error: LineError = new LineError('CANCELLED', 'the terminal was closed')): void {
    this.#closing.abort(error);
    this.#channel?.reset(new LineError('CANCELLED', 'the terminal was closed'));
    this.#streams.fail(error);
  }

  async *#readOutput(): AsyncGenerator<Uint8Array> {
    for (let bytes = await this.#streams.read(); bytes !== undefined; bytes = await this.#streams.read()) yield bytes;
  }

  /** From channel to channel until the process has ended. */
  async #run(first: Channel): Promise<TerminalEnd> {
    try {
      let channel = first;
      for (;;) {
        const outcome = await this.#show(channel);
        if (!(outcome instanceof LineError)) {
          this.#streams.endReading();
          return outcome;
        }
        channel = await this.#return(outcome);
      }
    } catch (thrown) {
      const error = toLineError(this.#closing.signal.aborted ? this.#closing.signal.reason : thrown);
      this.#streams.fail(error);
      throw error;
    }
  }

  /** Until the process ends, or the error that the channel was lost with. */
  async #show(channel: Channel): Promise<TerminalEnd | LineError> {
    this.#channel = channel;
    let end: TerminalEnd | undefined;
    try {
      if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
      const lost = await this.#streams.carry(channel, message => {
        if (messageType(message) !== 'exit' || end !== undefined) throw notDue();
        end = decodeEnd(message);
        // Nothing is expected any more, and the host may forget the session.
        channel.end().catch(() => {});
      });
      return end ?? lost ?? new LineError('PROTOCOL', 'the other side ended a terminal without saying how');
    } catch (thrown) {
      channel.reset();
      throw thrown;
    } finally {
      this.#channel = undefined;
    }
  }

  /** Returns to the session over another line. */
  async #return(error: unknown): Promise<Channel> {
    const { redial, onResume } = this.#options;
    for (;;) {
      if (redial === undefined || !isLineLost(error)) throw error;
      const route = await redial(error, this.#closing.signal);
      const { id, kind } = this.#session;
      let channel: Channel | undefined;
      try {
        channel = route.open(kind, { session: id, received: this.#streams.receivedBytes() });
        const answer = decodeSession(await channel.readMessage());
        this.#streams.acknowledge(answer.received);
        onResume?.();
        await channel.send({ t: 'resize', ...this.#size });
        return channel;
      } catch (thrown) {
        // It may be lost again, which the next round finds out.
        channel?.reset();
        error = thrown;
      }
    }
  }

  #say(message: JsonObject): void {
    // A channel that is over is told of by its reader.
    this.#channel?.send(message).catch(() => {});
  }
}
