import { LineError } from '../../errors.ts';
import { codeOf } from '../node-errors.ts';

/** What is used of a database: the interface of `node:sqlite`, which the package has too. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

export interface Statement {
  run(...values: SqlValues): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint };
  get(...values: SqlValues): unknown;
  all(...values: SqlValues): unknown[];
}

type SqlValue = string | number | null | Uint8Array;
type SqlValues = readonly SqlValue[] | readonly [Readonly<Record<string, SqlValue>>];
type Sqlite = { readonly DatabaseSync: new (path: string) => Database };

/**
 * Opens a database with SQLite: that of Node if there is one that can search texts, else the package
 * `@photostructure/sqlite`, which is optional. Throws `UNSUPPORTED` without either, and what `translateSqlite` makes of the
 * rest.
 */
export async function openDatabase(path: string, load: LoadSqlite = loadSqlite): Promise<Database> {
  const { DatabaseSync } = await load();
  return translateSqlite(() => new DatabaseSync(path));
}

/** Runs `action`; what SQLite throws becomes `NO_SPACE` for a full disk, and else `ACCESS`. */
export function translateSqlite<Result>(action: () => Result): Result {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof LineError) throw cause;
    const number = typeof cause === 'object' && cause !== null && 'errcode' in cause ? Number(cause.errcode) & 0xff : 0;
    if (number === SQLITE_FULL)
      throw new LineError('NO_SPACE', 'the server has no room left for what is said in rooms', { cause });
    if (number === SQLITE_BUSY) throw new LineError('ACCESS', 'another server keeps this history', { cause });
    // What a program did wrong is its fault, and no disk's.
    if (number === 0 && codeOf(cause) !== 'ERR_SQLITE_ERROR') throw cause;
    throw new LineError('ACCESS', 'the history cannot be read or written', { cause });
  }
}

export type LoadSqlite = () => Promise<Sqlite>;

async function loadSqlite(): Promise<Sqlite> {
  const own = ownSqlite();
  if (own !== undefined && canSearch(own)) return own;
  try {
    return (await import('@photostructure/sqlite')) as unknown as Sqlite;
  } catch (cause) {
    throw new LineError('UNSUPPORTED', 'SQLite is there neither in Node nor as @photostructure/sqlite', { cause });
  }
}

/** Not imported, because older versions of Node do not have it. */
function ownSqlite(): Sqlite | undefined {
  const emitWarning = process.emitWarning.bind(process);
  // What Node has to say of the age of its module is nothing for who chats.
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:sqlite' as 'module') as unknown as Sqlite | undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Whether it was built with what the search needs. */
function canSearch({ DatabaseSync }: Sqlite): boolean {
  const probe = new DatabaseSync(':memory:');
  try {
    probe.exec(`CREATE VIRTUAL TABLE probe USING fts5(words, content='', contentless_delete=1)`);
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}

const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;
