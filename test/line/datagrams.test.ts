import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { type ConnectedLine, openLine } from '../../src/line/connect.ts';
import type { DatagramAsker } from '../../src/line/datagram-asker.ts';
import { type AnswerDatagram, DatagramHost } from '../../src/line/datagram-host.ts';
import type { Line } from '../../src/line/line.ts';
import type { Listener } from '../../src/line/listener.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { CryptoProvider } from '../../src/protocol/crypto/provider.ts';
import { readPacketHeader } from '../../src/protocol/datagrams/packet.ts';
import { Exporter } from '../../src/protocol/handshake/key-schedule.ts';
import { dispatchDatagrams } from '../../src/services/registry.ts';
import type { Service } from '../../src/services/service.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { memoryPair } from '../../src/transports/memory.ts';
import {
  type MemoryDatagramSocket,
  MemoryDatagrams,
  type MemoryDatagramsOptions,
} from '../../src/transports/memory-datagrams.ts';
import { toHex } from '../support/bytes.ts';
import { loginOptions, makeListener } from '../support/lines.ts';

interface Scene {
  readonly connected: ConnectedLine;
  readonly client: Line;
  readonly server: Line;
  readonly listener: Listener;
  readonly network: MemoryDatagrams;
  readonly socket: MemoryDatagramSocket;
  readonly asker: DatagramAsker;
  readonly clock: ManualClock;
  /** Every packet that was sent, in hex, by its way. */
  readonly sent: { readonly there: string[]; readonly back: string[] };
}

const echo: AnswerDatagram = request => ({ echo: request['n'] });

/** A line in memory, and a network for datagrams beside it; both by a clock that only the test moves. */
async function scene(
  network: MemoryDatagramsOptions = {},
  answer: AnswerDatagram = echo,
  requestsPerSecond?: number,
): Promise<Scene> {
  const clock = new ManualClock();
  let server: Line | undefined;
  const listener = await makeListener({
    clock,
    datagrams: { answer, requestsPerSecond },
    onLine: line => {
      server = line;
    },
  });
  const sent = { there: [] as string[], back: [] as string[] };
  const datagrams = new MemoryDatagrams({
    ...network,
    fate: (packet, way) => {
      sent[way].push(toHex(packet));
      return network.fate?.(packet, way) ?? [{ packet }];
    },
  });
  listener.answerDatagrams(datagrams.port, 0);
  const transports = memoryPair();
  listener.accept(transports[1]);
  const connected = await openLine(transports[0], await loginOptions({ clock }));
  await connected.line.ping();
  const socket = datagrams.socket();
  const asker = connected.datagrams!.open(socket);
  return {
    connected,
    client: connected.line,
    server: server!,
    listener,
    network: datagrams,
    socket,
    asker,
    clock,
    sent,
  };
}

/** Moves the clock until `promise` has settled, in steps that let everything else run. */
async function settled<T>(clock: ManualClock, promise: Promise<T>, stepMs = 100): Promise<T> {
  let isOver = false;
  const over = promise.finally(() => {
    isOver = true;
  });
  over.catch(() => {});
  // The first turns belong to the control messages, which take no time of this clock.
  for (let turn = 0; !isOver; turn += 1) {
    await new Promise(resolve => setImmediate(resolve));
    if (turn > 3) clock.advance(stepMs);
  }
  return over;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'answered',
    (error: LineError) => error.code,
  );

