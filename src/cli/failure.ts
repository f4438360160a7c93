import { LineError, type LineErrorCode } from '../errors.ts';
import { type ExitStatus, exitStatusOf, type Phase } from './exit-status.ts';
import { escapeJson, escapeText } from './terminal/escape.ts';
import { formatTimeLeft } from './terminal/format.ts';

/** What the user reads of an error, in the terms of what was being done. All text is escaped. */
export interface Failure {
  readonly code: LineErrorCode;
  readonly exit: ExitStatus;
  /** For stderr, most important last: what failed and where, why, and a hint if there is something to do. */
  readonly lines: readonly string[];
  /** The last line of stderr under `--json`: `{type:'error', code, message, exit}`. */
  readonly json: string;
}

export interface FailureContext {
  /** What failed and on which machine, as a phrase: `cannot get notes.txt from lab`. */
  readonly what?: string | undefined;
  /** Why it failed, where the command knows better than the code. */
  readonly why?: string | undefined;
  readonly phase?: Phase | undefined;
  /** Takes the place of the usual table, for commands whose status is not theirs alone. */
  readonly exitStatus?: ((code: LineErrorCode) => ExitStatus) | undefined;
  /** What to try, where the command knows better than the code; `''` for nothing. */
  readonly hint?: string | undefined;
  /** How often `-v` was given; from 2 on, stacks are shown. */
  readonly verbose?: number | undefined;
}

export function describeFailure(error: unknown, context: FailureContext = {}): Failure {
  const known = asLineError(error);
  const exit = context.exitStatus?.(known.code) ?? exitStatusOf(known.code, context.phase);
  const why = escapeOptional(context.why) ?? explainError(known);
  const hint = (escapeOptional(context.hint) ?? hintFor(known)) || undefined;
  const what = escapeOptional(context.what);
  const message = what === undefined ? why : `${what}: ${why}`;

  const lines = (context.verbose ?? 0) >= 2 ? stackLines(error) : [];
  if (what !== undefined) lines.push(`postern: ${what}`);
  lines.push(`postern: ${why}`);
  if (hint !== undefined) lines.push(`hint: ${hint}`);
  const json = escapeJson({ type: 'error', code: known.code, message, ...(hint === undefined ? {} : { hint }), exit });
  return { code: known.code, exit, lines, json };
}

/** Why it failed, in one escaped sentence: the error's own or that of its code, as `EXPLANATIONS` says. */
export function explainError(error: LineError): string {
  const { why, own = 'instead' } = EXPLANATIONS[error.code];
  const said = withoutStop(escapeText(error.message));
  if (said === '' || said === why || own === 'never') return why;
  return own === 'instead' ? said : `${why} (${said})`;
}

/** As `explainError`, for behind a name: many sentences begin with that name in quotes, which would then stand twice. */
export function explainItem(error: LineError): string {
  return explainError(error).replace(/^"(?:[^"\\]|\\.)*":? (?=.)/, '');
}

/** What is thrown by others than us: an abort is a wish of the user, the rest a fault of ours. */
function asLineError(error: unknown): LineError {
  if (error instanceof LineError) return error;
  if (!(error instanceof Error)) return new LineError('INTERNAL', String(error));
  if (error.name === 'AbortError') return new LineError('CANCELLED', '', { cause: error });
  if (error.name === 'TimeoutError') return new LineError('TIMEOUT', '', { cause: error });
  return new LineError('INTERNAL', error.message, { cause: error });
}

function hintFor(error: LineError): string | undefined {
  if (error.retryAfterSeconds) return `try again in ${formatTimeLeft(error.retryAfterSeconds)}`;
  return EXPLANATIONS[error.code].hint;
}

function stackLines(error: unknown): string[] {
  const lines: string[] = [];
  let next = error;
  // Bounded, because a cause may lead back to itself.
  for (let depth = 0; next instanceof Error && depth < MAX_CAUSES; depth++) {
    const [first = '', ...rest] = (next.stack ?? String(next)).split('\n');
    lines.push(escapeText(depth === 0 ? first : `caused by ${first}`), ...rest.map(line => escapeText(line)));
    next = next.cause;
  }
  return lines;
}

