import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Channel } from '../../../src/line/channel.ts';
import { openLine } from '../../../src/line/connect.ts';
import type { Line } from '../../../src/line/line.ts';
import { RoomFiles, type RoomFilesOptions } from '../../../src/node/chat/room-files.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { makeOffers } from '../../../src/node/files/folder-service.ts';
import type { Offers } from '../../../src/services/files/reading/offers.ts';
import type { Permission } from '../../../src/services/permission.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import { type MemoryTransport, memoryPair } from '../../../src/transports/memory.ts';
import { loginOptions, makeListener } from '../../support/lines.ts';

/** A server with files of rooms, and members who dial in, each with a folder of its own. */
export interface SharedFiles {
  /** Absolute path in the folder of the server, and in that of the members. */
  readonly at: (path?: string) => string;
  readonly own: (path: string) => string;
  readonly outside: string;
  readonly files: RoomFiles;
  readonly faults: unknown[];
  /** Another device, or with `device` the same one again. */
  readonly dial: (options?: DialOptions) => Promise<Member>;
  /** As a server that was stopped and started. */
  readonly reopen: (options: RoomFilesOptions) => Promise<void>;
  readonly end: () => Promise<void>;
}

export interface DialOptions {
  readonly device?: ReturnType<typeof nodeCrypto.generateKeyPair>;
  /** Takes the place of the offers: a client that does what it likes. */
  readonly onChannel?: (channel: Channel, line: Line) => Promise<void>;
}

export interface Member {
  readonly line: Line;
  readonly offers: Offers;
  readonly transport: MemoryTransport;
}

export async function shareFiles(
  options: RoomFilesOptions & { readonly allow?: readonly Permission[] },
): Promise<SharedFiles> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'postern-rooms-')));
  const [folder, own, outside] = ['files', 'own', 'outside'].map(name => join(base, name)) as [string, string, string];
  for (const path of [own, outside]) mkdirSync(path);
  const held = { files: await RoomFiles.open(folder, options) };
  const faults: unknown[] = [];
  const listener = await makeListener({
    onChannel: (channel, line) => dispatchChannels([held.files.service], options.allow ?? ['chat'])(channel, line),
    onFault: thrown => faults.push(thrown),
  });
  const lines: Line[] = [];
  return {
    at: (path = '') => join(folder, path),
    own: path => join(own, path),
    outside,
    get files() {
      return held.files;
    },
    faults,
    dial: async ({ device = nodeCrypto.generateKeyPair(), onChannel } = {}) => {
      const offers = makeOffers();
      const [near, far] = memoryPair();
      listener.accept(far);
      const { line } = await openLine(
        near,
        await loginOptions({
          staticKey: device,
          onChannel: onChannel ?? ((channel, route) => offers.handle(channel, route)),
        }),
      );
      lines.push(line);
      return { line, offers, transport: near };
    },
    reopen: async reopened => {
      await held.files.close();
      held.files = await RoomFiles.open(folder, reopened);
    },
    end: async () => {
      await Promise.all([...lines.map(line => line.close()), listener.close(0)]);
      await held.files.close();
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** Paths of all files below `folder`, sorted, with their sizes. */
export function filesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter(path => statSync(join(folder, path)).isFile())
    .map(path => `${path} ${statSync(join(folder, path)).size}`)
    .sort();
}
