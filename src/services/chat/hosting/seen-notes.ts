import type { Clock, Timer } from '../../../line/clock.ts';
import type { ChatHistory, Seen } from '../history.ts';

/** Who has seen what, written now and then: a crash may lose the last seconds of it. */
export class SeenNotes {
  readonly #history: ChatHistory;
  readonly #clock: Clock;
  /** What is not written yet, by name and room. */
  #notes = new Map<string, Seen>();
  #timer: Timer | undefined;

  constructor(history: ChatHistory, clock: Clock) {
    this.#history = history;
    this.#clock = clock;
  }

  note(seen: Seen): void {
    this.#notes.set(keyOf(seen.nameKey, seen.room), seen);
    if (this.#notes.size >= MAX_NOTES) void this.#write();
    else this.#timer ??= this.#clock.after(WRITE_AFTER_MS, () => void this.#write());
  }

  async of(nameKey: string, room: string): Promise<number | undefined> {
    return this.#notes.get(keyOf(nameKey, room))?.id ?? (await this.#history.seen(nameKey, room));
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    await this.#write();
  }

  async #write(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const seen = [...this.#notes.values()];
    this.#notes = new Map();
    // Where it cannot be written it is said again, as soon as more has been seen.
    if (seen.length > 0) await this.#history.keepSeen(seen).catch(() => {});
  }
}

/** Neither a name nor a room has a space. */
function keyOf(nameKey: string, room: string): string {
  return `${nameKey} ${room}`;
}

const WRITE_AFTER_MS = 5_000;
const MAX_NOTES = 1_000;
