import type { Transport, TransportPeer, TransportSink } from './transport.ts';

/**
 * A connected pair in memory: what is written at one end arrives at the other, in a later microtask and in the pieces in
 * which it was written, unless `cut` says otherwise. For tests, and for two ends in one process.
 */
export function memoryPair(options: MemoryOptions = {}): [MemoryTransport, MemoryTransport] {
  const first = new MemoryTransport(options.firstPeer ?? { label: 'memory:second', source: 'memory' }, options);
  const second = new MemoryTransport(options.secondPeer ?? { label: 'memory:first', source: 'memory' }, options);
  first.connectTo(second);
  second.connectTo(first);
  return [first, second];
}

export interface MemoryOptions {
  /** What each end is told of its peer. */
  readonly firstPeer?: TransportPeer;
  readonly secondPeer?: TransportPeer;
  /** Cuts each write into pieces; given the bytes, returns the lengths of the pieces in order. */
  readonly cut?: (byteLength: number) => readonly number[];
  /** Sees and may change what is under way; `undefined` loses the connection at this point. */
  readonly tamper?: (bytes: Uint8Array, from: MemoryTransport) => Uint8Array | undefined;
}

/** One end of a `memoryPair`. */
export class MemoryTransport implements Transport {
  readonly peer: TransportPeer;
  readonly #options: MemoryOptions;
  #other: MemoryTransport | undefined;
  #sink: TransportSink | undefined;
  /** Bytes on their way to this end. */
  readonly #incoming: Uint8Array[] = [];
  #queued = 0;
  #state: 'open' | 'ending' | 'destroyed' = 'open';
  #peerEnd: 'none' | 'ended' | 'broken' = 'none';
  #paused = false;
  #delivering = false;

  constructor(peer: TransportPeer, options: MemoryOptions) {
    this.peer = peer;
    this.#options = options;
  }

  /** Made by `memoryPair`. */
  connectTo(other: MemoryTransport): void {
    this.#other = other;
  }

  start(sink: TransportSink): void {
    this.#sink = sink;
    this.#deliverSoon();
  }

  write(segments: readonly Uint8Array[]): void {
    if (this.#state !== 'open') return;
    for (const segment of segments) {
      const bytes = this.#options.tamper === undefined ? segment : this.#options.tamper(segment, this);
      if (bytes === undefined) {
        this.#break();
        return;
      }
      this.#queued += bytes.length;
      this.#other!.#arrive(bytes);
    }
  }

  get queuedBytes(): number {
    return this.#queued;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliverSoon();
  }

  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.#other!.#peerIsGone('ended');
  }

  destroy(): void {
    if (this.#state === 'destroyed') return;
    this.#state = 'destroyed';
    this.#incoming.length = 0;
    this.#other!.#peerIsGone('broken');
  }

  /** Breaks the connection as a pulled cable would: both ends hear of a failure. */
  break(): void {
    this.#break();
  }

  #break(): void {
    const other = this.#other!;
    this.#peerIsGone('broken');
    other.#peerIsGone('broken');
  }

  #arrive(bytes: Uint8Array): void {
    if (this.#state === 'destroyed') {
      this.#other!.#taken(bytes.length);
      return;
    }
    let at = 0;
    for (const length of this.#options.cut?.(bytes.length) ?? [bytes.length]) {
      if (length > 0) this.#incoming.push(bytes.subarray(at, at + length));
      at += length;
    }
    this.#deliverSoon();
  }

  #peerIsGone(how: 'ended' | 'broken'): void {
    if (this.#peerEnd === 'none') this.#peerEnd = how;
    this.#deliverSoon();
  }

  #taken(byteLength: number): void {
    this.#queued -= byteLength;
    if (this.#state !== 'destroyed') this.#sink?.sent();
  }

  #deliverSoon(): void {
    if (this.#delivering || this.#sink === undefined) return;
    this.#delivering = true;
    queueMicrotask(() => {
      this.#delivering = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const sink = this.#sink!;
    const bytes = this.#incoming[0];
    if (this.#state === 'destroyed' || (this.#paused && bytes !== undefined)) return;
    if (bytes === undefined) {
      if (this.#peerEnd === 'none') return;
      const how = this.#peerEnd;
      this.#sink = { ...DEAF, space: () => sink.space() };
      if (how === 'ended') sink.ended();
      else sink.failed(new Error('the connection in memory was broken'));
      return;
    }
    const space = sink.space();
    const taken = Math.min(space.length, bytes.length);
    space.set(bytes.subarray(0, taken));
    if (taken === bytes.length) this.#incoming.shift();
    else this.#incoming[0] = bytes.subarray(taken);
    sink.received(taken);
    this.#other!.#taken(taken);
    this.#deliverSoon();
  }
}

const DEAF: Omit<TransportSink, 'space'> = { received() {}, sent() {}, ended() {}, failed() {} };
