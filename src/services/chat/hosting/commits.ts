import type { LineError } from '../../../errors.ts';
import { toLineError } from '../../../line/abort.ts';
import type { Clock } from '../../../line/clock.ts';
import type { ChatHistory, StoredAs, UnstoredMessage } from '../history.ts';

/**
 * Stores what was said, everything that comes in one turn of the event loop, or while the last is being stored, in one
 * transaction. What is stored is told one after the other in the order of the ids.
 */
export class Commits {
  readonly #history: ChatHistory;
  readonly #clock: Clock;
  readonly #nowMs: () => number;
  #waiting: Commit[] = [];
  #working: Promise<void> | undefined;

  constructor(history: ChatHistory, clock: Clock, nowMs: () => number) {
    this.#history = history;
    this.#clock = clock;
    this.#nowMs = nowMs;
  }

  /** `settle` hears once what became of it, and must not throw. Who submits bounds what waits. */
  submit(message: UnstoredMessage, settle: Settle): void {
    this.#waiting.push({ message, settle });
    this.#working ??= this.#work();
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    await this.#working;
  }

  async #work(): Promise<void> {
    await new Promise<void>(resolve => this.#clock.soon(resolve));
    while (this.#waiting.length > 0) {
      const commits = this.#waiting.splice(0, MAX_AT_ONCE);
      const outcome = await this.#store(commits);
      for (const [at, { settle }] of commits.entries()) settle('code' in outcome ? outcome : outcome[at]!);
    }
    this.#working = undefined;
  }

  async #store(commits: readonly Commit[]): Promise<readonly StoredAs[] | LineError> {
    try {
      return await this.#history.append(
        commits.map(({ message }) => message),
        this.#nowMs(),
      );
    } catch (thrown) {
      return toLineError(thrown);
    }
  }
}

export type Settle = (outcome: StoredAs | LineError) => void;

interface Commit {
  readonly message: UnstoredMessage;
  readonly settle: Settle;
}

/** A transaction of so many takes some milliseconds. */
const MAX_AT_ONCE = 512;
