import { LineError } from '../../../errors.ts';
import { isLineLost } from '../../../line/lost.ts';
import { findInOldVersion } from '../comparing/delta.ts';
import { CHUNK_BYTES, leavesOf } from '../comparing/leaves.ts';
import { type Range, Ranges } from '../comparing/ranges.ts';
import { type Entry, isSameVersion } from '../entry.ts';
import { hashFile } from '../hash.ts';
import type { FetchedFile, Fetcher } from '../reading/fetcher.ts';
import type { ReceivingFile } from '../store.ts';
import { Turns } from '../turns.ts';
import { makeRoom } from './conflict.ts';
import type { DownloadParts } from './planner.ts';
import { changed, type FileStep } from './steps.ts';
import type { Tally } from './tally.ts';

export function openFetcher({ files, signal, options: { compressor } }: DownloadParts): Fetcher {
  return files.fetcher({ signal, compressor });
}

/** Fills files under a temporary name, with all that comes or with what is missing of them, and gives them their own. */
export class Filling {
  readonly #parts: DownloadParts;
  readonly #tally: Tally;

  constructor(parts: DownloadParts) {
    this.#parts = parts;
    this.#tally = parts.tally;
  }

  /** A file that comes whole. */
  async store(step: FileStep, fetched: FetchedFile): Promise<void> {
    await this.#completing(step, false, fetched.entry, async file => this.#writeAll(step.to, file, fetched));
  }

