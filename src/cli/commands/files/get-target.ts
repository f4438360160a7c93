import { basename, dirname } from 'node:path';
import { LineError, ReceiveRoot } from '../../../node/index.ts';
import type { RemotePlace } from '../../place.ts';

/** Where one remote file or folder goes: a folder of this machine, and the name in it. */
export interface DownloadTarget {
  readonly from: string;
  /** `''` puts the content of the served folder into the folder itself. */
  readonly to: string;
  /** The folder, as it was named. */
  readonly folder: string;
  /** Whoever opens it closes it. */
  openStore(): Promise<ReceiveRoot>;
}

/**
 * As cp and scp do it: into DEST if that is a folder, ends with a slash, or is to hold several things; else DEST is the
 * new name. The served folder itself has no name of its own: what is in it goes into DEST.
 */
export async function resolveTargets(
  sources: readonly RemotePlace[],
  destination: string,
  several: boolean,
): Promise<DownloadTarget[]> {
  const isInto = several || destination.endsWith('/') || (await isFolder(destination));
  return sources.map(({ path }) => {
    if (isInto || path === '') {
      return inFolder(destination, path, path.split('/').at(-1)!);
    }
    return inFolder(dirname(destination), path, basename(destination));
  });
}

function inFolder(folder: string, from: string, to: string): DownloadTarget {
  return { from, to, folder, openStore: () => ReceiveRoot.open(folder, { make: true }) };
}

export async function isFolder(path: string): Promise<boolean> {
  try {
    await (await ReceiveRoot.open(path)).close();
    return true;
  } catch (thrown) {
    if (thrown instanceof LineError && (thrown.code === 'NOT_FOUND' || thrown.code === 'NOT_A_FILE')) return false;
    throw thrown;
  }
}
