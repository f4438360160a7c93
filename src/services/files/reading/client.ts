import { LineError } from '../../../errors.ts';
import type { Channel } from '../../../line/channel.ts';
import type { OpenOptions, Route } from '../../../line/route.ts';
import { decodeBase64url } from '../../../protocol/bytes/base64url.ts';
import { hasField, type JsonObject, readInteger, readList, readText } from '../../../protocol/bytes/json.ts';
import { concatBytes } from '../../../protocol/bytes/writer.ts';
import type { Aead } from '../../../protocol/crypto/provider.ts';
import type { Compressor } from '../coding/compressor.ts';
import { encodeCodings } from '../coding/content.ts';
import { ChunkList, type RemoteChunks } from '../comparing/chunk-list.ts';
import { chunkMacOf } from '../comparing/chunk-mac.ts';
import { averageChunkBytes } from '../comparing/chunker.ts';
import { chunkCount, LEAF_BYTES } from '../comparing/leaves.ts';
import { type Entry, isSameVersion, type Problem } from '../entry.ts';
import type { MakeSha256 } from '../hash.ts';
import { asObject, decodeEntry, decodeFailure, decodePath, encodePath, KIND } from '../messages.ts';
import { requirePathBelow } from '../names.ts';
import type { ChangeWatch } from '../store.ts';
import { type FetchedFile, Fetcher } from './fetcher.ts';
import { receiveChanges } from './watching.ts';

/** The asking side of the files service: what can be read at the other end of `route`. */
export class FilesClient {
  readonly #route: Route;
  readonly #prefix: string;
  readonly #offer: JsonObject;

  /**
   * With `offer`: reads what the other side offers under this name (offers.ts), not what it serves. `prefix` stands before
   * each kind of channel where the other side serves several folders: `chat.` for files of rooms.
   */
  constructor(route: Route, options: { readonly offer?: string; readonly prefix?: string } = {}) {
    this.#route = route;
    this.#prefix = options.prefix ?? '';
    this.#offer = options.offer === undefined ? {} : { offer: options.offer };
  }

  /** What is at `path`; `''` is the served folder itself. Throws `NOT_FOUND`, `FORBIDDEN`, `BAD_NAME`. */
  async stat(path: string, options: FileOptions = {}): Promise<Entry> {
    const channel = this.#open(KIND.stat, this.#request(path), options);
    try {
      const answer = await channel.readMessage();
      if (readText(answer, 't', 16) !== 'entry') throw notDue();
      return { ...decodeEntry(asObject(answer['entry'])), path: '' };
    } finally {
      channel.reset();
    }
  }

  /**
   * The content of the folder at `path`, in batches as they come; a folder comes before what is in it. Paths are relative
   * to `path` and checked: one that a folder cannot hold is a `Problem`, like what the host could not read.
   */
  async *list(path: string, options: ListOptions = {}): AsyncGenerator<readonly (Entry | Problem)[]> {
    const request = {
      ...this.#request(path),
      recursive: options.recursive === true,
      follow: options.followLinks === true,
    };
    const channel = this.#open(KIND.list, request, options);
    try {
      for (;;) {
        const message = await channel.readMessage();
        const type = readText(message, 't', 16);
        if (type === 'done') return;
        if (type !== 'entries') throw notDue();
        yield readList(message, 'entries', MAX_ENTRIES_PER_MESSAGE).map(decodeListed);
      }
    } finally {
      channel.reset();
    }
  }

  /**
   * One file as a stream: its entry at once, its bytes as they come. The stream must be read to its end or `close`d; only
   * its end says that the file was sent whole and unchanged.
   */
  async read(path: string, options: ReadOptions = {}): Promise<RemoteFile> {
    const fetcher = this.fetcher(options);
    try {
      fetcher.want(path, options.offset ?? 0, options.length);
      fetcher.noMoreWants();
      const file = await fetcher.next();
      if (file === undefined) throw new LineError('PROTOCOL', 'the other side did not answer');
      if (file.failure !== undefined) throw file.failure;
      return {
        entry: file.entry,
        length: file.length,
        bytes: streamOf(file, fetcher),
        close: () => fetcher.close(),
      };
    } catch (thrown) {
      fetcher.close();
      throw thrown;
    }
  }

  /** SHA-256 of the file at `path` as it lies on the other side's disk, 32 bytes. */
  async sha256(path: string, options: HashOptions = {}): Promise<Uint8Array> {
    const channel = this.#open(KIND.hash, this.#request(path), options);
    try {
      for (;;) {
        const message = await channel.readMessage();
        const type = readText(message, 't', 16);
        if (type === 'hashing') {
          options.onProgress?.(readInteger(message, 'bytes'));
          continue;
        }
        if (type !== 'hash') throw notDue();
        const digest = decodeBase64url(readText(message, 'sha256', 64));
        if (digest.length !== 32) throw new LineError('MALFORMED', 'a hash of a wrong length');
        return digest;
      }
    } finally {
      channel.reset();
    }
  }

