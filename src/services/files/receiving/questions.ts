import { LineError } from '../../../errors.ts';
import { toLineError } from '../../../line/abort.ts';
import type { Channel } from '../../../line/channel.ts';
import { type JsonObject, readInteger, readText } from '../../../protocol/bytes/json.ts';
import { asObject, decodeEntry, encodeEntry, encodePath, requestedPath } from '../messages.ts';
import { CONFLICT_POLICIES, type Conflict, type ConflictAnswer } from './conflict.ts';

/**
 * What the host of an upload asks, on the channel of its `files.put` (docs/protocol/4-services.md §1): about conflicts under
 * the policy `ask`, and about changes of type. One question at a time; each side holds the other to that.
 */

/** The host's side. */
export class Questions {
  readonly #channel: Channel;
  #asked: { readonly id: number; readonly answer: (answer: ConflictAnswer) => void } | undefined;
  #count = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Settles with the answer; if none comes, never: `listen` tells why. */
  async ask(conflict: Conflict): Promise<ConflictAnswer> {
    const id = this.#count;
    this.#count += 1;
    const answered = new Promise<ConflictAnswer>(answer => {
      this.#asked = { id, answer };
    });
    try {
      await this.#channel.send(encodeQuestion(id, conflict));
    } catch (thrown) {
      this.#asked = undefined;
      throw thrown;
    }
    return answered;
  }

  /** Reads answers until the other side ends. Throws what it was reset with, and `PROTOCOL` for anything else it says. */
  async listen(): Promise<void> {
    for (let item = await this.#channel.read(); item !== undefined; item = await this.#channel.read()) {
      const asked = this.#asked;
      if (asked === undefined || item instanceof Uint8Array) throw notDue();
      this.#asked = undefined;
      asked.answer(decodeAnswer(item, asked.id));
    }
  }
}

/** The uploading side's. */
export class Answers {
  readonly #channel: Channel;
  readonly #to: string;
  readonly #decide: Decide;
  #isDeciding = false;

  /** Questions are about `to` and what is in it. */
  constructor(channel: Channel, to: string, decide: Decide) {
    this.#channel = channel;
    this.#to = to;
    this.#decide = decide;
  }

  /** Does not wait for the answer: events go on meanwhile. A failure to decide resets the channel. */
  take(message: JsonObject): void {
    const { id, conflict } = decodeQuestion(message);
    const isInside = this.#to === '' || conflict.path === this.#to || conflict.path.startsWith(`${this.#to}/`);
    const deciding = this.#isDeciding || !isInside ? undefined : this.#decide(conflict);
    if (deciding === undefined) throw notDue();
    this.#isDeciding = true;
    this.#answer(id, deciding).catch((thrown: unknown) => this.#channel.reset(toLineError(thrown)));
  }

  async #answer(id: number, deciding: Promise<ConflictAnswer>): Promise<void> {
    const policy = await deciding;
    this.#isDeciding = false;
    await this.#channel.send({ t: 'answer', id, policy });
  }
}

/** `undefined` for what may not be asked. */
type Decide = (conflict: Conflict) => Promise<ConflictAnswer> | undefined;

function encodeQuestion(id: number, { path, existing, source }: Conflict): JsonObject {
  return { t: 'conflict', id, ...encodePath(path), existing: encodeEntry(existing), source: encodeEntry(source) };
}

function decodeQuestion(message: JsonObject): { readonly id: number; readonly conflict: Conflict } {
  const path = requestedPath(message);
  if (path === '') throw new LineError('MALFORMED', 'a question about nothing');
  const existing = { ...decodeEntry(asObject(message['existing'])), path: '' };
  const source = { ...decodeEntry(asObject(message['source'])), path: '' };
  return { id: readInteger(message, 'id'), conflict: { path, existing, source } };
}

function decodeAnswer(message: JsonObject, id: number): ConflictAnswer {
  if (readText(message, 't', 16) !== 'answer' || readInteger(message, 'id') !== id) throw notDue();
  const name = readText(message, 'policy', 16);
  const answer = CONFLICT_POLICIES.find(policy => policy === name);
  if (answer === undefined || answer === 'ask') throw new LineError('MALFORMED', 'an answer that there is not');
  return answer;
}

function notDue(): LineError {
  return new LineError('PROTOCOL', 'a message that is not due');
}
