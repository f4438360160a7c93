import { LineError } from '../../errors.ts';
import type { ReadRoot, SourceFile } from '../../node/index.ts';
import type { Address } from '../address.ts';
import { IDLE_MS, SILENCE_MS } from '../limits.ts';
import type { Connection } from '../net/connection.ts';
import { acceptMany } from '../net/tcp.ts';
import type { Person, ServeOptions } from '../person.ts';
import { CHUNK_BYTES, NO_FILE } from './conversation.ts';
import { ObjectStream } from './object-stream.ts';
import { keyOfPassword } from './password-key.ts';

export interface ServeFilesOptions extends ServeOptions {
  /** What is served; the caller closes it afterwards. */
  readonly root: Pick<ReadRoot, 'open'>;
  readonly password: string;
  /** For the name of a file, and for each object that is sent; `SILENCE_MS` unless given. */
  readonly silenceMs?: number | undefined;
}

/**
 * The encrypted file server: whoever has the password gets the files below `root`, one for each connection. The original
 * gives any file of the machine.
 */
export async function serveFiles(at: Address, options: ServeFilesOptions): Promise<void> {
  const credentials = keyOfPassword(options.password);
  await acceptMany(at, options, async connection => {
    await new Visit(connection, new ObjectStream(connection, credentials), options).run();
  });
}

/** One caller: the name of a file comes, its size goes, whether it is wanted comes, and the content goes in pieces. */
class Visit {
  readonly #peer: string;
  readonly #person: Person;
  readonly #root: Pick<ReadRoot, 'open'>;
  readonly #stream: ObjectStream;
  readonly #silenceMs: number;

  constructor({ peer }: Connection, stream: ObjectStream, { person, root, silenceMs }: ServeFilesOptions) {
    this.#peer = peer;
    this.#person = person;
    this.#root = root;
    this.#stream = stream;
    this.#silenceMs = silenceMs ?? SILENCE_MS;
  }

  async run(): Promise<void> {
    const path = await this.#stream.receive(this.#silenceMs);
    if (path === undefined) return;
    if (typeof path !== 'string') throw new LineError('PROTOCOL', 'the name of a file is due');
    this.#person.note(`${this.#peer} asks for ${JSON.stringify(path)}`);
    const file = await this.#open(path);
    if (file === undefined) {
      await this.#stream.send(NO_FILE, this.#silenceMs);
      return;
    }
    try {
      await this.#offer(file);
    } finally {
      await file.close();
    }
  }

  /** Whatever the reason, the caller hears one sentence, which does not tell what lies outside of the folder. */
  async #open(path: string): Promise<SourceFile | undefined> {
    try {
      // Of the ways in which Python writes a path that stays inside, this is the common one.
      return await this.#root.open(path.replace(/^(?:\.\/+)+/, ''));
    } catch (thrown) {
      if (!(thrown instanceof LineError)) throw thrown;
      this.#person.note(`${this.#peer} does not get it: ${thrown.message}`);
      return undefined;
    }
  }

  async #offer(file: SourceFile): Promise<void> {
    await this.#stream.send(file.entry.size, this.#silenceMs);
    // A person is asked.
    const isWanted = await this.#stream.receive(IDLE_MS);
    if (isWanted === undefined) return;
    if (typeof isWanted !== 'boolean') throw new LineError('PROTOCOL', 'yes or no is due');
    if (isWanted) await this.#send(file);
    this.#person.note(`${this.#peer} ${isWanted ? `has ${file.entry.size} bytes` : 'does not want it'}`);
  }

  /** A file that changed meanwhile is not brought to its end: the caller must not take it for a whole one. */
  async #send(file: SourceFile): Promise<void> {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let position = 0; ; ) {
      const length = await file.read(chunk, position);
      if (length === 0) await file.verifyUnchanged();
      await this.#stream.send(chunk.subarray(0, length), this.#silenceMs);
      if (length === 0) return;
      position += length;
    }
  }
}
