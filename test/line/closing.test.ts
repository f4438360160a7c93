import { describe, expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import type { Channel } from '../../src/line/channel.ts';
import { openLine } from '../../src/line/connect.ts';
import type { Line } from '../../src/line/line.ts';
import { u32Bytes } from '../../src/protocol/bytes/writer.ts';
import { encodeFrame, FRAME } from '../../src/protocol/channels/frame.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { memoryPair } from '../../src/transports/memory.ts';
import { joinedLines, loginOptions, makeListener } from '../support/lines.ts';
import { named, openFrame } from '../support/multiplexers.ts';
import { outcome, settled } from '../support/session-ends.ts';
import { Wire } from '../support/wire.ts';

const CLOSE = encodeFrame(FRAME.CLOSE, 0, u32Bytes(0));

/** A handler that stays until its channel is over. */
const staying = (channel: Channel): Promise<void> => channel.finish();

async function joinedOnClock(onChannel: (channel: Channel) => Promise<void> = staying) {
  const clock = new ManualClock();
  const joined = await joinedLines({ clock, onChannel }, { clock });
  return { clock, ...joined };
}

async function expectTidy(clock: ManualClock, ...lines: Line[]): Promise<void> {
  await settled();
  clock.advance(10_000);
  await settled();
  for (const line of lines) expect(await outcome(line.closed)).not.toBe('open');
  expect(clock.pendingTimers).toBe(0);
}

describe('closing in good order', () => {
  it('ends both sides without an error and leaves no timer', async () => {
    const { clock, client, server } = await joinedOnClock();
    await client.close();
    expect(await outcome(client.closed)).toBe('done');
    await expectTidy(clock, client, server);
    expect(await outcome(server.closed)).toBe('done');
  });

  it('lets open channels end first, and opens no more', async () => {
    const { clock, client, server } = await joinedOnClock(async channel => {
      for await (const item of channel) if (item instanceof Uint8Array) await channel.write(item);
    });
    const channel = client.open('echo');
    await channel.write(new Uint8Array(5));
    const closing = client.close();
    expect(() => client.open('another')).toThrow(LineError);
    await settled();
    expect(await outcome(closing)).toBe('open');
    await channel.end();
    expect(await channel.read()).toHaveLength(5);
    expect(await channel.read()).toBeUndefined();
    await closing;
    await expectTidy(clock, client, server);
    expect([await outcome(client.closed), await outcome(server.closed)]).toEqual(['done', 'done']);
  });

  it.each(['that this side opened', 'that the peer opened'])(
    'waits 10 seconds for a channel %s and the peer never ends',
    async whose => {
      const clock = new ManualClock();
      const endless = (): Promise<void> => new Promise(() => {});
      const { client, server } = await joinedLines({ clock, onChannel: endless }, { clock, onChannel: async () => {} });
      const channel = whose === 'that this side opened' ? client.open('x') : server.open('x');
      await settled();
      const closing = client.close();
      await settled();
      clock.advance(9_999);
      expect(await outcome(closing)).toBe('open');
      clock.advance(1);
      await settled();
      await expectTidy(clock, client, server);
      expect([await outcome(closing), await outcome(client.closed)]).toEqual(['done', 'done TIMEOUT']);
      await expect(channel.send({})).rejects.toMatchObject({ code: 'TIMEOUT' });
    },
  );

  it('waits as long as it is told to, be it for ever', async () => {
    const { clock, client, server } = await joinedOnClock(() => new Promise(() => {}));
    const soon = client.open('x');
    const closing = client.close(500);
    clock.advance(500);
    await settled();
    await expectTidy(clock, client, server);
    expect(await outcome(closing)).toBe('done');
    await expect(soon.read()).rejects.toMatchObject({ code: 'TIMEOUT' });
    const patient = await joinedOnClock(() => new Promise(() => {}));
    const channel = patient.client.open('x');
    const waiting = patient.client.close(Number.POSITIVE_INFINITY);
    for (let second = 0; second < 100; second += 1) {
      patient.clock.advance(1000);
      await settled(2);
    }
    expect(await outcome(waiting)).toBe('open');
    channel.reset();
    await waiting;
    await expectTidy(patient.clock, patient.client, patient.server);
    expect(await outcome(patient.client.closed)).toBe('done');
  });

  it('may be asked twice, from both sides at once, and after the end', async () => {
    const { clock, client, server } = await joinedOnClock();
    await Promise.all([client.close(), server.close(), client.close()]);
    await client.close();
    client.abort(new LineError('CANCELLED', 'too late'));
    await expectTidy(clock, client, server);
    expect([await outcome(client.closed), await outcome(server.closed)]).toEqual(['done', 'done']);
  });

  it('waits 3 seconds for the CLOSE of the peer', async () => {
    const clock = new ManualClock();
    let line: Line | undefined;
    const listener = await makeListener({
      clock,
      onLine: opened => {
        line = opened;
      },
    });
    const wire = await Wire.open(listener);
    const closing = line!.close();
    await settled();
    expect(wire.frames().map(named).slice(-2)).toEqual(['GOAWAY 0', 'CLOSE 0']);
    clock.advance(2999);
    expect(await outcome(closing)).toBe('open');
    clock.advance(1);
    await settled();
    expect(wire.state).toBe('ended');
    await expectTidy(clock, line!);
  });

  it('reaches a peer whose answers are stuck behind a full socket', async () => {
    const { clock, client, server, transports } = await joinedOnClock(async channel => {
      for (;;) await channel.write(new Uint8Array(1_000_000));
    });
    const channel = client.open('flood');
    transports[0].pause();
    await settled(30);
    expect(transports[1].queuedBytes).toBeGreaterThan(4_000_000);
    channel.reset();
    const closing = client.close();
    await settled();
    transports[0].resume();
    await settled(30);
    await closing;
    await expectTidy(clock, client, server);
    expect(await outcome(client.closed)).toBe('done');
  });

  it('tells a channel that was not ended that it was cut', async () => {
    const clock = new ManualClock();
    let code = '';
    const listener = await makeListener({
      clock,
      onChannel: async channel => {
        await channel.read().catch((error: LineError) => {
          code = error.code;
        });
      },
    });
    const wire = await Wire.open(listener);
    await wire.sendFrames(openFrame(1), CLOSE);
    await settled();
    expect(code).toBe('TRUNCATED');
    expect(wire.frames().map(named).at(-1)).toBe('CLOSE 0');
    wire.transport.end();
    await expectTidy(clock);
  });
});

describe('closing at once', () => {
  it('tells the peer why, on the line and on every channel', async () => {
    const { clock, client, server } = await joinedOnClock(async channel => {
      await channel.read();
    });
    const channel = client.open('x');
    const reading = channel.read();
    await settled();
    server.abort(new LineError('SHUTDOWN', 'going down'));
    expect(await outcome(reading)).toBe('SHUTDOWN');
    expect(await outcome(client.closed)).toBe('done SHUTDOWN');
    await expectTidy(clock, client, server);
  });

  it('settles everything that waits on either side', async () => {
    const { clock, client, server, transports } = await joinedOnClock(() => new Promise(() => {}));
    const channels = Array.from({ length: 5 }, () => client.open('x'));
    const waiting = [
      ...channels.map(channel => channel.read()),
      ...channels.map(channel => channel.write(new Uint8Array(20_000_000))),
      client.ping(),
      server.ping(),
      client.close(),
    ].map(promise =>
      promise.then(
        () => 'done',
        (error: LineError) => error.code,
      ),
    );
    transports[0].break();
    await settled();
    const outcomes = await Promise.all(waiting.map(outcome));
    expect(outcomes.slice(0, 12).every(one => one === 'done string')).toBe(true);
    await expectTidy(clock, client, server);
    await expect(channels[0]!.send({})).rejects.toMatchObject({ code: 'TRUNCATED' });
    await expect(client.ping()).rejects.toBeInstanceOf(LineError);
    expect(() => client.open('x')).toThrow(LineError);
  });

  it('starts nothing for what came in the same record', async () => {
    const clock = new ManualClock();
    let line: Line | undefined;
    let handled = 0;
    const [near, far] = memoryPair();
    const listener = await makeListener({ clock, onLine: server => opened(server) });
    let opened: (server: Line) => void = () => {};
    const server = new Promise<Line>(resolve => {
      opened = resolve;
    });
    listener.accept(far);
    ({ line } = await openLine(near, {
      ...(await loginOptions({ clock })),
      onChannel: async () => {
        handled += 1;
        line!.abort(new LineError('CANCELLED', 'enough'));
      },
    }));
    const peer = await server;
    for (let count = 0; count < 3; count += 1) peer.open('x');
    await settled();
    expect(handled).toBe(1);
    await expectTidy(clock, line, peer);
  });

  it('is what whatever follows CLOSE brings: no handler starts', async () => {
    const clock = new ManualClock();
    let handled = 0;
    const listener = await makeListener({
      clock,
      onChannel: async () => {
        handled += 1;
      },
    });
    const wire = await Wire.open(listener);
    await wire.sendFrames(CLOSE, openFrame(1));
    await wire.sendFrames(openFrame(3));
    expect(handled).toBe(0);
    await expectTidy(clock);
    expect(listener.connectionCount).toBe(0);
  });
});

describe('signals', () => {
  it.each([
    ['aborted before', 'CANCELLED', (abort: AbortController) => abort.abort()],
    ['timed out', 'TIMEOUT', (abort: AbortController) => abort.abort(new DOMException('late', 'TimeoutError'))],
  ])('end a login: %s', async (_, code, end) => {
    const clock = new ManualClock();
    const listener = await makeListener({ clock });
    for (const before of [true, false]) {
      const [near, far] = memoryPair();
      listener.accept(far);
      const abort = new AbortController();
      if (before) end(abort);
      const login = openLine(near, await loginOptions({ clock, signal: abort.signal }));
      if (!before) end(abort);
      await expect(login).rejects.toMatchObject({ code });
      await settled();
    }
    await expectTidy(clock);
    expect(listener.connectionCount).toBe(0);
  });

  it('a login that nobody answers ends after its time', async () => {
    const clock = new ManualClock();
    const [near] = memoryPair();
    const login = openLine(near, await loginOptions({ clock, timeoutMs: 700 }));
    login.catch(() => {});
    await settled();
    clock.advance(700);
    await expect(login).rejects.toMatchObject({ code: 'TIMEOUT' });
    await expectTidy(clock);
  });

  it('reset a channel, at once if they were aborted before', async () => {
    const { clock, client, server } = await joinedOnClock();
    const before = client.open('x', {}, { signal: AbortSignal.abort() });
    await expect(before.read()).rejects.toMatchObject({ code: 'CANCELLED' });
    const abort = new AbortController();
    const later = client.open('x', {}, { signal: abort.signal });
    const reading = later.read();
    abort.abort();
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
    await client.close();
    await expectTidy(clock, client, server);
    expect(await outcome(client.closed)).toBe('done');
  });
});

describe('a listener that closes', () => {
  it('answers logins under way with BUSY, closes lines, and takes nobody any more', async () => {
    const clock = new ManualClock();
    const listener = await makeListener({ clock });
    const halfOpen = Wire.to(listener);
    const open = await Wire.open(listener);
    const closing = listener.close();
    await settled();
    expect([...halfOpen.units()[0]!.subarray(0, 5)]).toEqual([5, 0, 0, 3, 2]);
    expect(open.frames().map(named)).toContain('GOAWAY 0');
    const late = Wire.to(listener);
    await settled();
    expect(late.state).toBe('broken');
    for (let second = 0; second < 12; second += 1) {
      clock.advance(1000);
      await settled(1);
    }
    expect(await outcome(closing)).toBe('done');
    expect(listener.connectionCount).toBe(0);
    await expectTidy(clock);
  });

  it('hears of faults in the functions it was given, and goes on', async () => {
    const clock = new ManualClock();
    const faults: unknown[] = [];
    const boom = () => {
      throw new Error('boom');
    };
    const onFault = (thrown: unknown) => faults.push(thrown);
    const listener = await makeListener({ clock, onLine: boom, onRejected: boom, onFault });
    const wire = await Wire.open(listener);
    wire.transport.destroy();
    Wire.to(listener).transport.destroy();
    await settled();
    expect(faults).toHaveLength(2);
    expect(listener.connectionCount).toBe(0);
  });
});
