/**
 * MT19937 of Matsumoto and Nishimura with `init_by_array`, as it is inside CPython's `random.Random`. It is no source of
 * secrets: from 624 of its numbers all later ones follow.
 */
export class MersenneTwister {
  readonly #state: Uint32Array;
  #next = STATE_WORDS;

  /** `key` has at least one word. */
  constructor(key: Uint32Array) {
    this.#state = stateFrom(key);
  }

  /** The next 32 bits. */
  next(): number {
    if (this.#next === STATE_WORDS) {
      twist(this.#state);
      this.#next = 0;
    }
    let word = this.#state[this.#next++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    word ^= word >>> 18;
    return word >>> 0;
  }
}

function stateFrom(key: Uint32Array): Uint32Array {
  const state = new Uint32Array(STATE_WORDS);
  state[0] = 19_650_218;
  for (let at = 1; at < STATE_WORDS; at += 1) state[at] = Math.imul(mixed(state[at - 1]!), 1_812_433_253) + at;
  // Both passes go on in a circle that leaves out word 0, which is the copy of the last.
  let at = 1;
  const step = (value: number): void => {
    state[at] = value;
    at += 1;
    if (at === STATE_WORDS) {
      state[0] = state[STATE_WORDS - 1]!;
      at = 1;
    }
  };
  for (let round = 0; round < Math.max(STATE_WORDS, key.length); round += 1) {
    const index = round % key.length;
    step((state[at]! ^ Math.imul(mixed(state[at - 1]!), 1_664_525)) + key[index]! + index);
  }
  for (let round = 1; round < STATE_WORDS; round += 1) {
    step((state[at]! ^ Math.imul(mixed(state[at - 1]!), 1_566_083_941)) - at);
  }
  state[0] = 0x8000_0000;
  return state;
}

function mixed(word: number): number {
  return word ^ (word >>> 30);
}

/** Makes the next 624 words in place. */
function twist(state: Uint32Array): void {
  for (let at = 0; at < STATE_WORDS; at += 1) {
    const word = (state[at]! & 0x8000_0000) | (state[(at + 1) % STATE_WORDS]! & 0x7fff_ffff);
    state[at] = state[(at + SHIFT_WORDS) % STATE_WORDS]! ^ (word >>> 1) ^ ((word & 1) === 0 ? 0 : 0x9908_b0df);
  }
}

const STATE_WORDS = 624;
const SHIFT_WORDS = 397;
