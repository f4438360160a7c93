import {
  type ChangeWatch,
  type Line,
  LineError,
  type SyncEvent,
  type SyncOptions,
  type SyncSummary,
  syncOnChange,
  systemClock,
} from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { formatSize } from '../../terminal/format.ts';
import type { RedialReport } from './transfer/redial.ts';
import { TransferReport } from './transfer/transfer-report.ts';

/** One direction over a line that is open: the library's sync with everything but its options. */
export type Sync = (options: SyncOptions) => Promise<SyncSummary>;

/** What rounds need besides. */
export interface RoundsSource {
  readonly line: Line;
  /** Notices changes of the source. */
  readonly watch: (signal: AbortSignal) => Promise<ChangeWatch>;
}

/** What does not go together with `--watch`: nobody is asked before each round. */
export function checkWatchOptions(
  context: CommandContext,
  { dryRun, delete: deletes }: { readonly dryRun?: boolean; readonly delete?: boolean },
): void {
  if (dryRun === true) throw new LineError('USAGE', '--watch and --dry-run do not go together');
  if (deletes === true && context.options.yes !== true) {
    throw new LineError('USAGE', '--delete with --watch removes without asking, and needs --yes');
  }
}

/** `sync --watch`: one round after the other, each told in a line, over one line or several. */
export class SyncRounds implements RedialReport {
  readonly #context: CommandContext;
  readonly #label: string;
  #done = 0;

  constructor(context: CommandContext, label: string) {
    this.#context = context;
    this.#label = label;
  }

  /** Never returns: it ends with the line, also while nothing changes, or with the wish of the user. */
  async keepInSync(run: Sync, options: SyncOptions, { line, watch }: RoundsSource): Promise<never> {
    const over = new AbortController();
    void line.closed.then(error => over.abort(error ?? new LineError('SHUTDOWN', 'the other side has ended the line')));
    const signal = AbortSignal.any([this.#context.signal, over.signal]);
    return syncOnChange(await watch(signal), () => this.#round(run, options), { clock: systemClock, signal });
  }

  async #round(run: Sync, options: SyncOptions): Promise<SyncSummary> {
    const report = new TransferReport(this.#context, this.#label);
    try {
      // The first round may be long. Those after it are short, and a display that comes and goes would tell nothing.
      if (this.#done === 0) await report.show();
      const summary = await run({ ...options, onEvent: event => this.#tell(event, report) });
      report.tellHeld();
      const lost = report.takeLost();
      if (lost !== undefined) throw lost;
      report.complete();
      await this.#tellRound(summary);
      this.#done += 1;
      return summary;
    } finally {
      report.close();
    }
  }

  #tell(event: SyncEvent, report: TransferReport): void {
    if (event.type === 'planned') return;
    if (event.type === 'removed') report.removed(event.path);
    else if (event.type !== 'finished' || event.outcome === 'received' || this.#done === 0) report.event(event);
  }

  /** `12:04:31  3 files, 12 kB`; a round that found nothing to do is told under `-v`, but for the first. */
  async #tellRound(summary: SyncSummary): Promise<void> {
    const now = new Date();
    if (this.#context.options.json) {
      await this.#context.printJson({ type: 'summary', time: now.toISOString(), ...summary });
      return;
    }
    const { received, removed, failed, bytes } = summary;
    const parts = [`${received} ${received === 1 ? 'file' : 'files'}, ${formatSize(bytes)}`];
    if (removed > 0) parts.push(`${removed} removed`);
    if (failed > 0) parts.push(`${failed} failed`);
    const line = `${now.toTimeString().slice(0, 8)}  ${parts.join(', ')}`;
    if (received + removed + failed > 0 || this.#done === 0) this.#context.note(line);
    else this.#context.detail(line);
  }

  // ── For `withRedial` ──────────────────────────────────────────────────────────────────────────────────────────────

  /** A round that went to its end is progress. */
  get moved(): number {
    return this.#done;
  }

  startNew(): void {
    // Each round has a report of its own.
  }

  startOver(): void {
    // As above.
  }

  /** A round throws its loss itself. */
  takeLost(): undefined {
    return undefined;
  }
}
