import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished } from 'vitest';
import type { Address } from '../../../src/classic/index.ts';
import type { Conversation, Side } from './vectors.ts';

/**
 * One side of a recorded conversation: sends what that original sent, and expects of ours, byte for byte, what the other
 * original sent. `as` is the side that is replayed.
 */
export async function replayCall(at: Address, recorded: Conversation): Promise<void> {
  if (recorded.transport === 'udp') {
    const socket = createSocket('udp4');
    onTestFinished(() => void socket.close());
    await new Promise<void>(resolve => socket.connect(at.port, at.host, resolve));
    await replayDatagrams(recorded, 'call', socket, bytes => socket.send(bytes));
    return;
  }
  const socket = connect(at.port, at.host);
  await once(socket, 'connect');
  await replayStream(recorded, 'call', socket);
}

/** Where the replayed side listens, and when it has heard all. */
export async function replayServe(recorded: Conversation): Promise<{ at: Address; done: Promise<void> }> {
  if (recorded.transport === 'udp') {
    const socket = createSocket('udp4');
    onTestFinished(() => void socket.close());
    await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
    const caller: { port?: number } = {};
    socket.on('message', (_, from) => {
      caller.port = from.port;
    });
    const done = replayDatagrams(recorded, 'serve', socket, bytes => socket.send(bytes, caller.port!, '127.0.0.1'));
    return { at: { host: '127.0.0.1', port: socket.address().port }, done };
  }
  const server = createServer();
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const done = once(server, 'connection').then(([socket]) => replayStream(recorded, 'serve', socket as Socket));
  return { at: { host: '127.0.0.1', port: (server.address() as AddressInfo).port }, done };
}

async function replayStream(recorded: Conversation, as: Side, socket: Socket): Promise<void> {
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  const bytes = socket.iterator({ destroyOnReturn: false });
  let rest = Buffer.alloc(0);
  for (const { from, hex } of recorded.wire) {
    const expected = Buffer.from(hex, 'hex');
    if (from === as) {
      socket.write(expected);
      continue;
    }
    while (rest.length < expected.length) {
      const next = await bytes.next();
      if (next.done) break;
      rest = Buffer.concat([rest, next.value as Buffer]);
    }
    expect(rest.subarray(0, expected.length).toString('hex')).toBe(hex);
    rest = rest.subarray(expected.length);
  }
  socket.end();
  // Nothing comes behind it.
  expect(rest.toString('hex')).toBe('');
}

async function replayDatagrams(
  recorded: Conversation,
  as: Side,
  socket: DatagramSocket,
  send: (bytes: Uint8Array) => void,
): Promise<void> {
  const came: Buffer[] = [];
  const waiting: (() => void)[] = [];
  socket.on('message', bytes => {
    came.push(bytes);
    for (const wake of waiting.splice(0)) wake();
  });
  for (const { from, hex } of recorded.wire) {
    if (from === as) {
      send(Buffer.from(hex, 'hex'));
      continue;
    }
    while (came.length === 0) await new Promise<void>(resolve => waiting.push(resolve));
    expect(came.shift()!.toString('hex')).toBe(hex);
  }
}
