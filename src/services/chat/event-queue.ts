import { CHAT_EVENT_QUEUE } from '../../protocol/limits.ts';
import type { ChatEvent } from './message.ts';

/**
 * What a room has told and nobody has taken yet. Bounded: where nobody takes it, messages become a gap, which is read from
 * history when it is its turn.
 */
export class EventQueue {
  readonly #limit: number;
  readonly #items: QueuedEvent[] = [];
  #isEnded = false;
  #waiting: (() => void) | undefined;

  constructor(limit: number = CHAT_EVENT_QUEUE) {
    this.#limit = limit;
  }

  /** `after` is the id of the message before, which only a message needs. */
  push(event: ChatEvent, after: number): void {
    const isFull = this.#items.length >= this.#limit;
    if (!isFull) this.#add(event);
    // Who came and went meanwhile is not told later.
    else if (event.type === 'message') this.pushGap({ type: 'gap', count: 1, after, before: event.message.id + 1 });
  }

  pushGap(gap: Gap): void {
    const last = this.#items.at(-1);
    const isJoined = this.#items.length >= this.#limit && last?.type === 'gap' && last.last === undefined;
    if (!isJoined) {
      this.#add({ ...gap });
      return;
    }
    last.count += gap.count;
    last.before = gap.before;
  }

  /** The first one, which stays until `shift`; `undefined` where nobody has told anything yet, or will any more. */
  get head(): QueuedEvent | undefined {
    return this.#items[0];
  }

  /** Resolves when there is a head, with `false` when none will come any more. */
  async wait(): Promise<boolean> {
    while (this.#items.length === 0 && !this.#isEnded) {
      await new Promise<void>(resolve => {
        this.#waiting = resolve;
      });
    }
    return this.#items.length > 0;
  }

  shift(): void {
    this.#items.shift();
  }

  /** What is there may still be taken. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  #add(item: QueuedEvent): void {
    this.#items.push(item);
    this.#wake();
  }

  #wake(): void {
    const wake = this.#waiting;
    this.#waiting = undefined;
    wake?.();
  }
}

export type QueuedEvent = ChatEvent | Gap;

/** Messages that history has: those behind `after` and before `before`, and of these the `last` ones if it is given. */
export interface Gap {
  readonly type: 'gap';
  /** Moves on while it is read. */
  after: number;
  before: number;
  count: number;
  last?: number | undefined;
}
