import type { DatagramPort, DatagramSink, DatagramSocket } from './datagram.ts';

/**
 * A network for datagrams in memory: one answering side, any number of asking sides with addresses, and whatever `fate` does
 * to what is between them. For tests.
 */
export class MemoryDatagrams {
  readonly #options: MemoryDatagramsOptions;
  #answer: ((packet: Uint8Array) => Uint8Array | undefined) | undefined;
  readonly #sockets = new Map<number, MemoryDatagramSocket>();
  #addresses = 0;

  constructor(options: MemoryDatagramsOptions = {}) {
    this.#options = options;
  }

  /** The answering side. */
  get port(): DatagramPort {
    return {
      start: answer => {
        this.#answer = answer;
      },
      close: async () => {
        this.#answer = undefined;
      },
    };
  }

  /** An asking side with an address of its own. */
  socket(): MemoryDatagramSocket {
    return new MemoryDatagramSocket(this);
  }

  /** Puts a packet on the way to the answering side as if it came from `socket`; its fate is its own. */
  inject(packet: Uint8Array, socket: MemoryDatagramSocket): void {
    this.#arriveThere(packet.slice(), socket.address);
  }

  /** @internal */
  newAddress(socket: MemoryDatagramSocket): number {
    this.#addresses += 1;
    this.#sockets.set(this.#addresses, socket);
    return this.#addresses;
  }

  /** @internal */
  leaveAddress(address: number): void {
    this.#sockets.delete(address);
  }

  /** @internal */
  send(packet: Uint8Array, address: number): void {
    this.#travel(packet.slice(), 'there', piece => this.#arriveThere(piece, address));
  }

  #arriveThere(packet: Uint8Array, address: number): void {
    const answer = this.#answer?.(packet);
    if (answer === undefined) return;
    this.#options.onAnswer?.(packet, answer);
    this.#travel(answer, 'back', piece => this.#sockets.get(address)?.arrive(piece));
  }

  #travel(packet: Uint8Array, way: 'there' | 'back', arrive: (packet: Uint8Array) => void): void {
    const { fate, after = (_, action) => queueMicrotask(action) } = this.#options;
    const travelling: readonly Travelling[] = fate?.(packet, way) ?? [{ packet }];
    for (const one of travelling) after(one.afterMs ?? 0, () => arrive(one.packet));
  }
}

export interface MemoryDatagramsOptions {
  /** What becomes of a packet: nothing, itself, several, others; by default it arrives. */
  readonly fate?: (packet: Uint8Array, way: 'there' | 'back') => readonly Travelling[];
  /** Runs `action` later; by default in a microtask. */
  readonly after?: (delayMs: number, action: () => void) => unknown;
  /** Sees each packet that was answered, with its answer. */
  readonly onAnswer?: (request: Uint8Array, answer: Uint8Array) => void;
}

export interface Travelling {
  readonly packet: Uint8Array;
  readonly afterMs?: number;
}

/** One asking side of `MemoryDatagrams`. */
export class MemoryDatagramSocket implements DatagramSocket {
  readonly #network: MemoryDatagrams;
  #sink: DatagramSink | undefined;
  #address: number;

  /** Made by `MemoryDatagrams`. */
  constructor(network: MemoryDatagrams) {
    this.#network = network;
    this.#address = network.newAddress(this);
  }

  get address(): number {
    return this.#address;
  }

  /** Has another address from now on, as a telephone that changes its network; what was sent to the old one is lost. */
  move(): void {
    this.#network.leaveAddress(this.#address);
    this.#address = this.#network.newAddress(this);
  }

  start(sink: DatagramSink): void {
    this.#sink = sink;
  }

  send(packet: Uint8Array): void {
    this.#network.send(packet, this.#address);
  }

  close(): void {
    this.#sink = undefined;
    this.#network.leaveAddress(this.#address);
  }

  /** @internal */
  arrive(packet: Uint8Array): void {
    this.#sink?.received(packet);
  }
}
