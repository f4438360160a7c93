import { LineError, type LineErrorCode } from '../../src/errors.ts';
import type { JsonObject } from '../../src/protocol/bytes/json.ts';
import { u32Bytes, u64Bytes } from '../../src/protocol/bytes/writer.ts';
import type { ChannelState } from '../../src/protocol/channels/channel-state.ts';
import { decodeFrames, encodeFrame, FRAME, type Frame } from '../../src/protocol/channels/frame.ts';
import { Multiplexer, type MultiplexerEvents } from '../../src/protocol/channels/multiplexer.ts';
import type { Settings } from '../../src/protocol/channels/settings.ts';
import { joined, utf8 } from './bytes.ts';
import { SETTINGS } from './endpoints.ts';

/** A multiplexer that is given plaintexts by the test, and writes down what it tells. */
export class TestMultiplexer implements MultiplexerEvents {
  readonly multiplexer: Multiplexer;
  readonly told: string[] = [];
  readonly channels = new Map<number, ChannelState>();
  /** Called for each accepted channel; by default nothing is done with it. */
  onOpen: (channel: ChannelState) => void = () => {};
  onData: (channel: ChannelState, bytes: Uint8Array) => void = () => {};

  constructor(side: 'initiator' | 'responder' = 'responder', settings: Settings = SETTINGS) {
    this.multiplexer = new Multiplexer(side, settings, this);
  }

  /** A responder that has read SETTINGS with these fields, and sent its own. */
  static ready(fields: JsonObject = {}, settings: Settings = SETTINGS): TestMultiplexer {
    const made = new TestMultiplexer('responder', settings);
    made.receive(settingsFrame(fields));
    made.take();
    made.told.length = 0;
    return made;
  }

  /** One record of these frames: the code of the violation, or `undefined`. */
  receive(...frames: Uint8Array[]): LineErrorCode | undefined {
    try {
      this.multiplexer.receive(joined(frames));
      return undefined;
    } catch (thrown) {
      if (thrown instanceof LineError) return thrown.code;
      throw thrown;
    }
  }

  /** The frames of the next record without padding, or none. */
  record(slow = false): Frame[] {
    const record = this.multiplexer.nextRecord(slow);
    return record === undefined ? [] : framesOf(joined(record.pieces));
  }

  /** The frames of all records that can be sent now. */
  take(slow = false): Frame[] {
    const frames: Frame[] = [];
    for (let record = this.record(slow); record.length > 0; record = this.record(slow)) frames.push(...record);
    return frames;
  }

  consume(channel: ChannelState, byteLength: number): void {
    this.multiplexer.consumed(channel, byteLength, { nowMs: 0, roundTripMs: undefined, memoryIsShort: false });
  }

  settingsReceived(): void {
    this.told.push('settings');
  }
  channelOpened(channel: ChannelState): void {
    this.told.push(`open ${channel.id}`);
    this.channels.set(channel.id, channel);
    this.onOpen(channel);
  }
  channelMessage(channel: ChannelState): void {
    this.told.push(`message ${channel.id}`);
  }
  channelData(channel: ChannelState, bytes: Uint8Array): void {
    this.told.push(`data ${channel.id}`);
    this.onData(channel, bytes);
  }
  channelEnded(channel: ChannelState): void {
    this.told.push(`end ${channel.id}`);
  }
  channelFailed(channel: ChannelState, error: LineError): void {
    this.told.push(`failed ${channel.id} ${error.code}`);
  }
  channelFlushed(channel: ChannelState): void {
    this.told.push(`flushed ${channel.id}`);
  }
  controlReceived(message: JsonObject): void {
    this.told.push(`control ${JSON.stringify(message)}`);
  }
  pongReceived(): void {
    this.told.push('pong');
  }
  goAwayReceived(error: LineError): void {
    this.told.push(`goaway ${error.code}`);
  }
  closeReceived(error: LineError | undefined): void {
    this.told.push(`close ${error?.code ?? 'OK'}`);
  }
}

/** All frames of a plaintext, without padding. */
export function framesOf(plaintext: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  decodeFrames(plaintext, frame => {
    if (frame.type !== FRAME.PAD) frames.push({ ...frame, payload: frame.payload.slice() });
  });
  return frames;
}

const NAMES = Object.fromEntries(Object.entries(FRAME).map(([name, type]) => [type, name]));

/** `OPEN 1`, `DATA 3 65536`: what and where, and for DATA how much. */
export function named(frame: Frame): string {
  const size = frame.type === FRAME.DATA ? ` ${frame.payload.length}` : '';
  return `${NAMES[frame.type]} ${frame.channel}${size}`;
}

export function json(value: unknown): Uint8Array {
  return utf8(JSON.stringify(value));
}

export function settingsFrame(fields: JsonObject = {}): Uint8Array {
  return encodeFrame(FRAME.SETTINGS, 0, json({ v: 1, ...fields }));
}

export function openFrame(channel: number, request: JsonObject = { kind: 'x' }): Uint8Array {
  return encodeFrame(FRAME.OPEN, channel, json(request));
}

export function dataFrame(channel: number, byteLength: number): Uint8Array {
  return encodeFrame(FRAME.DATA, channel, new Uint8Array(byteLength));
}

export function endFrame(channel: number, total: number): Uint8Array {
  return encodeFrame(FRAME.END, channel, u64Bytes(total));
}

export function creditFrame(channel: number, limit: number): Uint8Array {
  return encodeFrame(FRAME.CREDIT, channel, u64Bytes(limit));
}

export function resetFrame(channel: number, code = 7): Uint8Array {
  return encodeFrame(FRAME.RESET, channel, u32Bytes(code));
}

/** A message of exactly `byteLength` bytes of JSON. */
export function messageOf(byteLength: number): Uint8Array {
  return utf8(`{"a":"${'x'.repeat(byteLength - 8)}"}`);
}
