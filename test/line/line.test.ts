import { describe, expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import type { Channel } from '../../src/line/channel.ts';
import { openLine } from '../../src/line/connect.ts';
import type { Route } from '../../src/line/route.ts';
import { memoryPair } from '../../src/transports/memory.ts';
import { joinedLines, loginOptions, makeListener, prsOf } from '../support/lines.ts';

describe('a line', () => {
  it('carries messages and bytes both ways in order and ends with totals', async () => {
    const { client } = await joinedLines({
      onChannel: async channel => {
        for await (const item of channel) {
          if (item instanceof Uint8Array) await channel.write(item);
          else await channel.send(item);
        }
      },
    });
    const channel = client.open('echo', { hello: 1 });
    const big = new Uint8Array(5_000_000).map((_, at) => at * 7);
    const sending = (async () => {
      await channel.send({ n: 1 });
      await channel.write(big);
      await channel.send({ n: 2 });
      await channel.end();
    })();
    const messages: unknown[] = [];
    let received = 0;
    for await (const item of channel) {
      if (item instanceof Uint8Array) {
        expect(Buffer.compare(item, big.subarray(received, received + item.length))).toBe(0);
        received += item.length;
      } else messages.push(item);
    }
    await sending;
    expect(received).toBe(big.length);
    expect(messages).toEqual([{ n: 1 }, { n: 2 }]);
    await client.close();
    expect(await client.closed).toBeUndefined();
  });

  it('shows both ends the same verifier and exports the same keys', async () => {
    const { client, server } = await joinedLines();
    expect(client.verifier).toMatch(/^[0-9a-f]{4}( [0-9a-f]{4}){3}$/);
    expect(server.verifier).toBe(client.verifier);
    const context = new Uint8Array([1]);
    expect(server.exportKey('x', context, 16)).toEqual(client.exportKey('x', context, 16));
    expect(server.exportKey('y', context, 16)).not.toEqual(client.exportKey('x', context, 16));
    await client.close();
  });

  it('gives each channel keys that only its two ends have', async () => {
    const keys: Uint8Array[] = [];
    const { client } = await joinedLines({
      onChannel: async (channel, line) => {
        keys.push(line.channelKey(channel, 'x', 16), ...macOf(line, channel));
      },
    });
    const mine: Uint8Array[] = [];
    for (const channel of [client.open('x'), client.open('x')]) {
      await channel.finish();
      mine.push(client.channelKey(channel, 'x', 16), ...macOf(client, channel));
    }
    expect(keys).toEqual(mine);
    expect(new Set(keys.map(String)).size).toBe(4);
    await client.close();
  });

  it('is not opened by a wrong passphrase, and both sides learn AUTH', async () => {
    const rejected: string[] = [];
    const listener = await makeListener({ onRejected: ({ error }) => rejected.push(error.code) });
    const [near, far] = memoryPair();
    listener.accept(far);
    const login = openLine(near, await loginOptions({ prs: await prsOf('wrong-wrong-wrong-wrong') }));
    await expect(login).rejects.toMatchObject({ code: 'AUTH' });
    await listener.close();
    expect(rejected).toEqual(['AUTH']);
  });

  it('resets a channel whose handler throws, with the code of the error', async () => {
    const { client } = await joinedLines({
      onChannel: async () => {
        throw new LineError('NOT_FOUND', 'no such thing');
      },
    });
    await expect(client.open('x').read()).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'no such thing' });
    await client.close();
  });

  it('tells TRUNCATED on every open channel when the connection breaks', async () => {
    const { client, transports } = await joinedLines({ onChannel: channel => channel.finish() });
    const channel = client.open('x');
    const reading = channel.read();
    transports[0].break();
    await expect(reading).rejects.toMatchObject({ code: 'TRUNCATED' });
    expect(await client.closed).toMatchObject({ code: 'TRUNCATED' });
  });
});

function macOf(route: Route, channel: Channel): Uint8Array[] {
  return route.chunkAead(channel).seal(new Uint8Array(12), new Uint8Array(0), []);
}
