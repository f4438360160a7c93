import { LineError } from '../../errors.ts';
import { MAX_CHAT_NAMES, MAX_CHAT_NAMES_PER_DEVICE, MAX_CHAT_SEEN_PER_NAME } from '../../protocol/limits.ts';
import type {
  ChatHistory,
  ChatKeep,
  FoundStep,
  HistoryView,
  IdRange,
  KeptRoom,
  NameOwner,
  SearchView,
  Seen,
  StoredAs,
  UnstoredMessage,
} from '../../services/chat/history.ts';
import type { ChatFile, ChatMessage, ChatMessageKind } from '../../services/chat/message.ts';
import { type ChatName, nameIsTaken, tooManyNames } from '../../services/chat/names.ts';
import { CUT_AT_ONCE, holdsPhrases, wordsOf } from '../../services/chat/words.ts';
import { type Database, type LoadSqlite, openDatabase, type Statement, translateSqlite } from './open-database.ts';

/**
 * A history in a database, and the only place that knows SQL. One process has it at a time. What is committed outlives the
 * process, killed or not; a system that loses its power may lose the last of it (WAL with synchronous=NORMAL).
 *
 * Calls of SQLite block, so each does little: the longest are a transaction of the messages of one moment, and a step of
 * a search.
 */
export class SqliteHistory implements ChatHistory {
  readonly #database: Database;
  readonly #sql: Statements;
  #isClosed = false;

  private constructor(database: Database) {
    this.#database = database;
    this.#sql = prepare(database);
  }

  /**
   * Opens the file, which has to be there, empty at first. Throws `ACCESS` if another process has it, if it is no history or
   * one of a later version, and `UNSUPPORTED` where there is no SQLite.
   */
  static async open(path: string, load?: LoadSqlite): Promise<SqliteHistory> {
    const database = await openDatabase(path, load);
    try {
      return translateSqlite(() => {
        database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
        // Takes the lock, which stays until the database is closed or the process is gone.
        inTransaction(database, () => makeSchema(database));
        return new SqliteHistory(database);
      });
    } catch (thrown) {
      database.close();
      throw thrown;
    }
  }

