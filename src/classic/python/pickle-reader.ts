import { LineError } from '../../errors.ts';
import { OP, type PickleValue } from './pickle-value.ts';
import { decodePythonText } from './python-text.ts';

/**
 * Reads a pickle of one str, int, bool, None or bytes, of any protocol from 0 to 5, as Python 3 writes it.
 *
 * A pickle is a program, and Python runs it: it may import any name and call it. This is no machine for such programs but a
 * grammar for the few that make one of these values: opcodes of protocol and frame, one value, notes for the memo that
 * nothing looks up, the end. Bytes had no opcode before protocol 3; their two forms are read as fixed words, and nothing is
 * called. Every other opcode is `FORBIDDEN`, and what is no pickle `MALFORMED`.
 */
export function decodePickle(bytes: Uint8Array): PickleValue {
  const reader = new PickleReader(bytes);
  return reader.read();
}

class PickleReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): PickleValue {
    if (this.#skip(OP.proto)) this.#protocol();
    const value = this.#value();
    this.#skipFrames();
    this.#expect(OP.stop);
    if (this.#at !== this.#bytes.length) throw malformed('bytes follow the end');
    return value;
  }

  #protocol(): void {
    const version = this.#take(1)[0]!;
    if (version > HIGHEST_PROTOCOL) throw new LineError('UNSUPPORTED', `a pickle of protocol ${version}`);
  }

