import { LineError } from '../../errors.ts';
import type { Address } from '../address.ts';
import { SILENCE_MS } from '../limits.ts';
import type { Connection } from '../net/connection.ts';
import { dial } from '../net/tcp.ts';
import type { Person, ProgramOptions } from '../person.ts';
import type { PickleValue } from '../python/pickle-value.ts';
import {
  ASK_NAME,
  ASK_WHERE,
  ASK_WHETHER,
  COMPLETE,
  NEEDS_YES_OR_NO,
  readAnswer,
  tellProgress,
  tellSize,
} from './conversation.ts';
import { ObjectStream } from './object-stream.ts';
import { keyOfPassword, type PasswordKey } from './password-key.ts';

/**
 * Puts content where it was asked for, `location` being the user's own word. What `content` throws makes it no file: then
 * nothing may have that name.
 */
export type SaveFile = (location: string, content: AsyncIterable<Uint8Array>) => Promise<void>;

export interface FilesOptions {
  readonly password: string;
  readonly save: SaveFile;
  /** How long the server may take for one object; `SILENCE_MS` unless given. */
  readonly silenceMs?: number | undefined;
}

export interface GetFileOptions extends FilesOptions {
  readonly signal: AbortSignal;
  /** As the server is asked for it. */
  readonly path: string;
  readonly location: string;
}

/** Fetches one file without a question. `NOT_FOUND` with the words of the server if it does not give it. */
export async function getFile(from: Address, options: GetFileOptions): Promise<void> {
  await calling(from, options, async call => {
    const answer = await call.ask(options.path);
    if (typeof answer === 'string') throw new LineError('NOT_FOUND', answer);
    await options.save(options.location, call.accept(answer));
  });
}

/** The conversation of the original client, word for word. Who ends his input has said no. */
export async function callFiles(to: Address, options: FilesOptions & ProgramOptions): Promise<void> {
  const { person } = options;
  await calling(to, options, async call => {
    const path = await person.ask(ASK_NAME);
    if (path === undefined) return;
    const answer = await call.ask(path);
    if (typeof answer === 'string') {
      await person.hear({ text: answer });
      return;
    }
    await person.say(tellSize(answer));
    const location = (await isWanted(person)) ? await person.ask(ASK_WHERE) : undefined;
    if (location === undefined) {
      await call.decline();
      return;
    }
    await options.save(location, toldOf(person, answer, call.accept(answer)));
    await person.say(COMPLETE);
  });
}

async function isWanted(person: Person): Promise<boolean> {
  for (;;) {
    const text = await person.ask(ASK_WHETHER);
    if (text === undefined) return false;
    const answer = readAnswer(text);
    if (answer !== undefined) return answer;
    await person.say(NEEDS_YES_OR_NO);
  }
}

async function* toldOf(person: Person, size: number, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let received = 0;
  for await (const piece of content) {
    received += piece.length;
    yield piece;
    await person.say(tellProgress(received, size));
  }
}

async function calling(
  to: Address,
  { password, signal, silenceMs }: FilesOptions & { readonly signal: AbortSignal },
  converse: (call: FileCall) => Promise<void>,
): Promise<void> {
  // Before the connection, so that the server does not wait for it.
  const credentials = keyOfPassword(password);
  const connection = await dial(to, signal);
  try {
    await converse(new FileCall(connection, credentials, silenceMs ?? SILENCE_MS));
  } finally {
    await connection.close();
  }
}

/** One connection, for one file: `ask`, then `accept` or `decline`. */
class FileCall {
  readonly #stream: ObjectStream;
  readonly #silenceMs: number;

  constructor(connection: Connection, credentials: PasswordKey, silenceMs: number) {
    this.#stream = new ObjectStream(connection, credentials);
    this.#silenceMs = silenceMs;
  }

  /** The size of the file at `path`, or the sentence with which the server refuses it. */
  async ask(path: string): Promise<number | string> {
    await this.#stream.send(path, this.#silenceMs);
    const answer = await this.#firstAnswer();
    if (typeof answer === 'string') return answer;
    if (typeof answer !== 'number' || answer < 0) throw new LineError('PROTOCOL', 'a size or a sentence is due');
    return answer;
  }

  /** A server with another password waits for the rest of a name that it misread, or goes away. */
  async #firstAnswer(): Promise<PickleValue> {
    try {
      const answer = await this.#stream.receive(this.#silenceMs);
      if (answer !== undefined) return answer;
    } catch (thrown) {
      if (!(thrown instanceof LineError && thrown.code === 'TIMEOUT')) throw thrown;
    }
    throw new LineError('AUTH', 'the server does not answer: it has another password, perhaps');
  }

  async decline(): Promise<void> {
    await this.#stream.send(false, this.#silenceMs);
  }

  /** The content. It is never more than `size`, and whole only if this ends without an error. */
  async *accept(size: number): AsyncGenerator<Uint8Array, void, void> {
    await this.#stream.send(true, this.#silenceMs);
    for (let received = 0; ; ) {
      const piece = await this.#stream.receive(this.#silenceMs);
      if (piece === undefined) throw new LineError('TRUNCATED', `the server left after ${received} of ${size} bytes`);
      if (!(piece instanceof Uint8Array)) throw new LineError('PROTOCOL', 'content is due');
      received += piece.length;
      if (received > size) throw new LineError('MISMATCH', `more comes than the ${size} bytes that were announced`);
      if (piece.length > 0) yield piece;
      else if (received === size) return;
      else throw new LineError('MISMATCH', `the end comes after ${received} of ${size} bytes`);
    }
  }
}
