/**
 * The Elligator 2 map onto Curve25519 (RFC 9380, section 6.7.1; draft-irtf-cfrg-cpace, group environment G_X25519).
 *
 * Its input is made from the passphrase and from a nonce that a stranger may choose, and the answer to HELLO shows how
 * long it took. So every run does the same operations on the same number of limbs: no BigInt, no branch and no index
 * that depends on data, both candidates computed and one selected by arithmetic (docs/protocol/1-handshake.md).
 */

/** Maps 32 bytes (little-endian, bit 255 ignored) to the u-coordinate of a point on the curve, 32 bytes little-endian. */
export function elligator2(representative: Uint8Array): Uint8Array {
  const field = new Field();
  const r = decodeElement(representative);

  // With t = 2 r^2 and w = 1 + t, the candidate x = -A / w has the curve value
  //   x^3 + A x^2 + x = -A Q / w^3,   Q = w^2 - A^2 t
  // which is a square exactly when n = -A Q w is one. Neither w nor Q is ever zero (-1/2 and A^2 - 4 are no squares).
  const t = field.scale(field.square(r), 2);
  const w = field.add(field.one(), t);
  const q = field.subtract(field.square(w), field.scale(field.scale(t, A), A));
  const n = field.scale(field.multiply(q, w), -A);

  // One exponentiation gives both the Legendre symbol of n and its inverse: with y = n^((p-5)/2),
  // y n^2 = n^((p-1)/2) is the symbol, 1 or -1, and symbol y n = 1 / n.
  const y = field.powHalfOfPMinus5(n);
  const yn = field.multiply(y, n);
  const symbol = field.multiply(yn, n);
  const inverseOfN = field.multiply(symbol, yn);

  // -A / w = A^2 Q / n; the other candidate is -A - x.
  const first = field.scale(field.scale(field.multiply(q, inverseOfN), A), A);
  const second = field.subtract(field.scale(field.one(), -A), first);
  // The symbol encodes as 1 (odd) or p - 1 (even).
  const isSquare = encodeElement(symbol)[0]! & 1;
  return encodeElement(select(isSquare, first, second));
}

/** A number mod p = 2^255 - 19: 16 limbs of 16 bits, least significant first, as in TweetNaCl. Doubles hold every sum. */
type Element = Float64Array;

/** The arithmetic, with its scratch arrays; made per call, so that nothing is shared or left behind. */
class Field {
  readonly #columns = new Float64Array(LIMBS);
  /** 38 times the right factor, then the factor: one running window of it meets every limb of the left factor. */
  readonly #window = new Float64Array(2 * LIMBS);

  one(): Element {
    const result = new Float64Array(LIMBS);
    result[0] = 1;
    return result;
  }

  add(left: Element, right: Element): Element {
    const result = new Float64Array(LIMBS);
    for (let index = 0; index < LIMBS; index++) result[index] = left[index]! + right[index]!;
    return carry(result);
  }

  subtract(left: Element, right: Element): Element {
    const result = new Float64Array(LIMBS);
    for (let index = 0; index < LIMBS; index++) result[index] = left[index]! - right[index]!;
    return carry(result);
  }

  /** Times a public constant below 2^20. */
  scale(element: Element, factor: number): Element {
    const result = new Float64Array(LIMBS);
    for (let index = 0; index < LIMBS; index++) result[index] = element[index]! * factor;
    return carry(result);
  }

  multiply(left: Element, right: Element): Element {
    return this.#multiplyInto(new Float64Array(LIMBS), left, right);
  }

  square(element: Element): Element {
    return this.multiply(element, element);
  }

  /** `element` squared `times` times: its power 2^times. */
  squareTimes(element: Element, times: number): Element {
    const result = Float64Array.from(element);
    for (let count = 0; count < times; count++) this.#multiplyInto(result, result, result);
    return result;
  }

  /** element^((p-5)/2) = element^(2^254 - 12), by a fixed chain; ones(k) stands for element^(2^k - 1). */
  powHalfOfPMinus5(element: Element): Element {
    const extend = (longer: Element, shift: number, shorter: Element) =>
      this.multiply(this.squareTimes(longer, shift), shorter);
    const ones2 = extend(element, 1, element);
    const ones4 = extend(ones2, 2, ones2);
    const ones5 = extend(ones4, 1, element);
    const ones10 = extend(ones5, 5, ones5);
    const ones20 = extend(ones10, 10, ones10);
    const ones40 = extend(ones20, 20, ones20);
    const ones50 = extend(ones40, 10, ones10);
    const ones100 = extend(ones50, 50, ones50);
    const ones200 = extend(ones100, 100, ones100);
    const ones250 = extend(ones200, 50, ones50);
    // 2^254 - 12 = 4 (4 (2^250 - 1) + 1)
    return this.squareTimes(extend(ones250, 2, element), 2);
  }

