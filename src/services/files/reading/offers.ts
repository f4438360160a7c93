import { LineError } from '../../../errors.ts';
import type { Channel } from '../../../line/channel.ts';
import type { Route } from '../../../line/route.ts';
import { encodeBase64url } from '../../../protocol/bytes/base64url.ts';
import { type JsonObject, readText } from '../../../protocol/bytes/json.ts';
import type { Compressor } from '../coding/compressor.ts';
import type { Entry, Problem } from '../entry.ts';
import type { MakeSha256 } from '../hash.ts';
import type { ListingOptions, ReadStore, SourceFile, WholeRead } from '../store.ts';
import { type ReadSource, readingKinds } from './sender.ts';

/**
 * What an uploading side lets the host read back: an upload is the host's download of an offer (docs/protocol/
 * 4-services.md §1). An offer has a random name, is told to one host in its `files.put`, and ends with it; channels that
 * name no offer made on their route are refused.
 */
export class Offers {
  readonly #offers = new Map<string, Offer>();
  readonly #randomBytes: (length: number) => Uint8Array;
  readonly #kinds;

  constructor(randomBytes: (length: number) => Uint8Array, makeSha256: MakeSha256) {
    this.#randomBytes = randomBytes;
    this.#kinds = readingKinds((request, route) => this.#offered(request, route), makeSha256);
  }

  /**
   * Offers `store` to the other end of `route` until `withdraw`; gives the name of the offer. Only with a `compressor` does
   * the other side get anything compressed.
   */
  offer(store: ReadStore, route: Route, compressor?: Compressor): string {
    const name = encodeBase64url(this.#randomBytes(16));
    this.#offers.set(name, { route, store: new OfferedStore(store), compressor });
    return name;
  }

  /** From now on nothing of it is read, not even over channels that are under way. */
  withdraw(name: string): void {
    this.#offers.get(name)?.store.withdraw();
    this.#offers.delete(name);
  }

  /** For `onChannel` of the uploading side. */
  async handle(channel: Channel, route: Route): Promise<void> {
    const handle = Object.hasOwn(this.#kinds, channel.kind) ? this.#kinds[channel.kind] : undefined;
    if (handle === undefined) throw new LineError('UNSUPPORTED', 'this side does not offer that');
    await handle(channel, route);
  }

  #offered(request: JsonObject, route: Route): ReadSource {
    const offer = this.#offers.get(readText(request, 'offer', 64));
    if (offer?.route !== route) throw notOffered();
    return offer;
  }
}

interface Offer extends ReadSource {
  readonly route: Route;
  readonly store: OfferedStore;
}

/** A store that can be taken back while it is read. */
class OfferedStore implements ReadStore {
  readonly #store: ReadStore;
  #isWithdrawn = false;

  constructor(store: ReadStore) {
    this.#store = store;
  }

  withdraw(): void {
    this.#isWithdrawn = true;
  }

  async stat(path: string): Promise<Entry> {
    return this.#present().stat(path);
  }

  async *list(path: string, options: ListingOptions): AsyncGenerator<readonly (Entry | Problem)[]> {
    for await (const batch of this.#present().list(path, options)) {
      this.#present();
      yield batch;
    }
  }

  async readWhole(paths: readonly string[], target: Uint8Array): Promise<readonly WholeRead[]> {
    // Of what was taken back each file is refused on its own.
    return this.#isWithdrawn ? [] : ((await this.#store.readWhole?.(paths, target)) ?? []);
  }

  async open(path: string): Promise<SourceFile> {
    const file = await this.#present().open(path);
    return {
      entry: file.entry,
      isSparse: file.isSparse,
      read: async (target, position) => {
        this.#present();
        return file.read(target, position);
      },
      verifyUnchanged: () => file.verifyUnchanged(),
      close: () => file.close(),
    };
  }

  #present(): ReadStore {
    if (this.#isWithdrawn) throw notOffered();
    return this.#store;
  }
}

function notOffered(): LineError {
  return new LineError('FORBIDDEN', 'this was not offered');
}
