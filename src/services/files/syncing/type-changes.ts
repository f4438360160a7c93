import type { Entry, Problem } from '../entry.ts';
import { isLeftOut, isPartial } from '../exclude.ts';
import type { Conflict } from '../receiving/conflict.ts';
import type { TransferEvent } from '../receiving/events.ts';
import type { SyncOptions, SyncSide } from './sync.ts';

/**
 * What gives way in a sync to something of another type: a file or link to a folder always, since it is replaced by what
 * differs; a folder to a file or link only where removal is asked for and allowed of each thing in it, because that goes
 * too. What is left out stays, and the folders above it.
 */
export class TypeChanges {
  readonly #target: SyncSide;
  readonly #to: string;
  readonly #options: SyncOptions;
  /** Folders that may go, by their path in the store, with how many things are in them. */
  readonly #mayGo = new Map<string, number>();
  #removed = 0;

  constructor(target: SyncSide, to: string, options: SyncOptions) {
    this.#target = target;
    this.#to = to;
    this.#options = options;
  }

  /** Things that went with their folder. */
  get removed(): number {
    return this.#removed;
  }

  /** For `onTypeChange` of the transfer. */
  async givesWay({ path, existing }: Conflict): Promise<boolean> {
    const below = this.#to === '' ? path : path.slice(this.#to.length + 1);
    if (this.#stays({ ...existing, path: below })) return false;
    if (existing.type !== 'folder') return true;
    if (this.#options.delete !== true || below === '') return false;
    let count = 0;
    for await (const batch of this.#target.list(below)) {
      if (!batch.every(item => this.#mayBeRemoved({ ...item, path: `${below}/${item.path}` }))) return false;
      count += batch.length;
    }
    this.#mayGo.set(path, count);
    return true;
  }

  /** A folder is gone when what took its place is there. */
  hear(event: TransferEvent): void {
    if (event.type !== 'finished') return;
    this.#removed += this.#mayGo.get(event.path) ?? 0;
    this.#mayGo.delete(event.path);
  }

  /** Of what cannot be listed nobody knows whether it is left out. */
  #mayBeRemoved(item: Entry | Problem): boolean {
    return !('error' in item) && !this.#stays(item) && (this.#options.mayRemove?.(item.path) ?? true);
  }

  #stays(item: Entry | Problem): boolean {
    return isLeftOut(this.#options.exclude, item) || isPartial(item.path);
  }
}
