import { MAX_UNREAD_BYTES_ALL_LINES } from '../protocol/limits.ts';

/** Bytes that lines of one listener have received and their readers have not taken; shared by all of them. */
export class UnreadBudget {
  #unreadBytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes = MAX_UNREAD_BYTES_ALL_LINES) {
    this.#maxBytes = maxBytes;
  }

  add(byteLength: number): void {
    this.#unreadBytes += byteLength;
  }

  /** From here on only the smallest windows are granted. */
  get isShort(): boolean {
    return this.#unreadBytes > this.#maxBytes;
  }
}
