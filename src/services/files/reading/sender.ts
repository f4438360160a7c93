import { LineError } from '../../../errors.ts';
import type { Channel } from '../../../line/channel.ts';
import type { Route } from '../../../line/route.ts';
import { encodeBase64url } from '../../../protocol/bytes/base64url.ts';
import { type JsonObject, readFlag, readInteger } from '../../../protocol/bytes/json.ts';
import { concatBytes } from '../../../protocol/bytes/writer.ts';
import type { Service } from '../../service.ts';
import { Batch } from '../batch.ts';
import { CodedRange, codingsFor } from '../coding/coded-range.ts';
import type { Compressor } from '../coding/compressor.ts';
import { type Codings, decodeCodings } from '../coding/content.ts';
import { Shrinkage } from '../coding/shrinkage.ts';
import { encodeListed } from '../comparing/chunk-list.ts';
import { type ChunkMac, chunkMacOf } from '../comparing/chunk-mac.ts';
import { averageChunkBytes, chunksOf } from '../comparing/chunker.ts';
import { leavesOf } from '../comparing/leaves.ts';
import { hashFile, type MakeSha256 } from '../hash.ts';
import {
  encodeEntry,
  encodeFailure,
  encodePath,
  entryWeight,
  FAILURE_WEIGHT,
  KIND,
  requestedPath,
} from '../messages.ts';
import { checkPath } from '../names.ts';
import type { ReadStore, SourceFile } from '../store.ts';
import { Turns } from '../turns.ts';
import { encodePack, MAX_PACK_BYTES, MAX_PACK_FILES } from './pack.ts';
import { decodeWants, type Want } from './want.ts';
import { sendChanges } from './watching.ts';

/**
 * The host's reading side of the files service: serves one folder. Every path of the peer passes `checkPath` here and the
 * store's gate behind it. With a `compressor`, clients that ask for it get compressed what shrinks.
 */
export function filesHost(store: ReadStore, makeSha256: MakeSha256, compressor?: Compressor): Service {
  const kinds = readingKinds(() => ({ store, compressor }), makeSha256);
  return {
    name: 'files',
    kinds: Object.fromEntries(Object.entries(kinds).map(([kind, handle]) => [kind, { permission: 'read', handle }])),
  };
}

/** The handlers of all kinds of channels that read, over what `sourceOf` finds for a request or refuses. */
export function readingKinds(
  sourceOf: (request: JsonObject, route: Route) => ReadSource,
  makeSha256: MakeSha256,
): ReadingKinds {
  const storeOf = (request: JsonObject, route: Route): ReadStore => sourceOf(request, route).store;
  const loads = new WeakMap<object, LineLoad>();
  const loadOf = ({ origin }: Route): LineLoad => {
    const load = loads.get(origin) ?? new LineLoad();
    loads.set(origin, load);
    return load;
  };
  return {
    [KIND.stat]: (channel, route) => sendStat(storeOf(channel.request, route), channel),
    [KIND.list]: (channel, route) => sendList(storeOf(channel.request, route), channel, loadOf(route)),
    [KIND.get]: (channel, route) => sendFiles(sourceOf(channel.request, route), channel, loadOf(route)),
    [KIND.hash]: (channel, route) => sendHash(storeOf(channel.request, route), channel, makeSha256),
    [KIND.leaves]: (channel, route) => sendLeaves(storeOf(channel.request, route), channel, route, loadOf(route)),
    [KIND.chunks]: (channel, route) =>
      sendChunks(storeOf(channel.request, route), channel, route, loadOf(route), makeSha256),
    [KIND.watch]: async (channel, route) => {
      const leave = loadOf(route).enterWatching();
      await sendChanges(storeOf(channel.request, route), channel).finally(leave);
    },
  };
}

export interface ReadSource {
  readonly store: ReadStore;
  /** Without one nothing is compressed, whatever is asked for. */
  readonly compressor: Compressor | undefined;
}

export type ReadingKinds = { readonly [kind: string]: (channel: Channel, route: Route) => Promise<void> };

