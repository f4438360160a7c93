import type { LineErrorCode } from '../../errors.ts';
import type { ProcessEnd, StartRequest } from './messages.ts';

/** Who asks: the proven key of the device, and where it comes from. */
export interface Asker {
  readonly key: Uint8Array;
  readonly address: string;
}

/**
 * What the audit says of every process that a peer has started or asked for: who, from where, what, how it ended, how long
 * it took, how many bytes; never what went through it, nor the values of variables.
 */
export type AuditEntry = AuditStart | AuditRefusal | AuditEnd;

interface AuditAbout {
  /** Joins the entries of one request; counts up from 1 while the host runs. */
  readonly id: number;
  /** The kind of channel: `exec.run`. */
  readonly kind: string;
  readonly asker: Asker;
}

/** Recorded before anything starts. */
export interface AuditStart extends AuditAbout {
  readonly event: 'start';
  readonly request: StartRequest;
}

export interface AuditRefusal extends AuditAbout {
  readonly event: 'refused';
  /** Absent if what came was no request. */
  readonly request?: StartRequest | undefined;
  readonly code: LineErrorCode;
  readonly reason: string;
}

export interface AuditEnd extends AuditAbout {
  readonly event: 'end';
  /** Absent if it did not start; `end` then says what a shell would. */
  readonly pid?: number | undefined;
  readonly end: ProcessEnd;
  readonly durationMs: number;
  /** Bytes given to it and taken from it. */
  readonly stdinBytes: number;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
}

/** Where the entries go. */
export interface AuditLog {
  /**
   * Resolves when the entry is kept. What `record` rejects with keeps a process from starting: nothing runs that has left
   * no trace.
   */
  record(entry: AuditEntry): Promise<void>;
}
