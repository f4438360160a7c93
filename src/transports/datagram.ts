/**
 * What carries datagrams: pieces of up to some hundred bytes that arrive whole or not at all, perhaps twice, late or in
 * another order, and from anybody. UDP, or the network in memory of the tests. Neither side learns what they mean.
 */

/** The asking side: a socket towards one address. */
export interface DatagramSocket {
  /** Starts the flow of what comes back. Called once. */
  start(sink: DatagramSink): void;
  /** Sends one, which belongs to the socket from then on. What cannot be sent is lost. */
  send(packet: Uint8Array): void;
  /** May be called twice. The sink hears nothing afterwards. */
  close(): void;
}

/** Its functions must not throw. */
export interface DatagramSink {
  /** `packet` is valid during the call. */
  received(packet: Uint8Array): void;
  /** The network says that nothing listens there; anybody on the way could have said so. */
  refused(cause: unknown): void;
}

/** The answering side. It can do nothing but answer: what `answer` gives goes to the address that its packet came from. */
export interface DatagramPort {
  /** Starts. Called once. `answer` must not throw; the packet is valid during the call, what it gives belongs to the port. */
  start(answer: (packet: Uint8Array) => Uint8Array | undefined): void;
  /** Resolves when the port is free again. May be called twice. */
  close(): Promise<void>;
}
