import { LineError } from '../errors.ts';
import { decodeJson, encodeJson, type JsonObject } from '../protocol/bytes/json.ts';
import type { ChannelState, Priority } from '../protocol/channels/channel-state.ts';
import type { Multiplexer } from '../protocol/channels/multiplexer.ts';
import { CHANNEL_SEND_QUEUE_BYTES, GATHERED_WRITE_BYTES, MAX_MESSAGE_BYTES } from '../protocol/limits.ts';
import { type QueuedPiece, ReceiveQueue } from './receive-queue.ts';

/** What a channel carries: messages are objects, bulk bytes are arrays, in the order in which they were sent. */
export type ChannelItem = JsonObject | Uint8Array;

/**
 * One flow-controlled stream in a line. Read it with `for await` or `read`; write with `send` (messages) and `write`
 * (bytes). Both directions end on their own; a `reset` ends both at once and makes every waiting call of either side
 * throw. A channel that nobody reads stops its sender, never the line.
 */
export class Channel implements AsyncIterable<ChannelItem> {
  readonly #state: ChannelState;
  readonly #host: ChannelHost;
  readonly #received = new ReceiveQueue();
  #receiving: 'open' | 'ended' = 'open';
  #failure: LineError | undefined;
  #waitingReader: (() => void) | undefined;
  #waitingWriters: { resolve: () => void; reject: (error: LineError) => void }[] = [];
  /** Bytes of the item handed out last: consumed when its reader comes back for the next. */
  #heldBytes = 0;
  readonly #whenOver: ((error: LineError | undefined) => void)[] = [];
  #isOver = false;
  #purpose: ChannelPurpose;

  /** Made by the line, not by users. */
  constructor(host: ChannelHost, state: ChannelState, kind: string, request: JsonObject) {
    this.#host = host;
    this.#state = state;
    this.#purpose = { kind, request };
  }

  /** What the channel was opened for, and with which request; from the peer if the peer opened it. */
  get kind(): string {
    return this.#purpose.kind;
  }

  get request(): JsonObject {
    return this.#purpose.request;
  }

  /** The channel's number in its lane, the same at both ends. */
  get id(): number {
    return this.#state.id;
  }

  /** Bulk goes behind interactive; see docs/protocol/3-channels.md §5. */
  setPriority(priority: Priority): void {
    this.#host.multiplexer.setPriority(this.#state, priority);
  }

  /** Sends a message of at most 64 KiB of JSON. Resolves when more is welcome. */
  async send(message: JsonObject): Promise<void> {
    await this.#sendEncoded(encodeJson(message, MAX_MESSAGE_BYTES));
  }

