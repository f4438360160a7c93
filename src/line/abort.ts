import { LineError } from '../errors.ts';

/** The error that an aborted signal means: `TIMEOUT` for `AbortSignal.timeout`, the reason itself if it is ours. */
export function abortError(signal: AbortSignal): LineError {
  const reason: unknown = signal.reason;
  if (reason instanceof LineError) return reason;
  const isTimeout = reason instanceof Error && reason.name === 'TimeoutError';
  return isTimeout
    ? new LineError('TIMEOUT', 'the time for this was up', { cause: reason })
    : new LineError('CANCELLED', 'this was cancelled', { cause: reason });
}

/** Calls `action` when `signal` is aborted, at once if it is already. Returns what takes the listener away again. */
export function onAbort(signal: AbortSignal | undefined, action: (error: LineError) => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    action(abortError(signal));
    return () => {};
  }
  const listener = (): void => action(abortError(signal));
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** Waits for `answer` no longer than until `signal` is aborted, which throws what it means. */
export function unlessAborted<T>(signal: AbortSignal | undefined, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stopListening = onAbort(signal, reject);
    answer.then(resolve, reject).finally(stopListening);
  });
}

/** Any thrown thing as a `LineError`: what is not one already is a fault of ours. */
export function toLineError(thrown: unknown): LineError {
  if (thrown instanceof LineError) return thrown;
  return new LineError('INTERNAL', 'something went wrong inside postern', { cause: thrown });
}
