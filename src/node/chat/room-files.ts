import { LineError } from '../../errors.ts';
import { CHAT_FILE_UNSAID_MS, MAX_CHAT_UPLOADS, MAX_CHAT_UPLOADS_PER_DEVICE } from '../../protocol/limits.ts';
import type { ChatFile } from '../../services/chat/message.ts';
import type { Entry, Problem } from '../../services/files/entry.ts';
import { filesHost } from '../../services/files/reading/sender.ts';
import { filesChangeHost } from '../../services/files/receiving/put-host.ts';
import type { ReadStore, SourceFile } from '../../services/files/store.ts';
import { DevicePlaces } from '../../services/places.ts';
import type { Service, ServiceKind } from '../../services/service.ts';
import { makeSha256 } from '../files/folder-service.ts';
import { parsePartialName } from '../files/partial-names.ts';
import { ReadRoot } from '../files/read-root.ts';
import { ReceiveRoot } from '../files/receive-root.ts';
import { ArrivingFiles, isFileId, requireRoomPath } from './arriving-files.ts';
import { FileLedger } from './file-ledger.ts';

export interface RoomFilesOptions {
  /** What all files may take up together. */
  readonly maxBytes: number;
  readonly nowMs?: (() => number) | undefined;
}

/**
 * The files of a server's rooms, in a folder of their own that nobody lists: the files service under kinds that begin with
 * `chat.`, through the same gates (docs/protocol/4-services.md §3).
 */
export class RoomFiles {
  /** Kinds for whoever has `chat`. */
  readonly service: Service;
  readonly #reading: ReadRoot;
  readonly #receiving: ReceiveRoot;
  readonly #ledger: FileLedger;
  readonly #nowMs: () => number;
  /** When a file was last found good for a message that may not be stored yet. */
  readonly #checkedMs = new Map<string, number>();

  private constructor(reading: ReadRoot, receiving: ReceiveRoot, ledger: FileLedger, nowMs: () => number) {
    this.#reading = reading;
    this.#receiving = receiving;
    this.#ledger = ledger;
    this.#nowMs = nowMs;
    // Each upload holds a file open.
    const uploads = new DevicePlaces({
      perDevice: MAX_CHAT_UPLOADS_PER_DEVICE,
      ofAll: MAX_CHAT_UPLOADS,
      refusal: 'too many files are being put into rooms at once',
    });
    const reads = filesHost(new FilesById(reading), makeSha256);
    const changes = filesChangeHost(new ArrivingFiles(receiving, ledger, nowMs), [], makeSha256, nowMs);
    this.service = {
      name: 'chat-files',
      kinds: { ...chatKinds(reads, READ_KINDS), ...chatKinds(changes, CHANGE_KINDS, uploads) },
    };
  }

  /** Makes the folder if need be, and counts what is in it. */
  static async open(directory: string, options: RoomFilesOptions): Promise<RoomFiles> {
    const receiving = await ReceiveRoot.open(directory, { make: true });
    const reading = await ReadRoot.open(directory);
    const ledger = new FileLedger(options.maxBytes);
    await enterAll(ledger, reading);
    return new RoomFiles(reading, receiving, ledger, options.nowMs ?? Date.now);
  }

  /** With what each costs besides its bytes. */
  get usedBytes(): number {
    return this.#ledger.usedBytes;
  }

  /** Whether what a message names is here, whole and as it says; throws `NOT_FOUND`. It stays for a while then. */
  async check(file: ChatFile): Promise<void> {
    if (this.#ledger.sizeOf(file.id, file.name) !== file.size) {
      throw new LineError('NOT_FOUND', 'the server has no such file');
    }
    this.#checkedMs.set(file.id, this.#nowMs());
  }

