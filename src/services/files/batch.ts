import type { Channel } from '../../line/channel.ts';
import type { JsonObject } from '../../protocol/bytes/json.ts';

/** Gathers small objects into messages `{ t: key, [key]: […] }` of bounded size. */
export class Batch {
  readonly #channel: Channel;
  readonly #key: string;
  #items: JsonObject[] = [];
  #weight = 0;

  constructor(channel: Channel, key: string) {
    this.#channel = channel;
    this.#key = key;
  }

  /**
   * `weight` is an upper bound of the item's size as JSON. Where what was gathered before had to be sent, the promise
   * resolves when more is welcome; `undefined` if nothing was sent.
   */
  add(item: JsonObject, weight: number): Promise<void> | undefined {
    const isFull = this.#weight + weight > MAX_BATCH_WEIGHT;
    const flushed = isFull ? this.flush() : undefined;
    this.#items.push(item);
    this.#weight += weight;
    return flushed;
  }

  async flush(): Promise<void> {
    if (this.#items.length === 0) return;
    const items = this.#items;
    this.#items = [];
    this.#weight = 0;
    await this.#channel.send({ t: this.#key, [this.#key]: items });
  }
}

const MAX_BATCH_WEIGHT = 60_000;
