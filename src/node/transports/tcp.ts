import { createConnection, type OnReadOpts, type Socket } from 'node:net';
import { LineError } from '../../errors.ts';
import { onAbort } from '../../line/abort.ts';
import type { Transport, TransportPeer, TransportSink } from '../../transports/transport.ts';
import { releaseMemory } from '../memory.ts';
import { toLineError } from '../node-errors.ts';
import { reopenForReading } from './accepted-socket.ts';

/** Connects to `host` and `port`. Throws `UNREACHABLE` when nothing answers, `CANCELLED` or `TIMEOUT` by the signal. */
export function dialTcp(host: string, port: number, signal?: AbortSignal): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const reading = new DirectReading();
    // Node reads into a place of ours only if it is told when the socket is made.
    const socket = createConnection({
      host,
      port,
      noDelay: true,
      onread: reading.asOption,
    });
    const stopListening = onAbort(signal, error => {
      socket.destroy();
      reject(error);
    });
    socket.once('connect', () => {
      stopListening();
      // Until `start` nobody would hear what comes, nor the end.
      socket.pause();
      socket.removeAllListeners('error');
      resolve(new TcpTransport(socket, reading));
    });
    socket.once('error', cause => {
      stopListening();
      reject(toLineError(cause, `${host} port ${port}`));
    });
  });
}

/**
 * Wraps a socket that a server has accepted, which must not be used any more afterwards: its connection may live on in another
 * one (accepted-socket.ts), unless `direct` is `false`.
 */
export function acceptedTcp(socket: Socket, { direct = true }: { readonly direct?: boolean } = {}): Transport {
  const reading = new DirectReading();
  const reopened = direct ? reopenForReading(socket, reading.asOption) : undefined;
  const used = reopened ?? socket;
  used.setNoDelay(true);
  return new TcpTransport(used, reopened === undefined ? undefined : reading);
}

/**
 * TCP (docs/protocol/0-overview.md §4). A socket reads straight into the place that the sink names, where Node lets it; else
 * its chunks are copied there.
 */
class TcpTransport implements Transport {
  readonly peer: TransportPeer;
  readonly #socket: Socket;
  readonly #reading: DirectReading | undefined;
  #sink: TransportSink | undefined;

  constructor(socket: Socket, reading: DirectReading | undefined) {
    this.#socket = socket;
    this.#reading = reading;
    // A socket for both families shows IPv4 in IPv6's clothes.
    const address = (socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d+\.)/i, '');
    const shown = address.includes(':') ? `[${address}]` : address;
    this.peer = { label: `${shown}:${socket.remotePort ?? 0}`, source: address };
    // Until `start`, and after `destroy`, an error has nobody to hear it; 'close' always follows.
    socket.on('error', cause => this.#failed(cause));
  }

  start(sink: TransportSink): void {
    this.#sink = sink;
    this.#socket.on('end', () => this.#sink?.ended());
    this.#socket.on('close', () => this.#failed(undefined));
    if (this.#reading !== undefined) {
      this.#reading.begin(sink);
      // As Node does itself once a socket is connected that is not paused: else a pause soon after is undone by `resume`.
      this.#socket.read(0);
    } else this.#socket.on('data', chunk => copyInto(sink, chunk));
    this.#socket.resume();
  }

  write(segments: readonly Uint8Array[]): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    // One system call for all segments of a record.
    this.#socket.cork();
    const last = segments.length - 1;
    for (let at = 0; at < last; at += 1) this.#socket.write(segments[at]!);
    if (last >= 0) this.#socket.write(segments[last]!, () => this.#written(segments));
    this.#socket.uncork();
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#sink = undefined;
    this.#reading?.stop();
    this.#socket.destroy();
  }

  /** The kernel has all of a record, and its memory is ours to give back. */
  #written(segments: readonly Uint8Array[]): void {
    for (const segment of segments) releaseMemory(segment);
    this.#sink?.sent();
  }

  #failed(cause: unknown): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#reading?.stop();
    sink?.failed(cause === undefined ? new LineError('TRUNCATED', 'the connection was closed') : cause);
  }
}

/** Reading without a copy: the kernel puts bytes where the sink wants them. */
class DirectReading {
  /** For the socket that reads so. */
  readonly asOption: OnReadOpts = {
    buffer: () => this.#place(),
    callback: (byteLength, buffer) => this.#arrived(byteLength, buffer),
  };
  #sink: TransportSink | undefined;

  begin(sink: TransportSink): void {
    this.#sink = sink;
  }

  stop(): void {
    this.#sink = undefined;
  }

  #place(): Uint8Array {
    return this.#sink?.space() ?? BEFORE_START;
  }

  #arrived(byteLength: number, buffer: Uint8Array): boolean {
    if (this.#sink === undefined) return true;
    // The place was chosen before the sink was known: only the very first bytes of a connection can lie there.
    if (buffer === BEFORE_START) copyInto(this.#sink, buffer.subarray(0, byteLength));
    else this.#sink.received(byteLength);
    return true;
  }
}

const BEFORE_START = new Uint8Array(4096);

function copyInto(sink: TransportSink, chunk: Uint8Array): void {
  for (let at = 0; at < chunk.length; ) {
    const space = sink.space();
    const piece = chunk.subarray(at, at + space.length);
    space.set(piece);
    sink.received(piece.length);
    at += piece.length;
  }
}
