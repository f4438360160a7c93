import { setMaxListeners } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { LineError } from '../../errors.ts';
import { toLineError } from '../../node/node-errors.ts';
import { type Address, formatAddress } from '../address.ts';
import { ANSWER_MS, MAX_CALLERS } from '../limits.ts';
import type { ServeOptions } from '../person.ts';
import { Connection } from './connection.ts';

/** Calls a serving side. Throws `UNREACHABLE` and `TIMEOUT`. */
export async function dial(address: Address, signal: AbortSignal): Promise<Connection> {
  signal.throwIfAborted();
  const socket = connect({ host: address.host, port: address.port, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    const fail = (error: unknown): void => {
      settle();
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => fail(new LineError('UNREACHABLE', 'nobody answers there')), ANSWER_MS);
    const stop = (): void => fail(signal.reason);
    const failed = (error: Error): void => fail(toLineError(error, formatAddress(address)));
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      socket.removeListener('error', failed);
    };
    signal.addEventListener('abort', stop);
    socket.once('error', failed);
    socket.once('connect', () => {
      settle();
      resolve();
    });
  });
  return new Connection(socket, signal);
}

/** Listens until one has called, and then no more: what most of the originals do. */
export async function acceptOne(
  address: Address,
  { signal, onListening }: Pick<ServeOptions, 'signal' | 'onListening'>,
): Promise<Connection> {
  const server = await listen(address, signal);
  onListening?.(addressOf(server));
  let stop: () => void = () => {};
  try {
    return await new Promise<Connection>((resolve, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      server.on('connection', (socket: Socket) => {
        // One more that has come in the same moment finds the door shut.
        if (!server.listening) socket.destroy();
        else resolve(new Connection(socket, signal));
        server.close();
      });
    });
  } finally {
    signal.removeEventListener('abort', stop);
    server.close();
  }
}

/**
 * Listens until `signal`, and gives each caller to `handle`, at most `MAX_CALLERS` at a time. What `handle` throws is the
 * end of that caller alone, and told by `note`. The signal that `handle` gets is as `signal`, and may be listened to by all.
 */
export async function acceptMany(
  address: Address,
  options: ServeOptions,
  handle: (connection: Connection, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { person, signal, onListening } = options;
  const server = await listen(address, signal);
  const calls = new Set<Promise<void>>();
  const ofAll = AbortSignal.any([signal]);
  setMaxListeners(0, ofAll);
  server.on('connection', (socket: Socket) => {
    const connection = new Connection(socket, ofAll);
    if (calls.size >= MAX_CALLERS) {
      socket.destroy();
      person.note(`${connection.peer} was turned away: ${MAX_CALLERS} callers are here already`);
      return;
    }
    const call = handle(connection, ofAll)
      .catch((thrown: unknown) => {
        if (!signal.aborted)
          person.note(`${connection.peer}: ${thrown instanceof LineError ? thrown.message : String(thrown)}`);
      })
      .finally(() => connection.close())
      .finally(() => calls.delete(call));
    calls.add(call);
  });
  onListening?.(addressOf(server));
  await new Promise<void>(resolve => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  server.close();
  await Promise.all(calls);
}

async function listen(address: Address, signal: AbortSignal): Promise<Server> {
  signal.throwIfAborted();
  // A peer that has said its last word may still be answered.
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(toLineError(error, formatAddress(address))));
    server.listen(address.port, address.host, resolve);
  });
  // A connection that could not be accepted is nobody's.
  server.on('error', () => {});
  return server;
}

function addressOf(server: Server): Address {
  const { address, port } = server.address() as { address: string; port: number };
  return { host: address, port };
}
