import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { DatagramPort, DatagramSink, DatagramSocket } from '../../transports/datagram.ts';
import { toLineError } from '../node-errors.ts';

/**
 * UDP (docs/protocol/0-overview.md §4). Binds the answering side to `address`, an address and no name. Throws `ACCESS` when it
 * cannot be had.
 */
export function bindUdp(address: string, port: number): Promise<DatagramPort> {
  // The address for all of IPv6 takes IPv4 too, as it does over TCP.
  const socket = makeSocket(address, SERVER_BUFFER_BYTES);
  return new Promise((resolve, reject) => {
    socket.once('error', cause => {
      socket.close();
      reject(toLineError(cause, `UDP port ${port}`));
    });
    socket.bind({ port, address, exclusive: true }, () => {
      socket.removeAllListeners('error');
      resolve(new UdpPort(socket));
    });
  });
}

/** A socket towards `address`, an address and no name, and `port`. Throws `UNREACHABLE` where no way leads there. */
export function dialUdp(address: string, port: number): Promise<DatagramSocket> {
  const socket = makeSocket(address);
  return new Promise((resolve, reject) => {
    const failed = (cause: unknown): void => {
      socket.close();
      reject(toLineError(cause, `${address} UDP port ${port}`));
    };
    socket.once('error', failed);
    // Connected: the system drops what comes from elsewhere, and tells when nothing listens there.
    socket.connect(port, address, (cause?: unknown) => {
      if (cause !== undefined && cause !== null) {
        failed(cause);
        return;
      }
      socket.removeAllListeners('error');
      resolve(new UdpSocket(socket));
    });
  });
}

class UdpPort implements DatagramPort {
  readonly #socket: Socket;
  #closed: Promise<void> | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    // An answer that cannot be sent is lost, and so is what could not be received.
    socket.on('error', () => {});
  }

  start(answer: (packet: Uint8Array) => Uint8Array | undefined): void {
    const socket = this.#socket;
    socket.on('message', (packet: Buffer, from: RemoteInfo) => {
      const reply = answer(packet);
      // Port 0 is nobody's: sending there would throw.
      if (reply !== undefined && from.port !== 0 && this.#closed === undefined) {
        socket.send(reply, 0, reply.length, from.port, from.address, ignore);
      }
    });
  }

  close(): Promise<void> {
    this.#closed ??= new Promise(resolve => this.#socket.close(() => resolve()));
    return this.#closed;
  }
}

class UdpSocket implements DatagramSocket {
  readonly #socket: Socket;
  #sink: DatagramSink | undefined;
  #isClosed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', cause => this.#sink?.refused(cause));
  }

  start(sink: DatagramSink): void {
    this.#sink = sink;
    this.#socket.on('message', packet => this.#sink?.received(packet));
  }

  send(packet: Uint8Array): void {
    if (this.#isClosed) return;
    this.#socket.send(packet, cause => {
      if (cause !== null) this.#sink?.refused(cause);
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sink = undefined;
    this.#socket.close();
  }
}

/** What waits while this process does something else: some thousand questions. */
const SERVER_BUFFER_BYTES = 1024 * 1024;

function makeSocket(address: string, recvBufferSize?: number): Socket {
  return createSocket({
    type: isIPv6(address) ? 'udp6' : 'udp4',
    // Addresses only: without this each packet would go through the resolver.
    lookup: (host, _, done) => done(null, host, isIPv6(host) ? 6 : 4),
    ...(recvBufferSize === undefined ? {} : { recvBufferSize }),
  });
}

function ignore(): void {}