async function sendStat(store: ReadStore, channel: Channel): Promise<void> {
  const entry = await store.stat(requestedPath(channel.request));
  await channel.send({ t: 'entry', entry: encodeEntry(entry) });
}

async function sendList(store: ReadStore, channel: Channel, load: LineLoad): Promise<void> {
  const path = requestedPath(channel.request);
  const leave = load.enterListing();
  try {
    await sendEntries(store, channel, path);
  } finally {
    leave();
  }
}

async function sendEntries(store: ReadStore, channel: Channel, path: string): Promise<void> {
  const batch = new Batch(channel, 'entries');
  const recursive = readFlag(channel.request, 'recursive');
  for await (const listed of store.list(path, { recursive, followLinks: readFlag(channel.request, 'follow') })) {
    for (const item of listed) {
      if ('error' in item) {
        await batch.add({ ...encodePath(item.path), ...encodeFailure(item.error) }, entryWeight(item) + FAILURE_WEIGHT);
      } else {
        // Nothing is waited for where nothing was sent.
        const sent = batch.add(encodeEntry(item), entryWeight(item));
        if (sent !== undefined) await sent;
      }
    }
    // Who waits for a large tree sees it grow.
    await batch.flush();
  }
  await channel.send({ t: 'done' });
}

async function sendHash(store: ReadStore, channel: Channel, makeSha256: MakeSha256): Promise<void> {
  const file = await store.open(requestedPath(channel.request));
  try {
    const digest = await hashFile(file, makeSha256, async bytesDone => {
      if (bytesDone % HASH_REPORT_BYTES === 0) await channel.send({ t: 'hashing', bytes: bytesDone });
    });
    await channel.send({ t: 'hash', size: file.entry.size, sha256: encodeBase64url(digest) });
  } finally {
    await file.close();
  }
}

/** The leaves of one file, so that the other side can tell which of its own chunks are the same (leaves.ts). */
async function sendLeaves(store: ReadStore, channel: Channel, route: Route, load: LineLoad): Promise<void> {
  const path = requestedPath(channel.request);
  const leave = load.enterComparing();
  try {
    await sendLeavesOf(await store.open(path), channel, route);
  } finally {
    leave();
  }
}

async function sendLeavesOf(file: SourceFile, channel: Channel, route: Route): Promise<void> {
  try {
    await channel.send({ t: 'leaves', entry: encodeEntry(file.entry) });
    const limit = Math.min(file.entry.size, readInteger(channel.request, 'bytes'));
    for await (const leaf of leavesOf(file, limit, route.chunkAead(channel))) await channel.write(leaf);
    await file.verifyUnchanged();
  } finally {
    await file.close();
  }
}

/** The chunks of one file with their tags, so that the other side can build it from a version of its own (delta.ts). */
async function sendChunks(
  store: ReadStore,
  channel: Channel,
  route: Route,
  load: LineLoad,
  makeSha256: MakeSha256,
): Promise<void> {
  const leave = load.enterComparing();
  try {
    const file = await store.open(requestedPath(channel.request));
    try {
      await channel.send({ t: 'chunks', entry: encodeEntry(file.entry) });
      await sendListOfChunks(file, channel, chunkMacOf(route, channel, makeSha256));
      await file.verifyUnchanged();
    } finally {
      await file.close();
    }
  } finally {
    leave();
  }
}

async function sendListOfChunks(file: SourceFile, channel: Channel, mac: ChunkMac): Promise<void> {
  const { size } = file.entry;
  const turns = new Turns();
  let listed: Uint8Array[] = [];
  for await (const { bytes } of chunksOf(file, size, averageChunkBytes(size))) {
    listed.push(encodeListed(bytes.length, mac(bytes)));
    if (listed.length === LISTED_AT_ONCE) {
      await channel.write(concatBytes(...listed));
      listed = [];
    }
    await turns.after(bytes.length);
  }
  await channel.write(concatBytes(...listed));
}

