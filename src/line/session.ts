import { LineError } from '../errors.ts';
import { type JsonObject, readFlag, readText } from '../protocol/bytes/json.ts';
import { u64Bytes } from '../protocol/bytes/writer.ts';
import type { ChannelState, Priority } from '../protocol/channels/channel-state.ts';
import type { Multiplexer } from '../protocol/channels/multiplexer.ts';
import type { Settings } from '../protocol/channels/settings.ts';
import type { Aead, CryptoProvider } from '../protocol/crypto/provider.ts';
import type { Endpoint, EndpointEvents, Session } from '../protocol/endpoint.ts';
import { CLOSE_TIMEOUT_MS, REJECT_DELAY_MAX_MS, REJECT_DELAY_MIN_MS } from '../protocol/limits.ts';
import type { Transport } from '../transports/transport.ts';
import { onAbort, toLineError } from './abort.ts';
import { Channel, type ChannelHost } from './channel.ts';
import type { Clock, Timer } from './clock.ts';
import { KeepAlive } from './keep-alive.ts';
import { Line } from './line.ts';
import { Pump, type PumpOwner } from './pump.ts';
import type { UnreadBudget } from './unread-budget.ts';

/**
 * The machinery behind a `Line`: joins the endpoint's events to channels and promises. One object per connection.
 *
 *   1. Logging in: `ready` settles when the peer's SETTINGS have been read, or with the error that ended the attempt.
 *   2. Open: frames become items of channels; what channels write is flushed by the pump.
 *   3. Closing: GOAWAY, channels end, CLOSE both ways; or at once, with an error, from either side.
 */
export class LineSession implements EndpointEvents, PumpOwner, ChannelHost {
  readonly transport: Transport;
  readonly ready: Promise<Line>;
  /** Settles when the connection is gone, with the error that ended the line, if one did. */
  readonly closed: Promise<LineError | undefined>;
  readonly #clock: Clock;
  readonly #options: SessionOptions;
  readonly #endpoint: Endpoint;
  readonly #pump: Pump;
  readonly #keepAlive: KeepAlive;
  readonly #channels = new Map<number, Channel>();
  #phase: 'login' | 'open' | 'closing' | 'over' = 'login';
  #session: Session | undefined;
  #line: Line | undefined;
  #error: LineError | undefined;
  #settleReady!: { resolve: (line: Line) => void; reject: (error: LineError) => void };
  #settleClosed!: (error: LineError | undefined) => void;
  #graceTimer: Timer | undefined;
  #closeTimer: Timer | undefined;
  #roundTripMs: number | undefined;
  readonly #pings: Ping[] = [];
  #pingCount = 0;

