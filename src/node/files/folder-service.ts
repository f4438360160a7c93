import { createHash } from 'node:crypto';
import type { Sha256 } from '../../services/files/hash.ts';
import { filesHost } from '../../services/files/sender.ts';
import type { Service } from '../../services/service.ts';
import { ReadRoot } from './read-root.ts';

/** The files service over one folder of this machine. Throws `NOT_FOUND` or `NOT_A_FILE` if it is no folder. */
export async function serveFolder(directory: string): Promise<Service> {
  return filesHost(await ReadRoot.open(directory), makeSha256);
}

/** SHA-256 by node:crypto. */
export function makeSha256(): Sha256 {
  const hash = createHash('sha256');
  return { update: bytes => void hash.update(bytes), digest: () => hash.digest() };
}
