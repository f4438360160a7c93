import { LineError, type LineErrorCode } from '../../errors.ts';
import { toLineError } from '../../line/abort.ts';
import type { Channel } from '../../line/channel.ts';
import type { Clock, Timer } from '../../line/clock.ts';
import type { JsonObject } from '../../protocol/bytes/json.ts';
import {
  SHELL_AWAY_MS,
  SHELL_INPUT_WINDOW_BYTES,
  SHELL_KILL_GRACE_MS,
  SHELL_OUTPUT_WINDOW_BYTES,
} from '../../protocol/limits.ts';
import { decodeSignal, decodeSize, encodeEnd, messageType, notDue } from './messages.ts';
import { ResumableStream } from './resumable-stream.ts';
import type { Terminal, TerminalEnd } from './terminal.ts';

/**
 * A terminal that outlives the channel which shows it, at the host:
 *
 *   1. Shown: a channel carries it. What the channel cannot take makes the terminal wait, and nothing is lost.
 *   2. Away: its line was lost. It goes on until its output has no more room, and for `SHELL_AWAY_MS` at most.
 *   3. Ended: its process has; it stays until its last output has been fetched, or as long as away.
 *   4. Hung up, by who showed it, because he is not let in any more, or because it was away for too long: HUP, then KILL.
 */
export class Session {
  readonly id: string;
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  readonly #streams: ResumableStream;
  readonly #onOver: () => void;
  #channel: Channel | undefined;
  #end: TerminalEnd | undefined;
  #isHungUp = false;
  /** Its number has been sent. */
  #isKnown = false;
  #timer: Timer | undefined;

  /** `onOver` is called once, when nothing of it is left and it cannot be returned to. */
  constructor(id: string, terminal: Terminal, clock: Clock, onOver: () => void) {
    this.id = id;
    this.#terminal = terminal;
    this.#clock = clock;
    this.#onOver = onOver;
    this.#streams = new ResumableStream(
      { sendBytes: SHELL_OUTPUT_WINDOW_BYTES, receiveBytes: SHELL_INPUT_WINDOW_BYTES },
      clock,
    );
    void this.#passOutput();
    void this.#passInput();
  }

  /** Whether it can be shown: hung up it cannot, ended it can. */
  get isOpen(): boolean {
    return !this.#isHungUp;
  }

  /**
   * Shows the terminal on `channel`, whose other end has all output before `received`, until the channel is over. Another
   * one that shows it is ended. Throws what the channel is to be reset with.
   */
  async show(channel: Channel, received: number): Promise<void> {
    this.#streams.acknowledge(received);
    const former = this.#channel;
    this.#channel = channel;
    former?.reset(new LineError('REFUSED', 'the session is shown elsewhere now'));
    if (!this.#isHungUp) this.#timer?.cancel();
    const hello: JsonObject = { t: 'session', id: this.id, received: this.#streams.receivedBytes() };
    // Nothing may come between the number that is told and the first byte that is taken, so this is not waited for.
    const told = channel.send(hello).then(
      () => true,
      () => false,
    );
    let error: LineError | undefined;
    let isLoss = false;
    try {
      error = await this.#streams.carry(channel, message => this.#obey(message));
      isLoss = error !== undefined && !FOR_GOOD.has(error.code);
      // Nobody returns to what nobody was told of.
      this.#isKnown ||= await told;
    } catch (thrown) {
      // Whoever breaks the protocol is not waited for.
      error = toLineError(thrown);
    }
    if (this.#channel === channel) {
      this.#channel = undefined;
      if (isLoss && this.#isKnown && !this.#isHungUp)
        this.#timer = this.#clock.after(SHELL_AWAY_MS, () => this.hangUp());
      else this.hangUp();
    }
    if (error !== undefined) throw error;
  }

  /** May be called twice. */
  hangUp(): void {
    if (this.#isHungUp) return;
    this.#isHungUp = true;
    this.#timer?.cancel();
    this.#streams.discard();
    if (this.#end !== undefined) {
      this.#onOver();
      return;
    }
    this.#terminal.signal('SIGHUP');
    this.#timer = this.#clock.after(SHELL_KILL_GRACE_MS, () => this.#terminal.signal('SIGKILL'));
  }

  #obey(message: JsonObject): void {
    const type = messageType(message);
    if (type === 'resize') this.#terminal.resize(decodeSize(message));
    else if (type === 'signal') this.#terminal.signal(decodeSignal(message));
    else throw notDue();
  }

  async #passOutput(): Promise<void> {
    for (let bytes = await this.#terminal.read(); bytes !== undefined; bytes = await this.#terminal.read()) {
      await this.#streams.write(bytes);
    }
    this.#end = await this.#terminal.ended;
    this.#streams.endReading();
    this.#streams.finish(encodeEnd(this.#end));
    if (!this.#isHungUp) return;
    this.#timer?.cancel();
    this.#onOver();
  }

  async #passInput(): Promise<void> {
    for (let bytes = await this.#streams.read(); bytes !== undefined; bytes = await this.#streams.read()) {
      await this.#terminal.write(bytes);
    }
  }
}

/** Ends of a channel that nobody is to return from: who showed it has left, or may be here no more. */
const FOR_GOOD: ReadonlySet<LineErrorCode> = new Set(['CANCELLED', 'REVOKED']);
