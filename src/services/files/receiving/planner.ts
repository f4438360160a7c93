import { LineError } from '../../../errors.ts';
import { abortError } from '../../../line/abort.ts';
import { isDeltaWorthIt } from '../comparing/delta.ts';
import { CHUNK_BYTES } from '../comparing/leaves.ts';
import type { Entry, Problem } from '../entry.ts';
import { isLeftOut } from '../exclude.ts';
import type { FilesClient } from '../reading/client.ts';
import type { Fetcher } from '../reading/fetcher.ts';
import type { ReceiveStore } from '../store.ts';
import type { BoundedQueue } from './bounded-queue.ts';
import { type ConflictOptions, clearForFolder, judgeFile, judgeLink, makeRoom } from './conflict.ts';
import type { DownloadOptions, DownloadRequest } from './download.ts';
import { Glance } from './glance.ts';
import { type FileStep, isInside, join, type Step } from './steps.ts';
import type { Tally } from './tally.ts';

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

/** What the parts of a download share. */
export interface DownloadParts {
  readonly files: FilesClient;
  readonly store: ReceiveStore;
  readonly request: DownloadRequest;
  readonly options: DownloadOptions;
  readonly conflicts: ConflictOptions;
  readonly signal: AbortSignal;
  readonly tally: Tally;
}

/** Asks what is there, judges conflicts, makes folders and links, and asks for files ahead of the receiver. */
export class Planner {
  readonly #files: FilesClient;
  readonly #store: ReceiveStore;
  readonly #request: DownloadRequest;
  readonly #options: DownloadOptions;
  readonly #conflicts: ConflictOptions;
  readonly #signal: AbortSignal;
  readonly #tally: Tally;
  readonly #fetcher: Fetcher;
  readonly #steps: BoundedQueue<Step>;

  constructor(parts: DownloadParts, fetcher: Fetcher, steps: BoundedQueue<Step>) {
    this.#files = parts.files;
    this.#store = parts.store;
    this.#request = parts.request;
    this.#options = parts.options;
    this.#conflicts = parts.conflicts;
    this.#signal = parts.signal;
    this.#tally = parts.tally;
    this.#fetcher = fetcher;
    this.#steps = steps;
  }

  /** Throws what ends the download as a whole; what fails of it is told by name. */
  async run(): Promise<void> {
    const { from, to } = this.#request;
    const root = this.#request.root ?? (await this.#files.stat(from, { signal: this.#signal }));
    if (root.type === 'folder') await this.#planFolder(root);
    else if (root.type === 'file') {
      await this.#attempt(to, () => this.#planItem(root, from, to));
      await this.#leaveLater({ to: to.slice(0, Math.max(0, to.lastIndexOf('/'))), entry: undefined, isNew: false });
    } else throw new LineError('NOT_A_FILE', 'neither a file nor a folder');
    this.#fetcher.noMoreWants();
    this.#tally.tell({ type: 'counted' });
  }

  /** A folder comes before what is in it, so the folders under way are a stack: one that is left can be finished. */
  async #planFolder(root: Entry): Promise<void> {
    const { from, to } = this.#request;
    const open: OpenFolder[] = [];
    open.push(to === '' ? { path: '', to, entry: undefined, isNew: false } : await this.#makeFolder('', to, root));
    const isWanted = (item: Entry): boolean => !isLeftOut(this.#options.exclude, item) && this.#isAccepted(item);
    const glance = this.#options.checksum === true ? undefined : new Glance(this.#store, isWanted, this.#options.seen);
    const followLinks = this.#options.copyLinks === true;
    for await (const batch of this.#files.list(from, { recursive: true, followLinks, signal: this.#signal })) {
      // Of ten thousand files that have not changed none is waited for: most of what is done here for each costs less than
      // to wait would.
      for (let at = 0; at < batch.length; at += 1) {
        const item = batch[at]!;
        if (this.#signal.aborted) throw abortError(this.#signal);
        // A listing of nothing but failures must not run ahead of who is told of them.
        if (this.#tally.isWaitedFor) await this.#tally.heard();
        if (isLeftOut(this.#options.exclude, item)) continue;
        for (let last = open.at(-1); last !== undefined && !isInside(item.path, last.path); last = open.at(-1)) {
          open.pop();
          await this.#leaveLater(last);
        }
        const folder = open.at(-1)!;
        const target = join(to, item.path);
        if (glance !== undefined && !folder.isNew && !('error' in item) && item.type === 'file') {
          if (!glance.hasSeen(batch, at)) this.#tally.unchanged(await glance.look(batch, at, folder));
          if (glance.isUnchanged(at)) continue;
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
      this.#tally.fail(path, thrown);
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
    this.#tally.tell({ type: 'found', path: to, size: entry.size });
    if (place === 'free') {
      this.#fetcher.want(from);
      await this.#steps.give({ kind: 'file', from, to, entry, over: 'nothing', way: 'plain' });
      return;
    }
    const verdict = await judgeFile(this.#files, this.#store, from, to, entry, this.#conflicts);
    if (verdict.action === 'leave') {
      const isStale = verdict.because === 'identical' && verdict.stale !== undefined;
      if (isStale) await this.#store.setAttributes(to, verdict.stale, entry);
      this.#tally.finish(to, entry.size, verdict.because);
      return;
    }
    const way = await this.#wayOf(verdict, entry);
    if (way === 'plain') this.#fetcher.want(from);
    await this.#steps.give({ kind: 'file', from, to: verdict.to, entry, over: verdict.over, way });
  }

  async #wayOf({ to, over }: Pick<FileStep, 'to' | 'over'>, entry: Entry): Promise<FileStep['way']> {
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
    this.#tally.tell({ type: 'found', path: to, size: 0 });
    const verdict = await judgeLink(this.#store, to, entry, this.#conflicts);
    if (verdict.action === 'leave') {
      this.#tally.finish(to, 0, verdict.because);
      return;
    }
    await makeRoom(this.#store, to, verdict.over);
    await this.#store.makeLink(verdict.to, entry.target!, { replace: verdict.over === 'replace' });
    this.#tally.finish(to, 0, 'received');
  }
}
