import { escapeProse } from '../terminal/escape.ts';
import { displayWidth, truncateToWidth } from '../terminal/width.ts';
import { clusters } from './positions.ts';

/** Rows of the terminal that show what somebody is writing. */
export interface InputRows {
  /** Escaped, each at most one column narrower than the terminal. */
  readonly rows: readonly string[];
  /** Which of them the cursor is in, and what stands before it there. */
  readonly cursorRow: number;
  readonly beforeCursor: string;
}

/**
 * Lays `text` out behind `prompt`, over as many rows as it takes, but no more than `maxRows`: then those around the cursor
 * are shown. The last column stays free, so that no terminal begins another row by itself.
 */
export function layOutInput(
  { text, cursor }: { readonly text: string; readonly cursor: number },
  prompt: string,
  { columns, maxRows }: { readonly columns: number; readonly maxRows: number },
): InputRows {
  const width = Math.max(MIN_COLUMNS, columns - 1);
  const start = displayWidth(prompt) <= width / 2 ? prompt : SHORT_PROMPT;
  const indent = ' '.repeat(displayWidth(start));
  const rows = [start];
  // Long texts repeat their characters, and measuring one takes longer than all else.
  const cells = new Map<string, Cell>();
  let used = indent.length;
  let at = 0;
  let cursorRow = 0;
  let beforeCursor = start;
  for (const cluster of clusters(text)) {
    const known = cells.get(cluster) ?? cellOf(cluster, width - indent.length);
    cells.set(cluster, known);
    const { shown, columns: columnsOfIt } = known;
    if (cluster === '\n' || used + columnsOfIt > width) {
      rows.push(indent);
      used = indent.length;
    }
    rows[rows.length - 1] += shown;
    used += columnsOfIt;
    at += cluster.length;
    if (at > cursor) continue;
    cursorRow = rows.length - 1;
    beforeCursor = rows[cursorRow]!;
  }
  // Of what does not fit, the cursor is in the middle.
  const first = Math.max(0, Math.min(cursorRow - Math.floor(maxRows / 2), rows.length - maxRows));
  return { rows: rows.slice(first, first + maxRows), cursorRow: cursorRow - first, beforeCursor };
}

interface Cell {
  readonly shown: string;
  readonly columns: number;
}

function cellOf(cluster: string, maxColumns: number): Cell {
  const shown = truncateToWidth(shownAs(cluster), maxColumns);
  return { shown, columns: displayWidth(shown) };
}

function shownAs(cluster: string): string {
  if (cluster === '\n') return '';
  if (cluster === '\t') return TAB;
  // What it joins is the next character.
  return JOINING.test(cluster) ? cluster : escapeProse(cluster);
}

const JOINING = /^[\p{L}\p{M}]+[\u200c\u200d]$/u;
const TAB = '    ';
const SHORT_PROMPT = '> ';
/** In a window that is narrower, rows are cut by the terminal. */
const MIN_COLUMNS = 8;