  #value(): PickleValue {
    const value = this.#operation(this.#opcode());
    this.#skipMemo();
    return value;
  }

  #operation(opcode: number): PickleValue {
    switch (opcode) {
      case OP.none:
        return null;
      case OP.newTrue:
        return true;
      case OP.newFalse:
        return false;
      case OP.int:
        return this.#intOrBool();
      case OP.long:
        return this.#decimal(/^(-?\d+)L$/);
      case OP.binInt:
        return this.#number(4, at => this.#view.getInt32(at, true));
      case OP.binInt1:
        return this.#number(1, at => this.#view.getUint8(at));
      case OP.binInt2:
        return this.#number(2, at => this.#view.getUint16(at, true));
      case OP.long1:
        return fromTwosComplement(this.#take(this.#length(1)));
      case OP.long4:
        return fromTwosComplement(this.#take(this.#length(4)));
      case OP.unicode:
        return unescaped(this.#line());
      case OP.shortBinUnicode:
        return decodePythonText(this.#take(this.#length(1)));
      case OP.binUnicode:
        return decodePythonText(this.#take(this.#length(4)));
      case OP.binUnicode8:
        return decodePythonText(this.#take(this.#length(8)));
      case OP.shortBinBytes:
        return new Uint8Array(this.#take(this.#length(1)));
      case OP.binBytes:
        return new Uint8Array(this.#take(this.#length(4)));
      case OP.binBytes8:
        return new Uint8Array(this.#take(this.#length(8)));
      case OP.global:
        return this.#oldBytes();
      default:
        throw refused(opcode);
    }
  }

  /** `_codecs.encode(text, 'latin1')` or `__builtin__.bytes()`, word for word. */
  #oldBytes(): Uint8Array {
    const name = `${this.#line()} ${this.#line()}`;
    if (name !== '_codecs encode' && name !== '__builtin__ bytes') throw refused(OP.global);
    this.#skipMemo();
    const content = name === '_codecs encode' ? this.#encodedText() : this.#nothing();
    this.#skipMemo();
    this.#expect(OP.reduce);
    return content;
  }

  #encodedText(): Uint8Array {
    const isMarked = this.#skip(OP.mark);
    const text = this.#text();
    if (this.#text() !== 'latin1') throw refused(OP.reduce);
    this.#expect(isMarked ? OP.tuple : OP.tuple2);
    if (/[^\0-\xff]/.test(text)) throw malformed('bytes hold a character that is none');
    return Uint8Array.from(text, character => character.charCodeAt(0));
  }

  /** Nothing else, and so nothing that holds such a thing again: a pickle nests nowhere. */
  #text(): string {
    const opcode = this.#opcode();
    const text = opcode === OP.global ? undefined : this.#operation(opcode);
    if (typeof text !== 'string') throw refused(OP.reduce);
    this.#skipMemo();
    return text;
  }

  #nothing(): Uint8Array {
    if (this.#skip(OP.mark)) this.#expect(OP.tuple);
    else this.#expect(OP.emptyTuple);
    return new Uint8Array(0);
  }

  #opcode(): number {
    this.#skipFrames();
    return this.#take(1)[0]!;
  }

  #expect(opcode: number): void {
    const found = this.#opcode();
    if (found !== opcode) throw refused(found);
  }

  #skip(opcode: number): boolean {
    if (this.#bytes[this.#at] !== opcode) return false;
    this.#at += 1;
    return true;
  }

  /** A frame only tells how much could be read at once; all is here, so it has to tell the truth and that is all. */
  #skipFrames(): void {
    while (this.#skip(OP.frame)) {
      const length = this.#view.byteLength - this.#at < 8 ? Infinity : Number(this.#view.getBigUint64(this.#at, true));
      this.#at += 8;
      if (length > this.#bytes.length - this.#at) throw malformed('a frame ends behind the end');
    }
  }

  /** What would be remembered for later: here nothing is ever looked up. */
  #skipMemo(): void {
    for (;;) {
      if (this.#skip(OP.put)) this.#decimal(/^(\d+)$/);
      else if (this.#skip(OP.binPut)) this.#take(1);
      else if (this.#skip(OP.longBinPut)) this.#take(4);
      else if (!this.#skip(OP.memoize)) return;
    }
  }

  #length(byteLength: 1 | 4 | 8): number {
    const bytes = this.#take(byteLength);
    return bytes.reduceRight((length, byte) => length * 0x100 + byte, 0);
  }

  #number(byteLength: number, read: (at: number) => number): number {
    const at = this.#at;
    this.#take(byteLength);
    return read(at);
  }

  #intOrBool(): PickleValue {
    const [first, second, end] = this.#bytes.subarray(this.#at, this.#at + 3);
    const isBool = first === ZERO && (second === ZERO || second === ONE) && end === NEWLINE;
    if (!isBool) return this.#decimal(/^(-?\d+)$/);
    this.#at += 3;
    return second === ONE;
  }

  #decimal(form: RegExp): number | bigint {
    const digits = form.exec(this.#line(MAX_DIGITS))?.[1];
    if (digits === undefined) throw malformed('a number is none');
    return fitting(BigInt(digits));
  }

  /** Up to a newline, one character for each byte. */
  #line(maxBytes = this.#bytes.length): string {
    const end = this.#bytes.indexOf(NEWLINE, this.#at);
    if (end === -1) throw malformed('a line does not end');
    if (end - this.#at > maxBytes) throw new LineError('SIZE', 'a pickle holds too long a number');
    const bytes = this.#take(end - this.#at);
    this.#at += 1;
    return latin1(bytes);
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw malformed('a field ends behind the end');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

function fromTwosComplement(bytes: Uint8Array): number | bigint {
  if (bytes.length > MAX_INT_BYTES) throw new LineError('SIZE', 'a pickle holds too long a number');
  const number = bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  return fitting(BigInt.asIntN(8 * bytes.length, number));
}

function fitting(number: bigint): number | bigint {
  const rounded = Number(number);
  return Number.isSafeInteger(rounded) ? rounded : number;
}

/** Python's "raw-unicode-escape", as its pickles have it: a backslash always begins the number of a character. */
function unescaped(line: string): string {
  return line.replace(/\\(?:u([\da-fA-F]{4})|U([\da-fA-F]{8})|)/g, (_, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long ?? '', 16);
    if (!(code <= 0x10ffff)) throw malformed('a text holds a backslash');
    return String.fromCodePoint(code);
  });
}

function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function refused(opcode: number): LineError {
  const hex = opcode.toString(16).padStart(2, '0');
  return new LineError(
    'FORBIDDEN',
    `a pickle with the opcode 0x${hex} is not for us: here it may be data and nothing else`,
  );
}

function malformed(why: string): LineError {
  return new LineError('MALFORMED', `this is no pickle: ${why}`);
}

const HIGHEST_PROTOCOL = 5;
/** Far more than the size of a file takes; the work of reading a number grows with its square. */
const MAX_INT_BYTES = 32;
const MAX_DIGITS = 80;
const NEWLINE = 0x0a;
const ZERO = 0x30;
const ONE = 0x31;
