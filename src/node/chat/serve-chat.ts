import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { toLineError } from '../../line/abort.ts';
import { type ChatHost, type ChatHostOptions, chatHost } from '../../services/chat/chat-host.ts';
import { MemoryHistory } from '../../services/chat/memory-history.ts';
import { type StateFolders, stateFolders } from '../state/folders.ts';
import { ensurePrivateFile, ensurePrivateFolder } from '../state/private-file.ts';
import { type Kept, KeptChat } from './kept-chat.ts';
import type { LoadSqlite } from './open-database.ts';
import { RoomFiles, roomFilesService } from './room-files.ts';
import { SqliteHistory } from './sqlite-history.ts';

/**
 * The chat of whoever serves `directory`, which has nothing to do with what lies in it: the folder says which history it
 * is, kept in the state folder of this user, 0600, with the files of its rooms beside it. It is opened when somebody first
 * comes. Where it cannot be, or another server has it, the chat is kept in memory and takes no files, and `onMemory` hears
 * why.
 */
export function serveChat(directory: string, options: ChatOptions = {}): ChatHost {
  const { keep = { ageMs: DEFAULT_KEEP_MS }, flood, filesBytes = DEFAULT_FILES_BYTES, onFault } = options;
  const kept = new KeptChat(() => open(directory, options), onFault);
  const host = chatHost(() => kept.history(), {
    nowMs: Date.now,
    keep,
    flood,
    checkFile: async file => (await kept.files()).check(file),
    onFault,
  });
  const files = filesBytes === 0 ? undefined : roomFilesService(() => kept.files());
  return {
    name: host.name,
    kinds: { ...host.kinds, ...files?.kinds },
    close: async () => {
      await host.close();
      await kept.close();
    },
  };
}

export interface ChatOptions extends Partial<Pick<ChatHostOptions, 'keep' | 'flood' | 'onFault'>> {
  readonly folders?: StateFolders | undefined;
  /** What all files of rooms may take up together; default 256 MiB. With 0 none are taken. */
  readonly filesBytes?: number | undefined;
  /** Hears why nothing is kept beyond this run. Must not throw. */
  readonly onMemory?: ((error: ReturnType<typeof toLineError>) => void) | undefined;
  /** In place of the SQLite of Node or of the package. */
  readonly loadSqlite?: LoadSqlite | undefined;
}

async function open(directory: string, options: ChatOptions): Promise<Kept> {
  const { folders = stateFolders(), filesBytes: maxBytes = DEFAULT_FILES_BYTES, onMemory, onFault } = options;
  let folder: string;
  let history: SqliteHistory;
  try {
    folder = await chatFolder(directory, folders);
    history = await openHistory(folder, options.loadSqlite);
  } catch (thrown) {
    onMemory?.(toLineError(thrown));
    // The files belong to who has the history: nobody else knows which of them are named.
    return { history: new MemoryHistory(), files: undefined };
  }
  try {
    return { history, files: maxBytes === 0 ? undefined : await openFiles(folder, maxBytes) };
  } catch (thrown) {
    onFault?.(thrown);
    return { history, files: undefined };
  }
}

async function chatFolder(directory: string, folders: StateFolders): Promise<string> {
  // By its real path: a link to the folder is the folder. A hash, because a path may be longer than a name.
  const folder = createHash('sha256')
    .update(await realpath(directory))
    .digest('hex')
    .slice(0, FOLDER_NAME_LENGTH);
  return join(folders.state, 'chat', folder);
}

async function openHistory(folder: string, loadSqlite: LoadSqlite | undefined): Promise<SqliteHistory> {
  const path = join(folder, 'history.db');
  await ensurePrivateFile({ path, secret: false });
  return SqliteHistory.open(path, loadSqlite);
}

async function openFiles(folder: string, maxBytes: number): Promise<RoomFiles> {
  const path = join(folder, 'files');
  await ensurePrivateFolder(path);
  return RoomFiles.open(path, { maxBytes });
}

const FOLDER_NAME_LENGTH = 32;
/** 90 days. */
const DEFAULT_KEEP_MS = 90 * 86_400_000;
const DEFAULT_FILES_BYTES = 256 * 1024 * 1024;
