import { brotliCompressor, type Compressor, type ConflictPolicy } from '../../../../node/index.ts';
import { EXIT } from '../../../exit-status.ts';
import type { ReachOptions } from '../../dial.ts';
import type { TransferReport } from './transfer-report.ts';

/** Options that `get`, `put` and `sync` share. */
export interface CarryOptions extends ReachOptions {
  readonly compress?: 'auto' | 'never';
  readonly copyLinks?: boolean;
  /** `false` under `--no-retry`. */
  readonly retry?: boolean;
}

/** Options that `get` and `put` share. */
export interface TransferOptions extends CarryOptions {
  readonly force?: boolean;
  readonly update?: boolean;
  readonly skip?: boolean;
  readonly rename?: boolean;
  readonly backup?: boolean;
  readonly checksum?: boolean;
  readonly fsync?: boolean;
}

export function carryingOf({ compress, copyLinks }: CarryOptions): {
  readonly compressor: Compressor | undefined;
  readonly copyLinks: boolean | undefined;
} {
  return { compressor: compress === 'auto' ? brotliCompressor() : undefined, copyLinks };
}

/** The one that was chosen: the grammar lets no second one through. */
export function policyOf(options: TransferOptions): ConflictPolicy | undefined {
  if (options.force) return 'force';
  if (options.update) return 'update';
  if (options.skip) return 'skip';
  if (options.rename) return 'rename';
  return options.backup ? 'backup' : undefined;
}

/** If some of it is there it is partly done; if all of it failed for the same reason that reason counts. */
export function statusOf({ failureStatuses, succeeded }: TransferReport): number {
  const [status = EXIT.ok] = failureStatuses;
  return failureStatuses.size > 1 || (succeeded > 0 && failureStatuses.size > 0) ? EXIT.partial : status;
}

/** Failures after which nothing more can come over the same line. */
export const LINE_IS_OVER: ReadonlySet<string> = new Set([
  'TRUNCATED',
  'CLOSED',
  'CANCELLED',
  'INTEGRITY',
  'REVOKED',
  'SHUTDOWN',
  'TIMEOUT',
  'PROTOCOL',
  'INTERNAL',
]);
