import { createInterface } from 'node:readline';
import { isatty } from 'node:tty';
import type { Heard, Person } from '../../../classic/index.ts';
import { LineError } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { escapeText } from '../../terminal/escape.ts';
import { OutputFilter } from '../../terminal/output-filter.ts';

/**
 * Whoever runs a classic program: answers on stdout, lines from stdin, prompts only where both a person and a terminal are.
 * What a peer says is one line without anything that a terminal obeys; its colour is drawn anew (R-X1).
 */
export class TerminalPerson implements Person {
  readonly #context: CommandContext;
  readonly #stopped: Promise<undefined>;
  #lines: AsyncIterator<string> | undefined;

  constructor(context: CommandContext) {
    this.#context = context;
    const { signal } = context;
    this.#stopped = new Promise(resolve => {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
  }

  async say(line: string): Promise<void> {
    const { options } = this.#context;
    if (options.json) await this.#context.printJson({ type: 'status', text: line });
    else await this.#context.print(line);
  }

  note(line: string): void {
    this.#context.note(escapeText(line));
  }

  async hear({ text, from, color }: Heard): Promise<void> {
    const { options, stdout } = this.#context;
    if (options.json) {
      await this.#context.printJson({ type: 'message', from, text, color });
      return;
    }
    const shown = escapeText(text);
    const painted = color === undefined ? shown : stdout.colors[color](shown);
    await this.#context.print(from === undefined ? painted : `${from} ${painted}`);
  }

  async show(output: string): Promise<void> {
    const { options, stdout } = this.#context;
    if (options.json) {
      await this.#context.printJson({ type: 'output', data: output });
      return;
    }
    const filter = new OutputFilter();
    await this.#context.print(stdout.terminal ? filter.filter(output) + filter.end() : output);
  }

  async ask(prompt: string): Promise<string | undefined> {
    const { options } = this.#context;
    const isTyped = isatty(0);
    if (isTyped && options.input === false) {
      throw new LineError('USAGE', `--no-input forbids to ask: ${prompt.replace(/[\s:>]+$/, '')}`);
    }
    // The terminal's own line editing is enough, and Ctrl-C stays a signal.
    this.#lines ??= createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })[
      Symbol.asyncIterator
    ]();
    if (isTyped) process.stderr.write(prompt);
    const next = await Promise.race([this.#lines.next(), this.#stopped]);
    return next === undefined || next.done ? undefined : next.value;
  }
}
