import { describe, expect, it } from 'vitest';
import type { LineError } from '../../src/errors.ts';
import type { Channel } from '../../src/line/channel.ts';
import type { Line } from '../../src/line/line.ts';
import { Listener, type ListenerOptions } from '../../src/line/listener.ts';
import { encodeFrame, FRAME } from '../../src/protocol/channels/frame.ts';
import { MAX_OWED_ANSWER_BYTES, SOCKET_QUEUE_BYTES } from '../../src/protocol/limits.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { type MemoryTransport, memoryPair } from '../../src/transports/memory.ts';
import { makeListener } from '../support/lines.ts';
import {
  creditFrame,
  dataFrame,
  endFrame,
  json,
  messageOf,
  named,
  openFrame,
  resetFrame,
  settingsFrame,
} from '../support/multiplexers.ts';
import { outcome, settled } from '../support/session-ends.ts';
import { Wire } from '../support/wire.ts';

const MiB = 1024 * 1024;

interface Scene {
  readonly clock: ManualClock;
  readonly listener: Listener;
  readonly lines: Line[];
  readonly wire: Wire;
  readonly server: MemoryTransport;
  /** Whether the server has stopped reading. */
  readonly isPaused: () => boolean;
}

/** A peer with valid keys at a server whose transport is watched. */
async function scene(options: Partial<ListenerOptions> = {}): Promise<Scene> {
  const clock = new ManualClock();
  const lines: Line[] = [];
  const listener = await makeListener({ clock, onLine: line => lines.push(line), ...options });
  let server: MemoryTransport | undefined;
  let paused = false;
  const accept = listener.accept.bind(listener);
  listener.accept = transport => {
    server = transport as MemoryTransport;
    const pause = server.pause.bind(server);
    const resume = server.resume.bind(server);
    server.pause = () => {
      paused = true;
      pause();
    };
    server.resume = () => {
      paused = false;
      resume();
    };
    accept(transport);
  };
  const wire = await Wire.open(listener);
  return { clock, listener, lines, wire, server: server!, isPaused: () => paused };
}

async function expectTidy({ clock, wire, listener }: Scene): Promise<void> {
  wire.transport.destroy();
  await settled();
  expect(listener.connectionCount).toBe(0);
  expect(clock.pendingTimers).toBe(0);
}

const ping = (byte = 0): Uint8Array => encodeFrame(FRAME.PING, 0, new Uint8Array(8).fill(byte));

