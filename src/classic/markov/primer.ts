import { randomInt } from 'node:crypto';
import { LineError } from '../../errors.ts';
import { type Chooser, choice } from '../python/random.ts';
import { deterministicChooser, type Key } from './key.ts';

/** Where a stream begins: the bytes that are taken to have gone by before it, one fewer than its key has blocks. */
export class Primer {
  readonly bytes: Uint8Array;

  /** Copies `bytes`; throws `USAGE` if there are none. */
  constructor(bytes: Uint8Array) {
    if (bytes.length === 0) throw new LineError('USAGE', 'a primer has a byte at least');
    this.bytes = new Uint8Array(bytes);
  }

  /** Drawn at random. */
  static random(key: Key): Primer {
    return Primer.chosen(key, { below: randomInt });
  }

  /** The one that everybody gets for this key. */
  static deterministic(key: Key): Primer {
    return Primer.chosen(key, deterministicChooser(key.blocks.length));
  }

  /** Drawn by `chooser`: with a `PythonRandom` of a password, the primer of that password. */
  static chosen(key: Key, chooser: Chooser): Primer {
    return new Primer(Uint8Array.from({ length: key.blocks.length - 1 }, () => choice(key.base, chooser)));
  }

  /** Throws `USAGE` if it cannot begin a stream of `key`. */
  check(key: Key): void {
    if (this.bytes.length !== key.blocks.length - 1) {
      throw new LineError('USAGE', 'a primer has one byte fewer than its key has blocks');
    }
    if (this.bytes.some(byte => key.values[byte] === -1)) {
      throw new LineError('USAGE', 'a primer has only bytes of its key');
    }
  }
}
