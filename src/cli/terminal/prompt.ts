import { closeSync, openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { LineError } from '../../errors.ts';
import { escapeText } from './escape.ts';

/**
 * Questions to the person at the terminal itself, never over stdin or stdout, which may be data. Ctrl-C and the end of
 * input are `CANCELLED`; the terminal is left as it was found.
 */

export interface PromptOptions {
  /** What answers the question where nobody can be asked, for the message: `--password-file FILE`. */
  readonly answeredBy?: readonly string[];
  /** `--no-input`: as if there were no terminal. */
  readonly noInput?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Asks without showing what is typed. The answer may be empty. */
export function askSecret(question: string, options: PromptOptions = {}): Promise<string> {
  return converse(question, true, options);
}

/** Asks for one line of text. The answer may be empty. */
export function ask(question: string, options: PromptOptions = {}): Promise<string> {
  return converse(question, false, options);
}

/** Asks until the answer is yes or no; an empty one is no. */
export async function confirm(question: string, options: PromptOptions = {}): Promise<boolean> {
  for (;;) {
    const answer = (await ask(`${question} [y/N]`, options)).trim().toLowerCase();
    if (['y', 'yes'].includes(answer)) return true;
    if (['', 'n', 'no'].includes(answer)) return false;
  }
}

/** Whether there is a terminal to ask at. */
export function canAsk(options: Pick<PromptOptions, 'noInput'> = {}): boolean {
  if (options.noInput) return false;
  try {
    closeSync(openSync(TERMINAL_INPUT, 'r'));
    return true;
  } catch {
    // No controlling terminal: a service, a container, a pipeline started by cron.
    return false;
  }
}

/** Throws what a question would throw where nobody can be asked: before work that would be in vain. */
export function requirePerson(question: string, options: PromptOptions): void {
  if (!canAsk(options)) throw nobodyToAsk(question, options, undefined);
}

async function converse(question: string, silent: boolean, options: PromptOptions): Promise<string> {
  // Loaded here, because most runs ask nothing. From here to the race nothing waits, so no abort goes unheard.
  const { read } = await import('read');
  options.signal?.throwIfAborted();
  const terminal = openTerminal(question, options);
  const stop = watchForStop(terminal, options.signal);
  let newline = true;
  try {
    const answer = read({ prompt: escapeText(question), silent, ...terminal });
    const text = await Promise.race([answer.catch(cancelled), stop.happened]);
    newline = silent;
    return text;
  } finally {
    stop.dispose();
    terminal.input.setRawMode(false);
    // What ended the answer was not shown: Enter when silent, Ctrl-C and Ctrl-D never.
    if (newline) terminal.output.write('\n');
    terminal.input.destroy();
    terminal.output.destroy();
  }
}

interface Terminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
}

/** `happened` fails when no answer will come any more. */
function watchForStop({ input, output }: Terminal, signal: AbortSignal | undefined) {
  let fail: (reason: unknown) => void = () => {};
  const happened = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // It may also fail after an answer has won the race, when nobody listens any more.
  happened.catch(() => {});
  // Ctrl-D closes the line editor without a word to its caller (npm/read has no end), except that the editor pauses its
  // input. An answer pauses it too, but has settled by the next turn.
  const ended = () => setImmediate(() => fail(new LineError('CANCELLED', CANCELLED)));
  input.on('pause', ended).on('end', ended).on('error', ended);
  output.on('error', ended);
  const aborted = () => fail(signal?.reason);
  signal?.addEventListener('abort', aborted, { once: true });
  return {
    happened,
    dispose: () => {
      input.off('pause', ended).off('end', ended);
      signal?.removeEventListener('abort', aborted);
    },
  };
}

/** Two descriptors, because each stream closes its own. */
function openTerminal(question: string, options: PromptOptions): Terminal {
  if (options.noInput) throw nobodyToAsk(question, options, undefined);
  try {
    return {
      input: new ReadStream(openSync(TERMINAL_INPUT, 'r')),
      output: new WriteStream(openSync(TERMINAL_OUTPUT, 'w')),
    };
  } catch (cause) {
    throw nobodyToAsk(question, options, cause);
  }
}

function nobodyToAsk(question: string, options: PromptOptions, cause: unknown): LineError {
  const why = options.noInput ? '--no-input forbids to ask' : 'there is no terminal to ask at';
  const ways = options.answeredBy?.length ? `; answer it with ${options.answeredBy.join(' or ')}` : '';
  return new LineError('USAGE', `${why}: ${question.replace(/[\s:?]+$/, '')}${ways}`, { cause });
}

function cancelled(cause: unknown): never {
  throw new LineError('CANCELLED', CANCELLED, { cause });
}

const CANCELLED = 'cancelled at the question';
const WINDOWS = process.platform === 'win32';
const TERMINAL_INPUT = WINDOWS ? '\\\\.\\CONIN$' : '/dev/tty';
const TERMINAL_OUTPUT = WINDOWS ? '\\\\.\\CONOUT$' : '/dev/tty';
