import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, vi } from 'vitest';
import { makeOffers, makeSha256 } from '../../../src/node/files/folder-service.ts';
import { ReadRoot } from '../../../src/node/files/read-root.ts';
import { ReceiveRoot } from '../../../src/node/files/receive-root.ts';
import { FilesClient } from '../../../src/services/files/reading/client.ts';
import { filesHost } from '../../../src/services/files/reading/sender.ts';
import { filesChangeHost } from '../../../src/services/files/receiving/put-host.ts';
import type { ChangeStore, ReadStore } from '../../../src/services/files/store.ts';
import {
  type SyncEvent,
  type SyncOptions,
  type SyncSummary,
  syncFromRemote,
  syncToRemote,
} from '../../../src/services/files/syncing/sync.ts';
import type { Permission } from '../../../src/services/permission.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import { makeScene } from '../../node/files/scene.ts';
import { joinedLines } from '../../support/lines.ts';

/** Two folders, one of them behind a line; both end with the test. */
export interface SyncScene {
  readonly source: string;
  readonly target: string;
  /** Bytes that have gone over the line. */
  readonly sent: () => number;
  readonly sync: (options?: Partial<SyncOptions>) => Promise<Synced>;
}

export interface Synced {
  readonly summary: SyncSummary;
  readonly events: readonly SyncEvent[];
  /** Failures as `path CODE`, sorted. */
  readonly failures: readonly string[];
}

export interface SyncSetUp {
  readonly allow?: readonly Permission[];
  /** What stands before the disks. */
  readonly sourceStore?: (root: ReadRoot) => ReadStore;
  readonly targetStore?: (root: ReadRoot) => ReadStore;
  readonly changeStore?: (root: ReceiveRoot) => ChangeStore;
}

export const DIRECTIONS = ['down', 'up'] as const;

const ALL: readonly Permission[] = ['read', 'write', 'delete'];

export async function makeSync(direction: 'down' | 'up', setUp: SyncSetUp = {}): Promise<SyncScene> {
  const { allow = ALL } = setUp;
  const scene = makeScene();
  onTestFinished(() => scene.remove());
  const source = join(scene.base, 'source');
  const target = join(scene.base, 'target');
  for (const folder of [source, target]) mkdirSync(folder);
  const roots = [await ReadRoot.open(source), await ReadRoot.open(target), await ReceiveRoot.open(target)] as const;
  const from = setUp.sourceStore?.(roots[0]) ?? roots[0];
  const read = setUp.targetStore?.(roots[1]) ?? roots[1];
  const write = setUp.changeStore?.(roots[2]) ?? roots[2];
  const services =
    direction === 'down'
      ? [filesHost(from, makeSha256)]
      : [filesHost(read, makeSha256), filesChangeHost(write, allow, makeSha256, Date.now)];
  const offers = makeOffers();
  const lines = await joinedLines(
    { onChannel: dispatchChannels(services, allow), onFault: fault => expect(fault).toBeUndefined() },
    { onChannel: (channel, line) => offers.handle(channel, line) },
  );
  onTestFinished(async () => {
    await Promise.all([lines.client.close(), lines.listener.close(0)]);
    for (const root of roots) await root.close();
  });
  const writes = lines.transports.map(transport => vi.spyOn(transport, 'write'));
  const sync = async (overrides: Partial<SyncOptions> = {}): Promise<Synced> => {
    const events: SyncEvent[] = [];
    const onEvent = (event: SyncEvent): void => {
      events.push(event);
      overrides.onEvent?.(event);
    };
    const options = { makeSha256, ...overrides, onEvent };
    const summary =
      direction === 'down'
        ? await syncFromRemote(new FilesClient(lines.client), { read, write }, { from: '', to: '' }, options)
        : await syncToRemote(lines.client, offers, from, { to: '' }, options);
    const failures = events.flatMap(event => (event.type === 'failed' ? [`${event.path} ${event.error.code}`] : []));
    return { summary, events, failures: failures.sort() };
  };
  const sent = () =>
    writes
      .flatMap(({ mock }) => mock.calls.flatMap(([segments]) => segments))
      .reduce((sum, { length }) => sum + length, 0);
  return { source, target, sent, sync };
}

export function fill(folder: string, files: Record<string, string | Uint8Array>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/** What a dry run says, sorted. */
export const planned = (events: readonly SyncEvent[]): string[] =>
  events.flatMap(event => (event.type === 'planned' ? [`${event.change} ${event.path}`] : [])).sort();
