/**
 * The one error that postern throws on purpose.
 *
 * Callers switch on `code`, never on the text. Every code has a row in docs/errors.md that says what happened and what
 * to do; a test holds the two lists equal.
 */
export class LineError extends Error {
  readonly code: LineErrorCode;
  /** Seconds to wait before another try has a chance; only with `BUSY`. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: LineErrorCode, message: string, options: LineErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'LineError';
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

export interface LineErrorOptions {
  cause?: unknown;
  retryAfterSeconds?: number | undefined;
}

/** The closed list of codes, grouped by who can do something about them. */
export const LINE_ERROR_CODES = [
  // Logging in
  'AUTH', // wrong passphrase, altered message or attack: not told apart on purpose
  'PIN', // the server's key is not the one pinned for this address
  'BUSY', // the other side refuses for now
  'GONE', // one-time code or ticket used up
  'VERSION', // no version of the protocol in common
  // Reaching each other
  'UNREACHABLE', // nothing answers there
  'TRUNCATED', // the connection ended before the line was closed
  'TIMEOUT',
  'CANCELLED',
  'CLOSED', // used after it was closed
  // The other side broke the protocol
  'INTEGRITY', // a record that does not verify
  'MALFORMED', // bytes that are no message
  'PROTOCOL',
  'FLOW', // more bytes than credit
  'SIZE', // a length over its limit
  'STATE', // a message that the state does not allow
  // Services
  'UNSUPPORTED',
  'REFUSED',
  'FORBIDDEN', // not allowed here
  'NOT_FOUND',
  'NOT_A_FILE', // a folder or a device where a file is needed
  'EXISTS',
  'BAD_NAME', // a name that may not be read or written
  'CHANGED', // the source changed while it was sent
  'MISMATCH', // what was received is not what was announced
  'ACCESS', // the operating system refuses
  'NO_SPACE',
  'TOO_MANY',
  'REVOKED',
  'SHUTDOWN',
  // This side
  'USAGE', // an argument that makes no sense
  'INTERNAL',
] as const;

export type LineErrorCode = (typeof LINE_ERROR_CODES)[number];
