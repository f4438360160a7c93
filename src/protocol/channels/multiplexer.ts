import { LineError } from '../../errors.ts';
import { decodeJson, encodeJson, type JsonObject } from '../bytes/json.ts';
import { ByteReader } from '../bytes/reader.ts';
import { decodeUtf8 } from '../bytes/text.ts';
import {
  MAX_CREDIT_BYTES,
  MAX_LANE_CREDIT_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_OPEN_BYTES,
  MIN_CREDIT_BYTES,
  MIN_LANE_CREDIT_BYTES,
} from '../limits.ts';
import { ChannelState, type Priority } from './channel-state.ts';
import { errorFromWire, WIRE_OK, wireCode } from './codes.ts';
import { ReceiveWindow, SendCredit } from './credit.ts';
import {
  decodeCount,
  decodeFrames,
  encodeCountFrame,
  encodeFrame,
  encodeGoAway,
  encodeReasonFrame,
  FRAME,
  type Frame,
} from './frame.ts';
import { RecordPlan } from './record-plan.ts';
import { decodeSettings, encodeSettings, SETTINGS_BEFORE, type Settings } from './settings.ts';

/**
 * Many channels over one lane: turns what users of channels want sent into frames, record by record, and frames of the
 * peer into events. Knows nothing of keys, sockets or time (docs/protocol/3-channels.md).
 *
 * 1. Sending: `open`, `message`, `data`, `end`, `reset` queue; `nextRecord` fills one record in the order of the classes.
 * 2. Receiving: `receive` takes one verified plaintext and calls `events` for each frame.
 * 3. Credit: `consumed` says that a reader has read; new limits are announced with the next record.
 */
export class Multiplexer {
  readonly #events: MultiplexerEvents;
  readonly #ours: Settings;
  #theirs: Settings | undefined;
  readonly #plan = new RecordPlan();

  readonly #channels = new Map<number, ChannelState>();
  #nextOwnId: number;
  #highestPeerId: number;
  #openedByUs = 0;
  /** Accepted channels whose handler has not ended: what `maxChannels` bounds. */
  #handled = 0;

  readonly #laneSend = new SendCredit(MIN_LANE_CREDIT_BYTES);
  readonly #laneReceive: ReceiveWindow;
  /** Windows of the channels that have stepped aside, for as long as something may lie unread in them. */
  #asideBytes = 0;
  #goingAway: { sent: boolean; received: LineError | undefined } = { sent: false, received: undefined };
  #closing: 'open' | 'close-sent' = 'open';
  #peerHasClosed = false;

  constructor(side: 'initiator' | 'responder', settings: Settings, events: MultiplexerEvents) {
    this.#events = events;
    this.#ours = settings;
    this.#nextOwnId = side === 'initiator' ? 1 : 2;
    this.#highestPeerId = side === 'initiator' ? 0 : -1;
    this.#laneReceive = new ReceiveWindow(settings.laneCreditBytes, settings.laneCreditBytes);
    this.#plan.addControl(encodeFrame(FRAME.SETTINGS, 0, encodeSettings(settings)));
  }

  // ── 1. Sending ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The peer's settings, once they have been read. */
  get peerSettings(): Settings | undefined {
    return this.#theirs;
  }