describe('datagrams of a line', () => {
  it('are answered, many questions over one connection', async () => {
    const { asker, clock, sent } = await scene();
    for (let n = 0; n < 20; n += 1) {
      expect((await settled(clock, asker.ask({ n }))).body).toEqual({ echo: n });
    }
    const ids = new Set(sent.there.map(packet => packet.slice(8, 24)));
    expect([ids.size, sent.there.length, sent.back.length]).toEqual([1, 20, 20]);
  });

  it('are asked again after 0.5, 1, 2 and 4 s, under another number and never with the same bytes', async () => {
    const times: number[] = [];
    const made = await scene({
      fate: (_, way) => {
        if (way === 'there') times.push(clock.now());
        return [];
      },
    });
    const { clock, asker, sent } = made;
    expect(await codeOf(settled(clock, asker.ask({ n: 1 })))).toBe('TIMEOUT');
    expect(times.map(time => time - times[0]!)).toEqual([0, 500, 1500, 3500, 7500]);
    expect(new Set(sent.there).size).toBe(5);
  });

  it('R-T1, R-T3: give the right answers through a network that does everything to packets', async () => {
    const fates = fc.array(
      fc.record({
        how: fc.constantFrom('pass', 'lose', 'double', 'late', 'truncate', 'flip', 'replay', 'noise'),
        afterMs: fc.nat(900),
        at: fc.nat(600),
      }),
      { minLength: 30, maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(fates, async plan => {
        let next = 0;
        const before: Uint8Array[] = [];
        const handled = new Map<unknown, number>();
        let packets = 0;
        const { asker, clock, sent } = await scene(
          {
            after: (delayMs, action) => clock.after(delayMs, action),
            fate: packet => {
              const { how, afterMs, at } = plan[next++ % plan.length]!;
              packets += 1;
              const copy = packet.slice();
              before.push(copy);
              // Whatever is planned, some get through in the end.
              if (packets > 200) return [{ packet: copy }];
              if (how === 'lose') return [];
              if (how === 'double') return [{ packet: copy }, { packet: copy, afterMs }];
              if (how === 'late') return [{ packet: copy, afterMs }];
              if (how === 'truncate') return [{ packet: copy.subarray(0, at % copy.length) }];
              if (how === 'flip') copy[at % copy.length]! ^= 1 + (at % 255);
              if (how === 'replay') return [{ packet: copy }, { packet: before[at % before.length]!, afterMs }];
              if (how === 'noise') return [{ packet: new Uint8Array(at).fill(at) }, { packet: copy }];
              return [{ packet: copy }];
            },
            onAnswer: (request, answer) => expect(answer.length).toBeLessThan(request.length),
          },
          request => {
            handled.set(request['n'], (handled.get(request['n']) ?? 0) + 1);
            return { echo: request['n'] };
          },
        );
        for (let n = 0; n < 5; n += 1) {
          // A question may stay without an answer, and never has a wrong one.
          const answer = await settled(
            clock,
            asker.ask({ n }).catch((error: LineError) => error),
          );
          if (answer instanceof LineError) expect(answer.code).toBe('TIMEOUT');
          else expect(answer.body).toEqual({ echo: n });
          // As often as it was sent, at most: no copy of a packet is handled twice.
          expect(handled.get(n) ?? 0).toBeLessThanOrEqual(5);
        }
        // No number of a connection was used twice, in either direction.
        for (const way of [sent.there, sent.back]) expect(new Set(way).size).toBe(way.length);
      }),
      { numRuns: 40 },
    );
  });

  it('R-T3: a packet that is sent again from elsewhere is not answered', async () => {
    const answered: number[] = [];
    const { asker, clock, network, sent } = await scene({ onAnswer: request => answered.push(request.length) });
    await settled(clock, asker.ask({ n: 1 }));
    const thief = network.socket();
    network.inject(Uint8Array.from(Buffer.from(sent.there[0]!, 'hex')), thief);
    expect(answered).toEqual([512]);
  });

  it('go on when the address of the client changes', async () => {
    const { asker, clock, socket } = await scene();
    for (let n = 0; n < 4; n += 1) {
      expect((await settled(clock, asker.ask({ n }))).body).toEqual({ echo: n });
      socket.move();
    }
  });

  it('are asked again from a new address where the answer went to the old one', async () => {
    let moves = 0;
    const { asker, clock, socket, sent } = await scene({
      fate: (packet, way) => {
        if (way === 'back' && moves++ === 0) socket.move();
        return [{ packet }];
      },
    });
    expect((await settled(clock, asker.ask({ n: 1 }))).body).toEqual({ echo: 1 });
    expect(sent.there).toHaveLength(2);
  });

  it.each([
    ['end with the session, at both sides', true, 0],
    ['would have been answered without that', false, 1],
  ])('%s', async (_, isEnded, answers) => {
    let lost: Uint8Array | undefined;
    const { asker, clock, client, network, sent, socket } = await scene({
      fate: packet => {
        lost = packet;
        return [];
      },
    });
    const question = codeOf(asker.ask({ n: 1 }, { timeoutMs: 60_000 }));
    for (let turn = 0; lost === undefined && turn < 100; turn += 1) {
      await new Promise(resolve => setImmediate(resolve));
    }
    if (isEnded) {
      client.abort(new LineError('CANCELLED', 'enough'));
      expect(await question).toBe('CANCELLED');
      expect(await codeOf(asker.ask({ n: 2 }))).toBe('CANCELLED');
      await client.closed;
      // The server's side hears of it in a later turn.
      for (let turn = 0; turn < 10; turn += 1) await new Promise(resolve => setImmediate(resolve));
      expect(clock.pendingTimers).toBe(0);
    }
    network.inject(lost!, socket);
    expect(sent.back).toHaveLength(answers);
  });

  it('have one connection a session: a new one ends the one before', async () => {
    const { connected, asker, clock, network, sent } = await scene();
    await settled(clock, asker.ask({ n: 1 }));
    const second = connected.datagrams!.open(network.socket());
    expect(await codeOf(asker.ask({ n: 2 }))).toBe('CLOSED');
    expect((await settled(clock, second.ask({ n: 3 }))).body).toEqual({ echo: 3 });
    const [first, last] = sent.there.map(packet => packet.slice(8, 24));
    expect(first).not.toBe(last);
  });

  it('R-A9: the same dgram asked twice never gives one key twice', () => {
    const keys: string[] = [];
    const provider: CryptoProvider = {
      ...nodeCrypto,
      aead: key => {
        keys.push(toHex(key));
        return nodeCrypto.aead(key);
      },
    };
    const clock = new ManualClock();
    const datagrams = new DatagramHost({ provider, clock, answer: echo }).forSession();
    const session = {
      exporter: new Exporter(nodeCrypto, new Uint8Array(64).fill(7)),
      login: { kind: 'passphrase' as const },
    };
    // A client that repeats its id, as a broken or hostile one would.
    const opening = { t: 'dgram', conn: 'AAAAAAAAAAA' };
    const answers = Array.from({ length: 5 }, () => datagrams.open(opening, session));
    expect(new Set(answers.map(answer => answer?.['conn'])).size).toBe(5);
    expect(answers.map(answer => answer?.['for'])).toEqual(Array.from({ length: 5 }, () => opening.conn));
    expect([keys.length, new Set(keys).size]).toEqual([10, 10]);
  });

  it('R-A12: are opened 8 times at once and then once a second, whoever asks for more', () => {
    const clock = new ManualClock();
    const host = new DatagramHost({ provider: nodeCrypto, clock, answer: echo });
    const datagrams = host.forSession();
    const session = {
      exporter: new Exporter(nodeCrypto, new Uint8Array(64).fill(7)),
      login: { kind: 'passphrase' as const },
    };
    const open = () => datagrams.open({ t: 'dgram', conn: 'AAAAAAAAAAA' }, session) !== undefined;
    expect(Array.from({ length: 1000 }, open).filter(Boolean)).toHaveLength(8);
    clock.advance(2000);
    expect(Array.from({ length: 1000 }, open).filter(Boolean)).toHaveLength(2);
    expect(host.connectionCount).toBe(1);
    datagrams.close();
    expect(host.connectionCount).toBe(0);
    for (const conn of ['', 'AAAA', 'AAAAAAAAAAAA', '!', 7]) {
      clock.advance(2000);
      expect(() => datagrams.open({ t: 'dgram', conn }, session)).toThrow(LineError);
    }
  });

  it('are renewed after a question without an answer, and after 150 s of silence', async () => {
    let isDeaf = true;
    const { asker, client, clock, sent } = await scene({ fate: packet => (isDeaf ? [] : [{ packet }]) });
    expect(await codeOf(settled(clock, asker.ask({ n: 1 })))).toBe('TIMEOUT');
    isDeaf = false;
    await settled(clock, asker.ask({ n: 2 }));
    await settled(clock, asker.ask({ n: 3 }));
    for (let tens = 0; tens < 16; tens += 1) {
      clock.advance(10_000);
      await client.ping();
    }
    await settled(clock, asker.ask({ n: 4 }));
    const ids = sent.there.map(packet => packet.slice(8, 24));
    expect(ids[4]).not.toBe(ids[5]);
    expect(ids[5]).toBe(ids[6]);
    expect(ids[6]).not.toBe(ids[7]);
    expect(new Set(sent.there).size).toBe(sent.there.length);
  });

  it('take the answer to a question that was open when another one was given up', async () => {
    const packets: number[] = [];
    const { asker, clock } = await scene({
      after: (delayMs, action) => clock.after(delayMs, action),
      fate: (packet, way) => {
        packets.push(packet.length);
        // The first question is lost, and the answer to the second comes late.
        if (packets.length === 1) return [];
        return [{ packet, afterMs: way === 'back' ? 400 : 0 }];
      },
    });
    const lost = codeOf(asker.ask({ n: 1 }, { timeoutMs: 300 }));
    const late = asker.ask({ n: 2 }, { timeoutMs: 450 });
    expect((await settled(clock, late, 50)).body).toEqual({ echo: 2 });
    expect(await lost).toBe('TIMEOUT');
  });

  it('are opened again after the other side has refused for a while', async () => {
    const { connected, clock, network } = await scene();
    let asker = connected.datagrams!.open(network.socket());
    for (let count = 0; count < 8; count += 1) {
      asker = connected.datagrams!.open(network.socket());
      await asker.ask({ n: count }, { timeoutMs: 1000 });
    }
    const ninth = connected.datagrams!.open(network.socket());
    expect(await codeOf(settled(clock, ninth.ask({ n: 8 }, { timeoutMs: 500 }), 500))).toBe('TIMEOUT');
    clock.advance(2000);
    expect((await settled(clock, ninth.ask({ n: 9 }))).body).toEqual({ echo: 9 });
  });

  it('R-T1: are answered 50 times a second, and more on the owner’s word', async () => {
    const answeredOf = async (perSecond?: number) => {
      let answered = 0;
      const { asker, clock } = await scene({ onAnswer: () => (answered += 1) }, echo, perSecond);
      await settled(clock, asker.ask({ n: 0 }));
      const all = Array.from({ length: 200 }, (_, n) => codeOf(asker.ask({ n }, { timeoutMs: 400 })));
      await settled(clock, Promise.all(all));
      return answered;
    };
    expect(await answeredOf()).toBe(50);
    expect(await answeredOf(1000)).toBe(201);
  });

  it('R-T1: are answered no more often to a session that opens them again and again', async () => {
    let answered = 0;
    const { connected, network, clock, sent } = await scene({ onAnswer: () => (answered += 1) });
    for (let opened = 1; opened <= 8; opened += 1) {
      const asker = connected.datagrams!.open(network.socket());
      for (let left = 60; left > 0; left -= 1) asker.ask({}).catch(() => {});
      do await new Promise(resolve => setImmediate(resolve));
      while (sent.there.length < 60 * opened);
    }
    expect(clock.now()).toBe(0);
    expect(answered).toBe(50);
  });

  it('say what the other side does not offer, and what does not fit', async () => {
    const service: Service = {
      name: 'test',
      kinds: {},
      datagrams: {
        time: { permission: 'time', answer: () => ({ t: 'time' }) },
        list: { permission: 'read', answer: () => ({ t: 'list' }) },
      },
    };
    const { asker, clock } = await scene({}, dispatchDatagrams([service], ['time'])!);
    expect((await settled(clock, asker.ask({ t: 'time' }))).body).toEqual({ t: 'time' });
    expect(await codeOf(settled(clock, asker.ask({ t: 'list' })))).toBe('FORBIDDEN');
    expect(await codeOf(settled(clock, asker.ask({ t: 'toString' })))).toBe('UNSUPPORTED');
    expect(await codeOf(settled(clock, asker.ask({ t: 'x'.repeat(1300) })))).toBe('SIZE');
    expect(dispatchDatagrams([service], ['exec'])).toBeUndefined();
    expect(dispatchDatagrams([], ['time'])).toBeUndefined();
  });

  it('R-A8: a login that may ask nothing is told of no port, and its dgram has no answer', async () => {
    const listener = await makeListener();
    const transports = memoryPair();
    listener.accept(transports[1]);
    const connected = await openLine(transports[0], await loginOptions());
    expect(connected.datagrams).toBeUndefined();
    expect(() => listener.answerDatagrams(new MemoryDatagrams().port, 0)).toThrow(LineError);
    await connected.line.close();
  });

  it('end the line of a server that tells of a port that is none', async () => {
    for (const port of [-1, 65_536, 0.5]) {
      const listener = await makeListener({ datagrams: { answer: echo } });
      listener.answerDatagrams(new MemoryDatagrams().port, port);
      const [near, far] = memoryPair();
      listener.accept(far);
      expect(await codeOf(openLine(near, await loginOptions()))).toBe('MALFORMED');
      for (let turn = 0; turn < 100 && listener.connectionCount > 0; turn += 1) {
        await new Promise(resolve => setImmediate(resolve));
      }
      expect(listener.connectionCount).toBe(0);
    }
  });

  it('are given up at once where the network says that nobody listens', async () => {
    const { asker, clock, connected } = await scene();
    await settled(clock, asker.ask({ n: 1 }));
    let refuse: ((cause: unknown) => void) | undefined;
    const deaf = connected.datagrams!.open({
      start: sink => {
        refuse = cause => sink.refused(cause);
      },
      send: () => queueMicrotask(() => refuse!(new Error('port unreachable'))),
      close() {},
    });
    expect(await codeOf(settled(clock, deaf.ask({ n: 2 })))).toBe('UNREACHABLE');
  });

  it('can be cancelled, and leave no timer', async () => {
    const { asker, clock, client } = await scene({ fate: () => [] });
    const stop = new AbortController();
    const question = codeOf(asker.ask({ n: 1 }, { signal: stop.signal }));
    await new Promise(resolve => setImmediate(resolve));
    stop.abort();
    expect(await question).toBe('CANCELLED');
    await settled(clock, client.close());
    expect(clock.pendingTimers).toBe(0);
  });

  it('have headers that hold nothing but type, length, id and number', async () => {
    const { asker, clock, sent } = await scene();
    await settled(clock, asker.ask({ n: 1 }));
    const header = readPacketHeader(Uint8Array.from(Buffer.from(sent.there[0]!, 'hex')));
    expect(header?.number).toBe(0);
    expect(sent.there[0]).toMatch(/^210001fc/);
  });
});
