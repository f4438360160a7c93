import type { Heard, Person } from '../../../src/classic/index.ts';
import { COLORS } from '../../../src/classic/person.ts';

/** A person whose lines are written down beforehand, and what the program has shown: printed as the originals print it. */
export class ScriptedPerson implements Person {
  /** As stdout of an original: prompts without an end of line, all else with one. */
  printed = '';
  readonly heard: Heard[] = [];
  readonly notes: string[] = [];
  readonly #lines: string[];
  #waiting: (() => void)[] = [];

  constructor(lines: readonly string[] = []) {
    this.#lines = [...lines];
  }

  async say(line: string): Promise<void> {
    this.printed += `${line}\n`;
    this.#wake();
  }

  note(line: string): void {
    this.notes.push(line);
    this.#wake();
  }

  async hear(message: Heard): Promise<void> {
    const { text, color } = message;
    this.heard.push(message);
    this.printed += color === undefined ? `${text}\n` : `\x1b[${30 + COLORS.indexOf(color)}m${text}\x1b[0m\n`;
    this.#wake();
  }

  async show(output: string): Promise<void> {
    this.printed += `${output}\n`;
    this.#wake();
  }

  async ask(prompt: string): Promise<string | undefined> {
    this.printed += prompt;
    return this.#lines.shift();
  }

  /** Resolves when `isThere` holds of what has been shown. */
  async until(isThere: (person: this) => boolean): Promise<void> {
    while (!isThere(this)) await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
