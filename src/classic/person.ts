/**
 * The person at a program: what the originals did with print() and input(). Whoever implements it sees to it that nothing
 * of a peer is obeyed by a terminal (R-X1); programs hand on what came.
 */
export interface Person {
  /** A line of the program's own. */
  say(line: string): Promise<void>;
  /** Something about the conversation that the original did not print: who has come or gone, what was refused. */
  note(line: string): void;
  /** What a peer said, to be shown as one line. */
  hear(message: Heard): Promise<void>;
  /** What a command of a peer printed, to be shown with its lines. */
  show(output: string): Promise<void>;
  /** The next line that is typed; `undefined` at the end of input, and when the program is told to stop. */
  ask(prompt: string): Promise<string | undefined>;
}

export interface Heard {
  readonly text: string;
  /** Who, where there may be several: an address. */
  readonly from?: string | undefined;
  /** A colour that the peer asked for and that may be drawn. */
  readonly color?: Color | undefined;
}

/** The eight colours of a terminal, in the order of their numbers (ECMA-48, 8.3.117: SGR 30 to 37). */
export const COLORS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;
export type Color = (typeof COLORS)[number];

/** What every program gets. */
export interface ProgramOptions {
  readonly person: Person;
  /** Ends the program, whatever it waits for. */
  readonly signal: AbortSignal;
}

/** And what a serving side gets besides. */
export interface ServeOptions extends ProgramOptions {
  /** Told once where it listens. */
  readonly onListening?: ((address: { readonly host: string; readonly port: number }) => void) | undefined;
}
