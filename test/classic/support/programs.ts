import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Address, CommandRunner, type ServeOptions } from '../../../src/classic/index.ts';
import { type AuditEntry, AuditFile } from '../../../src/node/index.ts';
import { ScriptedPerson } from './scripted-person.ts';

/** A serving side that runs: its person, its address once it listens, and its end. */
export interface Served<T> {
  readonly person: ScriptedPerson;
  readonly at: Promise<Address>;
  readonly ended: Promise<T>;
  /** As Ctrl-C. */
  readonly stop: () => void;
}

export function serve<T>(
  lines: readonly string[],
  program: (at: Address, options: ServeOptions) => Promise<T>,
): Served<T> {
  const person = new ScriptedPerson(lines);
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort());
  let ended!: Promise<T>;
  const at = new Promise<Address>((resolve, reject) => {
    ended = program({ host: '127.0.0.1', port: 0 }, { person, signal: stopping.signal, onListening: resolve });
    ended.catch(reject);
  });
  return { person, at, ended, stop: () => stopping.abort() };
}

/** What a calling side needs, and its person. */
export function caller(lines: readonly string[] = []): { person: ScriptedPerson; signal: AbortSignal } {
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort());
  return { person: new ScriptedPerson(lines), signal: stopping.signal };
}

/** Runs commands in a folder of its own, and keeps what is recorded. */
export async function makeRunner(
  options: { readonly only?: readonly string[]; readonly timeoutMs?: number } = {},
): Promise<{ commands: CommandRunner; recorded: AuditEntry[]; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-classic-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const recorded: AuditEntry[] = [];
  const file = new AuditFile({ data: folder, state: folder, config: folder });
  const commands = new CommandRunner({
    kind: 'classic.test',
    folder,
    environment: process.env,
    audit: {
      record: async entry => {
        recorded.push(entry);
        await file.record(entry);
      },
    },
    ...options,
  });
  return { commands, recorded, folder };
}
