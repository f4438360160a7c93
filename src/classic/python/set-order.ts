/**
 * In what order CPython (3.7 and later) lists a set of bytes that was made by adding `bytes` one after the other: the
 * order of the slots of its hash table, in which a number's hash is the number itself. It depends on the order of adding.
 */
export function setOrder(bytes: Uint8Array): Uint8Array {
  let table: Table = emptyTable(SMALLEST_TABLE);
  const seen = new Set<number>();
  for (const byte of bytes) {
    if (seen.has(byte)) continue;
    seen.add(byte);
    table[freeSlot(table, byte)] = byte;
    if (seen.size * 5 >= (table.length - 1) * 3) table = enlarged(table, seen.size * 4);
  }
  return Uint8Array.from(table.filter(byte => byte !== undefined));
}

function emptyTable(length: number): Table {
  return Array.from({ length }, () => undefined);
}

/** The old slots in their order, put into a table of the first power of two above `entries`. */
function enlarged(table: Table, entries: number): Table {
  let length = SMALLEST_TABLE;
  while (length <= entries) length *= 2;
  const larger: Table = emptyTable(length);
  for (const byte of table) if (byte !== undefined) larger[freeSlot(larger, byte)] = byte;
  return larger;
}

/** Looks at the slot of the hash and a few behind it, then jumps; the jumps depend on more and more bits of the hash. */
function freeSlot(table: Table, hash: number): number {
  const mask = table.length - 1;
  let slot = hash & mask;
  for (let perturb = hash; ; ) {
    const probes = slot + LINEAR_PROBES <= mask ? LINEAR_PROBES : 0;
    for (let at = slot; at <= slot + probes; at += 1) if (table[at] === undefined) return at;
    perturb >>>= 5;
    slot = (slot * 5 + 1 + perturb) & mask;
  }
}

type Table = (number | undefined)[];

const SMALLEST_TABLE = 8;
const LINEAR_PROBES = 9;
