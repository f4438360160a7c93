import type { ChannelState, Priority } from './channel-state.ts';

/**
 * Fair turn-taking: channels that have something to send stand in a ring per class, interactive before bulk, and who
 * has had a turn goes to the end of its ring.
 */
export class Schedule {
  readonly #rings: Record<Priority, Set<ChannelState>> = { interactive: new Set(), bulk: new Set() };

  add(channel: ChannelState): void {
    this.#rings[channel.priority].add(channel);
  }

  remove(channel: ChannelState): void {
    this.#rings[channel.priority].delete(channel);
  }

  /** The channel whose turn it is among those that `canSend`, moved to the end of its ring. */
  takeTurn(priority: Priority, canSend: (channel: ChannelState) => boolean): ChannelState | undefined {
    const ring = this.#rings[priority];
    for (const channel of ring) {
      if (!canSend(channel)) continue;
      ring.delete(channel);
      ring.add(channel);
      return channel;
    }
    return undefined;
  }

  /** Whether more than one channel stands in the rings. */
  get isShared(): boolean {
    return this.#rings.interactive.size + this.#rings.bulk.size > 1;
  }
}
