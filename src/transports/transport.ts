/**
 * A connection that carries bytes in order and knows nothing of what they mean: TCP, a Unix socket, a WebSocket, or the
 * memory pair of the tests. Push with the receiver's buffers: the transport asks where the next bytes shall go, so a
 * platform that can read straight into that place does (node:net's `onread`), and nobody queues.
 */
export interface Transport {
  /** Starts the flow of bytes into `sink`. Called once. */
  start(sink: TransportSink): void;
  /**
   * Sends `segments` in order. They belong to the transport until it has sent them: the caller must not change them.
   * After `destroy` or a failure the call does nothing.
   */
  write(segments: readonly Uint8Array[]): void;
  /** Bytes written and not yet taken by the operating system. `sink.sent` is called when it has fallen. */
  readonly queuedBytes: number;
  /** Stops and restarts reading; the peer is slowed by the transport's own means. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes the sending direction. */
  end(): void;
  /** Closes both directions now and drops what is queued. May be called twice. The sink hears nothing afterwards. */
  destroy(): void;
  /** Who is at the other end, as the operating system says (never as the peer says); for admission and for people. */
  readonly peer: TransportPeer;
}

export interface TransportPeer {
  /** For people: `192.168.1.5:40312`. */
  readonly label: string;
  /** The address that limits are counted by (docs/protocol/1-handshake.md, "source"). */
  readonly source: string;
}

/** Who receives. Its functions must not throw: what goes wrong above the transport is settled above it. */
export interface TransportSink {
  /** Where the next bytes go. Never empty. The place is the transport's until it calls `received`. */
  space(): Uint8Array;
  /** `byteLength` bytes were put at the beginning of the last `space()`. */
  received(byteLength: number): void;
  /** `queuedBytes` has fallen; called at the latest when it is zero again. */
  sent(): void;
  /** The peer has closed its direction in good order; what this means is not for the transport to say. */
  ended(): void;
  /** The connection broke. Called at most once, nothing follows. */
  failed(cause: unknown): void;
}
