import type { Socket } from 'node:net';
import { LineError } from '../../errors.ts';
import { toLineError } from '../../node/node-errors.ts';
import { formatAddress } from '../address.ts';
import { LINGER_MS, SILENCE_MS } from '../limits.ts';

/** Bytes of a peer, pulled: nothing is read ahead but what the system and one buffer of the socket hold. */
export interface ByteSource {
  /**
   * recv(): 1 to `maxBytes` bytes as soon as there are any, `undefined` at the end. Waits without end unless `withinMs` is
   * given, and then throws `TIMEOUT`.
   */
  receive(maxBytes: number, withinMs?: number): Promise<Uint8Array | undefined>;
  /** Whether more is there within so many milliseconds. */
  hasMore(withinMs: number): Promise<boolean>;
}

/** Both directions. */
export interface ByteStream extends ByteSource {
  /**
   * Resolves when the system has taken the bytes, so that a peer that reads slowly slows us. Throws `TIMEOUT` if it takes
   * nothing for `silenceMs`, half a minute unless given.
   */
  send(bytes: Uint8Array, silenceMs?: number): Promise<void>;
}

/** One TCP connection of a program, owned by whoever dialled or accepted it. */
export class Connection implements ByteStream {
  /** Of the peer, for people. */
  readonly peer: string;
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  #rest: Uint8Array = NOTHING;
  #failure: unknown;

  /** `signal` ends whatever waits, with its reason. */
  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    this.peer = formatAddress({ host: socket.remoteAddress ?? '?', port: socket.remotePort ?? 0 });
    socket.on('error', error => {
      this.#failure = error;
    });
    socket.setNoDelay(true);
  }

  async receive(maxBytes: number, withinMs?: number): Promise<Uint8Array | undefined> {
    if (!(await this.#fill(withinMs))) {
      this.#signal.throwIfAborted();
      if (this.#failure !== undefined) throw toLineError(this.#failure, 'the other side');
      return undefined;
    }
    const piece = this.#rest.subarray(0, maxBytes);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  async hasMore(withinMs: number): Promise<boolean> {
    try {
      return await this.#fill(withinMs);
    } catch (thrown) {
      if (thrown instanceof LineError && thrown.code === 'TIMEOUT') return false;
      throw thrown;
    }
  }

  async send(bytes: Uint8Array, silenceMs: number = SILENCE_MS): Promise<void> {
    for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
      await this.#write(bytes.subarray(at, at + SLICE_BYTES), silenceMs);
    }
  }

  /** Closes behind what was sent. A peer that keeps its side open is waited for only briefly. */
  async close(): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed) return;
    await new Promise<void>(resolve => {
      const timer = setTimeout(() => socket.destroy(), LINGER_MS);
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      // What is not read would have the system throw away what we have sent.
      socket.resume();
      if (this.#signal.aborted) socket.destroy();
      else socket.end();
    });
  }

  async #write(bytes: Uint8Array, withinMs: number): Promise<void> {
    this.#signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: unknown): void => {
        clearTimeout(timer);
        this.#signal.removeEventListener('abort', stop);
        if (error) reject(error);
        else resolve();
      };
      const stop = (): void => settle(this.#signal.reason);
      const timer = setTimeout(() => settle(new LineError('TIMEOUT', 'the other side takes nothing')), withinMs);
      this.#signal.addEventListener('abort', stop);
      this.#socket.write(bytes, error => settle(error && toLineError(error, 'the other side')));
    });
  }

  /** `false` at the end. */
  async #fill(withinMs: number | undefined): Promise<boolean> {
    while (this.#rest.length === 0) {
      const bytes = this.#socket.read() as Uint8Array | null;
      if (bytes !== null) this.#rest = bytes;
      else if (this.#socket.readableEnded || this.#socket.destroyed || this.#signal.aborted) return false;
      else await this.#untilReadable(withinMs);
    }
    return true;
  }

  #untilReadable(withinMs: number | undefined): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const timer =
        withinMs === undefined
          ? undefined
          : // What has come while this process was busy is seen first: timers come before input in a turn of the loop.
            setTimeout(() => setImmediate(() => settle(silent())), withinMs);
      const settle = (error?: unknown): void => {
        clearTimeout(timer);
        for (const event of ENDS) socket.removeListener(event, wake);
        this.#signal.removeEventListener('abort', wake);
        if (error instanceof LineError) reject(error);
        else resolve();
      };
      const wake = (): void => settle();
      for (const event of ENDS) socket.on(event, wake);
      this.#signal.addEventListener('abort', wake);
    });
  }
}

function silent(): LineError {
  return new LineError('TIMEOUT', 'the other side says nothing');
}

const NOTHING = new Uint8Array();
/** What is given to the system at once: a peer that takes so much now and then is alive. */
const SLICE_BYTES = 65_536;
const ENDS = ['readable', 'end', 'close', 'error'] as const;