  /**
   * The leaves of the first `bytes` of the file at `path`, to be compared with those of a file of this side made with the
   * same `aead`: one per chunk of `CHUNK_BYTES`, the last of what remains (leaves.ts).
   */
  async leaves(path: string, bytes: number, options: FileOptions = {}): Promise<RemoteLeaves> {
    const channel = this.#open(KIND.leaves, { ...this.#request(path), bytes }, options);
    try {
      const answer = await channel.readMessage();
      if (readText(answer, 't', 16) !== 'leaves') throw notDue();
      const entry = { ...decodeEntry(asObject(answer['entry'])), path: '' };
      const expected = chunkCount(Math.min(bytes, entry.size));
      const leaves: Uint8Array[] = [];
      let rest: Uint8Array = new Uint8Array(0);
      for (let item = await channel.read(); item !== undefined; item = await channel.read()) {
        if (!(item instanceof Uint8Array)) throw notDue();
        const bytes = concatBytes(rest, item);
        if (leaves.length * LEAF_BYTES + bytes.length > expected * LEAF_BYTES) {
          throw new LineError('MISMATCH', 'more leaves came than the file has chunks');
        }
        let at = 0;
        for (; bytes.length - at >= LEAF_BYTES; at += LEAF_BYTES) leaves.push(bytes.slice(at, at + LEAF_BYTES));
        rest = bytes.slice(at);
      }
      if (leaves.length !== expected || rest.length > 0) throw new LineError('MISMATCH', 'leaves are missing');
      return { entry, leaves, aead: this.#route.chunkAead(channel) };
    } finally {
      channel.reset();
    }
  }

  /**
   * The chunks of the file at `path`, to be found in an older version of it on this side (delta.ts). What comes is held
   * to the size of the file that the other side names: whoever has listed it compares that first, by `expected`.
   */
  async chunks(path: string, expected: Entry, options: ChunksOptions): Promise<RemoteChunks> {
    const channel = this.#open(KIND.chunks, this.#request(path), options);
    try {
      const answer = await channel.readMessage();
      if (readText(answer, 't', 16) !== 'chunks') throw notDue();
      const entry = { ...decodeEntry(asObject(answer['entry'])), path: '' };
      if (!isSameVersion(entry, expected)) throw new LineError('CHANGED', 'the file changed after it was listed');
      const list = new ChunkList(entry.size, averageChunkBytes(entry.size));
      for (let item = await channel.read(); item !== undefined; item = await channel.read()) {
        if (!(item instanceof Uint8Array)) throw notDue();
        list.take(item);
      }
      list.finish();
      return { entry, list, mac: chunkMacOf(this.#route, channel, options.makeSha256) };
    } finally {
      channel.reset();
    }
  }

  /** Notices changes below the folder at `path`, as `ReadStore.watch`. A host that cannot do it says `UNSUPPORTED`. */
  async watch(path: string, options: FileOptions = {}): Promise<ChangeWatch> {
    return receiveChanges(this.#open(KIND.watch, this.#request(path), options));
  }

  #open(kind: string, request: JsonObject, options: OpenOptions): Channel {
    return this.#route.open(this.#prefix + kind, request, options);
  }

  #request(path: string): JsonObject {
    return { ...encodePath(path), ...this.#offer };
  }

  /** Many files over one channel, asked for ahead and answered in order. */
  fetcher({ signal, compressor }: FetchOptions = {}): Fetcher {
    const request = { ...this.#offer, ...encodeCodings(compressor) };
    const open = (): Channel => this.#open(KIND.get, request, { priority: 'interactive', signal });
    return new Fetcher(open, compressor);
  }
}

export interface FileOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions extends FileOptions {
  readonly recursive?: boolean;
  /** What links lead to in their place, as far as that lies in the served folder; a link that leads out is a `Problem`. */
  readonly followLinks?: boolean;
}

export interface FetchOptions extends FileOptions {
  /** Takes content that shrinks compressed, so that its size on the wire tells something of it (SECURITY.md). */
  readonly compressor?: Compressor | undefined;
}

export interface ReadOptions extends FetchOptions {
  /** First byte; beyond the end counts as the end. */
  readonly offset?: number;
  /** Bytes at most; default to the end. */
  readonly length?: number;
}

export interface HashOptions extends FileOptions {
  readonly onProgress?: (bytesDone: number) => void;
}

export interface RemoteFile {
  /** The whole file as it was when it was opened; `path` is `''`. */
  readonly entry: Entry;
  /** Bytes that will come. */
  readonly length: number;
  /** Arrays belong to the caller. Throws `CHANGED` at the end if the file changed while it was sent. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Lets go of the stream before its end. */
  close(): void;
}

export interface ChunksOptions extends FileOptions {
  readonly makeSha256: MakeSha256;
}

export interface RemoteLeaves {
  /** The file as it was when its leaves were made. */
  readonly entry: Entry;
  readonly leaves: readonly Uint8Array[];
  /** For this side's leaves of the same comparison; any other makes all of them differ. */
  readonly aead: Aead;
}

async function* streamOf(file: FetchedFile, fetcher: Fetcher): AsyncGenerator<Uint8Array> {
  try {
    for (let content = await file.read(); content !== undefined; content = await file.read()) {
      if (content instanceof Uint8Array) yield content;
      else
        for (let left = content.zeros; left > 0; left -= ZEROS_AT_ONCE)
          yield new Uint8Array(Math.min(left, ZEROS_AT_ONCE));
    }
  } finally {
    fetcher.close();
  }
}

function decodeListed(value: unknown): Entry | Problem {
  const message = asObject(value);
  if (hasField(message, 'code')) return { path: decodePath(message), error: decodeFailure(message) };
  const entry = decodeEntry(message);
  try {
    requirePathBelow(entry.path, 'posix');
    return entry;
  } catch (thrown) {
    if (!(thrown instanceof LineError)) throw thrown;
    return { path: entry.path, error: thrown };
  }
}

function notDue(): LineError {
  return new LineError('PROTOCOL', 'a message that is not due');
}

const MAX_ENTRIES_PER_MESSAGE = 10_000;
const ZEROS_AT_ONCE = 256 * 1024;
