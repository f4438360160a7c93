import { LineError } from '../../../errors.ts';
import type { Channel } from '../../../line/channel.ts';
import type { SourceFile } from '../store.ts';
import { Turns } from '../turns.ts';
import { type Codings, encodeBlockHeader, encodeZeros, type Zeros } from './content.ts';
import { Shrinkage } from './shrinkage.ts';
import { cutAtZeros, MIN_RUN_BYTES } from './zero-runs.ts';

/** How a file goes, or `undefined` if as plain bytes. */
export function codingsFor(file: SourceFile, byteLength: number, codings: Codings): Codings | undefined {
  const zeros = codings.zeros && file.isSparse === true && byteLength >= MIN_RUN_BYTES;
  return zeros || codings.compressor !== undefined ? { ...codings, zeros } : undefined;
}

/** Sends a range of a file as plain bytes, runs of zeros and compressed blocks, whichever each part is best sent as. */
export class CodedRange {
  readonly #file: SourceFile;
  readonly #channel: Channel;
  readonly #id: number;
  readonly #zeros: boolean;
  readonly #shrinkage: Shrinkage | undefined;
  readonly #turns = new Turns();
  /** Of a run that may go on in the next block. */
  #pendingZeros = 0;

  constructor(file: SourceFile, channel: Channel, id: number, codings: Codings) {
    this.#file = file;
    this.#channel = channel;
    this.#id = id;
    this.#zeros = codings.zeros;
    this.#shrinkage = codings.compressor === undefined ? undefined : new Shrinkage(codings.compressor);
  }

  /** Reads and codes the next block while the one before it is sealed and sent. */
  async send(start: number, end: number, blocks: Blocks): Promise<void> {
    let position = start;
    let turn = 0;
    let coding = this.#code(start, end, blocks, turn);
    while (position < end) {
      const { parts, byteLength } = await coding;
      position += byteLength;
      turn = 1 - turn;
      if (position < end) {
        coding = this.#code(position, end, blocks, turn);
        // It is awaited below or in the next round; until then its failure must not count as unhandled.
        coding.catch(() => {});
      }
      try {
        for (const part of parts) await this.#sendPart(part);
      } catch (thrown) {
        // The block belongs to the disk and the compressor until they are done.
        await coding.catch(() => {});
        throw thrown;
      }
    }
    await this.#flushZeros();
  }

  /** Blocks end where their number in the file says, so that the pages of a hole are pages of a block. */
  async #code(position: number, end: number, blocks: Blocks, turn: number): Promise<CodedBlock> {
    const byteLength = Math.min(blocks.blockBytes - (position % blocks.blockBytes), end - position);
    const block = blocks.take(turn, byteLength);
    const count = await this.#file.read(block, position);
    if (count < byteLength) throw new LineError('CHANGED', 'the file became shorter while it was sent');
    // A hole is read as fast as memory, and nothing is sent of it that would be waited for.
    await this.#turns.after(count);
    const parts: Part[] = [];
    for (const content of this.#zeros ? cutAtZeros(block) : [block]) {
      if (!(content instanceof Uint8Array)) parts.push(content);
      else parts.push({ plain: content, coded: await this.#shrinkage?.shrink(content) });
    }
    return { parts, byteLength };
  }

  async #sendPart(part: Part): Promise<void> {
    if ('zeros' in part) {
      this.#pendingZeros += part.zeros;
      if (this.#pendingZeros >= MAX_RUN_BYTES) await this.#flushZeros();
      return;
    }
    await this.#flushZeros();
    const { plain, coded } = part;
    if (coded === undefined) {
      await this.#channel.write(plain);
      return;
    }
    const header = { byteLength: plain.length, codedLength: coded.length };
    await this.#channel.send(encodeBlockHeader(this.#id, header));
    await this.#channel.write(coded);
  }

  async #flushZeros(): Promise<void> {
    if (this.#pendingZeros === 0) return;
    const zeros = this.#pendingZeros;
    this.#pendingZeros = 0;
    await this.#channel.send(encodeZeros(this.#id, { zeros }));
  }
}

/** Memory for two blocks of at most 1 MiB, used in turn. */
export interface Blocks {
  readonly blockBytes: number;
  take(turn: number, byteLength: number): Uint8Array;
}

interface CodedBlock {
  readonly parts: readonly Part[];
  readonly byteLength: number;
}

type Part = Zeros | { readonly plain: Uint8Array; readonly coded: Uint8Array | undefined };

/** A longer run goes in several messages, so that the other side sees how far it is. */
const MAX_RUN_BYTES = 64 * 1024 * 1024;
