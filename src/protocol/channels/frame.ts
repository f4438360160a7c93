import { LineError } from '../../errors.ts';
import { ByteReader } from '../bytes/reader.ts';
import { encodeUtf8 } from '../bytes/text.ts';
import { putU64, u32Bytes } from '../bytes/writer.ts';
import {
  FRAME_HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_OPEN_BYTES,
  MAX_REASON_BYTES,
  MAX_RECORD_BYTES,
  MAX_SETTINGS_BYTES,
} from '../limits.ts';

/** Frame: `u8 type, u24 length, u32 channel, payload` (docs/protocol/3-channels.md §1). */
export const FRAME = {
  PAD: 0x00,
  SETTINGS: 0x01,
  PING: 0x02,
  PONG: 0x03,
  OPEN: 0x04,
  MSG: 0x05,
  DATA: 0x06,
  END: 0x07,
  CREDIT: 0x08,
  RESET: 0x09,
  GOAWAY: 0x0a,
  CLOSE: 0x0b,
} as const;

export interface Frame {
  readonly type: number;
  readonly channel: number;
  /** A view into the record's plaintext. */
  readonly payload: Uint8Array;
}

/** Calls `handle` for each frame of a record's plaintext; every frame is checked against the table before. */
export function decodeFrames(plaintext: Uint8Array, handle: (frame: Frame) => void): void {
  let at = 0;
  while (at < plaintext.length) {
    if (plaintext.length - at < FRAME_HEADER_BYTES) throw new LineError('PROTOCOL', 'a record ends inside a frame');
    const type = plaintext[at]!;
    const length = (plaintext[at + 1]! << 16) | (plaintext[at + 2]! << 8) | plaintext[at + 3]!;
    const channel =
      plaintext[at + 4]! * 0x1000000 + ((plaintext[at + 5]! << 16) | (plaintext[at + 6]! << 8) | plaintext[at + 7]!);
    const start = at + FRAME_HEADER_BYTES;
    at = start + length;
    if (at > plaintext.length) throw new LineError('PROTOCOL', 'a frame ends outside its record');
    checkShape(type, length, channel);
    if (type === FRAME.PAD && at !== plaintext.length) {
      throw new LineError('PROTOCOL', 'padding is not the last frame of its record');
    }
    handle({ type, channel, payload: plaintext.subarray(start, at) });
  }
}

/** The header of a frame; its payload follows as a piece of its own, so that bulk bytes are not copied. */
export function frameHeader(type: number, length: number, channel: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  putHeader(header, type, length, channel);
  return header;
}

/** Whether what `encodeFrame` made is of that type and channel. */
export function isFrameOf(frame: Uint8Array, type: number, channel: number): boolean {
  return frameHeader(type, frame.length - FRAME_HEADER_BYTES, channel).every((byte, at) => byte === frame[at]);
}

export function encodeFrame(type: number, channel: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  putHeader(frame, type, payload.length, channel);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** END and CREDIT: one count. */
export function encodeCountFrame(type: number, channel: number, count: number): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + 8);
  putHeader(frame, type, 8, channel);
  putU64(frame, FRAME_HEADER_BYTES, count);
  return frame;
}

/** RESET and CLOSE: a code and a reason, which is cut at a character's border to fit. */
export function encodeReasonFrame(type: number, channel: number, code: number, reason: string): Uint8Array {
  const text = shortReason(reason);
  const payload = new Uint8Array(4 + text.length);
  payload.set(u32Bytes(code));
  payload.set(text, 4);
  return encodeFrame(type, channel, payload);
}

export function encodeGoAway(code: number, highestAccepted: number, reason: string): Uint8Array {
  const text = shortReason(reason);
  const payload = new Uint8Array(8 + text.length);
  payload.set(u32Bytes(code));
  payload.set(u32Bytes(highestAccepted), 4);
  payload.set(text, 8);
  return encodeFrame(FRAME.GOAWAY, 0, payload);
}

export function decodeCount(frame: Frame): number {
  return new ByteReader(frame.payload).u64();
}

function putHeader(target: Uint8Array, type: number, length: number, channel: number): void {
  target[0] = type;
  target[1] = length >>> 16;
  target[2] = length >>> 8;
  target[3] = length;
  target[4] = channel >>> 24;
  target[5] = channel >>> 16;
  target[6] = channel >>> 8;
  target[7] = channel;
}

function shortReason(reason: string): Uint8Array {
  const text = encodeUtf8(reason.toWellFormed());
  if (text.length <= MAX_REASON_BYTES) return text;
  let end = MAX_REASON_BYTES;
  // A byte 10xxxxxx continues a character: cut before its first byte.
  while ((text[end]! & 0xc0) === 0x80) end -= 1;
  return text.subarray(0, end);
}

function checkShape(type: number, length: number, channel: number): void {
  const shape = SHAPES[type];
  if (shape === undefined) throw new LineError('PROTOCOL', 'a frame has an unknown type');
  if (length < shape.min || length > shape.max) throw new LineError('PROTOCOL', 'a frame has a wrong length');
  if (shape.on === 'line' ? channel !== 0 : shape.on === 'channel' && channel === 0) {
    throw new LineError('PROTOCOL', 'a frame names a wrong channel');
  }
}

/** The table of 3-channels.md §1, by type. `on` says whether the frame belongs to the line (0), a channel, or either. */
const SHAPES: readonly { readonly on: 'line' | 'channel' | 'either'; readonly min: number; readonly max: number }[] = [
  { on: 'line', min: 0, max: MAX_RECORD_BYTES }, // PAD
  { on: 'line', min: 2, max: MAX_SETTINGS_BYTES }, // SETTINGS
  { on: 'line', min: 8, max: 8 }, // PING
  { on: 'line', min: 8, max: 8 }, // PONG
  { on: 'channel', min: 2, max: MAX_OPEN_BYTES }, // OPEN
  { on: 'either', min: 2, max: MAX_MESSAGE_BYTES }, // MSG
  { on: 'channel', min: 1, max: MAX_RECORD_BYTES }, // DATA
  { on: 'channel', min: 8, max: 8 }, // END
  { on: 'either', min: 8, max: 8 }, // CREDIT
  { on: 'channel', min: 4, max: 4 + MAX_REASON_BYTES }, // RESET
  { on: 'line', min: 8, max: 8 + MAX_REASON_BYTES }, // GOAWAY
  { on: 'line', min: 4, max: 4 + MAX_REASON_BYTES }, // CLOSE
];
