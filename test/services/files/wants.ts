import type { Channel } from '../../../src/line/channel.ts';
import type { JsonObject } from '../../../src/protocol/bytes/json.ts';

/** The wants on a `files.get` channel one by one, whether they came alone or together; for hosts made by hand. */
export async function* wantsOn(channel: Channel): AsyncGenerator<JsonObject & { readonly id: number }> {
  for await (const item of channel) {
    const message = item as JsonObject;
    const id = message['id'] as number;
    if (message['t'] !== 'wants') yield { ...message, id };
    else for (const [at, path] of (message['paths'] as string[]).entries()) yield { t: 'want', id: id + at, path };
  }
}
