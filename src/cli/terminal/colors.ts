import picocolors from 'picocolors';

/** What may be done with one output stream. Decided per stream: stdout may be a pipe while stderr is a terminal. */
export interface StreamStyle {
  /** Someone is watching: prompts, boxes and human formats are in place. */
  readonly terminal: boolean;
  /** The cursor can be moved, so a line can be drawn again. */
  readonly redraw: boolean;
  readonly color: boolean;
  /** Each a function from text to text; without colour they give the text back. */
  readonly colors: Colors;
  /** The width now; ask again after a resize. */
  columns(): number;
  rows(): number;
}

export type Colors = ReturnType<typeof picocolors.createColors>;
export type ColorChoice = 'auto' | 'always' | 'never';

/** The part of a stream that decides its style; `process.stdout` and `process.stderr` fit. */
export interface StyledStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * In this order: `--color=never` and `always`, then FORCE_COLOR, then NO_COLOR (non-empty), TERM=dumb, and whether the
 * stream is a terminal. POSTERN_FORCE_TTY=WIDTH makes any stream a terminal of that width, for tests.
 */
export function streamStyle(stream: StyledStream, environment: Environment, choice: ColorChoice = 'auto'): StreamStyle {
  const forcedWidth = forcedColumns(environment);
  const terminal = forcedWidth !== undefined || stream.isTTY === true;
  const color = wantsColor(terminal, environment, choice);
  return {
    terminal,
    redraw: terminal && environment['TERM'] !== 'dumb',
    color,
    colors: picocolors.createColors(color),
    columns: () => forcedWidth ?? positive(stream.columns) ?? DEFAULT_COLUMNS,
    rows: () => positive(stream.rows) ?? DEFAULT_ROWS,
  };
}

function wantsColor(terminal: boolean, environment: Environment, choice: ColorChoice): boolean {
  if (choice !== 'auto') return choice === 'always';
  const forced = environment['FORCE_COLOR'];
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false';
  if (environment['NO_COLOR']) return false;
  return terminal && environment['TERM'] !== 'dumb';
}

function forcedColumns(environment: Environment): number | undefined {
  const width = environment['POSTERN_FORCE_TTY'];
  return width !== undefined && /^[1-9]\d{0,3}$/.test(width) ? Number(width) : undefined;
}

/** A terminal that does not know its size reports 0. */
function positive(size: number | undefined): number | undefined {
  return size !== undefined && size > 0 ? size : undefined;
}

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;
