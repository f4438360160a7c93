import { LineError } from '../errors.ts';

/** What a wrong command line comes to: the sentence, and what to try. */
export interface UsageMistake {
  readonly error: LineError;
  readonly hint: string;
}

/** Options of every command may stand before its name too: `postern --json ls lab` is `postern ls --json lab`. */
export function orderArguments(args: readonly string[]): readonly string[] {
  const at = args.findIndex(arg => !COMMON_OPTION.test(arg));
  if (at <= 0 || args[at]!.startsWith('-')) return args.length === 0 ? ['--help'] : args;
  return [args[at]!, ...args.slice(0, at), ...args.slice(at + 1)];
}

/**
 * `exec lab ls -l` is `exec lab -- ls -l`: options end where the command of the other machine begins, at the second word
 * that is no option. `valued` are the flags whose value is the word behind them.
 */
export function markCommand(args: readonly string[], valued: ReadonlySet<string>): readonly string[] {
  let words = 0;
  for (let at = 1; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === '--') return args;
    if (arg.startsWith('-') && arg !== '-') {
      // Of short flags written together only the last can take the next word, and only if none before it takes the rest.
      const flags = /^-[A-Za-z]/.test(arg) ? arg.slice(1).split('') : [];
      const first = flags.findIndex(flag => valued.has(`-${flag}`));
      if (valued.has(arg) || (first !== -1 && first === flags.length - 1)) at += 1;
    } else if (++words === 2) {
      return [...args.slice(0, at), '--', ...args.slice(at)];
    }
  }
  return args;
}

/** The error of the parser in our words; `verb` is the command that was named, if it is one. */
export function explainUsage(message: string, verb: string | undefined, args: readonly string[]): UsageMistake {
  // All that the parser says of `help lss`.
  if (message === '(outputHelp)') message = `unknown command '${args[1]}'`;
  const [sentence = '', suggestion] = message.replace(/^error: /, '').split('\n');
  const see = seeHelp(verb);
  if (/^unknown option '--?pass(?!word-file)/.test(sentence)) {
    const why = 'a passphrase is never an argument: everybody on this machine could read it';
    return {
      error: new LineError('USAGE', why),
      hint: 'use --password-file FILE, --password-file - or POSTERN_PASSWORD, or let it ask',
    };
  }
  const asked = suggestion === undefined ? '' : `${suggestion.replace(/^\(Did/, 'did').replace(/\)$/, '')} `;
  return { error: new LineError('USAGE', inOurVoice(sentence)), hint: `${asked}${see}` };
}

export function seeHelp(verb: string | undefined): string {
  return `see postern ${verb === undefined ? '' : `${verb} `}--help`;
}

/** The value after a `=` is left out: it may be a secret that was meant for another option. */
function inOurVoice(sentence: string): string {
  return sentence
    .replace(/^(unknown option '[^=']*)=.*$/s, "$1'")
    .replace(/\. Expected (\d+) arguments? but got (\d+)\.$/, ': expected $1, got $2')
    .replace(/ is invalid\. /, ' is invalid: ')
    .replace(/\.$/, '');
}

const COMMON_OPTION = /^(?:--(?:json|quiet|verbose|no-input|yes|color=.*|progress=.*)|-[qvy]+)$/;
