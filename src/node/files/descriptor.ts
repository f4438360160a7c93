import { close, closeSync, fsync, read, readSync, write, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { LineError } from '../../errors.ts';

/** Up to here a call costs less than the trip through the thread pool (measured: 10,000 small files take a quarter of the time). */
export const SMALL_FILE_BYTES = 64 * 1024;

/**
 * An open file's number and what is under way on it. Closing waits for that: the number may be given to the next file
 * at once, and a late write would land in there.
 */
export class Descriptor {
  readonly #fd: number;
  readonly #pace = new DiskPace();
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
    if (small || this.#pace.isQuick) {
      return this.#pace.timed(() =>
        fully(target.length, at => readSync(this.fd, target, at, target.length - at, position + at)),
      );
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
    if (small || this.#pace.isQuick) {
      this.#pace.timed(() =>
        fully(bytes.length, at => writeSync(this.fd, bytes, at, bytes.length - at, position + at)),
      );
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
    const startedAt = performance.now();
    try {
      return await work(fd);
    } finally {
      this.#pace.poolTook(performance.now() - startedAt);
      this.#underWay -= 1;
      if (this.#underWay === 0) for (const wake of this.#whenIdle.splice(0)) wake();
    }
  }
}

/**
 * Whether bulk calls on this file may be made at once rather than through the thread pool. On one or two cores, where the
 * ciphers of a transfer have all of them, the trip through the pool costs more than it wins (docs/decisions/0006). Only
 * after the pool has shown the file to be quick, as one in memory or in the system's cache is; one call that takes long,
 * and the pool has it for good.
 */
class DiskPace {
  #state: 'unknown' | 'quick' | 'slow' = availableParallelism() <= FEW_CORES ? 'unknown' : 'slow';

  get isQuick(): boolean {
    return this.#state === 'quick';
  }

  poolTook(elapsedMs: number): void {
    if (this.#state === 'unknown') this.#state = elapsedMs < QUICK_MS ? 'quick' : 'slow';
  }

  timed<T>(call: () => T): T {
    const startedAt = performance.now();
    const result = call();
    if (performance.now() - startedAt > SLOW_MS) this.#state = 'slow';
    return result;
  }
}

const FEW_CORES = 2;
const QUICK_MS = 2;
const SLOW_MS = 5;

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