function escapeOptional(text: string | undefined): string | undefined {
  return text === undefined ? undefined : escapeText(text);
}

function withoutStop(text: string): string {
  return text.trim().replace(/\.$/, '');
}

interface Explanation {
  readonly why: string;
  /**
   * What becomes of the error's own sentence: it stands `instead` of this one, as it says the same of the case at hand,
   * `beside` it in brackets, or `never`, because it was meant for the other side.
   */
  readonly own?: 'instead' | 'beside' | 'never';
  readonly hint?: string;
}

/** A sentence for each code, the same as in docs/errors.md. */
export const EXPLANATIONS: Readonly<Record<LineErrorCode, Explanation>> = {
  AUTH: {
    why: 'the passphrase is wrong, or somebody interfered',
    own: 'never',
    hint: 'compare the passphrase with the one that postern serve shows',
  },
  PIN: {
    why: 'the key of the server is not the one it had before',
    hint: 'if the server was set up anew, run postern forget HOST; else somebody may be in between',
  },
  BUSY: { why: 'the other side takes no logins just now', hint: 'try again later' },
  GONE: { why: 'the code has been used or has run out', own: 'never', hint: 'ask for a new one' },
  VERSION: { why: 'the two sides speak no common version of the protocol', hint: 'update the older postern' },
  UNREACHABLE: { why: 'nothing answers there', hint: 'check the address, the port, and that postern serve runs' },
  TRUNCATED: {
    why: 'the line was lost',
    own: 'beside',
    hint: 'run the same command again: it continues where it stopped',
  },
  TIMEOUT: { why: 'it took too long' },
  CANCELLED: { why: 'stopped' },
  CLOSED: { why: 'the line is closed' },
  INTEGRITY: { why: 'what came over the line does not verify', own: 'beside', hint: 'run the same command again' },
  MALFORMED: { why: 'the other side sent what is no message of postern', own: 'beside' },
  PROTOCOL: { why: 'the other side broke the protocol', own: 'beside' },
  FLOW: { why: 'the other side sent more than it was allowed to', own: 'beside' },
  SIZE: { why: 'the other side announced more than is allowed', own: 'beside' },
  STATE: { why: 'the other side sent a message out of turn', own: 'beside' },
  UNSUPPORTED: { why: 'the other side does not offer this', own: 'never', hint: 'update the older postern' },
  REFUSED: { why: 'the other side refused', own: 'beside' },
  FORBIDDEN: {
    why: 'this is not allowed there',
    own: 'beside',
    hint: 'postern may HOST shows what is; postern serve --allow grants it',
  },
  NOT_FOUND: { why: 'there is no such file or folder', hint: 'postern ls HOST shows what is there' },
  NOT_A_FILE: { why: 'this is not a plain file' },
  EXISTS: {
    why: 'there is something else under that name',
    hint: 'choose one of --force, --update, --skip, --rename, --backup, or another destination',
  },
  BAD_NAME: { why: 'this name may not be used' },
  CHANGED: { why: 'the file changed while it was sent', hint: 'run the same command again' },
  MISMATCH: { why: 'what came is not what was announced', hint: 'run the same command again' },
  ACCESS: { why: 'the operating system refuses' },
  NO_SPACE: {
    why: 'no space is left',
    hint: 'make room and run the same command again: it continues where it stopped',
  },
  TOO_MANY: { why: 'a limit is reached' },
  REVOKED: { why: 'the permission was taken back' },
  SHUTDOWN: { why: 'the other side is shutting down', own: 'never', hint: 'run the same command again later' },
  USAGE: { why: 'this makes no sense', hint: 'see postern --help' },
  INTERNAL: { why: 'an unexpected fault', own: 'beside', hint: 'run it again with -vv for details' },
};

const MAX_CAUSES = 8;
