import type { LineError } from '../../errors.ts';
import { EXEC_OUTPUT_QUEUE_BYTES } from '../../protocol/limits.ts';
import { ByteQueue } from './byte-queue.ts';

/**
 * One output of a remote process: filled by the channel, read once with `for await`. It holds little; then the channel
 * waits for its reader, and the process for the channel. Whoever stops reading drops what follows.
 */
export class Output implements AsyncIterable<Uint8Array> {
  readonly #queue = new ByteQueue();
  #state: 'unread' | 'read' | 'dropped' = 'unread';
  #isEnded = false;
  #failure: LineError | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  /** Takes over the bytes; resolves when more is welcome. */
  async push(bytes: Uint8Array): Promise<void> {
    if (this.#state === 'dropped') return;
    this.#queue.push(bytes);
    this.#wakeReader?.();
    while (this.#queue.byteLength > EXEC_OUTPUT_QUEUE_BYTES) {
      await new Promise<void>(resolve => {
        this.#wakeWriter = resolve;
      });
    }
  }

  end(): void {
    this.#isEnded = true;
    this.#wakeReader?.();
  }

  /** What has come stays readable; then the iteration throws `error`. */
  fail(error: LineError): void {
    if (this.#isEnded) return;
    this.#failure = error;
    this.end();
  }

  /** Nobody will read it: what has come is dropped, and what comes. Without effect once somebody has begun to read. */
  dropUnlessRead(): void {
    if (this.#state === 'unread') this.#drop();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    if (this.#state === 'unread') this.#state = 'read';
    try {
      for (;;) {
        const bytes = this.#queue.shift();
        if (bytes !== undefined) {
          this.#wakeWriter?.();
          yield bytes;
        } else if (this.#isEnded) {
          if (this.#failure !== undefined) throw this.#failure;
          return;
        } else {
          await new Promise<void>(resolve => {
            this.#wakeReader = resolve;
          });
        }
      }
    } finally {
      this.#drop();
    }
  }

  #drop(): void {
    this.#state = 'dropped';
    this.#queue.clear();
    this.#wakeWriter?.();
  }
}
