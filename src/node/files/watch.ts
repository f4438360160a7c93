import { LineError } from '../../errors.ts';
import { type Clock, systemClock, type Timer } from '../../line/clock.ts';
import { ChangeSignal } from '../../services/files/change-signal.ts';
import type { Excluder } from '../../services/files/entry.ts';
import { quotePath } from '../../services/files/names.ts';
import type { ChangeWatch, ReadStore } from '../../services/files/store.ts';
import { translating } from '../node-errors.ts';
import type { Beneath, Found } from './beneath.ts';
import { parsePartialName } from './partial-names.ts';
import { FoldersWay, joinPath, ListingWay, type OnChange, TreeWay, type Way } from './watch-ways.ts';

/**
 * How changes are noticed. `folders`: by a watch of the system on each folder, which holds the folder itself and not its
 * name, and follows no link; `tree`: by one watch of the system for all, where that has such (macOS, Windows); `listing`:
 * by comparing a listing with the one before, which works everywhere and costs more.
 */
export type WatchWay = 'folders' | 'tree' | 'listing';

export interface WatchOptions {
  readonly clock: Clock;
  readonly way: WatchWay;
  /** Folders that are watched at once, by all watches of a root; beyond, `listing` it is. */
  readonly maxFolders: number;
}

/** The watches of one root. */
export class Watches {
  readonly #beneath: Beneath;
  readonly #list: ReadStore['list'];
  readonly #options: WatchOptions;
  readonly #open = new Set<ChangeWatch>();
  readonly #budget = { folders: 0 };

  constructor(beneath: Beneath, list: ReadStore['list'], options: Partial<WatchOptions>) {
    this.#beneath = beneath;
    this.#list = list;
    const { clock = systemClock, way = DEFAULT_WATCH_WAY, maxFolders = MAX_WATCHED_FOLDERS } = options;
    this.#options = { clock, way, maxFolders };
  }

  /** As `ReadStore.watch`, with a path that was checked. */
  async open(names: readonly string[], exclude: Excluder | undefined): Promise<ChangeWatch> {
    if (this.#open.size >= MAX_WATCHES) throw new LineError('TOO_MANY', 'too many watches are under way');
    const path = names.join('/');
    const top = translating(quotePath(path), () => this.#beneath.reading(names, found => placeOf(found, path)));
    const ignores: Excluder = (one, isFolder) =>
      parsePartialName(one) !== undefined || exclude?.(one, isFolder) === true;
    const opened = new TreeWatch(
      onChange => this.#systemWay(top, ignores, onChange),
      onChange => new ListingWay(() => this.#list(path, { recursive: true }), ignores, onChange, this.#options.clock),
      this.#options.clock,
      () => this.#open.delete(opened),
    );
    this.#open.add(opened);
    await opened.start();
    return opened;
  }

  close(): void {
    for (const one of this.#open) one.close();
  }

  #systemWay(top: readonly string[], ignores: Excluder, onChange: OnChange): Way | undefined {
    const { way, maxFolders } = this.#options;
    if (way === 'folders') return new FoldersWay(this.#beneath, top, ignores, onChange, this.#budget, maxFolders);
    return way === 'tree' ? new TreeWay(this.#beneath, top, ignores, onChange) : undefined;
  }
}

/** Tells of changes at a measured pace, and goes over to listings where the system's own way fails. */
class TreeWatch implements ChangeWatch {
  readonly #signal = new ChangeSignal();
  readonly #clock: Clock;
  readonly #makeListing: (onChange: OnChange) => Way;
  readonly #onClose: () => void;
  #way: Way | undefined;
  #hasFailed = false;
  #nextAt = 0;
  #pause: { readonly timer: Timer; readonly end: () => void } | undefined;
  #closed = false;

  constructor(
    makeWay: (onChange: OnChange) => Way | undefined,
    makeListing: (onChange: OnChange) => Way,
    clock: Clock,
    onClose: () => void,
  ) {
    this.#clock = clock;
    this.#makeListing = makeListing;
    this.#onClose = onClose;
    this.#way = makeWay(goesOn => {
      if (!goesOn) this.#hasFailed = true;
      this.#signal.raise();
    });
  }

  async start(): Promise<void> {
    try {
      await this.#refresh();
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  async next(): Promise<void> {
    await this.#signal.wait();
    const waitMs = this.#nextAt - this.#clock.now();
    if (waitMs > 0) {
      await new Promise<void>(resolve => {
        this.#pause = { timer: this.#clock.after(waitMs, resolve), end: resolve };
      });
    }
    const startedAt = this.#clock.now();
    if (!this.#closed) await this.#refresh();
    if (this.#closed) throw closed();
    const endedAt = this.#clock.now();
    this.#nextAt = endedAt + Math.max(TICK_MS, WORK_SHARE * (endedAt - startedAt));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal.fail(closed());
    this.#way?.close();
    this.#pause?.timer.cancel();
    this.#pause?.end();
    this.#onClose();
  }

  async #refresh(): Promise<void> {
    if (this.#way !== undefined && !this.#hasFailed && (await this.#way.refresh())) return;
    this.#way?.close();
    if (this.#closed) return;
    this.#hasFailed = false;
    this.#way = this.#makeListing(() => this.#signal.raise());
    await this.#way.refresh();
    // Closed in the meantime: the way that was made then is closed by nobody else.
    if (this.#closed) this.#way.close();
  }
}

/** The names from the root to the folder that is to be watched, links on the way resolved. */
function placeOf({ folder, name, stats }: Found, path: string): string[] {
  if (!stats.isDirectory()) throw new LineError('NOT_A_FILE', `${quotePath(path)} is not a folder`);
  const key = name === undefined ? folder.key : joinPath(folder.key, name);
  return key === '' ? [] : key.split('/');
}

function closed(): LineError {
  return new LineError('CLOSED', 'the watch is closed already');
}

/** Between two changes that are told. */
const TICK_MS = 200;
/** Taking up what is new takes at most a tenth of the time. */
const WORK_SHARE = 10;
const DEFAULT_WATCH_WAY: WatchWay = process.platform === 'darwin' || process.platform === 'win32' ? 'tree' : 'folders';
/** Of one root. Some systems allow a user no more (fs.inotify.max_user_watches), and then `listing` comes sooner. */
const MAX_WATCHED_FOLDERS = 8192;
/** Of one root, whoever wants them. */
const MAX_WATCHES = 16;
