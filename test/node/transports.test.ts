import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { acceptedTcp, dialTcp } from '../../src/node/transports/tcp.ts';
import { memoryPair } from '../../src/transports/memory.ts';
import type { Transport } from '../../src/transports/transport.ts';
import { type TransportPair, transportContract } from '../contracts/transport.ts';
import { seeded } from '../support/bytes.ts';

const accepted: ((socket: Socket) => void)[] = [];
const server = createServer({ pauseOnConnect: true }, socket => accepted.shift()!(socket));
let port = 0;

beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});

afterAll(() => {
  server.close();
});

async function tcpPair({
  direct,
}: {
  direct: boolean;
}): Promise<{ dialled: Transport; taken: Transport; cut: () => void }> {
  const taking = new Promise<Socket>(resolve => accepted.push(resolve));
  const dialled = await dialTcp('127.0.0.1', port);
  const socket = await taking;
  const taken = acceptedTcp(socket, { direct });
  // Else this engine lets nobody read so, and the tests of it would be about something else.
  expect(socket.destroyed).toBe(direct);
  return { dialled, taken, cut: () => socket.resetAndDestroy() };
}

transportContract('the memory pair', async (): Promise<TransportPair> => {
  const [near, far] = memoryPair();
  return { near, far, cut: () => near.break(), end: async () => {} };
});

const random = seeded(11);
const cut = (byteLength: number): number[] => {
  const lengths: number[] = [];
  for (let left = byteLength; left > 0; ) {
    lengths.push(Math.min(left, 1 + Math.floor(random() * 20_000)));
    left -= lengths.at(-1)!;
  }
  return lengths;
};

transportContract('the memory pair that cuts', async (): Promise<TransportPair> => {
  const [near, far] = memoryPair({ cut });
  return { near, far, cut: () => far.break(), end: async () => {} };
});

transportContract('dialled TCP', async (): Promise<TransportPair> => {
  const pair = await tcpPair({ direct: false });
  return { near: pair.dialled, far: pair.taken, cut: pair.cut, end: async () => {} };
});

for (const direct of [true, false]) {
  transportContract(`accepted TCP ${direct ? 'read directly' : 'whose chunks are copied'}`, async () => {
    const pair = await tcpPair({ direct });
    return { near: pair.taken, far: pair.dialled, end: async () => {} };
  });
}

describe('acceptedTcp', () => {
  test('hears the end also of a socket that does more than carry bytes', async () => {
    // A key that both know takes no certificate.
    const psk = Buffer.alloc(32, 7);
    const both = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;
    const secured = tls.createServer({ ...both, pskCallback: () => psk });
    onTestFinished(() => void secured.close());
    const taking = once(secured, 'secureConnection') as Promise<[tls.TLSSocket]>;
    await new Promise<void>(resolve => secured.listen(0, '127.0.0.1', resolve));
    const client = tls.connect({
      ...both,
      port: (secured.address() as AddressInfo).port,
      pskCallback: () => ({ psk, identity: 'client' }),
      checkServerIdentity: () => undefined,
    });
    client.resume().end('hello');
    const taken = acceptedTcp((await taking)[0]);
    onTestFinished(() => taken.destroy());
    const place = new Uint8Array(64);
    let got = '';
    await new Promise<void>((resolve, reject) => {
      taken.start({
        space: () => place,
        received: byteLength => {
          got += Buffer.from(place.subarray(0, byteLength)).toString();
        },
        sent() {},
        ended: resolve,
        failed: reject,
      });
    });
    expect(got).toBe('hello');
  });
});

describe('dialTcp', () => {
  test('names both ends by what the system says', async () => {
    const { dialled, taken } = await tcpPair({ direct: true });
    expect(dialled.peer).toEqual({ label: `127.0.0.1:${port}`, source: '127.0.0.1' });
    expect(taken.peer).toMatchObject({ source: '127.0.0.1', label: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    dialled.destroy();
    taken.destroy();
  });

  test('is UNREACHABLE where nothing listens, and CANCELLED by its signal', async () => {
    const closed = createServer();
    await new Promise<void>(resolve => closed.listen(0, '127.0.0.1', resolve));
    const { port: closedPort } = closed.address() as AddressInfo;
    await new Promise(resolve => closed.close(resolve));
    await expect(dialTcp('127.0.0.1', closedPort)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await expect(dialTcp('127.0.0.1', port, AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('keeps what comes before it is started, and the end of it, for the sink', async () => {
    const { dialled, taken } = await tcpPair({ direct: true });
    taken.start({ space: () => new Uint8Array(64), received() {}, sent() {}, ended() {}, failed() {} });
    taken.write([Uint8Array.of(1, 2, 3)]);
    taken.end();
    // Longer than loopback takes; what has not come by then only makes the test weaker.
    for (let turn = 0; turn < 100; turn += 1) await new Promise(resolve => setImmediate(resolve));
    const place = new Uint8Array(64);
    const got: number[] = [];
    await new Promise<void>(resolve => {
      dialled.start({
        space: () => place,
        received: byteLength => got.push(...place.subarray(0, byteLength)),
        sent() {},
        ended: resolve,
        failed: () => resolve(),
      });
    });
    expect(got).toEqual([1, 2, 3]);
    dialled.destroy();
    taken.destroy();
  });
});