  /** Opens a channel; MSG and DATA may follow at once. */
  open(request: JsonObject, priority: Priority): ChannelState {
    if (this.#goingAway.received !== undefined) throw this.#goingAway.received;
    const limits = this.#theirs ?? SETTINGS_BEFORE;
    if (this.#openedByUs >= limits.maxChannels) throw new LineError('TOO_MANY', 'too many channels are open');
    if (this.#nextOwnId > MAX_CHANNEL_ID)
      throw new LineError('TOO_MANY', 'the channel numbers of this line are used up');
    const payload = encodeJson(request, MAX_OPEN_BYTES);
    const channel = this.#addChannel(this.#nextOwnId, 'us', priority);
    this.#nextOwnId += 2;
    this.#openedByUs += 1;
    this.#plan.addControl(encodeFrame(FRAME.OPEN, channel.id, payload));
    return channel;
  }

  /** An accepted channel starts as interactive; its service knows better once it has read the request. */
  setPriority(channel: ChannelState, priority: Priority): void {
    this.#plan.removeFromTurns(channel);
    channel.priority = priority;
    if (channel.queue.length > 0) this.#plan.addChannel(channel);
  }

  /** Queues a message. `bytes` is JSON of at most 64 KiB and belongs to the multiplexer. */
  message(channel: ChannelState, bytes: Uint8Array): void {
    if (bytes.length > MAX_MESSAGE_BYTES) throw new LineError('SIZE', 'a message is over 64 KiB');
    this.#enqueue(channel, { kind: 'message', bytes }, bytes.length);
  }

  /** Queues bytes. They must not change until `events.channelFlushed` says that all of the channel's queue has been framed. */
  data(channel: ChannelState, bytes: Uint8Array): void {
    if (bytes.length > 0) this.#enqueue(channel, { kind: 'data', bytes, sentBytes: 0 }, bytes.length);
  }

  /** Half-closes after what is queued. */
  end(channel: ChannelState): void {
    this.#enqueue(channel, { kind: 'end' }, 0);
    channel.sending = 'ending';
  }

  /**
   * Ends both directions now; what is queued is dropped, and with it an OPEN that was not sent. Does nothing on a channel
   * that is closed.
   */
  reset(channel: ChannelState, error: LineError): void {
    if (this.#channels.get(channel.id) !== channel) return;
    const isUnseen = channel.openedBy === 'us' && this.#plan.takeBackOpen(channel.id);
    if (!isUnseen) {
      this.#plan.addAnswer(encodeReasonFrame(FRAME.RESET, channel.id, wireCode(error.code), error.message));
    }
    this.#drop(channel);
  }

  /** Session control: a message on channel 0. */
  control(message: JsonObject): void {
    this.#plan.addControl(encodeFrame(FRAME.MSG, 0, encodeJson(message, MAX_MESSAGE_BYTES)));
  }

  /** The same in answer to one of the peer: counted, so that who asks and does not read is not asked on. */
  answerControl(message: JsonObject): void {
    this.#plan.addAnswer(encodeFrame(FRAME.MSG, 0, encodeJson(message, MAX_MESSAGE_BYTES)));
  }

  ping(payload: Uint8Array): void {
    this.#plan.addControl(encodeFrame(FRAME.PING, 0, payload));
  }

  /** Tells the peer to open no more channels. */
  goAway(error: LineError | undefined): void {
    if (this.#goingAway.sent) return;
    this.#goingAway.sent = true;
    const code = error === undefined ? WIRE_OK : wireCode(error.code);
    this.#plan.addControl(encodeGoAway(code, Math.max(this.#highestPeerId, 0), error?.message ?? ''));
  }

  /** Queues CLOSE as the last frame of this direction. Without an error: code 0. */
  close(error: LineError | undefined): void {
    if (this.#closing !== 'open') return;
    this.#closing = 'close-sent';
    const code = error === undefined ? WIRE_OK : wireCode(error.code);
    this.#plan.setLast(encodeReasonFrame(FRAME.CLOSE, 0, code, error?.message ?? ''));
  }

  /** Whether CLOSE has been put into a record: nothing follows it. */
  get closeSent(): boolean {
    return this.#plan.isOver;
  }

  /** Channels that are open in at least one direction. */
  get openChannels(): number {
    return this.#channels.size;
  }

  /**
   * The plaintext of the next record as pieces, or `undefined` when nothing may be sent now. `slow` says that the socket
   * has been refusing bytes: then bulk frames stay small, so that others get their turn soon.
   */
  nextRecord(slow: boolean): RecordPieces | undefined {
    const limit = (this.#theirs ?? SETTINGS_BEFORE).maxRecordBytes;
    return this.#plan.next(limit, slow, this.#laneSend, channel => {
      if (channel.sending === 'ended') this.#closeIfDone(channel);
      this.#events.channelFlushed(channel);
    });
  }

  /** Bytes of answers that the peer has caused and that are not yet in a record; see `MAX_OWED_ANSWER_BYTES`. */
  get owedAnswerBytes(): number {
    return this.#plan.owedBytes;
  }

  // ── 2. Receiving ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes one verified plaintext. Views into it are handed on to `events`. Throws for every violation. */
  receive(plaintext: Uint8Array): void {
    decodeFrames(plaintext, frame => this.#receiveFrame(frame, plaintext));
  }

  #receiveFrame(frame: Frame, plaintext: Uint8Array): void {
    if (this.#peerHasClosed) throw new LineError('STATE', 'a frame follows CLOSE');
    if (this.#theirs === undefined) {
      if (frame.type !== FRAME.SETTINGS) throw new LineError('STATE', 'the first frame is not SETTINGS');
      this.#receiveSettings(frame);
      return;
    }
    switch (frame.type) {
      case FRAME.PAD:
        return;
      case FRAME.SETTINGS:
        throw new LineError('STATE', 'SETTINGS came twice');
      case FRAME.PING:
        this.#plan.setPong(encodeFrame(FRAME.PONG, 0, frame.payload));
        return;
      case FRAME.PONG:
        this.#events.pongReceived(frame.payload);
        return;
      case FRAME.OPEN:
        this.#receiveOpen(frame);
        return;
      case FRAME.MSG:
        if (frame.channel === 0) this.#events.controlReceived(decodeJson(frame.payload));
        else
          this.#receivePayload(frame, channel => this.#events.channelMessage(channel, frame.payload, plaintext.length));
        return;
      case FRAME.DATA:
        this.#receivePayload(frame, channel => {
          channel.dataBytesReceived += frame.payload.length;
          this.#events.channelData(channel, frame.payload, plaintext.length);
        });
        return;
      case FRAME.END:
        this.#receiveEnd(frame);
        return;
      case FRAME.CREDIT:
        this.#receiveCredit(frame);
        return;
      case FRAME.RESET:
        this.#receiveReset(frame);
        return;
      case FRAME.GOAWAY: {
        const reader = new ByteReader(frame.payload);
        const error = errorFromWire(reader.u32() || wireCode('SHUTDOWN'), '');
        reader.u32();
        decodeUtf8(reader.rest());
        this.#goingAway.received = error;
        this.#events.goAwayReceived(error);
        return;
      }
      default:
        this.#receiveClose(frame);
    }
  }

  #receiveSettings(frame: Frame): void {
    const settings = decodeSettings(frame.payload);
    this.#theirs = settings;
    this.#laneSend.raise(settings.laneCreditBytes);
    for (const channel of this.#channels.values()) channel.sendCredit.raise(settings.creditBytes);
    this.#events.settingsReceived(settings);
  }

  #receiveOpen(frame: Frame): void {
    const id = frame.channel;
    if (!this.#isPeerId(id) || id <= this.#highestPeerId)
      throw new LineError('STATE', 'OPEN of a wrong channel number');
    const request = decodeJson(frame.payload);
    this.#highestPeerId = id;
    if (this.#goingAway.sent) {
      this.#plan.addAnswer(encodeReasonFrame(FRAME.RESET, id, wireCode('SHUTDOWN'), 'this side is closing'));
    } else if (this.#handled >= this.#ours.maxChannels) {
      this.#plan.addAnswer(encodeReasonFrame(FRAME.RESET, id, wireCode('TOO_MANY'), 'too many channels are open'));
    } else {
      this.#handled += 1;
      const channel = this.#addChannel(id, 'peer', 'interactive');
      this.#events.channelOpened(channel, request);
    }
  }

  #receivePayload(frame: Frame, deliver: (channel: ChannelState) => void): void {
    const { length } = frame.payload;
    this.#laneReceive.receive(length);
    const channel = this.#knownChannel(frame);
    if (channel === undefined) {
      // It crossed our RESET: dropped, but it was paid for from the lane's credit, which is given back at once.
      this.#consumeLane(length);
      return;
    }
    if (channel.receiving === 'ended') throw new LineError('STATE', 'bytes follow END');
    channel.receiveWindow.receive(length);
    if (channel.isAside) this.#consumeLane(length);
    deliver(channel);
  }

  #receiveEnd(frame: Frame): void {
    const channel = this.#knownChannel(frame);
    const total = decodeCount(frame);
    if (channel === undefined) return;
    if (channel.receiving === 'ended') throw new LineError('STATE', 'END came twice');
    if (total !== channel.dataBytesReceived) throw new LineError('PROTOCOL', 'END states a wrong total');
    channel.receiving = 'ended';
    this.#events.channelEnded(channel);
    this.#closeIfDone(channel);
  }

  #receiveCredit(frame: Frame): void {
    const limit = decodeCount(frame);
    if (frame.channel === 0) this.#laneSend.raise(limit);
    else this.#knownChannel(frame)?.sendCredit.raise(limit);
  }

  #receiveReset(frame: Frame): void {
    const reader = new ByteReader(frame.payload);
    const error = errorFromWire(reader.u32(), decodeUtf8(reader.rest()));
    const channel = this.#knownChannel(frame);
    if (channel === undefined) return;
    this.#drop(channel);
    this.#events.channelFailed(channel, error.code === 'CLOSED' ? new LineError('CANCELLED', error.message) : error);
  }

