export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** Ranges in ascending order; neighbours become one. */
export class Ranges {
  readonly all: Range[] = [];

  add(offset: number, length: number): void {
    if (length === 0) return;
    const last = this.all.at(-1);
    if (last === undefined || last.offset + last.length !== offset) this.all.push({ offset, length });
    else this.all[this.all.length - 1] = { offset: last.offset, length: last.length + length };
  }
}
