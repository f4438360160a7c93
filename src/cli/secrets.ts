import { open } from 'node:fs/promises';
import { LineError } from '../errors.ts';
import type { Passphrase } from './passphrase.ts';
import { askSecret } from './terminal/prompt.ts';

/**
 * How a passphrase gets in: a file, the environment, the terminal, in this order. Never an argument, which every user of
 * the machine can read in the list of processes (R-A3).
 */

export interface SecretSources {
  /** `--password-file`: a path, or `-` for stdin. */
  readonly passwordFile?: string | undefined;
  /** What `takePassphrase` took out of the environment. */
  readonly fromEnvironment?: string | undefined;
  /** Where `-` reads; the process's stdin unless given. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

export interface SecretPrompt extends SecretSources {
  /** `passphrase for lab`. */
  readonly question: string;
  readonly noInput?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The passphrase from wherever it is; asks as the last resort, and off a terminal names the ways (`USAGE`). */
export async function obtainPassphrase(sources: SecretPrompt): Promise<Passphrase> {
  const found = await findPassphrase(sources);
  if (found !== undefined) return found;
  const text = await askSecret(`${sources.question}:`, {
    answeredBy: PASSPHRASE_WAYS,
    noInput: sources.noInput,
    signal: sources.signal,
  });
  return typed(text, 'the passphrase');
}

/** The passphrase from a file or the environment, `undefined` if neither names one (a server then draws its own). */
export async function findPassphrase(sources: SecretSources): Promise<Passphrase | undefined> {
  if (sources.passwordFile !== undefined) {
    const text = await readSecretFile(sources.passwordFile, sources.stdin ?? process.stdin);
    return typed(text, 'the password file');
  }
  if (sources.fromEnvironment !== undefined) return typed(sources.fromEnvironment, 'POSTERN_PASSWORD');
  return undefined;
}

/** Takes POSTERN_PASSWORD out of `environment`, which is changed: nothing started later can inherit it. */
export function takePassphrase(environment: Record<string, string | undefined>): string | undefined {
  const text = environment['POSTERN_PASSWORD'];
  delete environment['POSTERN_PASSWORD'];
  return text;
}

export const PASSPHRASE_WAYS = ['--password-file FILE', '--password-file -', 'POSTERN_PASSWORD'] as const;

function typed(text: string, source: string): Passphrase {
  if (text === '') throw new LineError('USAGE', `${source} is empty`);
  return { text, generated: false };
}

async function readSecretFile(path: string, stdin: AsyncIterable<Uint8Array>): Promise<string> {
  if (path === '-') return secretText(await collect(stdin));
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new LineError('USAGE', `cannot open the password file ${path}`, { cause });
  });
  try {
    const { mode } = await file.stat();
    if ((mode & FILE_TYPE) === FOLDER) throw new LineError('USAGE', `the password file ${path} is a folder`);
    // A pipe (/dev/fd/N of a shell) has no readers but us; a plain file that others may read is no secret any more.
    if (process.platform !== 'win32' && (mode & FILE_TYPE) === PLAIN_FILE && (mode & 0o077) !== 0) {
      throw new LineError('ACCESS', `others may read or change the password file ${path}; run: chmod 600 ${path}`);
    }
    return secretText(await collect(file.createReadStream({ autoClose: false })));
  } finally {
    await file.close();
  }
}

/** Reads to the end, but no further than a passphrase can be long. */
async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of source) {
    length += part.length;
    if (length > MAX_SECRET_BYTES) throw new LineError('USAGE', `a passphrase has at most ${MAX_SECRET_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** One newline at the end is the editor's, not part of the secret. */
function secretText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    // The decoder's error is left out: nothing of the bytes may reach a message.
    throw new LineError('USAGE', 'the passphrase is not UTF-8');
  }
}

const MAX_SECRET_BYTES = 1024;
const FILE_TYPE = 0o170000;
const PLAIN_FILE = 0o100000;
const FOLDER = 0o040000;
