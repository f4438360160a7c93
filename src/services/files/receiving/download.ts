import { LineError } from '../../../errors.ts';
import { abortError, toLineError } from '../../../line/abort.ts';
import { isLineLost } from '../../../line/lost.ts';
import type { Compressor } from '../coding/compressor.ts';
import { findInOldVersion, isDeltaWorthIt } from '../comparing/delta.ts';
import { CHUNK_BYTES, leavesOf } from '../comparing/leaves.ts';
import { type Range, Ranges } from '../comparing/ranges.ts';
import { type Entry, type Excluder, isSameVersion, type Problem } from '../entry.ts';
import { isLeftOut } from '../exclude.ts';
import { hashFile, type MakeSha256 } from '../hash.ts';
import type { FilesClient } from '../reading/client.ts';
import type { FetchedFile, Fetcher } from '../reading/fetcher.ts';
import type { ReceiveStore, ReceivingFile, WholeFile } from '../store.ts';
import { Turns } from '../turns.ts';
import { BoundedQueue } from './bounded-queue.ts';
import {
  type Conflict,
  type ConflictAnswer,
  type ConflictOptions,
  type ConflictPolicy,
  clearForFolder,
  judgeFile,
  judgeLink,
  makeRoom,
  type Over,
} from './conflict.ts';
import type { Outcome, TransferEvent } from './events.ts';
import { Glance } from './glance.ts';

/**
 * Fetches files and whole folders into a store.
 *
 *   1. The planner asks what is there, judges conflicts, makes folders and links, and asks for files ahead of time.
 *   2. The receiver takes the answers in order and writes each file under a temporary name, then moves it to its own.
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

/** What the receiver does next: files in the order of their wants, and a folder's time once its files are there. */
type Step =
  | {
      readonly kind: 'file';
      readonly from: string;
      readonly to: string;
      readonly entry: Entry;
      readonly over: Over;
      /**
       * `resume`: a partial is there; `delta`: another version is there, and perhaps a partial. Both are asked for when
       * their turn comes, because only then is it known what is missing.
       */
      readonly way: 'plain' | 'resume' | 'delta';
    }
  /** Without an entry its time and mode are not ours to set. */
  | { readonly kind: 'leave-folder'; readonly to: string; readonly entry: Entry | undefined; readonly isNew: boolean };

/** What is known of a file's place before it is looked at: it is free because its folder has just been made. */
type Place = 'free' | 'unknown';

/** A folder whose content is being planned. */
interface OpenFolder {
  readonly path: string;
  readonly to: string;
  /** Without it its time and mode are not ours to set. */
  readonly entry: Entry | undefined;
  /** Made by this transfer: nothing is in it but what this transfer has put there. */
  readonly isNew: boolean;
}

type FileStep = Step & { kind: 'file' };
type FileStepTarget = Pick<FileStep, 'to' | 'over'>;

class Download {
  readonly #files: FilesClient;
  readonly #store: ReceiveStore;
  readonly #request: DownloadRequest;
  readonly #options: DownloadOptions;
  readonly #conflicts: ConflictOptions;
  readonly #steps = new BoundedQueue<Step>(MAX_STEPS_AHEAD);
  readonly #fetcher: Fetcher;
  /** Small files that came in one pack and are not written yet. */
  readonly #arrived: WholeFile[] = [];
  /** Ends whatever the planner waits for once the receiver has failed. */
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** Settles when what was last told has been taken: a listener that is slow holds the transfer back. */
  #told: Promise<void> | undefined;
  /** Files that are there through this transfer; beyond the bound, old partials of further ones stay where they are. */
  readonly #completed = new Set<string>();
  readonly #counts = { received: 0, identical: 0, skipped: 0, failed: 0, bytes: 0 };

