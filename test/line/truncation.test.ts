import { describe, expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { openLine } from '../../src/line/connect.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { memoryPair } from '../../src/transports/memory.ts';
import { loginOptions, makeListener } from '../support/lines.ts';
import { CutTransport, settled } from '../support/session-ends.ts';

interface Outcome {
  /** How the login ended at the client, and how the line did. */
  readonly client: string;
  readonly answer: string;
  readonly served: string;
  readonly sentBytes: { readonly client: number; readonly server: number };
}

/**
 * One short session, a question and its answer, whose bytes are cut after `limit` in one direction. The cut looks like a
 * good end of the connection: an attacker can always make it look so.
 */
async function session(direction: 'to server' | 'to client', limit: number): Promise<Outcome> {
  const clock = new ManualClock();
  let served = 'nothing';
  const listener = await makeListener({
    clock,
    onChannel: async channel => {
      served = 'open';
      try {
        let bytes = 0;
        for await (const item of channel) bytes += item instanceof Uint8Array ? item.length : 0;
        served = `end after ${bytes}`;
        await channel.write(new Uint8Array(30));
        await channel.end();
      } catch (thrown) {
        served = (thrown as LineError).code;
        throw thrown;
      }
    },
  });
  const [near, far] = memoryPair();
  const client = new CutTransport(near, direction === 'to server' ? limit : Number.POSITIVE_INFINITY);
  const server = new CutTransport(far, direction === 'to client' ? limit : Number.POSITIVE_INFINITY);
  listener.accept(server);
  let answer = 'none';
  const run = async (): Promise<string> => {
    const { line } = await openLine(client, await loginOptions({ clock }));
    const channel = line.open('x');
    try {
      await channel.write(new Uint8Array(20));
      await channel.end();
      let bytes = 0;
      for await (const item of channel) bytes += item instanceof Uint8Array ? item.length : 0;
      answer = `end after ${bytes}`;
    } catch (thrown) {
      answer = (thrown as LineError).code;
    }
    await line.close();
    return (await line.closed)?.code ?? 'good';
  };
  const ended = run().catch((error: unknown) => (error instanceof LineError ? error.code : String(error)));
  let result: string | undefined;
  void ended.then(code => {
    result = code;
  });
  for (let turn = 0; result === undefined && turn < 200; turn += 1) {
    await settled(1);
    if (turn > 20) clock.advance(1000);
  }
  await listener.close();
  clock.advance(10_000);
  await settled(2);
  expect(clock.pendingTimers).toBe(0);
  return { client: result ?? 'open', answer, served, sentBytes: { client: client.sent, server: server.sent } };
}

describe('a session that is cut', () => {
  it('ends well if it is not', async () => {
    expect(await session('to client', Number.POSITIVE_INFINITY)).toMatchObject({
      client: 'good',
      answer: 'end after 30',
      served: 'end after 20',
    });
  });

  it('never ends well at the client, wherever its answers are cut, and no answer is taken for whole', async () => {
    const whole = await session('to client', Number.POSITIVE_INFINITY);
    for (let limit = 1; limit < whole.sentBytes.server; limit += 1) {
      const { client, answer } = await session('to client', limit);
      expect(client, `cut at ${limit}`).toBe('TRUNCATED');
      expect(answer, `cut at ${limit}`).toMatch(/^(none|TRUNCATED|end after 30)$/);
    }
  }, 60_000);

  it('never ends well for its handler at the server, wherever the requests are cut', async () => {
    const whole = await session('to server', Number.POSITIVE_INFINITY);
    const kinds = new Set<string>();
    for (let limit = 1; limit < whole.sentBytes.client; limit += 1) {
      const { client, served } = await session('to server', limit);
      // Only a cut in the client's CLOSE leaves the client itself content: all of its channels had ended by then.
      expect(client, `cut at ${limit}`).not.toBe('open');
      expect(served, `cut at ${limit}`).toMatch(/^(nothing|TRUNCATED|end after 20)$/);
      kinds.add(served);
    }
    expect([...kinds].sort()).toEqual(['TRUNCATED', 'end after 20', 'nothing']);
  }, 60_000);
});
