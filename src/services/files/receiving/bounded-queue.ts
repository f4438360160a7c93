/**
 * Hands items from one loop to another, at most `capacity` ahead. One taker. A full queue takes more only once it is half
 * empty, so that giving goes in bursts: what a burst sends shares records, what trickles has one each.
 */
export class BoundedQueue<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];
  #end: { readonly error: unknown } | 'ended' | undefined;
  #wakeTaker: (() => void) | undefined;
  #wakeGivers: (() => void)[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Resolves when the item is in the queue; `false` if the taker has left. */
  async give(item: T): Promise<boolean> {
    while (this.#items.length >= this.#capacity && this.#end === undefined) {
      await new Promise<void>(resolve => this.#wakeGivers.push(resolve));
    }
    if (this.#end !== undefined) return false;
    this.#items.push(item);
    this.#wake();
    return true;
  }

  /** No more items follow; with an error, the taker meets it after the last item. */
  end(error?: unknown): void {
    this.#end ??= error === undefined ? 'ended' : { error };
    this.#wake();
  }

  /** The taker leaves: what is queued is dropped and givers are turned away. */
  leave(): void {
    this.#items.length = 0;
    this.#end = 'ended';
    this.#wake();
  }

  /** What is here already, for whoever need not wait: `undefined` if nothing is. */
  takeNow(): T | undefined {
    const item = this.#items.shift();
    if (item !== undefined && this.#items.length <= this.#capacity / 2) this.#wakeAllGivers();
    return item;
  }

  async take(): Promise<T | undefined> {
    while (this.#items.length === 0) {
      if (this.#end === 'ended') return undefined;
      if (this.#end !== undefined) throw this.#end.error;
      await new Promise<void>(resolve => {
        this.#wakeTaker = resolve;
      });
    }
    return this.takeNow();
  }

  #wake(): void {
    this.#wakeTaker?.();
    this.#wakeTaker = undefined;
    if (this.#end !== undefined) this.#wakeAllGivers();
  }

  #wakeAllGivers(): void {
    for (const wake of this.#wakeGivers.splice(0)) wake();
  }
}
