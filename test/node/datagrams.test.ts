import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { LineError } from '../../src/errors.ts';
import type { ConnectedLine } from '../../src/line/connect.ts';
import type { DatagramAsker } from '../../src/line/datagram-asker.ts';
import { connect } from '../../src/node/connect.ts';
import { openDatagrams } from '../../src/node/datagrams.ts';
import { type ListenOptions, listen, type Server } from '../../src/node/listen.ts';
import { temporaryInstall } from '../../src/node/state/install.ts';
import { serveTime } from '../../src/node/time-service.ts';
import { bindUdp, dialUdp } from '../../src/node/transports/datagram.ts';
import { askTimeByDatagrams } from '../../src/services/time/asking.ts';
import { seeded } from '../support/bytes.ts';
import { PASSPHRASE } from '../support/lines.ts';

async function served(options: Partial<ListenOptions> = {}): Promise<{ server: Server; connected: ConnectedLine }> {
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    passphrase: [{ text: PASSPHRASE, generated: true }],
    services: [await serveTime()],
    allow: ['time'],
    install: temporaryInstall(),
    ...options,
  });
  onTestFinished(() => server.close(0));
  const connected = await connect({
    host: server.address === '::' ? '127.0.0.1' : server.address,
    port: server.port,
    passphrase: PASSPHRASE,
    install: temporaryInstall(),
  });
  onTestFinished(() => connected.line.close());
  return { server, connected };
}

/** A socket of the test. */
async function udp(port = 0): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => new Promise<void>(resolve => socket.close(() => resolve())));
  return socket;
}

const TIME = { t: 'time' };
const near = (message: Record<string, unknown>) => Math.abs(Number(message['sent_us']) / 1000 - Date.now()) < 60_000;

