import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Line } from '../../../src/line/line.ts';
import { serveCommands } from '../../../src/node/exec/command-service.ts';
import type { AuditEntry } from '../../../src/services/exec/audit.ts';
import type { ExecRequest, RemoteEnd, RemoteProcess } from '../../../src/services/exec/caller.ts';
import { exec } from '../../../src/services/exec/caller.ts';
import type { Permission } from '../../../src/services/permission.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import { joinedLines } from '../../support/lines.ts';

/** Two lines in memory, and commands of this machine at one end of them, for one test. */
export interface Commanded {
  readonly client: Line;
  readonly server: Line;
  /** Real path of the folder that is served. */
  readonly folder: string;
  /** All that was recorded, and waiting for an entry that is still to come. */
  readonly audit: AuditEntry[];
  readonly recorded: (isIt: (entry: AuditEntry) => boolean) => Promise<AuditEntry>;
  /** What the host took for faults of its own. */
  readonly faults: unknown[];
  readonly run: (request: ExecRequest, input?: Uint8Array | string) => Promise<Ran>;
  /** Ends what runs, as when serving stops. */
  readonly stop: () => Promise<void>;
}

export interface Ran {
  readonly end: RemoteEnd;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface CommandedOptions {
  readonly only?: readonly string[];
  readonly allow?: readonly Permission[];
  /** In place of keeping the entry. */
  readonly record?: (entry: AuditEntry) => Promise<void>;
}

export async function commanded(options: CommandedOptions = {}): Promise<Commanded> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'postern-exec-')));
  const audit: AuditEntry[] = [];
  const faults: unknown[] = [];
  const waiting: (() => void)[] = [];
  const service = await serveCommands(folder, {
    only: options.only,
    audit: {
      record: async entry => {
        audit.push(entry);
        for (const wake of waiting.splice(0)) wake();
        await options.record?.(entry);
      },
    },
    onFault: thrown => faults.push(thrown),
  });
  const { client, server } = await joinedLines({
    onChannel: dispatchChannels([service], options.allow ?? ['exec']),
    onFault: thrown => faults.push(thrown),
  });
  onTestFinished(async () => {
    await service.close();
    await client.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    client,
    server,
    folder,
    audit,
    faults,
    stop: () => service.close(),
    recorded: async isIt => {
      for (;;) {
        const found = audit.find(isIt);
        if (found !== undefined) return found;
        await new Promise<void>(resolve => waiting.push(resolve));
      }
    },
    run: async (request, input = '') => {
      const remote = await exec(client, request);
      return follow(remote, input);
    },
  };
}

/** Gives a process its input and takes all that it says. */
export async function follow(remote: RemoteProcess, input: Uint8Array | string = ''): Promise<Ran> {
  const outputs = Promise.all([collect(remote.stdout), collect(remote.stderr)]);
  // A process may end without having read all of it.
  await remote.stdin.write(Buffer.from(input)).catch(() => {});
  await remote.stdin.end();
  const [stdout, stderr] = await outputs;
  return { end: await remote.wait(), stdout, stderr };
}

/** Random bytes through `cat`: SHA-256 of what went and of what came. */
export async function thereAndBack(
  client: Line,
  mebibytes: number,
): Promise<{ sent: string; got: string; end: RemoteEnd }> {
  const remote = await exec(client, { argv: ['cat'] });
  const block = randomBytes(1024 * 1024);
  const sent = createHash('sha256');
  const writing = (async () => {
    for (let at = 0; at < mebibytes; at++) {
      block.writeUInt32LE(at, 0);
      sent.update(block);
      await remote.stdin.write(block);
    }
    await remote.stdin.end();
  })();
  const got = createHash('sha256');
  for await (const bytes of remote.stdout) got.update(bytes);
  await writing;
  return { sent: sent.digest('hex'), got: got.digest('hex'), end: await remote.wait() };
}

export async function collect(output: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of output) parts.push(part);
  return Buffer.concat(parts);
}

/** The first bytes of an output, as text. */
export async function firstOf(output: AsyncIterable<Uint8Array>): Promise<string> {
  for await (const part of output) return Buffer.from(part).toString();
  return '';
}

/** Resolves when no process has this number any more. */
export async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** Node, as a program whose every byte is known. */
export function node(code: string, ...args: readonly string[]): { readonly argv: readonly string[] } {
  return { argv: [process.execPath, '-e', code, ...args] };
}