describe('keep-alive', () => {
  it('asks after 20 seconds of silence, and gives up after 60', async () => {
    const at = await scene();
    at.clock.advance(19_999);
    await settled();
    expect(at.wire.frames().map(named)).not.toContain('PING 0');
    at.clock.advance(1);
    await settled();
    // The PING after SETTINGS was never answered: it is the one under way, and no second is sent.
    at.clock.advance(39_999);
    await settled();
    expect(at.wire.state).toBe('open');
    at.clock.advance(1);
    await settled();
    expect(at.wire.frames().map(named)).toEqual(['CLOSE 0']);
    expect(at.wire.state).toBe('ended');
    expect(await outcome(at.lines[0]!.closed)).toBe('open');
    at.clock.advance(3000);
    await settled();
    expect(await outcome(at.lines[0]!.closed)).toBe('done TIMEOUT');
    await expectTidy(at);
  });

  it('keeps a quiet line of two honest ends open', async () => {
    const { joinedLines } = await import('../support/lines.ts');
    const clock = new ManualClock();
    const { client, server } = await joinedLines({ clock }, { clock });
    for (let minute = 0; minute < 60; minute += 1) {
      for (let part = 0; part < 6; part += 1) {
        clock.advance(10_000);
        await settled(1);
      }
    }
    expect(await outcome(client.closed)).toBe('open');
    await client.close();
    await server.closed;
    await settled();
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives up on a peer that logs in and then never says a word', async () => {
    const clock = new ManualClock();
    const listener = await makeListener({ clock });
    const wire = await Wire.login(listener);
    for (let second = 0; second < 70; second += 1) {
      clock.advance(1000);
      await settled(1);
    }
    expect(wire.state).not.toBe('open');
    expect(listener.connectionCount).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('R-A12: a peer that does not read', () => {
  it('is not read any more once it is owed 256 KiB of answers, and is read again when it takes them', async () => {
    const at = await scene();
    at.wire.transport.pause();
    let opened = 0;
    // Fills the socket's queue first: until then answers go out. Each OPEN is refused, which is an answer.
    for (let round = 0; round < 400 && !at.isPaused(); round += 1) {
      const frames = Array.from({ length: 2000 }, () => openFrame(2 * opened++ + 1));
      await at.wire.sendFrames(...frames);
    }
    expect(at.isPaused()).toBe(true);
    const taken = at.server.queuedBytes;
    expect(taken).toBeLessThan(SOCKET_QUEUE_BYTES + 2 * MiB);
    // What it sends now stays with it.
    const before = at.wire.transport.queuedBytes;
    await at.wire.sendFrames(...Array.from({ length: 2000 }, () => openFrame(2 * opened++ + 1)));
    expect(at.wire.transport.queuedBytes).toBeGreaterThan(before);
    expect(at.server.queuedBytes).toBe(taken);
    at.wire.transport.resume();
    await settled(300);
    expect(at.isPaused()).toBe(false);
    expect(at.wire.transport.queuedBytes).toBe(0);
    expect(at.wire.frames().filter(frame => frame.type === FRAME.RESET)).toHaveLength(opened);
    expect(MAX_OWED_ANSWER_BYTES).toBe(256 * 1024);
    await expectTidy(at);
  }, 30_000);

  it('is dead after 60 seconds if it never reads again', async () => {
    const at = await scene();
    at.wire.transport.pause();
    for (let round = 0, id = 1; round < 400 && !at.isPaused(); round += 1) {
      const frames = Array.from({ length: 2000 }, () => {
        id += 2;
        return openFrame(id);
      });
      await at.wire.sendFrames(...frames);
    }
    at.clock.advance(63_000);
    await settled();
    expect(at.listener.connectionCount).toBe(0);
    await expectTidy(at);
  }, 30_000);

  it('makes no pile of PONGs by asking', async () => {
    const at = await scene();
    at.wire.transport.pause();
    const flood = Array.from({ length: 3000 }, (_, index) => ping(index));
    for (let round = 0; round < 30; round += 1) await at.wire.sendFrames(...flood);
    expect(at.server.queuedBytes).toBeLessThan(30 * 200);
    expect(at.isPaused()).toBe(false);
    await expectTidy(at);
  });
});

describe('a peer that sends to nobody', () => {
  it('is stopped by its credit, one byte at a time or beside padding, and the line goes on', async () => {
    const at = await scene({ onChannel: () => new Promise(() => {}) });
    await at.wire.sendFrames(openFrame(1));
    const crumbs = Array.from({ length: 8000 }, () => dataFrame(1, 1));
    await at.wire.sendFrames(...crumbs);
    for (let count = 0; count < 100; count += 1) {
      await at.wire.sendFrames(dataFrame(1, 1), encodeFrame(FRAME.PAD, 0, new Uint8Array(100_000)));
    }
    at.wire.frames();
    await at.wire.sendFrames(ping(5));
    expect(at.wire.frames().map(named)).toEqual(['PONG 0']);
    const used = 8100;
    for (let left = 4 * MiB - used; left > 0; left -= 500_000) {
      await at.wire.sendFrames(dataFrame(1, Math.min(left, 500_000)));
    }
    expect(at.wire.frames().map(named)).toEqual([]);
    await at.wire.sendFrames(dataFrame(1, 1));
    expect(await outcome(at.lines[0]!.closed)).toBe('open');
    expect(at.wire.frames().map(named)).toEqual(['CLOSE 0']);
    at.wire.transport.end();
    expect(await outcome(at.lines[0]!.closed)).toBe('done FLOW');
    await expectTidy(at);
  });

  it('starts no more handlers than there are places by OPEN and RESET', async () => {
    let running = 0;
    let started = 0;
    const ends: (() => void)[] = [];
    const at = await scene({
      onChannel: async () => {
        started += 1;
        running += 1;
        await new Promise<void>(resolve => ends.push(resolve));
        running -= 1;
      },
    });
    for (let id = 1; id < 4001; id += 2) await at.wire.sendFrames(openFrame(id), resetFrame(id));
    expect(started).toBe(256);
    expect(running).toBe(256);
    at.wire.frames();
    ends.pop()!();
    await settled();
    await at.wire.sendFrames(openFrame(5001), openFrame(5003));
    expect(started).toBe(257);
    for (const end of ends) end();
    await settled();
    await expectTidy(at);
  });
});

describe('a peer that breaks the rules', () => {
  it.each([
    ['SETTINGS twice', [settingsFrame()], 'STATE'],
    ['an unknown frame', [encodeFrame(0x55, 0, new Uint8Array(1))], 'PROTOCOL'],
    ['a PONG that nobody asked for', [encodeFrame(FRAME.PONG, 0, new Uint8Array(8).fill(9))], 'PROTOCOL'],
    ['DATA on no channel', [dataFrame(7, 1)], 'STATE'],
    ['a wrong total', [openFrame(1), dataFrame(1, 3), endFrame(1, 4)], 'PROTOCOL'],
    ['OPEN without a kind', [openFrame(1, {})], 'MALFORMED'],
    ['OPEN with a kind that is no text', [openFrame(1, { kind: 5 })], 'MALFORMED'],
    ['control without a type', [encodeFrame(FRAME.MSG, 0, json({}))], 'MALFORMED'],
    ['control that insists', [encodeFrame(FRAME.MSG, 0, json({ t: 'new', must: true }))], 'UNSUPPORTED'],
    ['control that insists oddly', [encodeFrame(FRAME.MSG, 0, json({ t: 'new', must: 'yes' }))], 'MALFORMED'],
  ])('%s: is told CLOSE, and every channel ends', async (_, frames, code) => {
    const failures: string[] = [];
    const at = await scene({
      onChannel: async (channel: Channel) => {
        try {
          for await (const item of channel) void item;
        } catch (error) {
          failures.push((error as LineError).code);
        }
      },
    });
    await at.wire.sendFrames(openFrame(0xfff1));
    at.wire.frames();
    // The channels of the table come first in number order; this one was opened on its own line.
    const fresh = await scene({ onChannel: channel => channel.finish() });
    await fresh.wire.sendFrames(...frames);
    expect(fresh.wire.frames().map(named)).toContain('CLOSE 0');
    fresh.wire.transport.end();
    expect(await outcome(fresh.lines[0]!.closed)).toBe(`done ${code}`);
    await expectTidy(fresh);
    await at.wire.sendFrames(encodeFrame(0x77, 0, new Uint8Array(8)));
    await settled();
    expect(failures).toEqual(['PROTOCOL']);
    await expectTidy(at);
  });

  it('may send control that is unknown and does not insist, and keys that are unknown', async () => {
    const at = await scene();
    await at.wire.sendFrames(
      encodeFrame(FRAME.MSG, 0, json({ t: 'new', must: false, more: [1] })),
      encodeFrame(FRAME.MSG, 0, json({ t: 'welcome', caps: 'nonsense' })),
      ping(1),
    );
    expect(at.wire.frames().map(named)).toEqual(['PONG 0']);
    await expectTidy(at);
  });

  it('hurts one channel only by a message there that is no JSON', async () => {
    const codes: string[] = [];
    const at = await scene({
      onChannel: async channel => {
        try {
          await channel.read();
        } catch (error) {
          codes.push((error as LineError).code);
          throw error;
        }
      },
    });
    const broken = encodeFrame(FRAME.MSG, 1, new Uint8Array(Buffer.from('{"a":')));
    await at.wire.sendFrames(openFrame(1), broken, openFrame(3), encodeFrame(FRAME.MSG, 3, messageOf(100)));
    expect(codes).toEqual(['MALFORMED']);
    expect(at.wire.frames().map(named)).toContain('RESET 1');
    expect(at.wire.state).toBe('open');
    await expectTidy(at);
  });

  it('gains nothing by credit that it gives twice, or lower, or to a channel that is over', async () => {
    const at = await scene({
      onChannel: async channel => {
        await channel.write(new Uint8Array(5 * MiB)).catch(() => {});
      },
    });
    await at.wire.sendFrames(openFrame(1));
    const sum = () =>
      at.wire.frames().reduce((all, one) => all + (one.type === FRAME.DATA ? one.payload.length : 0), 0);
    await settled(30);
    expect(sum()).toBe(4 * MiB);
    await at.wire.sendFrames(creditFrame(1, 10), creditFrame(1, 4 * MiB), creditFrame(1, 4 * MiB + 7));
    await settled(30);
    expect(sum()).toBe(7);
    await at.wire.sendFrames(resetFrame(1), creditFrame(1, 9 * MiB));
    await settled(30);
    expect(sum()).toBe(0);
    await expectTidy(at);
  });
});

it('a connection that ends before login leaves nothing', async () => {
  const clock = new ManualClock();
  const listener = await makeListener({ clock });
  for (const end of ['end', 'destroy', 'break'] as const) {
    const [near, far] = memoryPair();
    listener.accept(far);
    near[end]();
    await settled();
    near.destroy();
  }
  await settled();
  expect(listener).toBeInstanceOf(Listener);
  expect(listener.connectionCount).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

it('a listener without a handler refuses every channel', async () => {
  const at = await scene();
  await at.wire.sendFrames(openFrame(1));
  expect(at.wire.frames().map(named)).toEqual(['RESET 1']);
  await expectTidy(at);
});
