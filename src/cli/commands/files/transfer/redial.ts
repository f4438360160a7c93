import { setTimeout as sleep } from 'node:timers/promises';
import { isLineLost, LineError } from '../../../../node/index.ts';
import type { CommandContext } from '../../../context.ts';
import type { RemotePlace } from '../../../place.ts';
import { escapeJson } from '../../../terminal/escape.ts';
import { formatTimestamp } from '../../../terminal/format.ts';
import { type DialHooks, type Reached, type ReachOptions, withLine } from '../../dial.ts';
import { waitBeforeTry } from '../../wait-before-try.ts';
import type { TransferReport } from './transfer-report.ts';

/**
 * Runs a transfer over a line to `place`; when the line is lost, dials again and runs the same transfer anew: what is
 * there already is identical, and partials are continued. Only what worked once is tried again, so a wrong address fails
 * at once. The server's key was pinned at the first login, so nobody else is told anything by a later one.
 */
export async function withRedial(
  context: CommandContext,
  place: Pick<RemotePlace, 'host' | 'port'>,
  options: RedialOptions,
  report: RedialReport,
  work: (connected: Reached) => Promise<void>,
): Promise<void> {
  let wasConnected = false;
  let tries = 0;
  let moved = report.moved;
  report.startNew();
  for (;;) {
    try {
      await withLine(context, place, options, async connected => {
        wasConnected = true;
        await work(connected);
        // A file that failed because the line did is no failure of that file.
        const lost = report.takeLost();
        if (lost !== undefined) throw lost;
      });
      return;
    } catch (thrown) {
      report.takeLost();
      if (!wasConnected || !isLineLost(thrown)) throw thrown;
      if (report.moved > moved) tries = 0;
      moved = report.moved;
      if (options.retry === false || tries >= MAX_TRIES) throw lineLost(thrown);
      report.startOver();
      const waitMs = waitBeforeTry(tries, Math.random());
      tries += 1;
      tellRetry(context, thrown, waitMs, tries);
      await sleep(waitMs, undefined, { signal: context.signal });
    }
  }
}

/** What is told of a transfer over several lines. */
export type RedialReport = Pick<TransferReport, 'moved' | 'startNew' | 'startOver' | 'takeLost'>;

export interface RedialOptions extends ReachOptions, DialHooks {
  /** `false` under `--no-retry`. */
  readonly retry?: boolean;
}

function tellRetry(context: CommandContext, { code }: LineError, waitMs: number, attempt: number): void {
  if (context.options.quiet) return;
  if (!context.options.json) {
    context.note(`connection lost, trying again in ${Math.ceil(waitMs / 1000)} s (hint: --no-retry)`);
    return;
  }
  const time = formatTimestamp(Date.now());
  const event = { type: 'status', time, event: 'redial', code, attempt, wait_ms: Math.round(waitMs) };
  context.tell(escapeJson(event));
}

/** Silence in the middle of the work is a lost line too, not a time that the user has set. */
function lineLost(error: LineError): LineError {
  return error.code === 'TIMEOUT' ? new LineError('TRUNCATED', error.message, { cause: error }) : error;
}

/** How often it is tried in a row without a byte getting through. */
export const MAX_TRIES = 10;
