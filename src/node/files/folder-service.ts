import { createHash } from 'node:crypto';
import type { Sha256 } from '../../services/files/hash.ts';
import { filesHost } from '../../services/files/sender.ts';
import type { Service } from '../../services/service.ts';
import { ReadRoot } from './read-root.ts';

/** The files service over one folder of this machine. Throws `NOT_FOUND` or `NOT_A_FILE` if it is no folder. */
export async function serveFolder(directory: string): Promise<FolderService> {
  const root = await ReadRoot.open(directory);
  return { ...filesHost(root, makeSha256), close: () => root.close() };
}

export interface FolderService extends Service {
  /** Lets go of the folder; for whoever made the service, once no server offers it any more. */
  close(): Promise<void>;
}

/** SHA-256 by node:crypto. */
export function makeSha256(): Sha256 {
  const hash = createHash('sha256');
  return { update: bytes => void hash.update(bytes), digest: () => hash.digest() };
}
