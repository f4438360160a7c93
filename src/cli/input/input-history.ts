/** What was sent before, and the draft that waits while it is looked through. Bounded. */
export class InputHistory {
  readonly #entries: string[] = [];
  /** Which entry is shown; one behind the last is the draft. */
  #at = 0;
  #draft = '';

  /** What was sent becomes the newest entry, unless it is the same once more. */
  add(text: string): void {
    if (text.trim() !== '' && text !== this.#entries.at(-1)) this.#entries.push(text);
    if (this.#entries.length > MAX_ENTRIES) this.#entries.shift();
    this.leave();
  }

  /** The entry before the one that is shown; `undefined` at the oldest. `shown` is kept if it is the draft. */
  older(shown: string): string | undefined {
    if (this.#at === 0) return undefined;
    if (this.#at === this.#entries.length) this.#draft = shown;
    this.#at -= 1;
    return this.#entries[this.#at];
  }

  /** The entry behind the one that is shown, the draft behind the newest; `undefined` at the draft. */
  newer(): string | undefined {
    if (this.#at === this.#entries.length) return undefined;
    this.#at += 1;
    return this.#entries[this.#at] ?? this.#draft;
  }

  /** Back to an empty draft. */
  leave(): void {
    this.#at = this.#entries.length;
    this.#draft = '';
  }
}

const MAX_ENTRIES = 200;