  async head(): Promise<number> {
    return translateSqlite(() => numberOf(this.#sql.head.get(), 'seq') ?? 0);
  }

  async append(messages: readonly UnstoredMessage[], nowMs: number): Promise<readonly StoredAs[]> {
    return translateSqlite(() =>
      inTransaction(this.#database, () => messages.map(message => this.#append(message, nowMs))),
    );
  }

  async read(view: HistoryView, range: IdRange, limit: number): Promise<readonly ChatMessage[]> {
    return translateSqlite(() => this.#sql.read.all({ ...view, ...range, limit }).map(toMessage));
  }

  async count(view: HistoryView, range: IdRange, limit: number): Promise<number> {
    return translateSqlite(() => numberOf(this.#sql.count.get({ ...view, ...range, limit }), 'count')!);
  }

  async beginningOfLast(view: HistoryView, range: IdRange, last: number): Promise<number> {
    return translateSqlite(() => numberOf(this.#sql.behindLast.get({ ...view, ...range, last }), 'id') ?? range.after);
  }

  async find(
    view: SearchView,
    phrases: readonly (readonly string[])[],
    before: number,
    limit: number,
  ): Promise<FoundStep> {
    if (phrases.length === 0) return { ids: [], before: undefined };
    // Words are letters and digits, so between quotes nothing is a word of the language of searches. The index is asked for
    // words alone: for phrases it compares all places of all words, of however many messages, before it gives anything.
    const match = [...new Set(phrases.flat())].map(word => `"${word}"`).join(' ');
    const isInOrder = phrases.every(phrase => phrase.length === 1);
    const { room, device } = view;
    return translateSqlite(() => {
      const end = Math.min(before, (numberOf(this.#sql.head.get(), 'seq') ?? 0) + 1);
      const after = Math.max(0, end - IDS_AT_ONCE);
      const ids: number[] = [];
      let cut = 0;
      for (const row of this.#sql.find.all({ match, after, before: end, device }) as FoundRow[]) {
        if (row.room === '' ? row.own !== 1 : room !== undefined && row.room !== room) continue;
        const text = isInOrder ? '' : (this.#sql.textOf.get({ id: row.id }) as { readonly text: string }).text;
        if (isInOrder || holdsPhrases(text, phrases)) ids.push(row.id);
        cut += text.length;
        if (ids.length === limit || cut >= CUT_AT_ONCE) return { ids, before: row.id };
      }
      return { ids, before: after === 0 ? undefined : after + 1 };
    });
  }

  async readFound(ids: readonly number[]): Promise<readonly ChatMessage[]> {
    return translateSqlite(() => this.#sql.readFound.all({ ids: JSON.stringify(ids) }).map(toMessage));
  }

  async lastPrivate(device: Uint8Array, before: number): Promise<number> {
    return translateSqlite(() => numberOf(this.#sql.lastPrivate.get({ device, before }), 'id') ?? 0);
  }

  async filesNamed(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = translateSqlite(() => this.#sql.filesNamed.all({ ids: JSON.stringify(ids) })) as { id: string }[];
    return new Set(rows.map(({ id }) => id));
  }

  async rooms(after: string, limit: number): Promise<readonly KeptRoom[]> {
    return translateSqlite(() => this.#sql.rooms.all({ after, limit }) as KeptRoom[]);
  }

  async claimName({ name, key }: ChatName, device: Uint8Array, isInUse: (key: string) => boolean): Promise<void> {
    translateSqlite(() =>
      inTransaction(this.#database, () => {
        const owner = this.#ownerOf(key);
        if (owner !== undefined && Buffer.compare(owner.device, device) !== 0) throw nameIsTaken(name);
        if (owner === undefined) this.#makeRoomForName(device, isInUse);
        this.#sql.claimName.run({ name, key, device });
      }),
    );
  }

  async ownerOf(key: string): Promise<NameOwner | undefined> {
    return translateSqlite(() => this.#ownerOf(key));
  }

  async seen(nameKey: string, room: string): Promise<number | undefined> {
    return translateSqlite(() => numberOf(this.#sql.seen.get({ nameKey, room }), 'id'));
  }

  async keepSeen(seen: readonly Seen[]): Promise<void> {
    translateSqlite(() =>
      inTransaction(this.#database, () => {
        for (const { nameKey, room, id } of seen) {
          this.#sql.keepSeen.run({ nameKey, room, id });
          this.#sql.trimSeen.run({ nameKey, kept: MAX_CHAT_SEEN_PER_NAME });
        }
      }),
    );
  }

  async trim(keep: ChatKeep, nowMs: number, limit: number): Promise<number> {
    return translateSqlite(() =>
      inTransaction(this.#database, () => {
        const gone = 'ageMs' in keep ? this.#olderThan(nowMs - keep.ageMs, limit) : this.#beyond(keep.count, limit);
        for (const { id, room } of gone) {
          this.#sql.removeMessage.run({ id });
          this.#sql.removeWords.run({ id });
          this.#sql.countLess.run({ room });
        }
        for (const room of new Set(gone.map(({ room }) => room))) this.#sql.forgetRoom.run({ room });
        return gone.length;
      }),
    );
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    translateSqlite(() => {
      // The package lets go of a lock only when nobody knows the statements any more; so the lock goes first.
      this.#database.exec(
        'PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT count(*) FROM sqlite_schema',
      );
      this.#database.close();
    });
  }

  #append(message: UnstoredMessage, nowMs: number): StoredAs {
    const { room = '', nonce, from, device, kind, text, to, file } = message;
    const { changes, lastInsertRowid } = this.#sql.append.run({
      room,
      nonce,
      nowMs,
      sender: from,
      device,
      kind,
      text,
      recipient: to?.name ?? null,
      recipientDevice: to?.device ?? null,
      file: file === undefined ? null : JSON.stringify(file),
    });
    if (Number(changes) === 0) {
      const row = this.#sql.repeated.get({ device, nonce }) as { readonly id: number; readonly ms: number };
      return { id: row.id, timeMs: row.ms, isRepeated: true };
    }
    const id = Number(lastInsertRowid);
    this.#sql.addWords.run({ id, words: wordsOf(text).join(' ') });
    this.#sql.countMore.run({ room, id, nowMs });
    return { id, timeMs: nowMs, isRepeated: false };
  }

  #ownerOf(key: string): NameOwner | undefined {
    return this.#sql.ownerOf.get({ key }) as NameOwner | undefined;
  }

  #makeRoomForName(device: Uint8Array, isInUse: (key: string) => boolean): void {
    if (numberOf(this.#sql.countOwnNames.get({ device }), 'count')! >= MAX_CHAT_NAMES_PER_DEVICE) {
      this.#letGo(limit => this.#sql.ownNames.all({ device, limit }), isInUse);
    }
    if (numberOf(this.#sql.countNames.get(), 'count')! >= MAX_CHAT_NAMES) {
      this.#letGo(limit => this.#sql.names.all({ limit }), isInUse);
    }
  }

  /** The first name that nobody is here under; that is mostly one of the very first. */
  #letGo(first: (limit: number) => readonly unknown[], isInUse: (key: string) => boolean): void {
    for (let limit = NAMES_AT_ONCE; ; limit *= 8) {
      const rows = first(limit) as readonly { readonly key: string }[];
      const free = rows.find(({ key }) => !isInUse(key));
      if (free === undefined && rows.length < limit) throw tooManyNames();
      if (free === undefined) continue;
      this.#sql.forgetName.run({ key: free.key });
      this.#sql.forgetSeen.run({ key: free.key });
      return;
    }
  }

  #olderThan(limitMs: number, limit: number): readonly GoneRow[] {
    const oldest = this.#sql.oldest.all({ limit }) as (GoneRow & { readonly ms: number })[];
    const firstKept = oldest.findIndex(({ ms }) => ms >= limitMs);
    return firstKept < 0 ? oldest : oldest.slice(0, firstKept);
  }

  #beyond(count: number, limit: number): readonly GoneRow[] {
    const gone: GoneRow[] = [];
    for (const { room, excess } of this.#sql.fullRooms.all({ count, limit }) as { room: string; excess: number }[]) {
      const left = Math.min(excess, limit - gone.length);
      if (left === 0) break;
      gone.push(...(this.#sql.oldestOf.all({ room, limit: left }) as GoneRow[]));
    }
    return gone;
  }
}

function inTransaction<Result>(database: Database, work: () => Result): Result {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (thrown) {
    rollBack(database);
    throw thrown;
  }
}

/** A full disk may have ended the transaction already. */
function rollBack(database: Database): void {
  try {
    database.exec('ROLLBACK');
  } catch {
    // There is none any more.
  }
}

function makeSchema(database: Database): void {
  const version = numberOf(database.prepare('PRAGMA user_version').get(), 'user_version');
  if (version === SCHEMA_VERSION) return;
  if (version !== 0) throw new LineError('ACCESS', 'the history was written by a later version of postern');
  database.exec(SCHEMA);
}

const SCHEMA_VERSION = 1;

/** A private message is of the room ''. The index of words holds what `wordsOf` gives, with spaces between. */
const SCHEMA = `
  CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL, nonce TEXT NOT NULL, ms INTEGER NOT NULL,
    sender TEXT NOT NULL, device BLOB NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
    recipient TEXT, recipient_device BLOB, file TEXT,
    UNIQUE (device, nonce)
  );
  CREATE INDEX messages_of_room ON messages (room);
  CREATE INDEX private_from ON messages (device) WHERE room = '';
  CREATE INDEX private_to ON messages (recipient_device) WHERE room = '';
  CREATE INDEX files_named ON messages (file ->> '$.id') WHERE file IS NOT NULL;
  CREATE VIRTUAL TABLE words USING fts5(cut, content = '', contentless_delete = 1, tokenize = 'ascii');
  CREATE TABLE rooms (room TEXT PRIMARY KEY, count INTEGER NOT NULL, last_id INTEGER NOT NULL, last_ms INTEGER NOT NULL);
  CREATE TABLE names (key TEXT PRIMARY KEY, name TEXT NOT NULL, device BLOB NOT NULL, used INTEGER NOT NULL);
  CREATE INDEX names_used ON names (used);
  CREATE INDEX names_of_device ON names (device, used);
  CREATE TABLE seen (name_key TEXT NOT NULL, room TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (name_key, room))
    WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Ids of what a device may read of a room. */
const VIEW = `
  SELECT id FROM messages WHERE room = $room AND $room <> '' AND id > $after AND id < $before
  UNION ALL
  SELECT id FROM messages WHERE room = '' AND device = $device AND id > $after AND id < $before
  UNION ALL
  SELECT id FROM messages
    WHERE room = '' AND recipient_device = $device AND device <> $device AND id > $after AND id < $before
`;

const MESSAGE = 'id, ms, sender, device, kind, text, recipient, file';

const STATEMENTS = {
  head: `SELECT seq FROM sqlite_sequence WHERE name = 'messages'`,
  append: `INSERT INTO messages (room, nonce, ms, sender, device, kind, text, recipient, recipient_device, file)
    VALUES ($room, $nonce, $nowMs, $sender, $device, $kind, $text, $recipient, $recipientDevice, $file)
    ON CONFLICT (device, nonce) DO NOTHING`,
  repeated: 'SELECT id, ms FROM messages WHERE device = $device AND nonce = $nonce',
  addWords: 'INSERT INTO words (rowid, cut) VALUES ($id, $words)',
  countMore: `INSERT INTO rooms (room, count, last_id, last_ms) VALUES ($room, 1, $id, $nowMs)
    ON CONFLICT (room) DO UPDATE SET count = count + 1, last_id = excluded.last_id, last_ms = excluded.last_ms`,
  read: `SELECT ${MESSAGE} FROM messages WHERE id IN (SELECT id FROM (${VIEW}) ORDER BY id LIMIT $limit) ORDER BY id`,
  count: `SELECT count(*) AS count FROM (SELECT id FROM (${VIEW}) LIMIT $limit)`,
  behindLast: `SELECT id FROM (${VIEW}) ORDER BY id DESC LIMIT 1 OFFSET $last`,
  find: `SELECT m.id, m.room, (m.device = $device OR m.recipient_device = $device) AS own
    FROM (SELECT rowid AS id FROM words WHERE words MATCH $match AND rowid > $after AND rowid < $before) f
    JOIN messages m ON m.id = f.id ORDER BY m.id DESC`,
  textOf: 'SELECT text FROM messages WHERE id = $id',
  readFound: `SELECT ${MESSAGE} FROM messages WHERE id IN (SELECT value FROM json_each($ids)) ORDER BY id`,
  lastPrivate: `SELECT max(id) AS id FROM (
      SELECT max(id) AS id FROM messages WHERE room = '' AND device = $device AND id < $before
      UNION ALL SELECT max(id) FROM messages WHERE room = '' AND recipient_device = $device AND id < $before)`,
  filesNamed: `SELECT DISTINCT file ->> '$.id' AS id FROM messages
    WHERE file IS NOT NULL AND file ->> '$.id' IN (SELECT value FROM json_each($ids))`,
  rooms: `SELECT room, last_id AS lastId, last_ms AS lastMs FROM rooms
    WHERE room > $after AND room <> '' ORDER BY room LIMIT $limit`,
  ownerOf: 'SELECT name, device FROM names WHERE key = $key',
  claimName: `INSERT INTO names (key, name, device, used)
    VALUES ($key, $name, $device, (SELECT coalesce(max(used), 0) + 1 FROM names))
    ON CONFLICT (key) DO UPDATE SET name = excluded.name, used = excluded.used`,
  countOwnNames: 'SELECT count(*) AS count FROM names WHERE device = $device',
  ownNames: 'SELECT key FROM names WHERE device = $device ORDER BY used LIMIT $limit',
  countNames: 'SELECT count(*) AS count FROM names',
  names: 'SELECT key FROM names ORDER BY used LIMIT $limit',
  forgetName: 'DELETE FROM names WHERE key = $key',
  forgetSeen: 'DELETE FROM seen WHERE name_key = $key',
  seen: 'SELECT id FROM seen WHERE name_key = $nameKey AND room = $room',
  keepSeen: `INSERT INTO seen (name_key, room, id) SELECT $nameKey, $room, $id FROM names WHERE key = $nameKey
    ON CONFLICT (name_key, room) DO UPDATE SET id = max(id, excluded.id)`,
  trimSeen: `DELETE FROM seen WHERE name_key = $nameKey AND room IN
    (SELECT room FROM seen WHERE name_key = $nameKey ORDER BY id DESC LIMIT -1 OFFSET $kept)`,
  oldest: 'SELECT id, room, ms FROM messages ORDER BY id LIMIT $limit',
  fullRooms: 'SELECT room, count - $count AS excess FROM rooms WHERE count > $count LIMIT $limit',
  oldestOf: 'SELECT id, room FROM messages WHERE room = $room ORDER BY id LIMIT $limit',
  removeMessage: 'DELETE FROM messages WHERE id = $id',
  removeWords: 'DELETE FROM words WHERE rowid = $id',
  countLess: 'UPDATE rooms SET count = count - 1 WHERE room = $room',
  forgetRoom: 'DELETE FROM rooms WHERE room = $room AND count <= 0',
} as const;

type Statements = Readonly<Record<keyof typeof STATEMENTS, Statement>>;

function prepare(database: Database): Statements {
  const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, database.prepare(sql)] as const);
  return Object.fromEntries(prepared) as Statements;
}

interface FoundRow {
  readonly id: number;
  readonly room: string;
  readonly own: number | null;
}

interface GoneRow {
  readonly id: number;
  readonly room: string;
}

interface MessageRow {
  readonly id: number;
  readonly ms: number;
  readonly sender: string;
  readonly device: Uint8Array;
  readonly kind: string;
  readonly text: string;
  readonly recipient: string | null;
  readonly file: string | null;
}

/** Rows are our own: what was checked when it was written. */
function toMessage(row: unknown): ChatMessage {
  const { id, ms, sender, device, kind, text, recipient, file } = row as MessageRow;
  return {
    id,
    timeMs: ms,
    from: sender,
    device,
    kind: kind as ChatMessageKind,
    text,
    ...(recipient === null ? {} : { to: recipient }),
    ...(file === null ? {} : { file: JSON.parse(file) as ChatFile }),
  };
}

function numberOf(row: unknown, column: string): number | undefined {
  const value = (row as Readonly<Record<string, unknown>> | undefined)?.[column];
  return typeof value === 'number' ? value : undefined;
}

const NAMES_AT_ONCE = 64;
/** Messages that one step of a search looks for in the index. */
const IDS_AT_ONCE = 2000;
