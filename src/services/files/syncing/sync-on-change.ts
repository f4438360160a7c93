import { abortError, onAbort } from '../../../line/abort.ts';
import type { Clock } from '../../../line/clock.ts';
import type { ChangeWatch } from '../store.ts';
import type { SyncSummary } from './sync.ts';

/**
 * Runs `round` now, and again after changes of its source, until it or the watch fails or the signal is aborted. Closes
 * the watch.
 *
 *   1. A change that comes while a round runs is followed by another round: it may have come too late for the first.
 *   2. Changes in a row are waited for, but not for ever.
 *   3. A round begins a second after the one before at the earliest, and later each time that there was nothing to do: what
 *      is left out may change all the time, and whoever is at the other end may tell of changes that there are not.
 */
export async function syncOnChange(
  watch: ChangeWatch,
  round: () => Promise<Pick<SyncSummary, 'received' | 'removed'>>,
  { clock, signal }: { readonly clock: Clock; readonly signal?: AbortSignal | undefined },
): Promise<never> {
  const forget = onAbort(signal, () => watch.close());
  const nextChange = (): Promise<void> => {
    const change = watch.next();
    // It may fail while a round runs; it is waited for after that.
    change.catch(() => {});
    return change;
  };
  try {
    let change = nextChange();
    let pauseMs = MIN_PAUSE_MS;
    for (;;) {
      const startedAt = clock.now();
      const { received, removed } = await round();
      pauseMs = received + removed > 0 ? MIN_PAUSE_MS : Math.min(2 * pauseMs, MAX_PAUSE_MS);
      await change;
      const earliest = startedAt + pauseMs;
      const latest = Math.max(earliest, clock.now() + MAX_SETTLE_MS);
      do change = nextChange();
      while ((await comesWithin(change, Math.max(SETTLE_MS, earliest - clock.now()), clock)) && clock.now() < latest);
    }
  } catch (thrown) {
    if (signal?.aborted) throw abortError(signal);
    throw thrown;
  } finally {
    forget();
    watch.close();
  }
}

function comesWithin(change: Promise<void>, delayMs: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(delayMs, () => resolve(false));
    change.then(
      () => {
        timer.cancel();
        resolve(true);
      },
      (thrown: unknown) => {
        timer.cancel();
        reject(thrown as Error);
      },
    );
  });
}

/** Of quiet before a round begins: a program saves a file in several steps. */
const SETTLE_MS = 250;
/** Of waiting for quiet. */
const MAX_SETTLE_MS = 2000;
/** From the beginning of one round to that of the next. */
const MIN_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 10_000;
