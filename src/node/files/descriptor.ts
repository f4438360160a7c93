import { close, closeSync, fsync, read, readSync, write, writeSync } from 'node:fs';
import { LineError } from '../../errors.ts';

/** Up to here a call costs less than the trip through the thread pool (measured: 10,000 small files take a quarter of the time). */
export const SMALL_FILE_BYTES = 64 * 1024;

/**
 * An open file's number and what is under way on it. Closing waits for that: the number may be given to the next file
 * at once, and a late write would land in there.
 */
export class Descriptor {
  readonly #fd: number;
  #underWay = 0;
  #wasBulk = false;
  #closed = false;
  #closing: Promise<void> | undefined;
  readonly #whenIdle: (() => void)[] = [];

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** For synchronous calls only, since nothing keeps it open beyond the current turn. */
  get fd(): number {
    if (this.#closed) throw new LineError('CLOSED', 'the file is closed already');
    return this.#fd;
  }

  /** Fills `target`; fewer bytes only at the end of the file. Throws errors of Node, as all methods here. */
  async readFully(target: Uint8Array, position: number, small: boolean): Promise<number> {
    checkPosition(position);
    if (small) {
      return fully(target.length, at => readSync(this.fd, target, at, target.length - at, position + at));
    }
    return this.#bulk(async fd => {
      let filled = 0;
      while (filled < target.length) {
        const count = await call(done => read(fd, target, filled, target.length - filled, position + filled, done));
        if (count === 0) break;
        filled += count;
      }
      return filled;
    });
  }

  async writeFully(bytes: Uint8Array, position: number, small: boolean): Promise<void> {
    checkPosition(position);
    if (small) {
      fully(bytes.length, at => writeSync(this.fd, bytes, at, bytes.length - at, position + at));
      return;
    }
    await this.#bulk(async fd => {
      let written = 0;
      while (written < bytes.length)
        written += await call(done => write(fd, bytes, written, bytes.length - written, position + written, done));
    });
  }

  async flush(): Promise<void> {
    await this.#bulk(fd => call(done => fsync(fd, error => done(error, 0))));
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#underWay > 0) await new Promise<void>(resolve => this.#whenIdle.push(resolve));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    if (this.#underWay > 0) await this.idle();
    // On a network disk closing sends what is still here, so for bulk it does not belong on the main thread.
    if (this.#wasBulk) await call(done => close(this.#fd, error => done(error ?? null, 0)));
    else closeSync(this.#fd);
  }

  async #bulk<T>(work: (fd: number) => Promise<T>): Promise<T> {
    const { fd } = this;
    this.#wasBulk = true;
    this.#underWay += 1;
    try {
      return await work(fd);
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) for (const wake of this.#whenIdle.splice(0)) wake();
    }
  }
}

/** Node takes a position that is no safe integer, or is negative, for "where the file happens to be", in silence. */
function checkPosition(position: number): void {
  if (!Number.isSafeInteger(position) || position < 0) throw new LineError('USAGE', 'no position in a file');
}

/** Repeats a synchronous call until `length` bytes are done or a call does none. */
function fully(length: number, step: (at: number) => number): number {
  let done = 0;
  while (done < length) {
    const count = step(done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** By hand, because the promises of Node's own cost an object more for each call on the bulk path. */
function call(start: (done: (error: Error | null, count: number) => void) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    start((error, count) => (error ? reject(error) : resolve(count)));
  });
}
