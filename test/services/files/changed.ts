import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Channel } from '../../../src/line/channel.ts';
import type { Line } from '../../../src/line/line.ts';
import { makeOffers, makeSha256, openOffer } from '../../../src/node/files/folder-service.ts';
import { ReadRoot } from '../../../src/node/files/read-root.ts';
import { ReceiveRoot } from '../../../src/node/files/receive-root.ts';
import type { Compressor } from '../../../src/services/files/coding/compressor.ts';
import type { Offers } from '../../../src/services/files/reading/offers.ts';
import { filesHost } from '../../../src/services/files/reading/sender.ts';
import type { DownloadSummary } from '../../../src/services/files/receiving/download.ts';
import type { TransferEvent } from '../../../src/services/files/receiving/events.ts';
import { filesChangeHost } from '../../../src/services/files/receiving/put-host.ts';
import { type UploadOptions, upload } from '../../../src/services/files/receiving/upload.ts';
import type { ChangeStore, ReadStore } from '../../../src/services/files/store.ts';
import type { Permission } from '../../../src/services/permission.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import type { MemoryTransport } from '../../../src/transports/memory.ts';
import { makeScene, type Scene } from '../../node/files/scene.ts';
import { joinedLines } from '../../support/lines.ts';

/** A line in memory whose server lets its folder be changed, and a folder at the client that uploads come from. */
export interface Changed {
  readonly scene: Scene;
  /** Absolute path of `name` in the served folder, and in the one that is sent from. */
  readonly at: (name?: string) => string;
  readonly own: (name?: string) => string;
  readonly client: Line;
  readonly server: Line;
  readonly offers: Offers;
  readonly transports: readonly [MemoryTransport, MemoryTransport];
  readonly store: ReceiveRoot;
  readonly faults: unknown[];
  /** Uploads what is at `own(from)`, with everything written down. */
  readonly put: (from: string, to: string, options?: PutOptions) => Promise<Put>;
  readonly end: () => Promise<void>;
}

export type PutOptions = UploadOptions & { readonly store?: ReadStore };

export interface Put {
  readonly summary: DownloadSummary;
  readonly events: readonly TransferEvent[];
  /** Failures as `path CODE`, in order. */
  readonly failures: readonly string[];
}

export interface ChangeOptions {
  /** Of the service and of the login. */
  readonly allow?: readonly Permission[];
  /** Of the login alone. */
  readonly granted?: readonly Permission[];
  readonly changeStore?: (root: ReceiveRoot) => ChangeStore;
  /** What the host takes compressed content with. */
  readonly compressor?: Compressor;
  /** Takes the place of the service: a host that does what it likes. */
  readonly host?: (channel: Channel, line: Line) => Promise<void>;
  /** Takes the place of the offers: a client that does what it likes. */
  readonly onChannel?: (channel: Channel, line: Line) => Promise<void>;
}

export const EVERYTHING: readonly Permission[] = ['read', 'write', 'delete'];

export async function serveChanges(options: ChangeOptions = {}): Promise<Changed> {
  const scene = makeScene();
  const source = join(scene.base, 'source');
  mkdirSync(source);
  const readRoot = await ReadRoot.open(scene.root);
  const store = await ReceiveRoot.open(scene.root);
  const allow = options.allow ?? EVERYTHING;
  const services = [
    filesHost(readRoot, makeSha256),
    filesChangeHost(options.changeStore?.(store) ?? store, allow, makeSha256, Date.now, options.compressor),
  ];
  const faults: unknown[] = [];
  const offers = makeOffers();
  const { client, server, listener, transports } = await joinedLines(
    {
      onChannel: options.host ?? dispatchChannels(services, options.granted ?? allow),
      onFault: thrown => faults.push(thrown),
    },
    { onChannel: options.onChannel ?? ((channel, line) => offers.handle(channel, line)) },
  );
  const own = (name = ''): string => join(source, name);
  return {
    scene,
    at: (name = '') => join(scene.root, name),
    own,
    client,
    server,
    offers,
    transports,
    store,
    faults,
    put: async (from, to, { store: offered, ...overrides } = {}) => {
      const events: TransferEvent[] = [];
      const failures: string[] = [];
      const opened = offered === undefined ? await openOffer(own(from)) : undefined;
      const onEvent = (event: TransferEvent): void => {
        events.push(event);
        if (event.type === 'failed') failures.push(`${event.path} ${event.error.code}`);
        overrides.onEvent?.(event);
      };
      try {
        const summary = await upload(client, offers, offered ?? opened!, { to }, { ...overrides, onEvent });
        return { summary, events, failures };
      } finally {
        await opened?.close();
      }
    },
    end: async () => {
      await Promise.all([client.close(), listener.close(0)]);
      await readRoot.close();
      await store.close();
      scene.remove();
    },
  };
}