  constructor(files: FilesClient, store: ReceiveStore, request: DownloadRequest, options: DownloadOptions) {
    this.#files = files;
    this.#store = store;
    this.#request = request;
    this.#options = options;
    const { signal } = options;
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    this.#conflicts = {
      policy: options.conflict ?? 'refuse',
      onConflict: options.onConflict,
      onTypeChange: options.onTypeChange,
      checksum: options.checksum === true,
      mayCompare: options.mayCompare !== false,
      makeSha256: options.makeSha256,
      signal: this.#signal,
    };
    this.#fetcher = this.#openFetcher();
  }

  #openFetcher(): Fetcher {
    return this.#files.fetcher({ signal: this.#signal, compressor: this.#options.compressor });
  }

  async run(): Promise<DownloadSummary> {
    const planning = this.#plan().then(
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
    return this.#counts;
  }

  // ── 1. Planning ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #plan(): Promise<void> {
    const { from, to } = this.#request;
    const root = await this.#files.stat(from, { signal: this.#signal });
    if (root.type === 'folder') await this.#planFolder(root);
    else if (root.type === 'file') {
      await this.#attempt(to, () => this.#planItem(root, from, to));
      await this.#leaveLater({ to: to.slice(0, Math.max(0, to.lastIndexOf('/'))), entry: undefined, isNew: false });
    } else throw new LineError('NOT_A_FILE', 'neither a file nor a folder');
    this.#fetcher.noMoreWants();
    this.#emit({ type: 'counted' });
  }

  /** A folder comes before what is in it, so the folders under way are a stack: one that is left can be finished. */
  async #planFolder(root: Entry): Promise<void> {
    const { from, to } = this.#request;
    const open: OpenFolder[] = [];
    open.push(to === '' ? { path: '', to, entry: undefined, isNew: false } : await this.#makeFolder('', to, root));
    const glance = this.#options.checksum === true ? undefined : new Glance(this.#store);
    const followLinks = this.#options.copyLinks === true;
    for await (const batch of this.#files.list(from, { recursive: true, followLinks, signal: this.#signal })) {
      // Of ten thousand files that have not changed none is waited for: most of what is done here for each costs less than
      // to wait would.
      for (let at = 0; at < batch.length; at += 1) {
        const item = batch[at]!;
        if (this.#signal.aborted) throw abortError(this.#signal);
        // A listing of nothing but failures must not run ahead of who is told of them.
        if (this.#told !== undefined) await this.#heard();
        if (isLeftOut(this.#options.exclude, item)) continue;
        for (let last = open.at(-1); last !== undefined && !isInside(item.path, last.path); last = open.at(-1)) {
          open.pop();
          await this.#leaveLater(last);
        }
        const folder = open.at(-1)!;
        const target = join(to, item.path);
        const isGlanced = glance !== undefined && !folder.isNew && !('error' in item) && item.type === 'file';
        if (isGlanced && !glance.hasSeen(batch, at)) await glance.look(batch, at, folder);
        if (isGlanced && glance.isUnchanged(at) && this.#isAccepted(item)) {
          this.#count('identical', target);
          this.#emit({ type: 'unchanged', path: target, size: item.size });
          continue;
        }
        await this.#attempt(target, async () => {
          if ('error' in item || item.type !== 'folder') {
            return this.#planItem(item, join(from, item.path), target, folder.isNew ? 'free' : 'unknown');
          }
          this.#requireAccepted(item);
          open.push(await this.#makeFolder(item.path, target, item));
        });
      }
    }
    for (let last = open.pop(); last !== undefined; last = open.pop()) await this.#leaveLater(last);
  }

  /** What fails is told by name, and the rest goes on. */
  async #attempt(path: string, plan: () => Promise<void>): Promise<void> {
    try {
      await plan();
    } catch (thrown) {
      if (this.#signal.aborted) throw thrown;
      this.#fail(path, thrown);
    }
  }

  async #leaveLater({ to, entry, isNew }: Omit<OpenFolder, 'path'>): Promise<void> {
    await this.#steps.give({ kind: 'leave-folder', to, entry, isNew });
  }

  async #makeFolder(path: string, to: string, entry: Entry): Promise<OpenFolder> {
    if (this.#options.onTypeChange !== undefined) await clearForFolder(this.#store, to, entry, this.#conflicts);
    const made = await this.#store.makeFolder(to);
    const isOurs = made !== 'there' || this.#options.leaveFolders !== true;
    return { path, to, entry: isOurs ? entry : undefined, isNew: made === 'new' };
  }

  async #planItem(item: Entry | Problem, from: string, to: string, place: Place = 'unknown'): Promise<void> {
    if ('error' in item) throw item.error;
    this.#requireAccepted(item);
    switch (item.type) {
      case 'file':
        return this.#planFile(from, to, item, place);
      case 'link':
        if (this.#options.copyLinks === true)
          throw new LineError('UNSUPPORTED', 'the other side does not follow links');
        return this.#planLink(to, item);
      default:
        throw new LineError('NOT_A_FILE', 'neither a file nor a folder');
    }
  }

  #isAccepted(entry: Entry): boolean {
    return this.#options.accept?.(entry) ?? true;
  }

  #requireAccepted(entry: Entry): void {
    if (this.#isAccepted(entry)) return;
    throw new LineError('CHANGED', 'was not in the list that was agreed to');
  }

  /** With what is known of its place there is often nothing to look for. */
  async #planFile(from: string, to: string, entry: Entry, place: Place): Promise<void> {
    this.#emit({ type: 'found', path: to, size: entry.size });
    if (place === 'free') {
      this.#fetcher.want(from);
      await this.#steps.give({ kind: 'file', from, to, entry, over: 'nothing', way: 'plain' });
      return;
    }
    const verdict = await judgeFile(this.#files, this.#store, from, to, entry, this.#conflicts);
    if (verdict.action === 'leave') {
      const isStale = verdict.because === 'identical' && verdict.stale !== undefined;
      if (isStale) await this.#store.setAttributes(to, verdict.stale, entry);
      this.#finish(to, entry.size, verdict.because);
      return;
    }
    const way = await this.#wayOf(verdict, entry);
    if (way === 'plain') this.#fetcher.want(from);
    await this.#steps.give({ kind: 'file', from, to: verdict.to, entry, over: verdict.over, way });
  }

  async #wayOf({ to, over }: FileStepTarget, entry: Entry): Promise<FileStep['way']> {
    const mayDelta = this.#options.delta !== false && this.#conflicts.mayCompare;
    if (mayDelta && (over === 'replace' || over === 'backup')) {
      const old = await this.#store.stat(to);
      if (old?.type === 'file' && isDeltaWorthIt(entry.size, old.size)) return 'delta';
    }
    // Less than a chunk is fetched again sooner than it is compared.
    const isWorthIt = entry.size > CHUNK_BYTES && (await this.#store.partialBytes(to)) >= CHUNK_BYTES;
    return isWorthIt ? 'resume' : 'plain';
  }

  async #planLink(to: string, entry: Entry): Promise<void> {
    this.#emit({ type: 'found', path: to, size: 0 });
    const verdict = await judgeLink(this.#store, to, entry, this.#conflicts);
    if (verdict.action === 'leave') {
      this.#finish(to, 0, verdict.because);
      return;
    }
    await makeRoom(this.#store, to, verdict.over);
    await this.#store.makeLink(verdict.to, entry.target!, { replace: verdict.over === 'replace' });
    this.#finish(to, 0, 'received');
  }

  // ── 2. Receiving ──────────────────────────────────────────────────────────────────────────────────────────────────

  async #receive(): Promise<void> {
    for (;;) {
      const step = this.#steps.takeNow() ?? (await this.#steps.take());
      if (step === undefined) break;
      if (this.#told !== undefined) await this.#heard();
      if (step.kind === 'file' && step.way === 'plain') {
        await this.#receiveFile(step);
        if (!this.#fetcher.hasNext) await this.#putArrived();
        continue;
      }
      await this.#putArrived();
      if (step.kind === 'file') await this.#completeFile(step);
      else await this.#leaveFolder(step);
    }
    // The host's END: nothing came that was not asked for, and the line was there until the last.
    await this.#fetcher.next();
  }

  async #leaveFolder({ to, entry, isNew }: Step & { kind: 'leave-folder' }): Promise<void> {
    try {
      // No earlier session can have left anything in a folder that this one has made.
      if (!isNew) await this.#store.clearPartials?.(to, name => this.#completed.has(join(to, name)));
    } catch {
      // What cannot be cleared away only takes up room, and the folder may be gone or never have been made.
    }
    if (entry === undefined) return;
    try {
      await this.#store.finishFolder(to, entry);
    } catch (thrown) {
      this.#fail(to, thrown);
    }
  }

  async #receiveFile(step: FileStep): Promise<void> {
    let fetched: FetchedFile | undefined;
    try {
      fetched = this.#fetcher.nextHere() ?? (await this.#fetcher.next());
      if (fetched === undefined) throw new LineError('PROTOCOL', 'the other side left a want unanswered');
      if (fetched.failure !== undefined) throw fetched.failure;
      if (fetched.whole === undefined || !this.#canPutWhole(step)) await this.#storeFile(step, fetched);
      else {
        if (fetched.entry.size !== step.entry.size) throw changed();
        const { mtimeUs, mode } = fetched.entry;
        const replace = step.over === 'replace';
        const mayReplace = this.#mayReplaceAll;
        this.#arrived.push({ path: step.to, bytes: fetched.whole, mtimeUs, mode, replace, mayReplace });
        fetched.takeWhole();
      }
    } catch (thrown) {
      this.#fail(step.to, thrown);
      // The answers behind this one are still wanted. If the line itself is at fault, this throws.
      if (fetched === undefined) throw thrown;
      await this.#fetcher.skip();
    }
  }

  /** As in a sync: of whatever is there nothing would be left but folders. */
  get #mayReplaceAll(): boolean {
    return this.#conflicts.policy === 'force' && this.#conflicts.onTypeChange !== undefined;
  }

  #canPutWhole(step: FileStep): boolean {
    const { checksum, fsync } = this.#options;
    const isPlain = step.over === 'nothing' || step.over === 'replace';
    return this.#store.putWhole !== undefined && isPlain && !(checksum || fsync);
  }

  async #storeFile(step: FileStep, fetched: FetchedFile): Promise<void> {
    await this.#completing(step, false, fetched.entry, async file => this.#writeAll(step.to, file, fetched));
  }

  /** Small files that came together are written together. */
  async #putArrived(): Promise<void> {
    const arrived = this.#arrived.splice(0);
    if (arrived.length === 0) return;
    const failures = await this.#store.putWhole!(arrived);
    for (const [at, { path, bytes }] of arrived.entries()) {
      const failure = failures[at];
      if (failure !== undefined) this.#fail(path, failure);
      else {
        this.#counts.bytes += bytes.length;
        this.#finish(path, bytes.length, 'received');
      }
    }
  }

  /** Goes on with what is here: only what is missing or differs is asked for. */
  async #completeFile(step: FileStep): Promise<void> {
    const fetcher = this.#openFetcher();
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
      this.#fail(step.to, thrown);
      // Nobody else may be left to notice it, should this be the last file.
      if (this.#signal.aborted || isLineLost(thrown)) throw thrown;
    } finally {
      fetcher.close();
    }
  }

  /** The ranges that neither the version to be replaced nor a partial has, found by comparing chunks. */
  async #findChanged(step: FileStep, file: ReceivingFile): Promise<readonly Range[]> {
    const signal = this.#signal;
    const theirs = await this.#files.chunks(step.from, step.entry, { makeSha256: this.#options.makeSha256, signal });
    const old = await this.#store.open(step.to);
    try {
      const onKept = (bytes: number): void => this.#emit({ type: 'kept', path: step.to, bytes });
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
      const theirs = await this.#files.leaves(step.from, kept, { signal: this.#signal });
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
    if (same > 0) this.#emit({ type: 'kept', path: step.to, bytes: same });
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
    this.#emit({ type: 'started', path: step.to, size: entry.size });
    const file = await this.#store.create(step.to, { resume });
    try {
      await fill(file);
      if (this.#conflicts.checksum) await this.#verify(step.from, file, entry);
      await makeRoom(this.#store, step.to, step.over);
      await file.commit({
        mtimeUs: entry.mtimeUs,
        mode: entry.mode,
        replace: step.over === 'replace',
        fsync: this.#options.fsync === true,
      });
    } catch (thrown) {
      // A source that changed left a mixture of two versions; anything else left something to go on with.
      // A name that was taken meanwhile belongs to a file that is whole, so what came of this one is of no use either.
      const isUseless = thrown instanceof LineError && USELESS_AFTER.has(thrown.code);
      await (isUseless ? file.discard() : file.keep());
      throw thrown;
    }
    this.#counts.bytes += entry.size;
    this.#finish(step.to, entry.size, 'received');
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
        const write = file.write(bytes, position).finally(() => this.#store.release?.(bytes));
        // It is awaited below or before the next one; until then its failure must not count as unhandled.
        write.catch(() => {});
        writing.push(write);
        position += count;
        this.#emit({ type: 'progress', path, bytes: count });
        await this.#heard();
      }
    } finally {
      await Promise.allSettled(writing);
    }
    for (const write of writing) await write;
  }

  /** A run of any length costs the sender one message, so it must not hold up everybody else here. */
  async #writeZeros(path: string, file: ReceivingFile, zeros: number, position: number): Promise<void> {
    const turns = new Turns(this.#signal);
    for (let done = 0; done < zeros; ) {
      const count = Math.min(ZEROS_AT_ONCE, zeros - done);
      await file.writeZeros(count, position + done);
      done += count;
      this.#emit({ type: 'progress', path, bytes: count });
      await this.#heard();
      await turns.after(count);
    }
  }

  /** Compares what lies on this disk, still under its temporary name, with what lies on the host's. */
  async #verify(from: string, file: ReceivingFile, entry: Entry): Promise<void> {
    const written = { entry, read: file.read.bind(file), verifyUnchanged: async () => {}, close: async () => {} };
    const [theirs, ours] = await Promise.all([
      this.#files.sha256(from, { signal: this.#signal }),
      hashFile(written, this.#options.makeSha256),
    ]);
    if (theirs.some((byte, at) => byte !== ours[at])) {
      throw new LineError('MISMATCH', 'what was written is not what the other side has on its disk');
    }
  }

  // ── 3. Telling ────────────────────────────────────────────────────────────────────────────────────────────────────

  #finish(path: string, size: number, outcome: Outcome): void {
    this.#count(outcome, path);
    this.#emit({ type: 'finished', path, size, outcome });
  }

  #count(outcome: Outcome, path: string): void {
    this.#counts[outcome] += 1;
    if (outcome !== 'skipped' && this.#completed.size < MAX_COMPLETED_REMEMBERED) this.#completed.add(path);
  }

  #fail(path: string, thrown: unknown): void {
    this.#counts.failed += 1;
    this.#emit({ type: 'failed', path, error: toLineError(thrown) });
  }

  #emit(event: TransferEvent): void {
    const told = this.#options.onEvent?.(event);
    if (told !== undefined) this.#told = told;
  }

  async #heard(): Promise<void> {
    const told = this.#told;
    await told;
    if (told === this.#told) this.#told = undefined;
  }
}

function changed(): LineError {
  return new LineError('CHANGED', 'the file changed after it was listed');
}

const MAX_STEPS_AHEAD = 1024;
const USELESS_AFTER: ReadonlySet<string> = new Set(['CHANGED', 'MISMATCH', 'EXISTS']);
const MAX_COMPLETED_REMEMBERED = 100_000;
const MAX_RANGES_AHEAD = 64;
const MAX_WRITES_UNDER_WAY = 4;
const ZEROS_AT_ONCE = 64 * 1024 * 1024;

function join(folder: string, name: string): string {
  return folder === '' || name === '' ? folder + name : `${folder}/${name}`;
}

function isInside(path: string, folder: string): boolean {
  return folder === '' || (path.startsWith(folder) && path[folder.length] === '/');
}
