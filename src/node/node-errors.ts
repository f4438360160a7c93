import { LineError, type LineErrorCode } from '../errors.ts';

/**
 * The one place where errors of Node become ours. `what` names the thing as the peer knows it. The message never
 * carries Node's own text, which holds absolute paths of this machine; that stays in the local `cause`.
 */
export function toLineError(error: unknown, what: string): LineError {
  if (error instanceof LineError) return error;
  const code = codeOf(error);
  const [ours, sentence] = TRANSLATION.get(code ?? '') ?? (['INTERNAL', 'failed unexpectedly'] as const);
  const detail = ours === 'INTERNAL' && code !== undefined ? ` (${code})` : '';
  return new LineError(ours, `${what}: ${sentence}${detail}`, { cause: error });
}

/** Runs `action` and translates what it throws. */
export function translating<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw toLineError(error, what);
  }
}

/** The code that Node or the operating system gave the error, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

const NO_ROOM = ['NO_SPACE', 'the disk or the quota is full'] as const;
const REFUSED_BY_SYSTEM = ['ACCESS', 'the operating system does not allow it'] as const;
const NOBODY_THERE = ['UNREACHABLE', 'cannot be reached'] as const;
const CUT_OFF = ['TRUNCATED', 'the connection was cut'] as const;
const TOO_MANY_OPEN = ['TOO_MANY', 'too many files are open on this machine'] as const;
const WRONG_NAME = ['BAD_NAME', 'the operating system does not take this name'] as const;

const TRANSLATION: ReadonlyMap<string, readonly [LineErrorCode, string]> = new Map(
  Object.entries<readonly [LineErrorCode, string]>({
    ENOENT: ['NOT_FOUND', 'not there'],
    ENOTDIR: ['NOT_FOUND', 'a part of the path is not a folder'],
    EACCES: REFUSED_BY_SYSTEM,
    EPERM: REFUSED_BY_SYSTEM,
    EBUSY: ['ACCESS', 'is in use'],
    EROFS: ['ACCESS', 'the disk cannot be written'],
    EEXIST: ['EXISTS', 'is there already'],
    ENOTEMPTY: ['EXISTS', 'is a folder that is not empty'],
    EISDIR: ['NOT_A_FILE', 'is a folder'],
    ENXIO: ['NOT_A_FILE', 'is a device or a socket'],
    ELOOP: ['FORBIDDEN', 'a link stands in the way'],
    ENAMETOOLONG: WRONG_NAME,
    EINVAL: WRONG_NAME,
    EILSEQ: WRONG_NAME,
    ERR_INVALID_ARG_VALUE: WRONG_NAME,
    ENOSPC: NO_ROOM,
    EDQUOT: NO_ROOM,
    EFBIG: ['NO_SPACE', 'is too large for the disk'],
    EMFILE: TOO_MANY_OPEN,
    ENFILE: TOO_MANY_OPEN,
    EMLINK: ['TOO_MANY', 'has too many links'],
    ENOTSUP: ['UNSUPPORTED', 'the disk does not support it'],
    EBADF: ['CLOSED', 'is closed already'],
    ERR_DIR_CLOSED: ['CLOSED', 'is closed already'],
    ECONNREFUSED: NOBODY_THERE,
    EHOSTUNREACH: NOBODY_THERE,
    EHOSTDOWN: NOBODY_THERE,
    ENETUNREACH: NOBODY_THERE,
    ENETDOWN: NOBODY_THERE,
    ETIMEDOUT: NOBODY_THERE,
    ENOTFOUND: ['UNREACHABLE', 'no such host is known'],
    EAI_AGAIN: ['UNREACHABLE', 'the name service does not answer'],
    ECONNRESET: CUT_OFF,
    ECONNABORTED: CUT_OFF,
    EPIPE: CUT_OFF,
    EADDRINUSE: ['ACCESS', 'the address is in use'],
    EADDRNOTAVAIL: ['USAGE', 'is no address of this machine'],
    ABORT_ERR: ['CANCELLED', 'was cancelled'],
  }),
);
