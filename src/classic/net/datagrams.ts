import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { LineError } from '../../errors.ts';
import { toLineError } from '../../node/node-errors.ts';
import { type Address, formatAddress } from '../address.ts';
import { MAX_MESSAGE_BYTES, MAX_WAITING_MESSAGES } from '../limits.ts';

export interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: Address;
}

/** A datagram socket, pulled. What comes while too many wait is dropped, as the system would; so is what is longer than 1 KiB, beyond that. */
export class Datagrams {
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  /** For errors. */
  readonly #peer: string;
  readonly #waiting: Datagram[] = [];
  #failure: unknown;
  #wake: () => void = () => {};
  readonly #stop = (): void => this.#wake();

  /** A socket that hears everybody who sends to `address`. */
  static async bind(address: Address, signal: AbortSignal): Promise<Datagrams> {
    const socket = createSocket(address.host.includes(':') ? 'udp6' : 'udp4');
    await settled(socket, address, done => socket.bind(address.port, address.host, done));
    return new Datagrams(socket, signal, 'the other side');
  }

  /** A socket that talks to `address` and hears nobody else. */
  static async connect(address: Address, signal: AbortSignal): Promise<Datagrams> {
    const socket = createSocket(address.host.includes(':') ? 'udp6' : 'udp4');
    await settled(socket, address, done => socket.connect(address.port, address.host, done));
    return new Datagrams(socket, signal, formatAddress(address));
  }

  private constructor(socket: Socket, signal: AbortSignal, peer: string) {
    this.#socket = socket;
    this.#signal = signal;
    this.#peer = peer;
    socket.on('message', (bytes, from: RemoteInfo) => {
      if (this.#waiting.length >= MAX_WAITING_MESSAGES) return;
      // recvfrom(1024) leaves out what is beyond.
      const kept = new Uint8Array(bytes.subarray(0, MAX_MESSAGE_BYTES));
      this.#waiting.push({ bytes: kept, from: { host: from.address, port: from.port } });
      this.#wake();
    });
    socket.on('error', error => {
      this.#failure = error;
      this.#wake();
    });
    signal.addEventListener('abort', this.#stop);
  }

  get address(): Address {
    const { address, port } = this.#socket.address();
    return { host: address, port };
  }

  /** The next datagram. Throws `TIMEOUT`, of a connected socket `UNREACHABLE`, and the reason of the signal. */
  async receive(withinMs?: number): Promise<Datagram> {
    const until = withinMs === undefined ? undefined : performance.now() + withinMs;
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) return next;
      this.#signal.throwIfAborted();
      if (this.#failure !== undefined) {
        const failure = this.#failure;
        this.#failure = undefined;
        throw toLineError(failure, this.#peer);
      }
      const leftMs = until === undefined ? undefined : until - performance.now();
      if (leftMs !== undefined && leftMs <= 0) throw new LineError('TIMEOUT', 'no answer has come; it may be lost');
      await this.#somethingNew(leftMs);
    }
  }

  /** `to` is left out for a connected socket. */
  async send(bytes: Uint8Array, to?: Address): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const sent = (error: Error | null): void => {
        if (error === null) resolve();
        else reject(toLineError(error, this.#peer));
      };
      if (to === undefined) this.#socket.send(bytes, sent);
      else this.#socket.send(bytes, to.port, to.host, sent);
    });
  }

  /** Drops what has come so far. */
  forget(): void {
    this.#waiting.length = 0;
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#stop);
    this.#socket.close();
  }

  #somethingNew(withinMs: number | undefined): Promise<void> {
    return new Promise(resolve => {
      const timer = withinMs === undefined ? undefined : setTimeout(() => this.#wake(), withinMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = () => {};
        resolve();
      };
    });
  }
}

async function settled(
  socket: Socket,
  address: Address,
  begin: (done: (error?: Error | null) => void) => void,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => {
      socket.close();
      reject(toLineError(error, formatAddress(address)));
    };
    socket.once('error', failed);
    begin(error => {
      socket.removeListener('error', failed);
      // A name that leads nowhere is told here, and a port that is taken by the event.
      if (error) failed(error);
      else resolve();
    });
  });
}