  #receiveClose(frame: Frame): void {
    const reader = new ByteReader(frame.payload);
    const code = reader.u32();
    const reason = decodeUtf8(reader.rest());
    this.#peerHasClosed = true;
    this.#events.closeReceived(code === WIRE_OK ? undefined : errorFromWire(code, reason));
  }

  // ── 3. Credit ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * A reader has taken `byteLength` payload bytes of `channel`. `pace` carries what only the shell knows: the time, the
   * measured round trip, and whether memory is short.
   */
  consumed(channel: ChannelState, byteLength: number, pace: Pace): void {
    const taken = Math.min(byteLength, channel.receiveWindow.unread);
    channel.receiveWindow.consume(taken);
    if (!channel.isAside) this.#laneReceive.consume(taken);
    if (!pace.memoryIsShort) this.#widen(channel, pace);
    this.#settleAside(channel);
    this.#grantLane(pace.memoryIsShort);
    if (channel.receiving === 'ended' || this.#channels.get(channel.id) !== channel) return;
    const limit = channel.receiveWindow.grant(pace.memoryIsShort ? MIN_CREDIT_BYTES : undefined);
    if (limit !== undefined) this.#plan.setCredit(channel.id, encodeCountFrame(FRAME.CREDIT, channel.id, limit));
  }

  /**
   * From now on what lies unread on `channel` does not count against the lane, which gets its credit back as it comes: the
   * reader is another machine, and however slow it is, the rest of the lane must not wait for it.
   */
  stepAside(channel: ChannelState): void {
    if (channel.isAside) return;
    channel.isAside = true;
    this.#settleAside(channel);
    this.#consumeLane(channel.receiveWindow.unread);
  }

  /** Counts the window of a channel that has stepped aside, until it is closed and all of it has been read. */
  #settleAside(channel: ChannelState): void {
    if (!channel.isAside) return;
    const isOver = this.#channels.get(channel.id) !== channel && channel.receiveWindow.unread === 0;
    const counted = isOver ? 0 : channel.receiveWindow.windowBytes;
    this.#asideBytes += counted - channel.asideBytes;
    channel.asideBytes = counted;
  }

  /** The handler of an accepted channel has ended: its place is free again. Called once per accepted channel. */
  released(): void {
    this.#handled -= 1;
  }

  /** A window that is used up in under two round trips holds the sender back: double it, within its bounds. */
  #widen(channel: ChannelState, pace: Pace): void {
    const lane = this.#laneReceive;
    if (lane.isTooSmall(pace.nowMs, pace.roundTripMs)) lane.double(MAX_LANE_CREDIT_BYTES);
    if (!channel.receiveWindow.isTooSmall(pace.nowMs, pace.roundTripMs)) return;
    // No channel gets more than a quarter of its lane, so a lane that stands in the way grows along.
    if (channel.receiveWindow.windowBytes * 2 > lane.windowBytes / 4) lane.double(MAX_LANE_CREDIT_BYTES);
    // Unread bytes of these the lane does not bound, so together they grow no further than a lane does.
    if (channel.isAside && this.#asideBytes + channel.receiveWindow.windowBytes > MAX_LANE_CREDIT_BYTES) return;
    channel.receiveWindow.double(Math.min(MAX_CREDIT_BYTES, lane.windowBytes / 4));
  }

  #consumeLane(byteLength: number): void {
    this.#laneReceive.consume(byteLength);
    this.#grantLane(false);
  }

  #grantLane(memoryIsShort: boolean): void {
    const limit = this.#laneReceive.grant(memoryIsShort ? MIN_LANE_CREDIT_BYTES : undefined);
    if (limit !== undefined) this.#plan.setCredit(0, encodeCountFrame(FRAME.CREDIT, 0, limit));
  }

  // ── Channels ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #addChannel(id: number, openedBy: 'us' | 'peer', priority: Priority): ChannelState {
    const channel = new ChannelState(id, openedBy, priority, {
      sendLimit: (this.#theirs ?? SETTINGS_BEFORE).creditBytes,
      receiveLimit: this.#ours.creditBytes,
      receiveWindow: this.#ours.creditBytes,
    });
    this.#channels.set(id, channel);
    return channel;
  }

  #enqueue(channel: ChannelState, item: ChannelState['queue'][number], byteLength: number): void {
    if (this.#channels.get(channel.id) !== channel || channel.sending !== 'open') {
      throw new LineError('CLOSED', 'this direction of the channel is closed');
    }
    channel.queue.push(item);
    channel.queuedBytes += byteLength;
    this.#plan.addChannel(channel);
  }

  /** A frame for a number up to the highest opened that is not open belongs to a closed channel; another is a violation. */
  #knownChannel(frame: Frame): ChannelState | undefined {
    const channel = this.#channels.get(frame.channel);
    if (channel !== undefined) return channel;
    const isOpened = this.#isPeerId(frame.channel)
      ? frame.channel <= this.#highestPeerId
      : frame.channel < this.#nextOwnId;
    if (!isOpened) throw new LineError('STATE', 'a frame for a channel that was never opened');
    return undefined;
  }

  #isPeerId(id: number): boolean {
    return id % 2 !== this.#nextOwnId % 2;
  }

  #closeIfDone(channel: ChannelState): void {
    if (channel.sending === 'ended' && channel.receiving === 'ended') this.#forget(channel);
  }

  /**
   * After RESET either way: what was queued is gone, and so is what was unread, which the lane gets back. Behind END it
   * may still be read, and then its credit comes back as it is: else unread bytes would be bounded by nothing.
   */
  #drop(channel: ChannelState): void {
    const isReadable = channel.receiving === 'ended';
    channel.sending = 'ended';
    channel.receiving = 'ended';
    channel.queue.length = 0;
    channel.queuedBytes = 0;
    this.#forget(channel);
    if (isReadable) return;
    const { unread } = channel.receiveWindow;
    channel.receiveWindow.consume(unread);
    if (!channel.isAside) this.#consumeLane(unread);
    this.#settleAside(channel);
  }

  #forget(channel: ChannelState): void {
    if (!this.#channels.delete(channel.id)) return;
    this.#settleAside(channel);
    this.#plan.removeChannel(channel);
    if (channel.openedBy === 'us') this.#openedByUs -= 1;
  }
}

