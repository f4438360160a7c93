import { type OnReadOpts, Socket } from 'node:net';

/**
 * Gives the connection of an accepted socket to a new one that reads as `onread` says. node:net has no other way: a server makes
 * its sockets before anybody could ask, and then each 64 KiB come in memory of their own, to be copied and collected, a fifth of the
 * time of an upload. node:child_process takes a connection from its socket in the same way to pass it on.
 *
 * What this needs of Node is not documented. Where anything of it is missing, or bytes have been read already, it gives
 * `undefined` and the socket is as it was; so it does for a socket that does more than carry bytes, as that of node:tls, whose end
 * only that one understands. Otherwise the socket is destroyed, its connection goes on, and is not one of its server's any more.
 */
export function reopenForReading(socket: Socket, onread: OnReadOpts): Socket | undefined {
  const holder = socket as unknown as { _handle?: Handle | null };
  const handle = holder._handle;
  const isPlain = Object.getPrototypeOf(socket) === Socket.prototype;
  if (!isPlain || socket.destroyed || socket.bytesRead > 0) return undefined;
  if (typeof handle?.useUserBuffer !== 'function') return undefined;
  const options = { handle, onread, allowHalfOpen: socket.allowHalfOpen };
  const reopened = new Socket(options as object);
  if ((reopened as unknown as { _handle?: Handle })._handle !== handle) return undefined;
  // Nobody would take what comes before there is a sink.
  reopened.pause();
  holder._handle = null;
  socket.destroy();
  return reopened;
}

interface Handle {
  readonly useUserBuffer?: unknown;
}