  /**
   * Removes files that no message names, a day after they came: those that were never said and those whose messages are not
   * kept any more. `named` tells of some ids which ones messages name. Gives how many were removed.
   */
  async sweep(named: (ids: readonly string[]) => Promise<ReadonlySet<string>>): Promise<number> {
    const since = this.#nowMs() - CHAT_FILE_UNSAID_MS;
    for (const [id, checkedMs] of this.#checkedMs) if (checkedMs <= since) this.#checkedMs.delete(id);
    const old = this.#ledger.idsUnchangedSince(since).filter(id => !this.#checkedMs.has(id));
    let removed = 0;
    for (let at = 0; at < old.length; at += IDS_AT_ONCE) {
      const ids = old.slice(at, at + IDS_AT_ONCE);
      const kept = await named(ids);
      for (const id of ids) if (!kept.has(id) && (await this.#remove(id))) removed += 1;
    }
    return removed;
  }

  /** Nothing is served any more; files on their way are given up. May be called twice. */
  async close(): Promise<void> {
    await this.#reading.close();
    await this.#receiving.close();
  }

  async #remove(id: string): Promise<boolean> {
    // Said meanwhile, or somebody is going on with it.
    const left = this.#checkedMs.has(id) ? undefined : this.#ledger.leave(id);
    if (left === undefined) return false;
    try {
      await this.#receiving.remove(id, { recursive: true });
      left(true);
      return true;
    } catch (thrown) {
      const isGone = thrown instanceof LineError && thrown.code === 'NOT_FOUND';
      left(isGone);
      return isGone;
    }
  }
}

/**
 * The kinds of `RoomFiles.service`, of files that are opened when somebody first asks for one. Where there is no place for
 * them `open` throws.
 */
export function roomFilesService(open: () => Promise<RoomFiles>): Service {
  const entry = (kind: string): ServiceKind => ({
    permission: 'chat',
    handle: async (channel, route, granted) => {
      const { service } = await open();
      await service.kinds[kind]!.handle(channel, route, granted);
    },
  });
  const kinds = [...READ_KINDS, ...CHANGE_KINDS].map(kind => `chat.${kind}`);
  return { name: 'chat-files', kinds: Object.fromEntries(kinds.map(kind => [kind, entry(kind)])) };
}

/** Of the gate behind it only files of rooms, by their full path. */
class FilesById implements ReadStore {
  readonly #gate: ReadStore;

  constructor(gate: ReadStore) {
    this.#gate = gate;
  }

  async stat(path: string): Promise<Entry> {
    requireRoomPath(path);
    return this.#gate.stat(path);
  }

  list(): AsyncIterable<readonly (Entry | Problem)[]> {
    throw new LineError('FORBIDDEN', 'files of rooms are not listed');
  }

  async open(path: string): Promise<SourceFile> {
    requireRoomPath(path);
    return this.#gate.open(path);
  }
}

/** These kinds of a service for all who have `chat`, and with no other permission; with `places` only so many at once. */
function chatKinds({ kinds }: Service, wanted: readonly string[], places?: DevicePlaces): Service['kinds'] {
  const nothingElse = new Set<never>();
  const entries = wanted.map(kind => {
    const entry: ServiceKind = {
      permission: 'chat',
      handle: async (channel, route) => {
        const leavePlace = places?.take(route.peer.key);
        try {
          await kinds[kind]!.handle(channel, route, nothingElse);
        } finally {
          leavePlace?.();
        }
      },
    };
    return [`chat.${kind}`, entry];
  });
  return Object.fromEntries(entries) as Service['kinds'];
}

async function enterAll(ledger: FileLedger, reading: ReadRoot): Promise<void> {
  const changedMs = new Map<string, number>();
  for await (const batch of reading.list('', { recursive: true })) {
    for (const item of batch) {
      if ('error' in item) throw item.error;
      const [id, name] = item.path.split('/') as [string, string | undefined];
      if (!isFileId(id)) continue;
      // By the clock of this machine: files have the time of their senders.
      if (item.type === 'folder') {
        changedMs.set(id, item.mtimeUs / 1000);
        ledger.enter(id, { name: undefined, bytes: 0, changedMs: item.mtimeUs / 1000 });
      } else if (item.type === 'file' && name !== undefined) {
        const isPartial = parsePartialName(name) !== undefined;
        ledger.enter(id, { name: isPartial ? undefined : name, bytes: item.size, changedMs: changedMs.get(id) ?? 0 });
      }
    }
  }
}

const READ_KINDS = ['files.stat', 'files.get', 'files.hash', 'files.leaves', 'files.chunks'];
const CHANGE_KINDS = ['files.put'];
const IDS_AT_ONCE = 256;
