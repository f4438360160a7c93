import type { LineError } from '../../../errors.ts';
import { toLineError } from '../../../line/abort.ts';
import type { Clock } from '../../../line/clock.ts';
import type { ChatHistory, StoredAs, UnstoredMessage } from '../history.ts';

/**
 * Stores what was said, everything that comes in one turn of the event loop, or while the last is being stored, in one
 * transaction, or in several with turns for others between them. What is stored is told one after the other in the order of
 * the ids.
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
    while (this.#waiting.length > 0) {
      await new Promise<void>(resolve => this.#clock.soon(resolve));
      const commits = this.#waiting.splice(0, this.#countAtOnce());
      const outcome = await this.#store(commits);
      for (const [at, { settle }] of commits.entries()) settle('code' in outcome ? outcome : outcome[at]!);
    }
    this.#working = undefined;
  }

  #countAtOnce(): number {
    let units = 0;
    const beyond = this.#waiting.findIndex(({ message }, at) => {
      units += message.text.length;
      return at >= MAX_AT_ONCE || (units > MAX_UNITS_AT_ONCE && at > 0);
    });
    return beyond < 0 ? this.#waiting.length : beyond;
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

/** Messages, and UTF-16 units of their texts: a transaction of so many takes some milliseconds. */
const MAX_AT_ONCE = 512;
const MAX_UNITS_AT_ONCE = 64 * 1024;
