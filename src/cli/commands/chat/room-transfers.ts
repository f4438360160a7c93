import { homedir } from 'node:os';
import { join } from 'node:path';
import {
  type ChatFile,
  downloadChatFile,
  isLineLost,
  type Line,
  LineError,
  makeSha256,
  OutgoingFile,
  ReceiveRoot,
  type TransferEvent,
} from '../../../node/index.ts';
import { formatSize } from '../../terminal/format.ts';
import type { Membership } from './membership.ts';

/** What of a file is through, for whoever shows it. */
export interface TransferProgress {
  readonly direction: 'send' | 'get';
  readonly name: string;
  readonly size: number;
  readonly bytes: number;
}

/** A file that lies in the current folder now. */
export interface FetchedFile {
  readonly name: string;
  readonly size: number;
  /** It lay there before. */
  readonly wasThere: boolean;
}

/**
 * Files of the room that one is in, there and back, one after the other and over as many lines as it takes. `show` hears how
 * far one is, and `undefined` when nothing is under way.
 */
export class RoomTransfers {
  readonly #membership: Membership;
  readonly #signal: AbortSignal;
  readonly #show: (progress: TransferProgress | undefined) => void;
  /** The one before. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    membership: Membership,
    signal: AbortSignal,
    show: (progress: TransferProgress | undefined) => void = () => {},
  ) {
    this.#membership = membership;
    this.#signal = signal;
    this.#show = show;
  }

  /** Puts the file at `path` into the room; `~/` is the home folder, as in a shell. Gives the id of its message. */
  async send(path: string): Promise<{ readonly id: number }> {
    const { room } = this.#membership;
    const outgoing = await OutgoingFile.open(path.startsWith('~/') ? join(homedir(), path.slice(2)) : path);
    try {
      const file = await this.#inTurn(() => {
        const told = this.#telling('send', outgoing.name);
        return this.#overLines(line =>
          outgoing.put(line, this.#membership.offers, { signal: this.#signal, onEvent: told }),
        );
      });
      return await room.send(file.name, { file });
    } finally {
      await outgoing.close();
    }
  }

  /** Fetches the file of message `id` into the current folder, as `name` if that is given. What is there stays (`EXISTS`). */
  async get(id: number, name?: string): Promise<FetchedFile> {
    return this.#inTurn(async () => {
      const file = await this.#overLines(() => this.#fileOf(id));
      const store = await ReceiveRoot.open('.');
      try {
        return await this.#overLines(line => this.#fetch(line, file, store, name ?? file.name));
      } finally {
        await store.close();
      }
    });
  }

  async #fetch(line: Line, file: ChatFile, store: ReceiveRoot, to: string): Promise<FetchedFile> {
    const tell = this.#telling('get', to);
    let failure: LineError | undefined;
    const { received } = await downloadChatFile(line, file, store, {
      to,
      makeSha256,
      signal: this.#signal,
      onEvent: event => {
        if (event.type === 'failed') failure = event.error;
        tell(event);
      },
    });
    if (failure?.code === 'EXISTS') {
      throw new LineError('EXISTS', `"${to}" is here already and differs; another name makes room for both`);
    }
    if (failure !== undefined) throw failure;
    return { name: to, size: file.size, wasThere: received === 0 };
  }

  async #fileOf(id: number): Promise<ChatFile> {
    for await (const message of this.#membership.room.history({ after: id - 1, before: id + 1, last: 1 })) {
      if (message.file !== undefined) return message.file;
      throw new LineError('USAGE', `message ${id} is no file`);
    }
    throw new LineError('NOT_FOUND', `this room has no message ${id}`);
  }

  /** Runs `work`, and again over the next line when one is lost. */
  async #overLines<Value>(work: (line: Line) => Promise<Value>): Promise<Value> {
    for (let lost: Line | undefined; ; ) {
      const line = await this.#membership.nextLine(lost);
      try {
        return await work(line);
      } catch (thrown) {
        if (!isLineLost(thrown) && this.#membership.isOn(line)) throw thrown;
        lost = line;
      }
    }
  }

  /** One at a time: more would only share the same line. */
  async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = this.#turn.then(work).finally(() => this.#show(undefined));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #telling(direction: 'send' | 'get', name: string): (event: TransferEvent) => void {
    let size = 0;
    let bytes = 0;
    return event => {
      if (event.type === 'found') [size, bytes] = [event.size, 0];
      else if (event.type === 'progress' || event.type === 'kept') bytes += event.bytes;
      else return;
      this.#show({ direction, name, size, bytes });
    };
  }
}

/** `N [NAME]` behind `/get`. Throws `USAGE`. */
export function parseGet(rest: string): { readonly id: number; readonly name: string | undefined } {
  const parts = /^([1-9]\d{0,14})(?:\s+(\S.*))?$/.exec(rest);
  if (parts === null) throw new LineError('USAGE', 'which file? /get N, where N stands behind the file');
  return { id: Number(parts[1]), name: parts[2] };
}

/** `sending notes.txt, 45% of 12.3 MB`. */
export function progressText({ direction, size, bytes }: TransferProgress, shownName: string): string {
  const share = size === 0 ? 100 : Math.min(100, Math.floor((bytes / size) * 100));
  return `${direction === 'send' ? 'sending' : 'getting'} ${shownName}, ${share}% of ${formatSize(size)}`;
}
