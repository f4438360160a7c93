import type { Address } from '../address.ts';
import { receiveMessage } from '../framing/raw.ts';
import type { Connection } from '../net/connection.ts';
import { acceptOne, dial } from '../net/tcp.ts';
import type { Person, ProgramOptions, ServeOptions } from '../person.ts';
import { encodeText } from '../text/encoding.ts';
import { PROMPT } from './originals.ts';

/** The two-way talk, in turns, ended by `bye`. The serving side listens first. */
export async function serveTalk(at: Address, options: ServeOptions): Promise<void> {
  const talk = new Talk(await acceptOne(at, options), options.person);
  try {
    while ((await talk.listen()) && (await talk.speak()));
  } finally {
    await talk.close();
  }
}

/** The calling side speaks first. */
export async function callTalk(to: Address, { person, signal }: ProgramOptions): Promise<void> {
  const talk = new Talk(await dial(to, signal), person);
  try {
    while ((await talk.speak()) && (await talk.listen()));
  } finally {
    await talk.close();
  }
}

class Talk {
  readonly #connection: Connection;
  readonly #person: Person;
  /** Kept over messages: a character may be cut in two. */
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(connection: Connection, person: Person) {
    this.#connection = connection;
    this.#person = person;
  }

  /** Shows a message; `false` when it was the last. */
  async listen(): Promise<boolean> {
    const bytes = await receiveMessage(this.#connection);
    if (bytes === undefined) {
      this.#person.note('the other side has left without a word');
      return false;
    }
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text === BYE) {
      // Both originals answer a bye, though the other one may be gone by then.
      await this.#connection.send(encodeText(BYE, 'utf-8')).catch(() => {});
      return false;
    }
    await this.#person.hear({ text });
    return true;
  }

  /** Sends a line; `false` when there is none. A `bye` that was sent is answered, and ends the talk then. */
  async speak(): Promise<boolean> {
    for (;;) {
      const line = await this.#person.ask(PROMPT);
      const bytes = encodeText(line ?? BYE, 'utf-8');
      // TCP cannot carry nothing: the originals would both wait for ever.
      if (bytes.length === 0) continue;
      await this.#connection.send(bytes);
      return line !== undefined;
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

const BYE = 'bye';
