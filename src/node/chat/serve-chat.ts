import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { toLineError } from '../../line/abort.ts';
import { type ChatHost, type ChatHostOptions, chatHost } from '../../services/chat/chat-host.ts';
import type { ChatHistory } from '../../services/chat/history.ts';
import { MemoryHistory } from '../../services/chat/memory-history.ts';
import { type StateFolders, stateFolders } from '../state/folders.ts';
import { ensurePrivateFile } from '../state/private-file.ts';
import type { LoadSqlite } from './open-database.ts';
import { SqliteHistory } from './sqlite-history.ts';

/**
 * The chat of whoever serves `directory`, which has nothing to do with what lies in it: the folder says which history it
 * is, kept in the state folder of this user, 0600. It is opened when somebody first comes. Where it cannot be, or another
 * server has it, the chat is kept in memory, and `onMemory` hears why.
 */
export function serveChat(directory: string, options: ChatOptions = {}): ChatHost {
  const { folders = stateFolders(), onMemory, loadSqlite, ...rest } = options;
  const open = async (): Promise<ChatHistory> => {
    try {
      return await openHistory(directory, folders, loadSqlite);
    } catch (thrown) {
      onMemory?.(toLineError(thrown));
      return new MemoryHistory();
    }
  };
  return chatHost(open, { nowMs: Date.now, keep: { ageMs: DEFAULT_KEEP_MS }, ...rest });
}

export interface ChatOptions extends Partial<Pick<ChatHostOptions, 'keep' | 'flood' | 'checkFile' | 'onFault'>> {
  readonly folders?: StateFolders | undefined;
  /** Hears why nothing is kept beyond this run. Must not throw. */
  readonly onMemory?: ((error: ReturnType<typeof toLineError>) => void) | undefined;
  /** In place of the SQLite of Node or of the package. */
  readonly loadSqlite?: LoadSqlite | undefined;
}

async function openHistory(
  directory: string,
  folders: StateFolders,
  loadSqlite: LoadSqlite | undefined,
): Promise<SqliteHistory> {
  // By its real path: a link to the folder is the folder. A hash, because a path may be longer than a name.
  const folder = createHash('sha256')
    .update(await realpath(directory))
    .digest('hex')
    .slice(0, FOLDER_NAME_LENGTH);
  const path = join(folders.state, 'chat', folder, 'history.db');
  await ensurePrivateFile({ path, secret: false });
  return SqliteHistory.open(path, loadSqlite);
}

const FOLDER_NAME_LENGTH = 32;
/** 90 days. */
const DEFAULT_KEEP_MS = 90 * 86_400_000;