/** Answers wants in their order: `file`, the bytes, `end`; or `failed` at the point where it failed. */
async function sendFiles({ store, compressor }: ReadSource, channel: Channel, load: LineLoad): Promise<void> {
  channel.setPriority('bulk');
  const codings = decodeCodings(channel.request, compressor);
  const sending = load.enterSending();
  const buffers = new BulkBuffers(sending.blockBytes);
  try {
    await answerWants(store, channel, codings, buffers);
  } finally {
    sending.leave();
  }
}

async function answerWants(store: ReadStore, channel: Channel, codings: Codings, buffers: BulkBuffers): Promise<void> {
  const packer = new Packer(store, channel, codings.compressor);
  for await (const item of channel) {
    if (item instanceof Uint8Array) throw new LineError('PROTOCOL', 'bytes where a want is due');
    const { wants, mayPack } = decodeWants(item);
    for (let at = 0; at < wants.length; ) {
      const packed = mayPack ? await packer.send(wants.slice(at, at + MAX_PACK_FILES), buffers) : 0;
      // Large, or alone: as a file of its own.
      if (packed === 0) await answerWant(store, channel, wants[at]!, codings, buffers);
      at += Math.max(packed, 1);
    }
  }
}

async function answerWant(
  store: ReadStore,
  channel: Channel,
  want: Want,
  codings: Codings,
  buffers: BulkBuffers,
): Promise<void> {
  try {
    await sendFile(store, channel, want, codings, buffers);
  } catch (thrown) {
    // A fault of ours ends the channel, where it is also reported. What the store tells concerns this one file, be it as
    // INTERNAL: a disk has more ways to fail than we have names for.
    if (!(thrown instanceof LineError)) throw thrown;
    await channel.send({ t: 'failed', id: want.id, ...encodeFailure(thrown) });
  }
}

/** Sends small files together. */
class Packer {
  readonly #store: ReadStore;
  readonly #channel: Channel;
  readonly #shrinkage: Shrinkage | undefined;

  constructor(store: ReadStore, channel: Channel, compressor: Compressor | undefined) {
    this.#store = store;
    this.#channel = channel;
    this.#shrinkage = compressor === undefined ? undefined : new Shrinkage(compressor);
  }

  /** Answers as many of the wants, from the first on, as go into one pack; tells how many. */
  async send(wants: readonly Want[], buffers: BulkBuffers): Promise<number> {
    if (this.#store.readWhole === undefined) return 0;
    const target = buffers.take(0, Math.min(MAX_PACK_BYTES, buffers.blockBytes));
    const paths = wants.map(({ path }) => path);
    const files = await this.#store.readWhole(paths, target);
    if (files.length === 0) return 0;
    const byteLength = files.reduce((sum, file) => sum + ('entry' in file ? file.entry.size : 0), 0);
    const plain = target.subarray(0, byteLength);
    const coded = await this.#shrinkage?.shrink(plain);
    const header = coded && { byteLength, codedLength: coded.length };
    await this.#channel.send(encodePack(wants[0]!.id, files, header));
    if (byteLength > 0) await this.#channel.write(coded ?? plain);
    return files.length;
  }
}

async function sendFile(
  store: ReadStore,
  channel: Channel,
  want: Want,
  accepted: Codings,
  buffers: BulkBuffers,
): Promise<void> {
  checkPath(want.path, 'posix');
  const file = await store.open(want.path);
  try {
    const { size } = file.entry;
    const start = Math.min(want.offset, size);
    const end = want.length === undefined ? size : Math.min(size, start + want.length);
    await channel.send({ t: 'file', id: want.id, entry: encodeEntry(file.entry), offset: start, length: end - start });
    const codings = codingsFor(file, end - start, accepted);
    if (codings === undefined) await sendRange(file, channel, start, end, buffers);
    else await new CodedRange(file, channel, want.id, codings).send(start, end, buffers);
    // What verifies a plain transfer: the line, the length, and a source that is still what it was.
    await file.verifyUnchanged();
    await channel.send({ t: 'end', id: want.id });
  } finally {
    await file.close();
  }
}

/** Reads the next block while the one before it is sealed and sent. */
async function sendRange(
  file: SourceFile,
  channel: Channel,
  start: number,
  end: number,
  buffers: BulkBuffers,
): Promise<void> {
  if (start === end) return;
  const { blockBytes } = buffers;
  const readAt = (position: number, turn: number): Promise<number> =>
    file.read(buffers.take(turn, Math.min(blockBytes, end - position)), position);
  let turn = 0;
  let position = start;
  let reading = readAt(position, turn);
  for (;;) {
    const wanted = Math.min(blockBytes, end - position);
    const count = await reading;
    if (count < wanted) throw new LineError('CHANGED', 'the file became shorter while it was sent');
    const block = buffers.take(turn, count);
    position += count;
    turn = 1 - turn;
    if (position === end) {
      await channel.write(block);
      return;
    }
    reading = readAt(position, turn);
    // It is awaited below or in the next round; until then its failure must not count as unhandled.
    reading.catch(() => {});
    try {
      await channel.write(block);
    } catch (thrown) {
      // The buffer under `reading` belongs to the disk until it is done.
      await reading.catch(() => {});
      throw thrown;
    }
  }
}

/** Two blocks in turn, made when a file needs them and as large as it needs. */
class BulkBuffers {
  readonly blockBytes: number;
  readonly #buffers: [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];

