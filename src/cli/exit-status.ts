import { constants } from 'node:os';
import { LineError, type LineErrorCode } from '../errors.ts';

/** The exit statuses of postern (docs/cli.md). Scripts rely on them: a number never changes its meaning. */
export const EXIT = {
  ok: 0,
  general: 1,
  usage: 2,
  partial: 3,
  notLetIn: 4,
  unreachable: 5,
  notFound: 6,
  refused: 7,
  integrity: 8,
  version: 9,
  timedOut: 124,
  interrupted: 130,
  /** Of `exec` and `shell`, where every other status is the remote command's. */
  ownFailure: 255,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** What an error happened to: reaching and logging in, or the work after it. */
export type Phase = 'connecting' | 'working';

/** The one way from an error to a status. Whatever is no `LineError` is a fault of ours: 1. */
export function exitStatus(error: unknown, phase: Phase = 'working'): ExitStatus {
  return error instanceof LineError ? exitStatusOf(error.code, phase) : EXIT.general;
}

export function exitStatusOf(code: LineErrorCode, phase: Phase = 'working'): ExitStatus {
  // A time-out before there is a line means that nothing usable answers there.
  if (code === 'TIMEOUT' && phase === 'connecting') return EXIT.unreachable;
  return STATUS_BY_CODE[code];
}

/**
 * Of commands whose status is that of what ran elsewhere: scripts must be able to tell our failures from it, and what the
 * host refuses is as clear as everywhere.
 */
export function exitStatusOfCommandFailure(code: LineErrorCode): ExitStatus {
  if (code === 'USAGE') return EXIT.usage;
  return code === 'FORBIDDEN' ? EXIT.refused : EXIT.ownFailure;
}

/** 128 + n, as a shell reports it. */
export function exitStatusOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

const STATUS_BY_CODE: Readonly<Record<LineErrorCode, ExitStatus>> = {
  AUTH: EXIT.notLetIn,
  PIN: EXIT.notLetIn,
  GONE: EXIT.notLetIn,
  REVOKED: EXIT.notLetIn,

  BUSY: EXIT.unreachable,
  UNREACHABLE: EXIT.unreachable,
  TRUNCATED: EXIT.unreachable,
  CLOSED: EXIT.unreachable,
  SHUTDOWN: EXIT.unreachable,

  VERSION: EXIT.version,
  UNSUPPORTED: EXIT.version,

  TIMEOUT: EXIT.timedOut,
  CANCELLED: EXIT.interrupted,

  // 8 is for content. A peer that breaks the protocol is a fault in a program, and says nothing about a file.
  INTEGRITY: EXIT.integrity,
  CHANGED: EXIT.integrity,
  MISMATCH: EXIT.integrity,
  MALFORMED: EXIT.general,
  PROTOCOL: EXIT.general,
  FLOW: EXIT.general,
  SIZE: EXIT.general,
  STATE: EXIT.general,

  NOT_FOUND: EXIT.notFound,
  REFUSED: EXIT.refused,
  FORBIDDEN: EXIT.refused,
  NOT_A_FILE: EXIT.refused,
  EXISTS: EXIT.refused,
  BAD_NAME: EXIT.refused,
  ACCESS: EXIT.refused,
  TOO_MANY: EXIT.refused,

  NO_SPACE: EXIT.general,
  USAGE: EXIT.usage,
  INTERNAL: EXIT.general,
};

/** The table of docs/cli.md. */
export const EXIT_STATUS_TABLE: readonly { status: number | '128+n'; meaning: string }[] = [
  { status: EXIT.ok, meaning: 'done' },
  { status: EXIT.general, meaning: 'failed for another reason' },
  { status: EXIT.usage, meaning: 'wrong usage, or a question that nobody could be asked' },
  { status: EXIT.partial, meaning: 'partly done: some items or machines failed, and are listed' },
  { status: EXIT.notLetIn, meaning: 'wrong passphrase, not let in, or the key of the server has changed' },
  { status: EXIT.unreachable, meaning: 'cannot reach the machine, it stays busy, or the line was lost' },
  { status: EXIT.notFound, meaning: 'not found' },
  { status: EXIT.refused, meaning: 'refused: it exists, is not permitted, or is against the policy' },
  { status: EXIT.integrity, meaning: 'integrity: what came does not verify, or the file changed meanwhile' },
  { status: EXIT.version, meaning: 'the other side is too old or too new' },
  { status: EXIT.timedOut, meaning: 'timed out' },
  { status: '128+n', meaning: 'ended by signal n (130 after Ctrl-C)' },
  {
    status: EXIT.ownFailure,
    meaning: 'of exec and shell: postern itself failed; else the status of the remote command',
  },
];
