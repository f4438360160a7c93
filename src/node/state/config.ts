import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LineError } from '../../errors.ts';
import { type StateFolders, stateFolders } from './folders.ts';

/** What config.toml says. It holds settings, no secrets. */
export interface Config {
  /** `[hosts.NAME]` with `host` and, if it is not the usual one, `port`. */
  readonly hosts: ReadonlyMap<string, { readonly host: string; readonly port?: number }>;
  /** `chat_name`: what one is called in rooms. */
  readonly chatName?: string | undefined;
}

/** Reads `$XDG_CONFIG_HOME/postern/config.toml`; without one everything is as by default. Mistakes are `USAGE`. */
export async function readConfig(folders: StateFolders = stateFolders()): Promise<Config> {
  const path = join(folders.config, 'config.toml');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { hosts: new Map() };
    throw new LineError('ACCESS', `cannot read ${path}`, { cause });
  }
  return decodeConfig(await parseToml(text, path), path);
}

function decodeConfig(document: Record<string, unknown>, path: string): Config {
  const hosts = new Map<string, { host: string; port?: number }>();
  for (const [name, entry] of Object.entries(table(document['hosts'] ?? {}, 'hosts', path))) {
    const { host, port } = table(entry, `hosts.${name}`, path);
    if (typeof host !== 'string' || host === '') throw mistake(path, `hosts.${name} needs a host, which is a text`);
    if (port === undefined) {
      hosts.set(name, { host });
      continue;
    }
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
      throw mistake(path, `the port of hosts.${name} is a number from 1 to 65535`);
    }
    hosts.set(name, { host, port });
  }
  const chatName = document['chat_name'];
  if (chatName !== undefined && typeof chatName !== 'string') throw mistake(path, 'chat_name is a text');
  return { hosts, chatName };
}

async function parseToml(text: string, path: string): Promise<Record<string, unknown>> {
  // Loaded here, because most installs have no such file.
  const { parse, TomlError } = await import('smol-toml');
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    throw mistake(path, `line ${cause.line}, column ${cause.column} is not TOML`, cause);
  }
}

function table(value: unknown, name: string, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) {
    throw mistake(path, `${name} is a table`);
  }
  return value as Record<string, unknown>;
}

function mistake(path: string, what: string, cause?: unknown): LineError {
  return new LineError('USAGE', `${path}: ${what}`, cause === undefined ? {} : { cause });
}
