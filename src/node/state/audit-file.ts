import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditEntry, AuditLog } from '../../services/exec/audit.ts';
import { codeOf } from '../node-errors.ts';
import { type StateFolders, stateFolders } from './folders.ts';
import { appendPrivateLine, type PrivateFile } from './private-file.ts';
import { fingerprint } from './public-key.ts';

/**
 * The audit in `audit.jsonl` of the state folder, 0600: one JSON document a line, in ASCII, so that no field can end a
 * line or reach a terminal as more than text (R-X2). A file over `maxBytes` becomes `audit.jsonl.1`, that one
 * `audit.jsonl.2`, and so on; older ones than `KEPT_FILES` go.
 */
export class AuditFile implements AuditLog {
  readonly #file: PrivateFile;
  readonly #maxBytes: number;
  /** Numbers of entries are counted anew by whoever records: with this they mean one start. */
  readonly #run = randomBytes(4).toString('hex');
  /** Entries are written one after the other. */
  #writing: Promise<void> = Promise.resolve();

  constructor(folders: StateFolders = stateFolders(), maxBytes: number = MAX_FILE_BYTES) {
    this.#file = { path: join(folders.state, 'audit.jsonl'), secret: false };
    this.#maxBytes = maxBytes;
  }

  record(entry: AuditEntry): Promise<void> {
    const line = asciiJson({ time: new Date().toISOString(), run: this.#run, ...auditFields(entry) });
    const written = this.#writing.then(() => this.#write(line));
    // The next entry does not fail for this one's failure, which its own caller hears of.
    this.#writing = written.catch(() => {});
    return written;
  }

  async #write(line: string): Promise<void> {
    const size = await appendPrivateLine(this.#file, line, { sync: false });
    if (size > this.#maxBytes) await this.#rotate();
  }

  async #rotate(): Promise<void> {
    const { path } = this.#file;
    await rm(`${path}.${KEPT_FILES}`, { force: true });
    for (let age = KEPT_FILES - 1; age >= 0; age--) {
      const younger = age === 0 ? path : `${path}.${age}`;
      await rename(younger, `${path}.${age + 1}`).catch((thrown: unknown) => {
        // Not there yet, or another server of this user was faster.
        if (codeOf(thrown) !== 'ENOENT') throw thrown;
      });
    }
  }
}

/** What an entry says, as names and values of JSON; of variables the names alone. What a peer wrote is not escaped. */
export function auditFields(entry: AuditEntry): AuditFields {
  const { id, event, kind, asker } = entry;
  const about = { event, kind, id, device: fingerprint(asker.key), address: asker.address };
  switch (entry.event) {
    case 'start':
      return { ...about, ...requestFields(entry.request) };
    case 'refused':
      return { ...about, code: entry.code, reason: entry.reason, ...shortened(requestFields(entry.request)) };
    case 'end':
      return {
        ...about,
        pid: entry.pid,
        status: entry.end.status,
        signal: entry.end.signal,
        timed_out: entry.end.timedOut || undefined,
        duration_ms: entry.durationMs,
        stdin_bytes: entry.stdinBytes,
        stdout_bytes: entry.stdoutBytes,
        stderr_bytes: entry.stderrBytes,
      };
  }
}

export type AuditFields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

function requestFields(request: Extract<AuditEntry, { event: 'refused' }>['request']): AuditFields {
  if (request === undefined) return {};
  const { command, cwd, env, timeoutMs, detach } = request;
  return {
    ...('argv' in command ? { argv: command.argv } : { shell: command.shell }),
    cwd,
    env: env === undefined ? undefined : Object.keys(env),
    timeout_ms: timeoutMs,
    detach: detach || undefined,
  };
}

/** What has not run is told in brief: somebody who may run nothing shall not push older entries out by what he asks for. */
function shortened(fields: AuditFields): AuditFields {
  const short = Object.entries(fields).map(([name, value]) => {
    if (typeof value === 'string') return [name, value.slice(0, MAX_REFUSED_TEXT)] as const;
    if (!Array.isArray(value)) return [name, value] as const;
    return [name, value.slice(0, MAX_REFUSED_WORDS).map((word: string) => word.slice(0, MAX_REFUSED_WORD))] as const;
  });
  const cut = Object.fromEntries(short);
  return JSON.stringify(cut) === JSON.stringify(fields) ? fields : { ...cut, cut: true };
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(NOT_PRINTABLE, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** By UTF-16 unit, as JSON escapes. */
const NOT_PRINTABLE = /[^ -~]/g;
const MAX_REFUSED_TEXT = 512;
const MAX_REFUSED_WORDS = 8;
const MAX_REFUSED_WORD = 64;
const KEPT_FILES = 4;
const MAX_FILE_BYTES = 16 * 1024 * 1024;
