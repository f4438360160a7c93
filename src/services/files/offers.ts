import { LineError } from '../../errors.ts';
import type { Channel } from '../../line/channel.ts';
import type { Line } from '../../line/line.ts';
import { encodeBase64url } from '../../protocol/bytes/base64url.ts';
import { type JsonObject, readText } from '../../protocol/bytes/json.ts';
import type { MakeSha256 } from './hash.ts';
import { readingKinds } from './sender.ts';
import type { ReadStore } from './store.ts';

/**
 * What an uploading side lets the host read back: an upload is the host's download of an offer (docs/protocol/
 * 4-services.md §2). An offer has a random name, is told to the host in its `files.put`, and ends with it; channels that
 * name no offer of this side are refused.
 */
export class Offers {
  readonly #stores = new Map<string, ReadStore>();
  readonly #randomBytes: (length: number) => Uint8Array;
  readonly #kinds;

  constructor(randomBytes: (length: number) => Uint8Array, makeSha256: MakeSha256) {
    this.#randomBytes = randomBytes;
    this.#kinds = readingKinds(request => this.#offered(request), makeSha256);
  }

  /** Offers `store` until `withdraw`; gives the name of the offer. */
  offer(store: ReadStore): string {
    const name = encodeBase64url(this.#randomBytes(16));
    this.#stores.set(name, store);
    return name;
  }

  withdraw(name: string): void {
    this.#stores.delete(name);
  }

  /** For `onChannel` of the uploading side. */
  async handle(channel: Channel, line: Line): Promise<void> {
    const handle = Object.hasOwn(this.#kinds, channel.kind) ? this.#kinds[channel.kind] : undefined;
    if (handle === undefined) throw new LineError('UNSUPPORTED', 'this side does not offer that');
    await handle(channel, line);
  }

  #offered(request: JsonObject): ReadStore {
    const store = this.#stores.get(readText(request, 'offer', 64));
    if (store === undefined) throw new LineError('FORBIDDEN', 'this was not offered');
    return store;
  }
}
