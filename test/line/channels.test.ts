import { describe, expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { FRAME } from '../../src/protocol/channels/frame.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { joinedLines, makeListener } from '../support/lines.ts';
import { dataFrame, endFrame, openFrame, resetFrame } from '../support/multiplexers.ts';
import { outcome, settled } from '../support/session-ends.ts';
import { Wire } from '../support/wire.ts';

const KiB = 1024;
const BIG_ANSWER = { text: 'x'.repeat(60 * KiB) };

describe('credit of a line', () => {
  it('comes back from channels of which one answer was read, and not the end', async () => {
    const clock = new ManualClock();
    const { client } = await joinedLines(
      {
        clock,
        onChannel: async channel => {
          await channel.send(BIG_ANSWER);
        },
      },
      { clock },
    );
    for (let count = 0; count < 600; count += 1) {
      const channel = client.open('ask', {}, { priority: 'interactive' });
      await channel.end();
      const answer = channel.readMessage();
      await settled(3);
      expect(await outcome(answer), `channel ${count}`).toBe('done object');
    }
    await client.close();
  }, 30_000);

  it('comes back from channels that are reset with answers unread', async () => {
    const clock = new ManualClock();
    const { client } = await joinedLines(
      {
        clock,
        onChannel: async channel => {
          for (let count = 0; count < 8; count += 1) await channel.send(BIG_ANSWER);
        },
      },
      { clock },
    );
    for (let count = 0; count < 100; count += 1) {
      const channel = client.open('ask');
      await channel.end();
      const first = channel.readMessage();
      await settled(3);
      expect(await outcome(first), `channel ${count}`).toBe('done object');
      channel.reset();
    }
    await client.close();
  }, 30_000);
});

describe('a channel', () => {
  it('has one reader at a time', async () => {
    const { client } = await joinedLines({ onChannel: () => new Promise(() => {}) });
    const channel = client.open('x');
    const reading = channel.read();
    await expect(channel.read()).rejects.toMatchObject({ code: 'USAGE' });
    channel.reset();
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
    client.abort(new LineError('CANCELLED', ''));
  });

  it('takes nothing after its end', async () => {
    const { client } = await joinedLines({ onChannel: channel => channel.finish() });
    const channel = client.open('x');
    await channel.end();
    await expect(channel.send({})).rejects.toBeInstanceOf(LineError);
    await expect(channel.write(new Uint8Array(1))).rejects.toBeInstanceOf(LineError);
    await expect(channel.end()).rejects.toBeInstanceOf(LineError);
    expect(await channel.read()).toBeUndefined();
    channel.reset();
    await client.close();
  });

  it('may be reset when its line is gone', async () => {
    const { client, transports } = await joinedLines({ onChannel: channel => channel.finish() });
    const [open, ended] = [client.open('x'), client.open('x')];
    await ended.end();
    await ended.read();
    transports[0].break();
    await client.closed;
    expect(() => open.reset()).not.toThrow();
    expect(() => ended.reset()).not.toThrow();
  });

  it('keeps what the peer had ended readable after the line is gone, and says TRUNCATED of what it had not', async () => {
    const { client, transports } = await joinedLines({
      onChannel: async channel => {
        await channel.write(new Uint8Array(100).fill(1));
        if (channel.kind === 'whole') await channel.end();
        await channel.read();
      },
    });
    const [whole, cut] = [client.open('whole'), client.open('cut')];
    await settled();
    transports[0].break();
    await settled();
    expect(await whole.read()).toHaveLength(100);
    expect(await whole.read()).toBeUndefined();
    await expect(cut.read()).rejects.toMatchObject({ code: 'TRUNCATED' });
  });

  it('copies small writes, so that the buffer may be used again at once', async () => {
    const got: number[] = [];
    const { client } = await joinedLines({
      onChannel: async channel => {
        for await (const item of channel) if (item instanceof Uint8Array) got.push(...item);
      },
    });
    const channel = client.open('x');
    const buffer = new Uint8Array(3);
    for (let count = 0; count < 5; count += 1) {
      buffer.fill(count);
      void channel.write(buffer);
    }
    buffer.fill(99);
    await channel.end();
    await channel.read();
    expect(got).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    await client.close();
  });
});

it('what a peer sends to handlers that do not read stays within the credit of the line, also behind END and RESET', async () => {
  const clock = new ManualClock();
  const listener = await makeListener({ clock, onChannel: () => new Promise(() => {}) });
  const wire = await Wire.open(listener);
  let sent = 0;
  for (let id = 1; id < 100; id += 2) {
    await wire.sendFrames(openFrame(id), dataFrame(id, 1_000_000), endFrame(id, 1_000_000), resetFrame(id));
    sent += 1;
    if (wire.frames().some(frame => frame.type === FRAME.CLOSE)) break;
  }
  expect(sent).toBe(Math.ceil((16 * 1024 * KiB) / 1_000_000));
  wire.transport.destroy();
  await settled();
  expect(clock.pendingTimers).toBe(0);
});
