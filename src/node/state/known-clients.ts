import { join } from 'node:path';
import { LineError } from '../../errors.ts';
import { type StateFolders, stateFolders } from './folders.ts';
import { appendPrivateLine, type PrivateFile, readPrivateFile, writePrivateFile } from './private-file.ts';

/**
 * Who has logged in to this server before, and may still try when the guess budget for all others is spent
 * (docs/protocol/1-handshake.md §6). A client is a tag over its key and the passphrase (line/listener.ts), so the file
 * names nobody, and a new passphrase forgets everyone. Read once and kept in memory; bounded, the longest known goes
 * first.
 */
export class KnownClients {
  readonly #file: PrivateFile;
  readonly #limit: number;
  readonly #tags: Set<string>;
  #lines: number;
  /** Writes go one after the other. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: PrivateFile, limit: number, lines: readonly string[]) {
    this.#file = file;
    this.#limit = limit;
    this.#lines = lines.length;
    this.#tags = new Set(lines.slice(-limit));
  }

  static async load(folders: StateFolders = stateFolders(), limit = MAX_KNOWN_CLIENTS): Promise<KnownClients> {
    const file = { path: join(folders.state, 'known_clients'), secret: false };
    const lines = ((await readPrivateFile(file)) ?? '').split('\n');
    // A line that was cut is a client that has to wait its turn like a new one.
    return new KnownClients(
      file,
      limit,
      lines.filter(line => TAG.test(line)),
    );
  }

  get size(): number {
    return this.#tags.size;
  }

  has(tag: string): boolean {
    return this.#tags.has(tag);
  }

  /** Counts from now on; the promise settles when it is on disk. */
  add(tag: string): Promise<void> {
    if (!TAG.test(tag)) throw new LineError('USAGE', 'this is no tag of a client');
    if (this.#tags.has(tag)) return this.#writing;
    this.#tags.add(tag);
    for (const oldest of this.#tags) {
      if (this.#tags.size <= this.#limit) break;
      this.#tags.delete(oldest);
    }
    const written = this.#writing.then(() => this.#write(tag));
    // The next write does not fail for this one's failure, which its own caller hears of.
    this.#writing = written.catch(() => {});
    return written;
  }

  /** Appends; when the file is twice as long as the list may be, it is written anew. */
  async #write(line: string): Promise<void> {
    if (this.#lines >= this.#limit * 2) {
      const kept = [...this.#tags];
      await writePrivateFile(this.#file, `${kept.join('\n')}\n`);
      this.#lines = kept.length;
    } else {
      await appendPrivateLine(this.#file, line);
      this.#lines += 1;
    }
  }
}

/** 16 bytes in base64url. */
const TAG = /^[A-Za-z0-9_-]{22}$/;
const MAX_KNOWN_CLIENTS = 10_000;
