import {
  FRAME_HEADER_BYTES,
  GATHERED_WRITE_BYTES,
  MAX_RECORD_BYTES,
  PAD_BELOW_BYTES,
  PAD_STEP_BYTES,
  RECORD_MARGIN_BYTES,
  SHARED_BULK_FRAME_BYTES,
} from '../limits.ts';
import type { ChannelState } from './channel-state.ts';
import type { SendCredit } from './credit.ts';
import { encodeCountFrame, encodeFrame, FRAME, frameHeader, isFrameOf } from './frame.ts';
import { Schedule } from './schedule.ts';

/**
 * What goes into the next record (docs/protocol/3-channels.md §5): control frames first, then interactive channels in
 * turn, then one turn of one bulk channel; padding last. Bulk bytes are passed on as views, never copied.
 */
export class RecordPlan {
  readonly #schedule = new Schedule();
  readonly #control: Uint8Array[] = [];
  readonly #answers: Uint8Array[] = [];
  #answerBytes = 0;
  /** At most one CREDIT per channel: a later limit replaces an earlier one. */
  readonly #credits = new Map<number, Uint8Array>();
  #pong: Uint8Array | undefined;
  #last: Uint8Array | undefined;
  #over = false;

  /** A frame that this side sends by its own will, in order. */
  addControl(frame: Uint8Array): void {
    this.#control.push(frame);
  }

  /**
   * Takes back the OPEN of a channel. `false` if it is in a record: the peer sees it. So who opens and resets while the
   * peer does not read leaves nothing behind that would pile up.
   */
  takeBackOpen(channel: number): boolean {
    const at = this.#control.findIndex(frame => isFrameOf(frame, FRAME.OPEN, channel));
    if (at >= 0) this.#control.splice(at, 1);
    return at >= 0;
  }

  /** A frame that the peer has caused. Counted, because a peer that does not read could make them pile up. */
  addAnswer(frame: Uint8Array): void {
    this.#answers.push(frame);
    this.#answerBytes += frame.length;
  }

  setCredit(channel: number, frame: Uint8Array): void {
    this.#credits.set(channel, frame);
  }

  /** A PONG not yet sent is replaced by the next. */
  setPong(frame: Uint8Array): void {
    this.#pong = frame;
  }

  /** The last frame of this direction; no channel sends anything after this call. */
  setLast(frame: Uint8Array): void {
    this.#last = frame;
  }

  addChannel(channel: ChannelState): void {
    this.#schedule.add(channel);
  }

  removeFromTurns(channel: ChannelState): void {
    this.#schedule.remove(channel);
  }

  /** Forgets a channel that is closed. */
  removeChannel(channel: ChannelState): void {
    this.#schedule.remove(channel);
    this.#credits.delete(channel.id);
  }

