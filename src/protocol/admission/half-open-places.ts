import type { AdmissionLimits } from './admission-limits.ts';
import { firstOf } from './recency-table.ts';
import type { Source } from './sources.ts';

/** The connections that have not logged in, oldest first. */
export class HalfOpenPlaces {
  readonly #limits: AdmissionLimits;
  readonly #all = new Set<HalfOpenConnection>();
  readonly #bySource = new Map<string, Set<HalfOpenConnection>>();

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#all.size;
  }

  enter(ticket: HalfOpenConnection, nowMs: number): void {
    const evicted: HalfOpenConnection[] = [];
    for (const { key, weight } of ticket.sources) {
      const places = this.#bySource.get(key);
      if (!places || places.size < this.#limits.halfOpenConnectionsPerSource * weight) continue;
      const oldest = firstOf(places)!;
      // A source that crowds itself out has left its handshake; else eviction would be the way to leave for nothing.
      oldest.left(nowMs);
      evicted.push(oldest);
    }
    if (this.#all.size >= this.#limits.halfOpenConnections) {
      const oldest = firstOf(this.#all)!;
      oldest.evict();
      evicted.push(oldest);
    }
    this.#all.add(ticket);
    for (const { key } of ticket.sources) {
      const places = this.#bySource.get(key) ?? new Set();
      this.#bySource.set(key, places.add(ticket));
    }
    for (const closing of evicted) closing.notify();
  }

  leave(ticket: HalfOpenConnection): void {
    if (!this.#all.delete(ticket)) return;
    for (const { key } of ticket.sources) {
      const places = this.#bySource.get(key)!;
      places.delete(ticket);
      if (places.size === 0) this.#bySource.delete(key);
    }
  }
}

/** What the table asks of the connections in it. */
export interface HalfOpenConnection {
  readonly sources: readonly Source[];
  /** As if the connection had ended by itself. */
  left(nowMs: number): void;
  /** Ended without any fault of its source. */
  evict(): void;
  /** Tells the owner to close it, after the tables are in order. */
  notify(): void;
}
