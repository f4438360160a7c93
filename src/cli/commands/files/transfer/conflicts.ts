import {
  type Conflict,
  type ConflictAnswer,
  type ConflictPolicy,
  type Entry,
  LineError,
} from '../../../../node/index.ts';
import type { CommandContext } from '../../../context.ts';
import { escapeText } from '../../../terminal/escape.ts';
import { formatCount, formatLocalTime, formatSize } from '../../../terminal/format.ts';
import { ask } from '../../../terminal/prompt.ts';
import { policyOf, type TransferOptions } from './transfer-options.ts';
import type { TransferReport } from './transfer-report.ts';

/**
 * What `get` and `put` do where a name exists and differs: what the options say; else a person at the terminal is asked,
 * with what is true of both; else it is refused. One for a whole command: it knows its answers over lines that are lost.
 */
export class Conflicts {
  /** Ends the transfer: the context's, or a person who quits at a question. */
  readonly signal: AbortSignal;
  readonly #policy: ConflictPolicy;
  readonly #context: CommandContext;
  readonly #direction: 'get' | 'put';
  readonly #report: TransferReport;
  readonly #stop = new AbortController();
  /** No more of them than a person has given. */
  readonly #answers = new Map<string, Promise<ConflictAnswer>>();
  #forAll: ConflictAnswer | undefined;
  /** Questions stand one behind the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    context: CommandContext,
    options: TransferOptions,
    { direction, report }: { readonly direction: 'get' | 'put'; readonly report: TransferReport },
  ) {
    this.#context = context;
    this.#direction = direction;
    this.#report = report;
    this.#policy = policyOf(options) ?? (context.isAttended ? 'ask' : 'refuse');
    this.signal = AbortSignal.any([context.signal, this.#stop.signal]);
    report.mayRename = this.#policy === 'rename' || this.#policy === 'ask';
    report.replaces = options.force === true || options.update === true || options.backup === true;
  }

  /** For `download` and `upload`. `where` tells apart places that have the same paths; `mayReplace`: what was there may go. */
  optionsFor(where: string, mayReplace: boolean) {
    return {
      conflict: this.#policy,
      onConflict: (conflict: Conflict) => this.#decide(where, conflict, mayReplace),
      signal: this.signal,
    };
  }

  /** A line that was lost while a question stood asks the same again: that is one question, and one answer. */
  #decide(where: string, conflict: Conflict, mayReplace: boolean): Promise<ConflictAnswer> {
    const { path, existing, source } = conflict;
    const key = JSON.stringify([where, path, existing, source]);
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    if (this.#forAll !== undefined) return Promise.resolve(this.#forAll);
    const answer = this.#turn.then(() => this.#forAll ?? this.#ask(conflict, mayReplace));
    this.#answers.set(key, answer);
    this.#turn = answer.catch(() => {});
    return answer;
  }

  async #ask(conflict: Conflict, mayReplace: boolean): Promise<ConflictAnswer> {
    const choices = CHOICES.filter(({ answer }) => mayReplace || (answer !== 'force' && answer !== 'backup'));
    const how = { noInput: this.#context.options.input === false, signal: this.signal, answeredBy: ANSWERED_BY };
    const question = `${choices.map(({ shown }) => shown).join(', ')}, [q]uit; a capital letter: the same for all:`;
    return this.#context.alone(async say => {
      try {
        for (const line of describeConflict(conflict, this.#direction)) say(line);
        for (;;) {
          const letter = (await ask(question, how)).trim();
          if (letter.toLowerCase() === 'q') throw new LineError('CANCELLED', 'stopped at the question');
          const choice = choices.find(one => one.letter === letter.toLowerCase());
          if (choice === undefined) continue;
          if (letter !== choice.letter) this.#forAll = choice.answer;
          if (choice.answer === 'force' || choice.answer === 'backup') this.#report.replaces = true;
          return choice.answer;
        }
      } catch (thrown) {
        this.#report.stop();
        this.#stop.abort(thrown);
        throw thrown;
      }
    });
  }
}

/**
 *     notes.txt is there already and differs:
 *     here 12 kB of 2026-01-02 10:11, there 14 kB of 2026-01-03 09:00 (newer)
 */
export function describeConflict({ path, existing, source }: Conflict, direction: 'get' | 'put'): readonly string[] {
  const isGet = direction === 'get';
  const [here, there] = isGet ? [existing, source] : [source, existing];
  return [
    `${escapeText(path)} is ${isGet ? 'here' : 'there'} already and differs:`,
    `here ${describe(here, there)}, there ${describe(there, here)}`,
  ];
}

function describe(entry: Entry, other: Entry): string {
  if (entry.type === 'link') return `a link to ${escapeText(entry.target ?? '')}`;
  if (entry.type !== 'file') return 'something that is no file';
  const isExact = entry.size !== other.size && formatSize(entry.size) === formatSize(other.size);
  const size = isExact ? `${formatCount(entry.size)} B` : formatSize(entry.size);
  const newer = other.type === 'file' && entry.mtimeUs > other.mtimeUs ? ' (newer)' : '';
  return `${size} of ${formatLocalTime(entry.mtimeUs / 1000)}${newer}`;
}

const CHOICES: readonly { readonly letter: string; readonly shown: string; readonly answer: ConflictAnswer }[] = [
  { letter: 'r', shown: '[r]eplace', answer: 'force' },
  { letter: 's', shown: '[s]kip', answer: 'skip' },
  { letter: 'k', shown: '[k]eep both', answer: 'rename' },
  { letter: 'b', shown: '[b]ackup', answer: 'backup' },
];
const ANSWERED_BY = ['--force', '--update', '--skip', '--rename', '--backup'];