/**
 * What happens on the lane. Called in the middle of `receive` and `nextRecord`. A callee throws only to say that the peer
 * broke the protocol, and only out of `receive`.
 */
export interface MultiplexerEvents {
  settingsReceived(settings: Settings): void;
  /** The peer opened a channel with this request. Who takes it must call `released` in the end. */
  channelOpened(channel: ChannelState, request: JsonObject): void;
  /** `bytes` is a view, here and below; who keeps it keeps a record of `recordBytes` alive. */
  channelMessage(channel: ChannelState, bytes: Uint8Array, recordBytes: number): void;
  channelData(channel: ChannelState, bytes: Uint8Array, recordBytes: number): void;
  channelEnded(channel: ChannelState): void;
  /** The peer reset the channel. */
  channelFailed(channel: ChannelState, error: LineError): void;
  /** Everything that was queued on the channel has been framed. */
  channelFlushed(channel: ChannelState): void;
  controlReceived(message: JsonObject): void;
  pongReceived(payload: Uint8Array): void;
  /** The peer wants no more channels. */
  goAwayReceived(error: LineError): void;
  /** The peer's CLOSE, with its error unless it was in good order. */
  closeReceived(error: LineError | undefined): void;
}

export interface Pace {
  readonly nowMs: number;
  readonly roundTripMs: number | undefined;
  readonly memoryIsShort: boolean;
}

export interface RecordPieces {
  readonly pieces: readonly Uint8Array[];
  readonly byteLength: number;
}

/** The channel's number is a u32 in every frame, and none is used twice. */
const MAX_CHANNEL_ID = 0xffffffff;
