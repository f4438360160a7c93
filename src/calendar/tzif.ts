import { LineError } from '../errors.ts';
import type { Zone, ZoneOffset } from './zone.ts';
import { ZoneRule } from './zone-rule.ts';

/**
 * A zone from a file of the system's zoneinfo (TZif, RFC 8536, version 2 and later). Bytes are not kept. `MALFORMED` for
 * anything that is no such file, and for one that counts leap seconds.
 */
export function decodeTzif(name: string, bytes: Uint8Array): Zone {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The first block has times of 32 bits, and is there for old readers.
  const old = countsAt(view, 0);
  const start = HEADER_BYTES + bodyBytes(old, 4);
  const counts = countsAt(view, start);
  const body = start + HEADER_BYTES;
  const footer = body + bodyBytes(counts, 8);
  if (footer > bytes.length) throw malformed();
  if (counts.leaps > 0) throw new LineError('MALFORMED', 'the time zone counts leap seconds');
  if (counts.types === 0) throw malformed();

  const typesOfTimes = body + counts.times * 8;
  const types = typesOfTimes + counts.times;
  const texts = types + counts.types * TYPE_BYTES;
  const offsets = Array.from({ length: counts.types }, (_, type) => {
    const at = types + type * TYPE_BYTES;
    return offsetAt(view.getInt32(at), bytes.subarray(texts, texts + counts.characters), view.getUint8(at + 5));
  });
  const changes = Array.from({ length: counts.times }, (_, index) => ({
    // Some years beyond 2^53 seconds are rounded, and no instant that we know is near them.
    atSeconds: Number(view.getBigInt64(body + index * 8)),
    offset: elementAt(offsets, view.getUint8(typesOfTimes + index)),
  }));
  if (changes.some((change, index) => index > 0 && change.atSeconds <= changes[index - 1]!.atSeconds))
    throw malformed();
  return new TableZone(name, offsets[0]!, changes, footerRule(bytes.subarray(footer)));
}

class TableZone implements Zone {
  readonly name: string;
  readonly #first: ZoneOffset;
  readonly #changes: readonly Change[];
  readonly #rule: ZoneRule | undefined;

  constructor(name: string, first: ZoneOffset, changes: readonly Change[], rule: ZoneRule | undefined) {
    this.name = name;
    this.#first = first;
    this.#changes = changes;
    this.#rule = rule;
  }

  at(unixSeconds: number): ZoneOffset {
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#changes[middle]!.atSeconds <= unixSeconds) low = middle + 1;
      else high = middle;
    }
    // The rule holds from the last change on, and if there are none, always.
    if (low === this.#changes.length && this.#rule) return this.#rule.at(unixSeconds);
    return this.#changes[low - 1]?.offset ?? this.#first;
  }
}

interface Change {
  readonly atSeconds: number;
  readonly offset: ZoneOffset;
}

/** Six numbers of a block, each of 32 bits, after its magic, its version and 15 bytes of nothing. */
function countsAt(view: DataView, at: number) {
  if (view.byteLength < at + HEADER_BYTES || view.getUint32(at) !== MAGIC || view.getUint8(at + 4) < VERSION_2) {
    throw malformed();
  }
  const [isUtc, isStandard, leaps, times, types, characters] = Array.from({ length: 6 }, (_, index) =>
    view.getUint32(at + 20 + index * 4),
  ) as [number, number, number, number, number, number];
  return { isUtc, isStandard, leaps, times, types, characters };
}

function bodyBytes(counts: ReturnType<typeof countsAt>, timeBytes: number): number {
  const { isUtc, isStandard, leaps, times, types, characters } = counts;
  return times * (timeBytes + 1) + types * TYPE_BYTES + characters + leaps * (timeBytes + 4) + isStandard + isUtc;
}

function offsetAt(offsetSeconds: number, texts: Uint8Array, from: number): ZoneOffset {
  const end = texts.indexOf(0, from);
  const abbreviation = String.fromCharCode(...texts.subarray(from, Math.max(from, Math.min(end, from + 33))));
  if (end < 0 || !/^[A-Za-z0-9+-]{1,32}$/.test(abbreviation)) throw malformed();
  if (Math.abs(offsetSeconds) > MAX_OFFSET_SECONDS) throw malformed();
  return { offsetSeconds, abbreviation };
}

/** Between two line feeds; empty if no rule is known. */
function footerRule(footer: Uint8Array): ZoneRule | undefined {
  const end = footer.indexOf(LINE_FEED, 1);
  if (footer[0] !== LINE_FEED || end < 0 || end > 1024) throw malformed();
  const text = String.fromCharCode(...footer.subarray(1, end));
  return text === '' ? undefined : new ZoneRule(text);
}

function elementAt<Element>(list: readonly Element[], index: number): Element {
  const element = list[index];
  if (element === undefined) throw malformed();
  return element;
}

function malformed(): LineError {
  return new LineError('MALFORMED', 'no file of a time zone');
}

const MAGIC = 0x54_5a_69_66; // TZif
const VERSION_2 = 0x32;
const HEADER_BYTES = 44;
const TYPE_BYTES = 6;
const LINE_FEED = 10;
/** RFC 8536 §3.2: no zone is farther from UTC. */
const MAX_OFFSET_SECONDS = 26 * 3600;
