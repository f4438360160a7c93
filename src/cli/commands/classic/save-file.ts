import { basename, dirname, join } from 'node:path';
import type { SaveFile } from '../../../classic/index.ts';
import { LineError, ReceiveRoot, type ReceivingFile } from '../../../node/index.ts';
import { isFolder } from '../files/get-target.ts';

export interface SaveOptions {
  /** Replace what is there. */
  readonly force?: boolean;
}

/**
 * Saves a file through the gate of the project: it has its name when all of it is there, and never else. The original
 * writes over whatever has the name from the first byte on.
 */
export function saver({ force = false }: SaveOptions): SaveFile {
  return async (location, content) => {
    const name = basename(location);
    const folder = await ReceiveRoot.open(dirname(location));
    try {
      // Asked before the content is, and once more when it gets its name.
      if (!force && (await folder.stat(name)) !== undefined) {
        throw new LineError('EXISTS', `${JSON.stringify(location)} is there already; --force replaces it`);
      }
      const file = await folder.create(name);
      try {
        await write(file, content);
        await file.commit({ mtimeUs: Date.now() * 1000, mode: 0o666 & ~process.umask(), replace: force });
      } catch (thrown) {
        await file.discard();
        throw thrown;
      }
    } finally {
      await folder.close();
    }
  };
}

/** As cp does it: into `destination` if that is a folder, else that is the name. `path` is that of the other machine. */
export async function asFile(destination: string, path: string): Promise<string> {
  const isInto = destination.endsWith('/') || (await isFolder(destination));
  return isInto ? join(destination, path.split('/').at(-1)!) : destination;
}

async function write(file: ReceivingFile, content: AsyncIterable<Uint8Array>): Promise<void> {
  let position = 0;
  for await (const piece of content) {
    await file.write(piece, position);
    position += piece.length;
  }
}