  constructor(blockBytes: number) {
    this.blockBytes = blockBytes;
  }

  take(turn: number, byteLength: number): Uint8Array {
    const at = turn as 0 | 1;
    if (this.#buffers[at].length < byteLength) {
      this.#buffers[at] = new Uint8Array(byteLength <= SMALL_BLOCK_BYTES ? SMALL_BLOCK_BYTES : this.blockBytes);
    }
    return this.#buffers[at].subarray(0, byteLength);
  }
}

/**
 * What one line makes the host hold at once. Many channels of files get small blocks, and listings, each of which holds a
 * descriptor per level, are counted, so that 256 channels cost tens of megabytes and not hundreds.
 */
class LineLoad {
  #sending = 0;
  #listing = 0;
  #comparing = 0;
  #watching = 0;

  enterSending(): { readonly blockBytes: number; leave(): void } {
    this.#sending += 1;
    const blockBytes = this.#sending <= MAX_LARGE_BLOCK_CHANNELS ? BLOCK_BYTES : SMALL_BLOCK_BYTES;
    return {
      blockBytes,
      leave: () => {
        this.#sending -= 1;
      },
    };
  }

  enterListing(): () => void {
    if (this.#listing >= MAX_LISTINGS) throw new LineError('TOO_MANY', 'too many listings are under way on this line');
    this.#listing += 1;
    return () => {
      this.#listing -= 1;
    };
  }

  /** Each comparison holds a chunk. */
  enterComparing(): () => void {
    if (this.#comparing >= MAX_COMPARISONS) {
      throw new LineError('TOO_MANY', 'too many comparisons are under way on this line');
    }
    this.#comparing += 1;
    return () => {
      this.#comparing -= 1;
    };
  }

  /** Each watch holds what the system has for every folder below its own. */
  enterWatching(): () => void {
    if (this.#watching >= MAX_WATCHES) throw new LineError('TOO_MANY', 'too many watches are under way on this line');
    this.#watching += 1;
    return () => {
      this.#watching -= 1;
    };
  }
}

const BLOCK_BYTES = 1024 * 1024;
const SMALL_BLOCK_BYTES = 64 * 1024;
/** Channels of a line that send in blocks of 1 MiB; the others use 64 KiB. */
const MAX_LARGE_BLOCK_CHANNELS = 4;
const MAX_LISTINGS = 16;
const MAX_COMPARISONS = 16;
const MAX_WATCHES = 4;
const LISTED_AT_ONCE = 1024;
const HASH_REPORT_BYTES = 64 * 1024 * 1024;