  /** `result` may be one of the factors. */
  #multiplyInto(result: Element, left: Element, right: Element): Element {
    const columns = this.#columns;
    const window = this.#window;
    for (let index = 0; index < LIMBS; index++) {
      window[index] = 38 * right[index]!;
      window[LIMBS + index] = right[index]!;
    }
    // Written out, because V8 runs an inner loop over these sixteen terms far slower.
    const l0 = left[0]!;
    const l1 = left[1]!;
    const l2 = left[2]!;
    const l3 = left[3]!;
    const l4 = left[4]!;
    const l5 = left[5]!;
    const l6 = left[6]!;
    const l7 = left[7]!;
    const l8 = left[8]!;
    const l9 = left[9]!;
    const l10 = left[10]!;
    const l11 = left[11]!;
    const l12 = left[12]!;
    const l13 = left[13]!;
    const l14 = left[14]!;
    const l15 = left[15]!;
    for (let column = 0; column < LIMBS; column++) {
      columns[column] =
        l0 * window[column + 16]! +
        l1 * window[column + 15]! +
        l2 * window[column + 14]! +
        l3 * window[column + 13]! +
        l4 * window[column + 12]! +
        l5 * window[column + 11]! +
        l6 * window[column + 10]! +
        l7 * window[column + 9]! +
        l8 * window[column + 8]! +
        l9 * window[column + 7]! +
        l10 * window[column + 6]! +
        l11 * window[column + 5]! +
        l12 * window[column + 4]! +
        l13 * window[column + 3]! +
        l14 * window[column + 2]! +
        l15 * window[column + 1]!;
    }
    result.set(columns);
    return carry(result);
  }
}

/**
 * Brings limbs below 2^46 back to 16 bits and a little, which is all that a product needs; limbs may be negative. In each
 * round every limb gives its surplus to the next one at once: a chain from limb to limb would take twice as long.
 */
function carry(element: Element): Element {
  for (let round = 0; round < 3; round++) {
    // 2^256 = 38 mod p: what leaves at the top comes back at the bottom.
    let surplusBelow = 38 * Math.floor(element[LIMBS - 1]! * INVERSE_RADIX);
    for (let index = 0; index < LIMBS; index++) {
      const limb = element[index]!;
      const surplus = Math.floor(limb * INVERSE_RADIX);
      element[index] = limb - surplus * RADIX + surplusBelow;
      surplusBelow = surplus;
    }
  }
  return element;
}

/** `first` when the bit is 1, else `second`. */
function select(bit: number, first: Element, second: Element): Element {
  const result = new Float64Array(LIMBS);
  for (let index = 0; index < LIMBS; index++) {
    result[index] = second[index]! + bit * (first[index]! - second[index]!);
  }
  return result;
}

function decodeElement(bytes: Uint8Array): Element {
  const element = new Float64Array(LIMBS);
  for (let index = 0; index < LIMBS; index++) element[index] = bytes[2 * index]! + 256 * bytes[2 * index + 1]!;
  element[LIMBS - 1]! -= (bytes[31]! >>> 7) * 0x8000;
  return element;
}

/** The one encoding below p. */
function encodeElement(element: Element): Uint8Array {
  let value = settle(element);
  // Below 2^256 is below 3p: subtract p twice, each time keeping the difference only if it is not negative.
  for (let round = 0; round < 2; round++) {
    const difference = new Float64Array(LIMBS);
    let borrow = 0;
    for (let index = 0; index < LIMBS; index++) {
      const limb = value[index]! - P_LIMBS[index]! - borrow;
      borrow = -Math.floor(limb * INVERSE_RADIX);
      difference[index] = limb + borrow * RADIX;
    }
    value = select(borrow, value, difference);
  }
  const bytes = new Uint8Array(2 * LIMBS);
  for (let index = 0; index < LIMBS; index++) {
    bytes[2 * index] = value[index]!;
    bytes[2 * index + 1] = value[index]! / 256;
  }
  return bytes;
}

/** Carries from limb to limb until each has exactly 16 bits; after the first round only a small amount can be left over. */
function settle(element: Element): Element {
  const result = Float64Array.from(element);
  for (let round = 0; round < 2; round++) {
    let surplus = 0;
    for (let index = 0; index < LIMBS; index++) {
      const limb = result[index]! + surplus;
      surplus = Math.floor(limb * INVERSE_RADIX);
      result[index] = limb - surplus * RADIX;
    }
    result[0]! += 38 * surplus;
  }
  return result;
}

const LIMBS = 16;
const RADIX = 0x10000;
const INVERSE_RADIX = 1 / RADIX;
/** The A of Curve25519: v^2 = u^3 + A u^2 + u. */
const A = 486662;
const P_LIMBS: readonly number[] = [0xffed, ...Array.from({ length: 14 }, () => 0xffff), 0x7fff];
