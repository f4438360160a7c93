import { escapeText } from './escape.ts';

/**
 * What a remote command prints, for a terminal that nobody lent to it (R-X1): text, line ends, tabs and colours pass;
 * whatever else a terminal would obey is shown as an escape. Text may come in pieces, cut anywhere between characters.
 */
export class OutputFilter {
  /** The begin of what may become a colour or a line end. */
  #held = '';
  #isColored = false;

  /** What can be shown by now. */
  filter(text: string): string {
    const all = this.#held + text;
    this.#held = UNFINISHED.exec(all)?.[0] ?? '';
    return this.#show(all.slice(0, all.length - this.#held.length));
  }

  /** The rest, and the terminal's own colours again. */
  end(): string {
    const rest = this.#show(this.#held);
    this.#held = '';
    return this.#isColored ? `${rest}\x1b[0m` : rest;
  }

  #show(text: string): string {
    let shown = '';
    let from = 0;
    for (const { 0: passed, index } of text.matchAll(PASSING)) {
      shown += escapeText(text.slice(from, index)) + passed;
      from = index + passed.length;
      if (passed.startsWith('\x1b')) this.#isColored = true;
    }
    return shown + escapeText(text.slice(from));
  }
}

/** Tabs, line ends, and SGR: colours and emphasis of what follows, nothing that moves or answers (ECMA-48, 8.3.117). */
const PASSING = /[\t\n]|\r\n|\x1b\[[\d;:]{0,32}m/g;
const UNFINISHED = /(?:\r|\x1b(?:\[[\d;:]{0,32})?)$/;