  /** Goes on with what is here: only what is missing or differs is asked for. */
  async complete(step: FileStep): Promise<void> {
    const fetcher = openFetcher(this.#parts);
    try {
      await this.#completing(step, true, step.entry, async file => {
        const missing = await (step.way === 'delta' ? this.#findChanged(step, file) : this.#findMissing(step, file));
        for (let asked = 0, answered = 0; ; answered += 1) {
          for (; asked < missing.length && asked - answered < MAX_RANGES_AHEAD; asked += 1) {
            fetcher.want(step.from, missing[asked]!.offset, missing[asked]!.length);
          }
          if (answered === missing.length) break;
          const fetched = await fetcher.next();
          if (fetched === undefined) throw new LineError('PROTOCOL', 'the other side left a want unanswered');
          if (fetched.failure !== undefined) throw fetched.failure;
          if (!isSameVersion(fetched.entry, step.entry)) throw changed();
          await this.#writeAll(step.to, file, fetched);
        }
        fetcher.noMoreWants();
        await fetcher.next();
        await file.truncate(step.entry.size);
      });
    } catch (thrown) {
      this.#tally.fail(step.to, thrown);
      // Nobody else may be left to notice it, should this be the last file.
      if (this.#parts.signal.aborted || isLineLost(thrown)) throw thrown;
    } finally {
      fetcher.close();
    }
  }

  /** The ranges that neither the version to be replaced nor a partial has, found by comparing chunks. */
  async #findChanged(step: FileStep, file: ReceivingFile): Promise<readonly Range[]> {
    const signal = this.#parts.signal;
    const theirs = await this.#parts.files.chunks(step.from, step.entry, {
      makeSha256: this.#parts.options.makeSha256,
      signal,
    });
    const old = await this.#parts.store.open(step.to);
    try {
      const onKept = (bytes: number): void => this.#tally.tell({ type: 'kept', path: step.to, bytes });
      return await findInOldVersion(theirs, old, file, { signal, onKept });
    } finally {
      await old.close();
    }
  }

  /** The ranges that the partial does not hold as the host does, found by comparing leaves. */
  async #findMissing(step: FileStep, file: ReceivingFile): Promise<readonly Range[]> {
    const { size } = step.entry;
    const kept = Math.min(file.keptBytes, size);
    const missing = new Ranges();
    let same = 0;
    if (kept > 0) {
      const theirs = await this.#parts.files.leaves(step.from, kept, { signal: this.#parts.signal });
      if (!isSameVersion(theirs.entry, step.entry)) throw changed();
      let index = 0;
      for await (const leaf of leavesOf(file, kept, theirs.aead)) {
        const offset = index * CHUNK_BYTES;
        const length = Math.min(CHUNK_BYTES, kept - offset);
        if (leaf.every((byte, at) => byte === theirs.leaves[index]![at])) same += length;
        else missing.add(offset, length);
        index += 1;
      }
    }
    missing.add(kept, size - kept);
    if (same > 0) this.#tally.tell({ type: 'kept', path: step.to, bytes: same });
    return missing.all;
  }

  /** What every file goes through: a temporary name, its bytes by `fill`, and only then its own name. */
  async #completing(
    step: FileStep,
    resume: boolean,
    entry: Entry,
    fill: (file: ReceivingFile) => Promise<void>,
  ): Promise<void> {
    // What was listed is what was judged and agreed to (R-F5).
    if (entry.size !== step.entry.size) throw changed();
    this.#tally.tell({ type: 'started', path: step.to, size: entry.size });
    const file = await this.#parts.store.create(step.to, { resume, byteLength: entry.size });
    try {
      await fill(file);
      if (this.#parts.conflicts.checksum) await this.#verify(step.from, file, entry);
      await makeRoom(this.#parts.store, step.to, step.over);
      await file.commit({
        mtimeUs: entry.mtimeUs,
        mode: entry.mode,
        replace: step.over === 'replace',
        fsync: this.#parts.options.fsync === true,
      });
    } catch (thrown) {
      // A source that changed left a mixture of two versions; anything else left something to go on with.
      // A name that was taken meanwhile belongs to a file that is whole, so what came of this one is of no use either.
      const isUseless = thrown instanceof LineError && USELESS_AFTER.has(thrown.code);
      await (isUseless ? file.discard() : file.keep());
      throw thrown;
    }
    this.#tally.received(step.to, entry.size);
  }

  /** A few writes are under way while the next bytes are opened; each must be done before the file is. */
  async #writeAll(path: string, file: ReceivingFile, fetched: FetchedFile): Promise<void> {
    const writing: Promise<void>[] = [];
    let position = fetched.offset;
    try {
      for (let bytes = await fetched.read(); bytes !== undefined; bytes = await fetched.read()) {
        if (!(bytes instanceof Uint8Array)) {
          await this.#writeZeros(path, file, bytes.zeros, position);
          position += bytes.zeros;
          continue;
        }
        const count = bytes.length;
        if (writing.length >= MAX_WRITES_UNDER_WAY) await writing.shift();
        const write = file.write(bytes, position).finally(() => this.#parts.store.release?.(bytes));
        // It is awaited below or before the next one; until then its failure must not count as unhandled.
        write.catch(() => {});
        writing.push(write);
        position += count;
        this.#tally.tell({ type: 'progress', path, bytes: count });
        await this.#tally.heard();
      }
    } finally {
      await Promise.allSettled(writing);
    }
    for (const write of writing) await write;
  }

  /** A run of any length costs the sender one message, so it must not hold up everybody else here. */
  async #writeZeros(path: string, file: ReceivingFile, zeros: number, position: number): Promise<void> {
    const turns = new Turns(this.#parts.signal);
    for (let done = 0; done < zeros; ) {
      const count = Math.min(ZEROS_AT_ONCE, zeros - done);
      await file.writeZeros(count, position + done);
      done += count;
      this.#tally.tell({ type: 'progress', path, bytes: count });
      await this.#tally.heard();
      await turns.after(count);
    }
  }

  /** Compares what lies on this disk, still under its temporary name, with what lies on the host's. */
  async #verify(from: string, file: ReceivingFile, entry: Entry): Promise<void> {
    const written = { entry, read: file.read.bind(file), verifyUnchanged: async () => {}, close: async () => {} };
    const [theirs, ours] = await Promise.all([
      this.#parts.files.sha256(from, { signal: this.#parts.signal }),
      hashFile(written, this.#parts.options.makeSha256),
    ]);
    if (theirs.some((byte, at) => byte !== ours[at])) {
      throw new LineError('MISMATCH', 'what was written is not what the other side has on its disk');
    }
  }
}

const USELESS_AFTER: ReadonlySet<string> = new Set(['CHANGED', 'MISMATCH', 'EXISTS']);
const MAX_RANGES_AHEAD = 64;
const MAX_WRITES_UNDER_WAY = 4;
const ZEROS_AT_ONCE = 64 * 1024 * 1024;
