import { LineError } from '../../../errors.ts';
import type { Compressor } from '../coding/compressor.ts';
import type { Entry, Excluder } from '../entry.ts';
import type { MakeSha256 } from '../hash.ts';
import type { FilesClient } from '../reading/client.ts';
import type { FetchedFile, Fetcher } from '../reading/fetcher.ts';
import type { ReceiveStore, WholeFile } from '../store.ts';
import { BoundedQueue } from './bounded-queue.ts';
import type { Conflict, ConflictAnswer, ConflictPolicy } from './conflict.ts';
import type { TransferEvent } from './events.ts';
import { Filling, openFetcher } from './filling.ts';
import { type DownloadParts, Planner } from './planner.ts';
import type { SeenAhead } from './seen-ahead.ts';
import { changed, type FileStep, join, type Step } from './steps.ts';
import { Tally } from './tally.ts';

/**
 * Fetches files and whole folders into a store.
 *
 *   1. The planner (planner.ts) asks what is there, judges conflicts, makes folders and links, and asks for files ahead of time.
 *   2. The receiver takes the answers in order and writes each file under a temporary name, then moves it to its own
 *      (filling.ts).
 *   3. What fails is told by name and the rest goes on; only the line itself ends everything.
 */
export async function download(
  files: FilesClient,
  store: ReceiveStore,
  request: DownloadRequest,
  options: DownloadOptions,
): Promise<DownloadSummary> {
  return new Download(files, store, request, options).run();
}

export interface DownloadRequest {
  /** Path at the host. */
  readonly from: string;
  /** Path in the store: the name that the file or folder gets; `''` puts a folder's content into the store itself. */
  readonly to: string;
  /** What is at `from`, if that has been asked a moment ago: a round trip less. */
  readonly root?: Entry | undefined;
}

export interface DownloadOptions {
  /** Default `refuse`. */
  readonly conflict?: ConflictPolicy | undefined;
  /** With `ask`: decides one conflict, while nothing further is planned. What it throws is the failure of that path. */
  readonly onConflict?: ((conflict: Conflict) => Promise<ConflictAnswer>) | undefined;
  /**
   * For a sync: whether what is there, a folder with all in it, gives way to something of another type. Without it nothing
   * does. It takes a store with `remove`; a folder is removed when the file in its place is whole.
   */
  readonly onTypeChange?: ((conflict: Conflict) => Promise<boolean>) | undefined;
  /**
   * Whether an entry is one that was agreed to beforehand; its path is relative to `from`, `''` for a single file. What is
   * refused fails with `CHANGED`, and nothing of it is fetched or made (R-F5). Not asked about the folder `from` itself.
   */
  readonly accept?: ((entry: Entry) => boolean) | undefined;
  /** Compare and verify by SHA-256 of what lies on both disks. */
  readonly checksum?: boolean | undefined;
  /** Force each file to the disk before it gets its name. */
  readonly fsync?: boolean | undefined;
  readonly makeSha256: MakeSha256;
  /** Takes content that shrinks compressed, so that its size on the wire tells something of it (SECURITY.md). */
  readonly compressor?: Compressor | undefined;
  /** What links lead to comes in their place, as far as it lies in the folder of the other side. */
  readonly copyLinks?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** `false`: contents of what is there are not compared, because the sender may not know them. Default true. */
  readonly mayCompare?: boolean | undefined;
  /** `false`: a file that replaces a version of itself comes whole. Default true; it takes `mayCompare`. */
  readonly delta?: boolean | undefined;
  /** What of a folder is not to come, by paths relative to `from`. */
  readonly exclude?: Excluder | undefined;
  /** Leave time and mode of folders that were there before as they are. */
  readonly leaveFolders?: boolean | undefined;
  /** What was found in the store, below `to`, ahead of time; its owner stops it. */
  readonly seen?: SeenAhead | undefined;
  /** Hears of everything that happens, in order. Must not throw; a promise is waited for before the next file. */
  readonly onEvent?: ((event: TransferEvent) => void | Promise<void>) | undefined;
}

export interface DownloadSummary {
  readonly received: number;
  readonly identical: number;
  readonly skipped: number;
  readonly failed: number;
  /** Bytes of files that were received. */
  readonly bytes: number;
}

class Download {
  readonly #parts: DownloadParts;
  readonly #tally: Tally;
  readonly #steps = new BoundedQueue<Step>(MAX_STEPS_AHEAD);
  readonly #fetcher: Fetcher;
  readonly #filling: Filling;
  /** Small files that came in one pack and are not written yet. */
  readonly #arrived: WholeFile[] = [];
  /** Ends whatever the planner waits for once the receiver has failed. */
  readonly #stop = new AbortController();