describe('datagrams over UDP', () => {
  it('are answered at the port that is that of TCP too, on all addresses or one', async () => {
    for (const host of ['127.0.0.1', undefined]) {
      const { server, connected } = await served({ host });
      expect(server.answersDatagrams).toBe(true);
      expect(connected.datagrams?.port).toBe(0);
      const asker = (await openDatagrams(connected))!;
      expect(near((await asker.ask(TIME)).body)).toBe(true);
    }
  });

  it('R-T1, R-T3: go through a proxy that loses, doubles, reorders, cuts, repeats and forges, from changing addresses', async () => {
    const { server, connected } = await served({ datagrams: { requestsPerSecond: 1000 } });
    const proxy = await udp();
    const random = seeded(5);
    const old: Buffer[] = [];
    const totals = { there: 0, back: 0 };
    let largestAnswer = 0;
    let client = 0;
    // Each packet to the server leaves from one of many addresses, and answers come back to all of them.
    const outer = await Promise.all(Array.from({ length: 8 }, () => udp()));
    for (const socket of outer) {
      socket.on('message', packet => {
        totals.back += 1;
        largestAnswer = Math.max(largestAnswer, packet.length);
        const roll = random();
        if (roll < 0.08) return;
        proxy.send(roll < 0.16 ? forged(packet) : packet, client, '127.0.0.1');
        if (roll > 0.8) proxy.send(packet, client, '127.0.0.1');
      });
    }
    const forged = (packet: Buffer): Buffer => {
      const copy = Buffer.from(packet);
      copy[Math.floor(random() * copy.length)]! ^= 0x10;
      return copy;
    };
    let held: Uint8Array | undefined;
    proxy.on('message', (packet, from) => {
      client = from.port;
      const send = (bytes: Uint8Array): void => {
        totals.there += 1;
        outer[Math.floor(random() * outer.length)]!.send(bytes, server.port, '127.0.0.1');
      };
      old.push(Buffer.from(packet));
      const roll = random();
      if (roll < 0.06) return;
      if (roll < 0.12) held = packet.slice();
      else if (roll < 0.18) send(packet.subarray(0, Math.floor(random() * packet.length)));
      else if (roll < 0.24) send(forged(packet));
      else if (roll < 0.3) send(Buffer.from(packet.toString('latin1').repeat(2), 'latin1'));
      else {
        send(packet);
        if (roll > 0.7) send(packet);
        send(old[Math.floor(random() * old.length)]!);
        if (held !== undefined) send(held);
        held = undefined;
      }
    });
    const asker = connected.datagrams!.open(await dialUdp('127.0.0.1', proxy.address().port));
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => asker.ask(TIME, { timeoutMs: 9_000 }).catch(codeOf)),
    );
    // Five sendings of one question may all be lost; hardly ever of many.
    const answered = answers.filter(answer => typeof answer !== 'string');
    expect(answered.length).toBeGreaterThan(30);
    for (const answer of answered) expect(near(answer.body)).toBe(true);
    expect(largestAnswer).toBeLessThan(512);
    // Cut, forged and repeated ones were not answered.
    expect(totals.back).toBeLessThan(totals.there);
  });

  it('R-T1: strangers get no answer, whatever they send', async () => {
    const { server, connected } = await served();
    const stranger = await udp();
    let heard = 0;
    stranger.on('message', () => {
      heard += 1;
    });
    const random = seeded(9);
    const asker = (await openDatagrams(connected))!;
    await asker.ask(TIME);
    for (let count = 0; count < 500; count += 1) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 1400) }, () => Math.floor(random() * 256));
      if (count % 2 === 0 && bytes.length > 4) bytes.set([0x21, 0, (bytes.length - 4) >> 8, bytes.length - 4]);
      stranger.send(bytes, server.port, '127.0.0.1');
    }
    stranger.send('', server.port, '127.0.0.1');
    // Answered after all of that has been read.
    expect(near((await asker.ask(TIME)).body)).toBe(true);
    expect(heard).toBe(0);
  });

  it('R-A8: are not offered to a login without the permission, and nothing listens then', async () => {
    for (const options of [{ allow: [] }, { datagrams: false as const }]) {
      const { server, connected } = await served(options);
      expect(server.answersDatagrams).toBe(false);
      expect(connected.datagrams).toBeUndefined();
      expect(await openDatagrams(connected)).toBeUndefined();
      await (await bindUdp('127.0.0.1', server.port)).close();
    }
  });

  it('do not keep a server from serving where their port is taken', async () => {
    const first = await udp();
    const { port } = first.address();
    const failures: LineError[] = [];
    const { server, connected } = await served({ port, onDatagramsFailed: error => failures.push(error) });
    expect(failures.map(({ code }) => code)).toEqual(['ACCESS']);
    expect(server.answersDatagrams).toBe(false);
    expect(connected.datagrams).toBeUndefined();
    expect(await connected.line.ping()).toBeGreaterThanOrEqual(0);
  });

  it('are given up at once where nothing listens, which loopback tells', async () => {
    const { connected } = await served();
    const gone = createSocket('udp4');
    gone.bind(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address();
    gone.close();
    await once(gone, 'close');
    const asker = connected.datagrams!.open(await dialUdp('127.0.0.1', port));
    expect(await asker.ask(TIME, { timeoutMs: 60_000 }).catch(codeOf)).toBe('UNREACHABLE');
  });

  it('end with the line and with the server, whose port is free again', async () => {
    const { server, connected } = await served();
    const asker: DatagramAsker = (await openDatagrams(connected))!;
    await asker.ask(TIME);
    const { port } = server;
    await Promise.all([connected.line.closed, server.close()]);
    expect(['CLOSED', 'SHUTDOWN']).toContain(await asker.ask(TIME).catch(codeOf));
    await (await bindUdp('127.0.0.1', port)).close();
  });
});

describe('the time over UDP', () => {
  it('is that of this machine, within the bound that is told', async () => {
    const { connected } = await served();
    const found = await askTimeByDatagrams((await openDatagrams(connected))!, { exchanges: 8 });
    expect(Math.abs(found.offsetMs)).toBeLessThanOrEqual(found.errorMs);
    expect(Math.abs(found.unixMs - Date.now())).toBeLessThan(60_000);
    expect(found.zone.offsetMinutes + new Date().getTimezoneOffset()).toBe(0);
  });
});

function codeOf(thrown: unknown): string {
  return (thrown as LineError).code;
}
