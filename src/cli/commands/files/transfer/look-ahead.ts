import { ListedAhead, ReadRoot, type ReadStore, SeenAhead } from '../../../../node/index.ts';

/**
 * What is on this machine is looked at while the passphrase is stretched, the longest part of a short transfer: a folder to write
 * into, for what of it has not changed, or one to send, for what is in it. A round of `--watch` must not begin with it: what
 * changes between this look and the watch would be missed.
 */
export interface LookAhead {
  readonly seen: SeenAhead;
  /** Once nobody needs it any more. */
  close(): Promise<void>;
}

/** What is at `path` in `folder`, looked at from `seen.begin` on. Without such a folder there is nothing to see. */
export async function lookAhead(folder: string, path: string): Promise<LookAhead | undefined> {
  let root: ReadRoot;
  try {
    root = await ReadRoot.open(folder);
  } catch {
    // Whoever needs the folder will say what is wrong with it.
    return undefined;
  }
  const seen = new SeenAhead(root, path);
  const close = async (): Promise<void> => {
    await seen.stop();
    await root.close();
  };
  return { seen, close };
}

/** The store that it is given, listed ahead of time from `begin` on; closing it closes that one. */
export class OfferAhead extends ListedAhead {
  readonly #store: ClosingStore;

  constructor(store: ClosingStore) {
    super(store);
    this.#store = store;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#store.close();
  }
}

export type ClosingStore = ReadStore & { close(): Promise<void> };
