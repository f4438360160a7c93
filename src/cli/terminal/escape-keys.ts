/**
 * Keys that are for us and not for the other machine: those behind a `~` at the start of a line. Everything else goes
 * through byte for byte; a `~` waits for the key behind it.
 */
export class EscapeKeys {
  #state: 'line-start' | 'tilde' | 'in-line' = 'line-start';

  /** What is to be sent of `bytes`, and what the person wants of us, in the order in which it was typed. */
  feed(bytes: Uint8Array): readonly (Uint8Array | EscapeAction)[] {
    const parts: (Uint8Array | EscapeAction)[] = [];
    let sent: number[] = [];
    for (const byte of bytes) {
      if (this.#state === 'tilde') {
        const action = ACTIONS.get(byte);
        this.#state = action === undefined ? 'in-line' : 'line-start';
        if (action !== undefined) {
          if (sent.length > 0) parts.push(Uint8Array.from(sent));
          sent = [];
          parts.push(action);
          continue;
        }
        // `~~` is one, and before anything else it was meant as it stands.
        sent.push(TILDE);
        if (byte === TILDE) continue;
      } else if (this.#state === 'line-start' && byte === TILDE) {
        this.#state = 'tilde';
        continue;
      }
      sent.push(byte);
      this.#state = byte === RETURN || byte === NEWLINE ? 'line-start' : 'in-line';
    }
    if (sent.length > 0) parts.push(Uint8Array.from(sent));
    return parts;
  }

  /** The next key counts as the first of a line: what was typed before cannot be seen. */
  startLine(): void {
    if (this.#state === 'in-line') this.#state = 'line-start';
  }
}

export type EscapeAction = 'leave' | 'help' | 'suspend';

export const ESCAPE_HELP: readonly string[] = [
  '~.   leave and hang up',
  '~^Z  suspend postern',
  '~~   send one ~',
  '~?   show this list',
  'These count at the start of a line only.',
];

const TILDE = 0x7e;
const RETURN = 0x0d;
const NEWLINE = 0x0a;
const ACTIONS: ReadonlyMap<number, EscapeAction> = new Map([
  [0x2e, 'leave'],
  [0x3f, 'help'],
  [0x1a, 'suspend'],
]);
