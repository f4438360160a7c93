import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { LineError } from '../../errors.ts';
import type { Sha256 } from '../../services/files/hash.ts';
import { Offers } from '../../services/files/reading/offers.ts';
import { filesHost } from '../../services/files/reading/sender.ts';
import { SingleFile } from '../../services/files/reading/subtree.ts';
import { filesChangeHost } from '../../services/files/receiving/put-host.ts';
import type { ReadStore } from '../../services/files/store.ts';
import type { Permission } from '../../services/permission.ts';
import type { Service } from '../../services/service.ts';
import { nodeCrypto } from '../crypto.ts';
import { brotliCompressor } from './brotli.ts';
import { ReadRoot } from './read-root.ts';
import { ReceiveRoot } from './receive-root.ts';

/**
 * The files service over one folder of this machine: reading, and as far as `allow` goes also changing. Throws
 * `NOT_FOUND` or `NOT_A_FILE` if it is no folder.
 */
export async function serveFolder(directory: string, allow: readonly Permission[] = ['read']): Promise<FolderService> {
  const root = await ReadRoot.open(directory);
  const compressor = brotliCompressor();
  const reading = filesHost(root, makeSha256, compressor);
  if (!allow.includes('write') && !allow.includes('delete')) return { ...reading, close: () => root.close() };
  const changes = await ReceiveRoot.open(directory);
  const changing = filesChangeHost(changes, allow, makeSha256, Date.now, compressor);
  return {
    name: reading.name,
    kinds: { ...reading.kinds, ...changing.kinds },
    close: async () => {
      await root.close();
      await changes.close();
    },
  };
}

export interface FolderService extends Service {
  /** Lets go of the folder; for whoever made the service, once no server offers it any more. */
  close(): Promise<void>;
}

/**
 * What one file or folder of this machine offers to an upload: itself, and nothing beside it. `path` is the user's own
 * word: a link is followed.
 */
export async function openOffer(path: string): Promise<ReadStore & { close(): Promise<void> }> {
  try {
    return await ReadRoot.open(path);
  } catch (error) {
    if (!(error instanceof LineError) || error.code !== 'NOT_A_FILE') throw error;
    const file = await realpath(path);
    const folder = await ReadRoot.open(dirname(file));
    const single = new SingleFile(folder, basename(file));
    return {
      stat: one => single.stat(one),
      list: one => single.list(one),
      open: one => single.open(one),
      close: () => folder.close(),
    };
  }
}

/** For uploads over a line that was connected with `offers.handle` as its `onChannel`. */
export function makeOffers(): Offers {
  return new Offers(length => nodeCrypto.randomBytes(length), makeSha256);
}

/** SHA-256 by node:crypto. */
export function makeSha256(): Sha256 {
  const hash = createHash('sha256');
  return { update: bytes => void hash.update(bytes), digest: () => hash.digest() };
}