  get owedBytes(): number {
    return this.#answerBytes;
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Fills one record of at most `limit` bytes. `onFlushed` hears of each channel whose queue has become empty. */
  next(
    limit: number,
    slow: boolean,
    lane: SendCredit,
    onFlushed: (channel: ChannelState) => void,
  ): { pieces: Uint8Array[]; byteLength: number } | undefined {
    if (this.#over) return undefined;
    const record = new RecordFill(limit);
    const flushed: ChannelState[] = [];
    this.#takeControl(record);
    if (this.#last === undefined) {
      this.#takeChannels(record, slow, lane, flushed);
    } else if (this.#control.length === 0 && this.#answers.length === 0 && record.fits(this.#last)) {
      record.add(this.#last);
      this.#over = true;
    }
    if (record.byteLength === 0) return undefined;
    record.pad();
    for (const channel of flushed) onFlushed(channel);
    return { pieces: gathered(record.pieces), byteLength: record.byteLength };
  }

  #takeControl(record: RecordFill): void {
    takeWhileFitting(record, this.#control);
    // OPEN is a control frame: RESET or CREDIT of a channel must not pass it.
    if (this.#control.length > 0) return;
    const before = record.byteLength;
    takeWhileFitting(record, this.#answers);
    this.#answerBytes -= record.byteLength - before;
    if (this.#pong !== undefined && record.fits(this.#pong)) {
      record.add(this.#pong);
      this.#pong = undefined;
    }
    for (const [channel, frame] of this.#credits) {
      if (!record.fits(frame)) break;
      record.add(frame);
      this.#credits.delete(channel);
    }
  }

  #takeChannels(record: RecordFill, slow: boolean, lane: SendCredit, flushed: ChannelState[]): void {
    // A channel's OPEN may still wait among the control frames: nothing of a channel may pass it.
    if (this.#control.length > 0) return;
    const canSend = (channel: ChannelState): boolean => {
      // A message is never split, so it needs as much room as credit.
      return channel.neededCredit <= Math.min(channel.sendCredit.left, lane.left, record.room);
    };
    // Asked before the interactive turns: a channel whose few bytes are in this very record is active too.
    const isShared = this.#schedule.isShared;
    while (record.room >= MIN_ROOM_BYTES) {
      const channel = this.#schedule.takeTurn('interactive', canSend);
      if (channel === undefined || !this.#takeTurn(record, channel, SHARED_BULK_FRAME_BYTES, lane, flushed)) break;
    }
    if (record.room < MIN_ROOM_BYTES) return;
    const budget = slow || isShared ? SHARED_BULK_FRAME_BYTES : MAX_RECORD_BYTES - RECORD_MARGIN_BYTES;
    const channel = this.#schedule.takeTurn('bulk', canSend);
    if (channel !== undefined) this.#takeTurn(record, channel, budget, lane, flushed);
  }

  /** Frames up to `budget` payload bytes of one channel. Returns whether anything moved. */
  #takeTurn(
    record: RecordFill,
    channel: ChannelState,
    budget: number,
    lane: SendCredit,
    flushed: ChannelState[],
  ): boolean {
    const start = record.byteLength;
    let left = budget;
    for (let item = channel.queue[0]; item !== undefined; item = channel.queue[0]) {
      if (item.kind === 'end') {
        const frame = encodeCountFrame(FRAME.END, channel.id, channel.dataBytesSent);
        if (!record.fits(frame)) break;
        record.add(frame);
        channel.sending = 'ended';
      } else {
        const credit = Math.min(channel.sendCredit.left, lane.left);
        const size = item.kind === 'message' ? item.bytes.length : item.bytes.length - item.sentBytes;
        const allowed = Math.min(size, credit, left, record.room);
        if (item.kind === 'message') {
          if (size > credit || size > record.room || (size > left && left < budget)) break;
          record.add(encodeFrame(FRAME.MSG, channel.id, item.bytes));
        } else {
          // Crumbs at the end of a record cost more than they carry.
          if (allowed <= 0 || (allowed < size && allowed < GATHERED_WRITE_BYTES / 4 && record.byteLength > start))
            break;
          record.add(frameHeader(FRAME.DATA, allowed, channel.id));
          record.add(item.bytes.subarray(item.sentBytes, item.sentBytes + allowed));
          item.sentBytes += allowed;
          channel.dataBytesSent += allowed;
        }
        const moved = item.kind === 'message' ? size : allowed;
        channel.sendCredit.spend(moved);
        lane.spend(moved);
        channel.queuedBytes -= moved;
        left -= moved;
        if (moved < size) break;
      }
      channel.queue.shift();
    }
    if (channel.queue.length === 0) {
      this.#schedule.remove(channel);
      flushed.push(channel);
    }
    return record.byteLength > start;
  }
}

/** The pieces of one record and the room left in it. */
class RecordFill {
  readonly pieces: Uint8Array[] = [];
  byteLength = 0;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Payload bytes that one more frame could carry; not below zero. */
  get room(): number {
    return Math.max(0, this.#limit - this.byteLength - FRAME_HEADER_BYTES);
  }

  fits(frame: Uint8Array): boolean {
    return this.byteLength + frame.length <= this.#limit;
  }

  add(piece: Uint8Array): void {
    this.pieces.push(piece);
    this.byteLength += piece.length;
  }

  /** Small records are padded, so that their size says less about what was typed (docs/protocol/3-channels.md §5). */
  pad(): void {
    if (this.byteLength >= PAD_BELOW_BYTES || this.byteLength % PAD_STEP_BYTES === 0) return;
    const gap = PAD_STEP_BYTES - (this.byteLength % PAD_STEP_BYTES);
    const total = gap >= FRAME_HEADER_BYTES ? gap : gap + PAD_STEP_BYTES;
    this.add(encodeFrame(FRAME.PAD, 0, new Uint8Array(total - FRAME_HEADER_BYTES)));
  }
}

/**
 * The same bytes with runs of small pieces copied into one each: what is sealed and written piece by piece costs more
 * time and memory around a piece of forty bytes than in it. Bulk stays as it is.
 */
function gathered(pieces: readonly Uint8Array[]): Uint8Array[] {
  const result: Uint8Array[] = [];
  for (let at = 0; at < pieces.length; ) {
    let end = at;
    let byteLength = 0;
    for (; end < pieces.length && pieces[end]!.length <= SMALL_PIECE_BYTES; end += 1) byteLength += pieces[end]!.length;
    if (end - at < 2) {
      result.push(pieces[at++]!);
      continue;
    }
    const run = new Uint8Array(byteLength);
    for (let offset = 0; at < end; at += 1) {
      run.set(pieces[at]!, offset);
      offset += pieces[at]!.length;
    }
    result.push(run);
  }
  return result;
}

function takeWhileFitting(record: RecordFill, frames: Uint8Array[]): void {
  let taken = 0;
  while (taken < frames.length && record.fits(frames[taken]!)) record.add(frames[taken++]!);
  frames.splice(0, taken);
}

const SMALL_PIECE_BYTES = 1024;
/** Below this the rest of a record is left empty. */
const MIN_ROOM_BYTES = 1024;