  constructor(files: FilesClient, store: ReceiveStore, request: DownloadRequest, options: DownloadOptions) {
    const signal =
      options.signal === undefined ? this.#stop.signal : AbortSignal.any([options.signal, this.#stop.signal]);
    const conflicts = {
      policy: options.conflict ?? 'refuse',
      onConflict: options.onConflict,
      onTypeChange: options.onTypeChange,
      checksum: options.checksum === true,
      mayCompare: options.mayCompare !== false,
      makeSha256: options.makeSha256,
      signal,
    };
    this.#tally = new Tally(options.onEvent);
    this.#parts = { files, store, request, options, conflicts, signal, tally: this.#tally };
    this.#fetcher = openFetcher(this.#parts);
    this.#filling = new Filling(this.#parts);
  }

  async run(): Promise<DownloadSummary> {
    const planner = new Planner(this.#parts, this.#fetcher, this.#steps);
    const planning = planner.run().then(
      () => this.#steps.end(),
      (thrown: unknown) => this.#steps.end(thrown),
    );
    try {
      await this.#receive();
    } finally {
      this.#stop.abort();
      this.#steps.leave();
      this.#fetcher.close();
      await planning;
    }
    return this.#tally.summary;
  }

  async #receive(): Promise<void> {
    for (;;) {
      const step = this.#steps.takeNow() ?? (await this.#steps.take());
      if (step === undefined) break;
      if (this.#tally.isWaitedFor) await this.#tally.heard();
      if (step.kind === 'file' && step.way === 'plain') {
        await this.#receiveFile(step);
        if (!this.#fetcher.hasNext) await this.#putArrived();
        continue;
      }
      await this.#putArrived();
      if (step.kind === 'file') await this.#filling.complete(step);
      else await this.#leaveFolder(step);
    }
    // The host's END: nothing came that was not asked for, and the line was there until the last.
    await this.#fetcher.next();
  }

  async #leaveFolder({ to, entry, isNew }: Step & { kind: 'leave-folder' }): Promise<void> {
    try {
      // No earlier session can have left anything in a folder that this one has made.
      if (!isNew) await this.#parts.store.clearPartials?.(to, name => this.#tally.hasCompleted(join(to, name)));
    } catch {
      // What cannot be cleared away only takes up room, and the folder may be gone or never have been made.
    }
    if (entry === undefined) return;
    try {
      await this.#parts.store.finishFolder(to, entry);
    } catch (thrown) {
      this.#tally.fail(to, thrown);
    }
  }

  async #receiveFile(step: FileStep): Promise<void> {
    let fetched: FetchedFile | undefined;
    try {
      fetched = this.#fetcher.nextHere() ?? (await this.#fetcher.next());
      if (fetched === undefined) throw new LineError('PROTOCOL', 'the other side left a want unanswered');
      if (fetched.failure !== undefined) throw fetched.failure;
      if (fetched.whole === undefined || !this.#canPutWhole(step)) await this.#filling.store(step, fetched);
      else {
        if (fetched.entry.size !== step.entry.size) throw changed();
        const { mtimeUs, mode } = fetched.entry;
        const replace = step.over === 'replace';
        const mayReplace = this.#mayReplaceAll;
        this.#arrived.push({ path: step.to, bytes: fetched.whole, mtimeUs, mode, replace, mayReplace });
        fetched.takeWhole();
      }
    } catch (thrown) {
      this.#tally.fail(step.to, thrown);
      // The answers behind this one are still wanted. If the line itself is at fault, this throws.
      if (fetched === undefined) throw thrown;
      await this.#fetcher.skip();
    }
  }

  /** As in a sync: of whatever is there nothing would be left but folders. */
  get #mayReplaceAll(): boolean {
    return this.#parts.conflicts.policy === 'force' && this.#parts.conflicts.onTypeChange !== undefined;
  }

  #canPutWhole(step: FileStep): boolean {
    const { checksum, fsync } = this.#parts.options;
    const isPlain = step.over === 'nothing' || step.over === 'replace';
    return this.#parts.store.putWhole !== undefined && isPlain && !(checksum || fsync);
  }

  /** Small files that came together are written together. */
  async #putArrived(): Promise<void> {
    const arrived = this.#arrived.splice(0);
    if (arrived.length === 0) return;
    const failures = await this.#parts.store.putWhole!(arrived);
    for (const [at, { path, bytes }] of arrived.entries()) {
      const failure = failures[at];
      if (failure !== undefined) this.#tally.fail(path, failure);
      else this.#tally.received(path, bytes.length);
    }
  }
}

const MAX_STEPS_AHEAD = 1024;