  constructor(
    transport: Transport,
    clock: Clock,
    options: SessionOptions,
    makeEndpoint: (events: EndpointEvents) => Endpoint,
  ) {
    this.transport = transport;
    this.#clock = clock;
    this.#options = options;
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    this.closed = new Promise(resolve => {
      this.#settleClosed = resolve;
    });
    // Whoever is not interested in `ready` hears of the failure through `closed`.
    this.ready.catch(() => {});
    this.#endpoint = makeEndpoint(this);
    this.#pump = new Pump(transport, this.#endpoint, clock, this);
    this.#keepAlive = new KeepAlive(
      clock,
      () => this.#idle(),
      () => this.#pump.fail(new LineError('TIMEOUT', 'the other side has been silent for too long')),
    );
  }

  /** Starts reading; an initiator sends HELLO. Does nothing on a session that was ended before. */
  start(): void {
    if (this.#phase !== 'login') return;
    this.#pump.start();
    if (this.#options.role === 'initiator') this.#pump.send([this.#endpoint.start()]);
  }

  // ── What a line offers ────────────────────────────────────────────────────────────────────────────────────────────

  open(kind: string, request: JsonObject, priority: Priority, signal: AbortSignal | undefined): Channel {
    if (this.#phase !== 'open') throw this.#closedError();
    const state = this.multiplexer.open({ ...request, kind }, priority);
    const channel = new Channel(this, state, kind, request);
    this.#channels.set(state.id, channel);
    channel.whenOver(onAbort(signal, error => channel.reset(error)));
    this.flush();
    return channel;
  }

  /** Takes over the key. */
  chunkAead(key: Uint8Array): Aead {
    const aead = this.#options.provider.aead(key);
    key.fill(0);
    return aead;
  }

  /** The round trip of one PING in milliseconds; several wait for each other. */
  ping(): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#phase === 'over' || this.#phase === 'login') {
        reject(this.#closedError());
        return;
      }
      this.#pings.push({ payload: u64Bytes(this.#pingCount++), sentAtMs: 0, resolve, reject });
      if (this.#pings.length === 1) this.#sendPing();
    });
  }

  sendControl(message: JsonObject): void {
    this.multiplexer.control(message);
    this.flush();
  }

  /** The same in answer to one of the peer's; nothing on a line that is over. */
  answerControl(message: JsonObject): void {
    if (this.#phase === 'over') return;
    this.multiplexer.answerControl(message);
    this.flush();
  }

  /** Ends in good order: no new channels, the open ones may finish, for `graceMs` at most, then CLOSE both ways. */
  async close(graceMs: number): Promise<void> {
    if (this.#phase === 'open') {
      this.#phase = 'closing';
      this.multiplexer.goAway(undefined);
      this.#closeIfQuiet();
      if (this.#channels.size > 0 && Number.isFinite(graceMs)) {
        this.#graceTimer = this.#clock.after(graceMs, () =>
          this.abort(new LineError('TIMEOUT', 'a channel never ended')),
        );
      }
      this.flush();
    } else if (this.#phase === 'login') {
      this.abort(new LineError('CANCELLED', 'closed while logging in'));
    }
    await this.closed;
  }

  /** Ends at once and tells the peer why. */
  abort(error: LineError): void {
    const spanMs = REJECT_DELAY_MAX_MS - REJECT_DELAY_MIN_MS;
    this.#pump.fail(error, REJECT_DELAY_MIN_MS + this.#options.randomFraction() * spanMs);
  }

  /** As `abort`, and GOAWAY before it: the peer is not to come back. */
  revoke(error: LineError): void {
    if (this.#phase === 'over') return;
    this.#endpoint.multiplexer?.goAway(error);
    this.abort(error);
  }

  /** As `abort`, but waits for nobody to read the last words. */
  drop(error: LineError): void {
    this.#pump.drop(error);
  }

  // ── EndpointEvents ────────────────────────────────────────────────────────────────────────────────────────────────

  handshakeBytes(segments: Uint8Array[]): void {
    this.#pump.send(segments);
  }

  keyed(): void {
    this.flush();
  }

  opened(session: Session): void {
    this.#session = session;
    this.#options.onLogin?.(session);
  }

  settingsReceived(settings: Settings): void {
    this.#phase = 'open';
    this.#line = new Line(this, { session: this.#session!, peerSettings: settings });
    this.#options.onOpen?.(this.#line);
    this.#settleReady.resolve(this.#line);
    // The first round trip is measured on a quiet line; the windows are judged by it. If the line ends first, `closed`
    // tells.
    this.ping().catch(() => {});
  }

  channelOpened(state: ChannelState, request: JsonObject): void {
    // The frame before it, in the same record, may have ended the line.
    if (this.#phase === 'over') return;
    const kind = readText(request, 'kind', 64);
    const channel = new Channel(this, state, kind, request);
    this.#channels.set(state.id, channel);
    this.#handle(channel).then(
      () => this.#endpoint.multiplexer?.released(),
      // #handle settles all that a handler can throw; what still comes here is a fault of ours.
      thrown => this.#pump.fail(toLineError(thrown)),
    );
  }

  channelMessage(state: ChannelState, bytes: Uint8Array, recordBytes: number): void {
    this.#channels.get(state.id)?.deliver('message', bytes, recordBytes);
  }

  channelData(state: ChannelState, bytes: Uint8Array, recordBytes: number): void {
    this.#channels.get(state.id)?.deliver('data', bytes, recordBytes);
  }

  channelEnded(state: ChannelState): void {
    this.#channels.get(state.id)?.peerEnded();
    this.#forgetIfOver(state);
  }

  channelFlushed(state: ChannelState): void {
    this.#channels.get(state.id)?.flushed();
    this.#forgetIfOver(state);
  }

  channelFailed(state: ChannelState, error: LineError): void {
    this.#channels.get(state.id)?.fail(error);
    this.#forget(state.id);
  }

  controlReceived(message: JsonObject): void {
    const type = readText(message, 't', 64);
    if (this.#options.onControl?.(type, message) !== true && readFlag(message, 'must'))
      throw new LineError('UNSUPPORTED', 'the other side insists on something unknown');
  }

  pongReceived(payload: Uint8Array): void {
    const asked = this.#pings.shift();
    if (asked === undefined || asked.payload.some((byte, at) => byte !== payload[at])) {
      throw new LineError('PROTOCOL', 'a PONG that nobody asked for');
    }
    const roundTripMs = this.#clock.now() - asked.sentAtMs;
    this.#roundTripMs = Math.min(roundTripMs, this.#roundTripMs ?? roundTripMs);
    asked.resolve(roundTripMs);
    if (this.#pings.length > 0) this.#sendPing();
  }

  goAwayReceived(): void {
    // The peer takes no more channels, which `open` tells; those that are open go on.
  }

  closeReceived(error: LineError | undefined): void {
    this.#end(error, error ?? new LineError('TRUNCATED', 'the other side closed the line'));
    this.#endpoint.multiplexer?.close(undefined);
    this.#pump.finish();
  }

  // ── PumpOwner ─────────────────────────────────────────────────────────────────────────────────────────────────────

  heard(): void {
    this.#keepAlive.heard();
  }

  violated(error: LineError): void {
    this.abort(error);
  }

  lineFailed(error: LineError): void {
    this.#end(error, error);
  }

  transportGone(): void {
    this.#keepAlive.stop();
    this.#graceTimer?.cancel();
    this.#closeTimer?.cancel();
    this.#end(undefined, new LineError('CLOSED', 'the line is closed'));
    this.#settleClosed(this.#error);
  }

  // ── ChannelHost ───────────────────────────────────────────────────────────────────────────────────────────────────

  get multiplexer(): Multiplexer {
    const { multiplexer } = this.#endpoint;
    if (multiplexer === undefined) throw this.#closedError();
    return multiplexer;
  }

  flush(): void {
    this.#pump.flushSoon();
  }

  unread(byteLength: number): void {
    this.#options.budget.add(byteLength);
  }

  consumed(state: ChannelState, byteLength: number): void {
    this.#options.budget.add(-byteLength);
    this.#endpoint.multiplexer?.consumed(state, byteLength, {
      nowMs: this.#clock.now(),
      roundTripMs: this.#roundTripMs,
      memoryIsShort: this.#options.budget.isShort,
    });
    this.flush();
  }

  // ── Inside ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Runs the handler of an accepted channel to its end; its failure is told to the peer as a RESET. */
  async #handle(channel: Channel): Promise<void> {
    try {
      if (this.#options.onChannel === undefined) throw new LineError('UNSUPPORTED', 'this side offers nothing');
      await this.#options.onChannel(channel, this.#line!);
      await channel.finish();
    } catch (thrown) {
      const error = toLineError(thrown);
      if (error.code === 'INTERNAL') this.#options.onFault?.(thrown);
      channel.reset(error);
    }
  }

  #sendPing(): void {
    const ping = this.#pings[0]!;
    ping.sentAtMs = this.#clock.now();
    this.#endpoint.multiplexer?.ping(ping.payload);
    this.flush();
  }

  #idle(): void {
    this.#endpoint.shrink();
    if (this.#pings.length === 0) this.ping().catch(() => {}); // A line that ends meanwhile is told by `closed`.
  }

  #forgetIfOver(state: ChannelState): void {
    if (state.sending !== 'ended' || state.receiving !== 'ended') return;
    this.#channels.get(state.id)?.over();
    this.#forget(state.id);
  }

  /** @internal */
  reset(state: ChannelState, error: LineError): void {
    this.#endpoint.multiplexer?.reset(state, error);
    this.flush();
  }

  /** @internal */
  forget(state: ChannelState): void {
    this.#forget(state.id);
  }

  #forget(id: number): void {
    this.#channels.delete(id);
    this.#closeIfQuiet();
  }

  /** The second half of `close`: once the last channel has ended, CLOSE, and a bounded wait for the peer's. */
  #closeIfQuiet(): void {
    if (this.#phase !== 'closing' || this.#channels.size > 0 || this.#closeTimer !== undefined) return;
    this.#graceTimer?.cancel();
    this.#endpoint.multiplexer?.close(undefined);
    this.#closeTimer = this.#clock.after(CLOSE_TIMEOUT_MS, () => this.#pump.finish());
    this.flush();
  }

  /** Everything that waits learns of the end; what comes after the first call changes nothing. */
  #end(error: LineError | undefined, forChannels: LineError): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#error = error;
    this.#settleReady.reject(forChannels);
    for (const channel of this.#channels.values()) channel.fail(forChannels);
    this.#channels.clear();
    for (const ping of this.#pings.splice(0)) ping.reject(forChannels);
  }

  #closedError(): LineError {
    return this.#error ?? new LineError('CLOSED', 'the line is closed');
  }
}

export interface SessionOptions {
  readonly role: 'initiator' | 'responder';
  readonly provider: CryptoProvider;
  readonly budget: UnreadBudget;
  /** The line is ready; called before its first channel. */
  readonly onOpen?: ((line: Line) => void) | undefined;
  /** Runs an accepted channel; it is over when the promise settles. Without it every channel is refused. */
  readonly onChannel?: ((channel: Channel, line: Line) => Promise<void>) | undefined;
  /** The peer has proven itself; called before anything of it is acted on. */
  readonly onLogin?: ((session: Session) => void) | undefined;
  /** A control message of the peer; `true` if its type is known. */
  readonly onControl?: ((type: string, message: JsonObject) => boolean) | undefined;
  /** A fault of ours in a handler, which the peer learns only as INTERNAL. */
  readonly onFault?: ((thrown: unknown) => void) | undefined;
  /** From 0 up to 1: where in its range the pause before a failed login's answer lies. */
  randomFraction(): number;
}

export interface OpenedLine {
  readonly session: Session;
  readonly peerSettings: Settings;
}

interface Ping {
  readonly payload: Uint8Array;
  sentAtMs: number;
  readonly resolve: (roundTripMs: number) => void;
  readonly reject: (error: LineError) => void;
}
