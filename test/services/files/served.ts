import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import type { Line } from '../../../src/line/line.ts';
import { makeSha256 } from '../../../src/node/files/folder-service.ts';
import { ReadRoot } from '../../../src/node/files/read-root.ts';
import { ReceiveRoot } from '../../../src/node/files/receive-root.ts';
import type { Compressor } from '../../../src/services/files/coding/compressor.ts';
import { FilesClient } from '../../../src/services/files/reading/client.ts';
import { filesHost } from '../../../src/services/files/reading/sender.ts';
import {
  type DownloadOptions,
  type DownloadSummary,
  download,
} from '../../../src/services/files/receiving/download.ts';
import type { TransferEvent } from '../../../src/services/files/receiving/events.ts';
import type { ReadStore, ReceiveStore } from '../../../src/services/files/store.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import type { MemoryTransport } from '../../../src/transports/memory.ts';
import { makeScene, type Scene } from '../../node/files/scene.ts';
import { joinedLines } from '../../support/lines.ts';

/** A line in memory whose server offers files, and a folder to receive into. */
export interface Served {
  readonly scene: Scene;
  /** Absolute path of `name` in the served folder, and in the one that receives. */
  readonly at: (name?: string) => string;
  readonly got: (name?: string) => string;
  readonly client: Line;
  readonly server: Line;
  readonly transports: readonly [MemoryTransport, MemoryTransport];
  readonly files: FilesClient;
  readonly store: ReceiveStore;
  /** What the host took for faults of its own. */
  readonly faults: unknown[];
  /** Downloads with everything written down. */
  readonly get: (from: string, to: string, options?: GetOptions) => Promise<Got>;
  /** Ends the line and removes the folders. */
  readonly end: () => Promise<void>;
}

export type GetOptions = Partial<DownloadOptions> & { readonly store?: ReceiveStore };

export interface Got {
  readonly summary: DownloadSummary;
  readonly events: readonly TransferEvent[];
  /** Failures as `path CODE`, in order. */
  readonly failures: readonly string[];
}

export interface ServeOptions {
  /** What stands between the service and the disk. */
  readonly readStore?: (root: ReadRoot) => ReadStore;
  readonly receiveStore?: (root: ReceiveRoot) => ReceiveStore;
  /** What the host compresses with. */
  readonly compressor?: Compressor;
  /** Takes the place of the service: a host that says what it likes. */
  readonly host?: (channel: Channel) => Promise<void>;
}

export async function serve(options: ServeOptions = {}): Promise<Served> {
  const scene = makeScene();
  const target = join(scene.base, 'target');
  mkdirSync(target);
  const readRoot = await ReadRoot.open(scene.root);
  const receiveRoot = await ReceiveRoot.open(target);
  const service = filesHost(options.readStore?.(readRoot) ?? readRoot, makeSha256, options.compressor);
  const faults: unknown[] = [];
  const { client, server, listener, transports } = await joinedLines({
    onChannel: options.host ?? dispatchChannels([service], ['read']),
    onFault: thrown => faults.push(thrown),
  });
  const files = new FilesClient(client);
  const store = options.receiveStore?.(receiveRoot) ?? receiveRoot;
  return {
    scene,
    at: (name = '') => join(scene.root, name),
    got: (name = '') => join(target, name),
    client,
    server,
    transports,
    files,
    store,
    faults,
    get: (from, to, overrides = {}) => downloading(files, overrides.store ?? store, from, to, overrides),
    end: async () => {
      await Promise.all([client.close(), listener.close(0)]);
      await readRoot.close();
      await receiveRoot.close();
      scene.remove();
    },
  };
}

export async function downloading(
  files: FilesClient,
  store: ReceiveStore,
  from: string,
  to: string,
  options: Partial<DownloadOptions> = {},
): Promise<Got> {
  const events: TransferEvent[] = [];
  const failures: string[] = [];
  const onEvent = (event: TransferEvent): void => {
    events.push(event);
    if (event.type === 'failed') failures.push(`${event.path} ${event.error.code}`);
    void options.onEvent?.(event);
  };
  const summary = await download(files, store, { from, to }, { makeSha256, ...options, onEvent });
  return { summary, events, failures };
}

export const code = (value: LineError['code']) => expect.objectContaining({ name: 'LineError', code: value });

/** All names below `folder`, sorted, folders with `/`. */
export function namesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map(entry => `${join(entry.parentPath, entry.name).slice(folder.length + 1)}${entry.isDirectory() ? '/' : ''}`)
    .sort();
}

/** The names that do not belong to a partial. */
export function finalNames(folder: string): string[] {
  return namesBelow(folder).filter(name => !name.endsWith('.postern-part'));
}

export async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}
