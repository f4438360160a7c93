import { basename, dirname, join } from 'node:path';
import { LineError, ReceiveRoot, type ReceivingFile } from '../../../node/index.ts';
import { isFolder } from '../files/get-target.ts';

export interface SaveOptions {
  /** Replace what is there. */
  readonly force?: boolean;
}

/**
 * Saves a file through the gate of the project and gives its size: it has its name when all of it is there, and never else.
 * The original writes over whatever has that name from the first byte on; here that is `EXISTS` unless `force` is given.
 */
export async function saveFile(
  location: string,
  content: AsyncIterable<Uint8Array>,
  { force = false }: SaveOptions,
): Promise<number> {
  const name = basename(location);
  const folder = await ReceiveRoot.open(dirname(location));
  try {
    // Asked before the content is, and once more when it gets its name.
    if (!force && (await folder.stat(name)) !== undefined) {
      throw new LineError('EXISTS', `${JSON.stringify(location)} is there already; --force replaces it`);
    }
    return await receive(await folder.create(name), content, force);
  } finally {
    await folder.close();
  }
}

/** As cp does it: into `destination` if that is a folder, else that is the name. `path` is that of the other machine. */
export async function asFile(destination: string, path: string): Promise<string> {
  const isInto = destination.endsWith('/') || (await isFolder(destination));
  return isInto ? join(destination, path.split('/').at(-1)!) : destination;
}

async function receive(file: ReceivingFile, content: AsyncIterable<Uint8Array>, replace: boolean): Promise<number> {
  try {
    let position = 0;
    for await (const piece of content) {
      await file.write(piece, position);
      position += piece.length;
    }
    await file.commit({ mtimeUs: Date.now() * 1000, mode: 0o666 & ~process.umask(), replace });
    return position;
  } catch (thrown) {
    await file.discard();
    throw thrown;
  }
}