  /**
   * Sends bytes. Resolves when more is welcome, and the caller may then use the buffer again: up to 32 KiB are copied,
   * more are sealed straight from the caller's memory.
   */
  async write(bytes: Uint8Array): Promise<void> {
    this.#requireOpen();
    const isGathered = bytes.length <= GATHERED_WRITE_BYTES;
    this.#host.multiplexer.data(this.#state, isGathered ? bytes.slice() : bytes);
    this.#host.flush();
    if (!isGathered || this.#state.queuedBytes > CHANNEL_SEND_QUEUE_BYTES) await this.#flushed();
  }

  /** Ends this side's direction after what was sent. The other direction goes on. */
  async end(): Promise<void> {
    this.#requireOpen();
    this.#host.multiplexer.end(this.#state);
    this.#host.flush();
    await this.#flushed();
  }

  /**
   * The next item, or `undefined` when the peer has ended its direction. An array belongs to the caller; its credit goes
   * back to the sender with the next call, or at once when nothing can follow. One reader at a time. A channel must be
   * read to its last item or `reset`: what lies unread holds back the whole line.
   */
  async read(): Promise<ChannelItem | undefined> {
    const piece = await this.#nextPiece();
    if (piece === undefined || piece.kind === 'data') return piece?.bytes;
    return decodeJson(piece.bytes);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ChannelItem> {
    for (let item = await this.read(); item !== undefined; item = await this.read()) yield item;
  }

  /** Reads a message; bytes, or the end, are a violation by the peer. */
  async readMessage(): Promise<JsonObject> {
    const item = await this.read();
    if (item === undefined || item instanceof Uint8Array) {
      throw new LineError('PROTOCOL', 'the other side sent something else than a message');
    }
    return item;
  }

  /**
   * Ends both directions now and tells the peer why. On a channel that is already over, its line too perhaps, it only lets
   * go of what was received. May be called twice.
   */
  reset(error: LineError = new LineError('CANCELLED', 'the other side cancelled')): void {
    this.#host.reset(this.#state, error);
    this.fail(error);
    this.#discard();
    this.#host.forget(this.#state);
  }

  /** Ends this direction if that is still to do, and drops what the peer sends until it has ended its own. */
  async finish(): Promise<void> {
    if (this.#state.sending === 'open') await this.end();
    while ((await this.read()) !== undefined);
  }

  // ── For who passes channels on ────────────────────────────────────────────────────────────────────────────────────

  /** @internal For what the channel stands to its user, where it was opened to carry another one (services/agents/). */
  takeAs(purpose: ChannelPurpose): void {
    this.#purpose = purpose;
  }

  /** @internal Of a channel that carries another one: what only its two far ends, and who passes it on, know. */
  get secret(): Uint8Array | undefined {
    return this.#purpose.secret;
  }

  /**
   * @internal Sends a message that was encoded before, as `send` would. Other channels may be given the same array: nobody
   * changes it. Resolves when it has left the queue of this channel, so who waits for that has one message lie there.
   */
  async sendShared(message: Uint8Array): Promise<void> {
    this.#requireOpen();
    this.#host.multiplexer.message(this.#state, message);
    this.#host.flush();
    await this.#flushed();
  }

  /** @internal What lies unread on this channel holds back its sender alone, and no longer the whole line. */
  stepAside(): void {
    this.#host.multiplexer.stepAside(this.#state);
    this.#host.flush();
  }

  /**
   * @internal Passes on to `other` what comes, unread, and the end. The next piece is taken when `other` has taken the one
   * before, so its reader's pace becomes that of the sender. Large pieces go as bulk, others as interactive.
   */
  async passOn(other: Channel): Promise<void> {
    for (let piece = await this.#nextPiece(); piece !== undefined; piece = await this.#nextPiece()) {
      const priority = piece.bytes.length > GATHERED_WRITE_BYTES ? 'bulk' : 'interactive';
      if (other.#state.priority !== priority) other.setPriority(priority);
      if (piece.kind === 'data') await other.write(piece.bytes);
      else await other.#sendEncoded(piece.bytes);
    }
    await other.end();
  }

  // ── For the line ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** @internal */
  deliver(kind: 'message' | 'data', bytes: Uint8Array, recordBytes: number): void {
    if (this.#failure !== undefined) return;
    this.#received.push(kind, bytes, recordBytes);
    this.#host.unread(bytes.length);
    this.#wakeReader();
  }

  /** @internal */
  peerEnded(): void {
    this.#receiving = 'ended';
    this.#releaseLast();
    this.#wakeReader();
  }

  /**
   * @internal Calls `action` once when nothing can happen on the channel any more, with the error if one ended it; at once
   * if that is so already.
   */
  whenOver(action: (error: LineError | undefined) => void): void {
    if (this.#isOver) action(this.#failure);
    else this.#whenOver.push(action);
  }

  /** @internal Both directions have ended, in good order unless there is an error. */
  over(error?: LineError): void {
    this.#isOver = true;
    for (const action of this.#whenOver.splice(0)) action(error);
  }

  /** @internal Everything written has been framed. */
  flushed(): void {
    const waiting = this.#waitingWriters;
    if (waiting.length === 0) return;
    this.#waitingWriters = [];
    for (const { resolve } of waiting) resolve();
  }

  /** @internal The channel is over; what was received before stays readable only if the peer had ended it. */
  fail(error: LineError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    if (this.#receiving === 'open') this.#discard();
    this.#wakeReader();
    const waiting = this.#waitingWriters;
    this.#waitingWriters = [];
    for (const { reject } of waiting) reject(error);
    this.over(error);
  }

  async #sendEncoded(message: Uint8Array): Promise<void> {
    this.#requireOpen();
    this.#host.multiplexer.message(this.#state, message);
    this.#host.flush();
    if (this.#state.queuedBytes > CHANNEL_SEND_QUEUE_BYTES) await this.#flushed();
  }

  async #nextPiece(): Promise<QueuedPiece | undefined> {
    if (this.#waitingReader !== undefined) throw new LineError('USAGE', 'a channel has one reader at a time');
    this.#releaseHeld();
    while (this.#received.isEmpty) {
      if (this.#receiving === 'ended') return undefined;
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>(resolve => {
        this.#waitingReader = resolve;
      });
    }
    const piece = this.#received.shift()!;
    this.#heldBytes = piece.bytes.length;
    this.#releaseLast();
    return piece;
  }

  #requireOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #flushed(): Promise<void> {
    return new Promise((resolve, reject) => this.#waitingWriters.push({ resolve, reject }));
  }

  #wakeReader(): void {
    const wake = this.#waitingReader;
    this.#waitingReader = undefined;
    wake?.();
  }

  /** Nobody needs to come back after the last item, so its credit does not wait for that. */
  #releaseLast(): void {
    if (this.#receiving === 'ended' && this.#received.isEmpty) this.#releaseHeld();
  }

  #releaseHeld(): void {
    if (this.#heldBytes === 0) return;
    this.#host.consumed(this.#state, this.#heldBytes);
    this.#heldBytes = 0;
  }

  #discard(): void {
    this.#releaseHeld();
    for (let piece = this.#received.shift(); piece !== undefined; piece = this.#received.shift()) {
      this.#host.consumed(this.#state, piece.bytes.length);
    }
  }
}

/** What a channel is for. */
export interface ChannelPurpose {
  readonly kind: string;
  readonly request: JsonObject;
  /** 32 bytes that keys of the channel come from, in place of the line's. */
  readonly secret?: Uint8Array;
}

/** What a channel needs of its line. */
export interface ChannelHost {
  readonly multiplexer: Multiplexer;
  /** Something waits to be sent. */
  flush(): void;
  /** Bytes were queued for a reader, or taken by one. */
  unread(byteLength: number): void;
  consumed(state: ChannelState, byteLength: number): void;
  /** Tells the peer of a RESET, if the line is still there to do it. */
  reset(state: ChannelState, error: LineError): void;
  /** The channel was reset by this side. */
  forget(state: ChannelState): void;
}
