import { LineError } from '../../errors.ts';
import { MAX_CHAT_UNACKNOWLEDGED } from '../../protocol/limits.ts';
import type { Say } from './messages.ts';

/** What the server gave a message. */
export interface StoredMessage {
  readonly id: number;
  readonly timeMs: number;
}

/** What was said and is not acknowledged, in its order: it is said again over the next line. */
export class Outbox {
  readonly #waiting = new Map<string, Waiting>();

  /** Resolves when it is acknowledged. Throws `TOO_MANY`, and what the server refuses. */
  add(say: Say): Promise<StoredMessage> {
    if (this.#waiting.size >= MAX_CHAT_UNACKNOWLEDGED) {
      throw new LineError('TOO_MANY', 'too many messages wait to be acknowledged');
    }
    return new Promise((resolve, reject) => this.#waiting.set(say.nonce, { say, resolve, reject }));
  }

  get says(): readonly Say[] {
    return Array.from(this.#waiting.values(), ({ say }) => say);
  }

  stored(nonce: string, stored: StoredMessage): void {
    this.#take(nonce)?.resolve(stored);
  }

  refused(nonce: string, error: LineError): void {
    this.#take(nonce)?.reject(error);
  }

  /** Nothing of it is said any more. */
  cancel(error: LineError): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /** One that is not there was acknowledged over an earlier line. */
  #take(nonce: string): Waiting | undefined {
    const waiting = this.#waiting.get(nonce);
    this.#waiting.delete(nonce);
    return waiting;
  }
}

interface Waiting {
  readonly say: Say;
  readonly resolve: (stored: StoredMessage) => void;
  readonly reject: (error: LineError) => void;
}
