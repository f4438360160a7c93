import { LineError } from '../../errors.ts';
import { systemClock, type Timer } from '../../line/clock.ts';
import type { ChatHistory } from '../../services/chat/history.ts';
import type { RoomFiles } from './room-files.ts';

/** What a server keeps of its rooms. */
export interface Kept {
  readonly history: ChatHistory;
  /** `undefined` where no files are taken. */
  readonly files: RoomFiles | undefined;
}

/** What is kept of rooms, opened when somebody first asks for it, and tidied from then on: files go with their messages. */
export class KeptChat {
  readonly #open: () => Promise<Kept>;
  readonly #onFault: ((thrown: unknown) => void) | undefined;
  #opened: Promise<Kept> | undefined;
  #sweepTimer: Timer | undefined;
  #isClosed = false;

  constructor(open: () => Promise<Kept>, onFault: ((thrown: unknown) => void) | undefined) {
    this.#open = open;
    this.#onFault = onFault;
  }

  async history(): Promise<ChatHistory> {
    return (await this.#kept()).history;
  }

  /** Throws `UNSUPPORTED` where no files are taken. */
  async files(): Promise<RoomFiles> {
    const { files } = await this.#kept();
    if (files === undefined) throw new LineError('UNSUPPORTED', 'no files are taken here');
    return files;
  }

  /** May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#sweepTimer?.cancel();
    const kept = await this.#opened;
    await kept?.files?.close();
    await kept?.history.close();
  }

  async #kept(): Promise<Kept> {
    this.#opened ??= this.#open().then(kept => {
      if (kept.files !== undefined) void this.#sweep(kept.files, kept.history);
      return kept;
    });
    return this.#opened;
  }

  /** Now and every hour. */
  async #sweep(files: RoomFiles, history: ChatHistory): Promise<void> {
    try {
      await files.sweep(ids => history.filesNamed(ids));
    } catch (thrown) {
      // What is closed in the middle of it has nothing to tell.
      if (!this.#isClosed) this.#onFault?.(thrown);
    }
    if (!this.#isClosed) this.#sweepTimer = systemClock.after(SWEEP_EVERY_MS, () => void this.#sweep(files, history));
  }
}

const SWEEP_EVERY_MS = 3_600_000;
