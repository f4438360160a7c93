import { LineError } from '../../../errors.ts';
import type { Channel } from '../../../line/channel.ts';
import type { Route } from '../../../line/route.ts';
import { readInteger, readText } from '../../../protocol/bytes/json.ts';
import type { Compressor } from '../coding/compressor.ts';
import { CHANGE_KIND, encodePath } from '../messages.ts';
import type { Offers } from '../reading/offers.ts';
import type { ReadStore } from '../store.ts';
import { type Conflict, type ConflictAnswer, type ConflictPolicy, isTypeChange } from './conflict.ts';
import type { DownloadSummary } from './download.ts';
import { decodeEvents, type TransferEvent } from './events.ts';
import { Answers } from './questions.ts';

/**
 * Puts a file or a folder on the other side: offers `store`, whose `''` it is, and lets the host fetch it. `offers` must
 * be what the line was connected with (`onChannel`). Throws `FORBIDDEN` where writing is not allowed, and as `download`.
 */
export async function upload(
  route: Route,
  offers: Offers,
  store: ReadStore,
  request: UploadRequest,
  options: UploadOptions = {},
): Promise<DownloadSummary> {
  const offer = offers.offer(store, route, options.compressor);
  const channel = route.open(
    (options.prefix ?? '') + CHANGE_KIND.put,
    {
      ...encodePath(request.to),
      offer,
      // Nobody to ask is said at once: the host would ask in vain.
      policy:
        options.conflict === 'ask' && options.onConflict === undefined ? 'refuse' : (options.conflict ?? 'refuse'),
      checksum: options.checksum === true,
      fsync: options.fsync === true,
      compress: options.compressor !== undefined,
      follow: options.copyLinks === true,
      types: options.onTypeChange !== undefined,
    },
    { signal: options.signal },
  );
  const answers = new Answers(channel, request.to, conflict => decide(conflict, options));
  try {
    for (;;) {
      const message = await channel.readMessage();
      const type = readText(message, 't', 16);
      if (type === 'events') for (const event of decodeEvents(message)) options.onEvent?.(event);
      else if (type === 'conflict') answers.take(message);
      else if (type === 'summary') {
        return {
          received: readInteger(message, 'received'),
          identical: readInteger(message, 'identical'),
          skipped: readInteger(message, 'skipped'),
          failed: readInteger(message, 'failed'),
          bytes: readInteger(message, 'bytes'),
        };
      } else throw new LineError('PROTOCOL', 'a message that is not due');
    }
  } finally {
    offers.withdraw(offer);
    channel.reset();
  }
}

function decide(conflict: Conflict, options: UploadOptions): Promise<ConflictAnswer> | undefined {
  if (!isTypeChange(conflict)) return options.conflict === 'ask' ? options.onConflict?.(conflict) : undefined;
  return options.onTypeChange?.(conflict).then(givesWay => (givesWay ? 'force' : 'refuse'));
}

/** Puts a stream of unknown length on the other side as one file; returns its size. Nothing is kept of a cut one. */
export async function uploadStream(
  route: Route,
  bytes: AsyncIterable<Uint8Array>,
  request: UploadRequest,
  options: UploadOptions = {},
): Promise<number> {
  const channel = route.open(
    CHANGE_KIND.write,
    { ...encodePath(request.to), policy: options.conflict ?? 'refuse', fsync: options.fsync === true },
    { signal: options.signal, priority: 'bulk' },
  );
  const answer = channel.readMessage();
  try {
    await writeUntilAnswered(channel, bytes, answer);
    await channel.end();
    return readInteger(await answer, 'bytes');
  } finally {
    channel.reset();
  }
}

/** A refusal is heard at once, also while the source has nothing to give: nobody types a page for nothing. */
async function writeUntilAnswered(
  channel: Channel,
  bytes: AsyncIterable<Uint8Array>,
  answer: Promise<unknown>,
): Promise<void> {
  const source = bytes[Symbol.asyncIterator]();
  let refusal: { readonly error: unknown } | undefined;
  let wake: (error: unknown) => void = () => {};
  const refuse = (error: unknown): void => {
    refusal = { error };
    wake(error);
  };
  // One listener for the whole stream: a race with the answer for each chunk would keep a trace of every one.
  answer.then(() => refuse(new LineError('PROTOCOL', 'an answer before the end')), refuse);
  for (;;) {
    const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
      if (refusal !== undefined) {
        reject(refusal.error as Error);
        return;
      }
      wake = reject;
      source.next().then(resolve, reject);
    });
    if (next.done) return;
    await channel.write(next.value);
  }
}

/** Removes a file, a link or an empty folder; with `recursive` a folder and all in it. */
export async function removeRemote(route: Route, path: string, options: { recursive?: boolean } = {}): Promise<void> {
  await change(route, CHANGE_KIND.remove, { ...encodePath(path), recursive: options.recursive === true });
}

/** Makes a folder, and those above it. */
export async function makeRemoteFolder(route: Route, path: string): Promise<void> {
  await change(route, CHANGE_KIND.makeFolder, encodePath(path));
}

/** Gives what is at `from` another name; what has the new one is not replaced (`EXISTS`). */
export async function moveRemote(route: Route, from: string, to: string): Promise<void> {
  await change(route, CHANGE_KIND.move, { ...encodePath(from), ...encodePath(to, 'to') });
}

export interface UploadRequest {
  /** Path at the host: the name that the file or folder gets; `''` puts a folder's content into the served folder. */
  readonly to: string;
}

export interface UploadOptions {
  /** Default `refuse`. */
  readonly conflict?: ConflictPolicy | undefined;
  /**
   * With `ask`: decides one conflict at the host, `path` being there. Not asked about a stream, nor where this login may not
   * read: that is `refuse`. What it throws ends the transfer.
   */
  readonly onConflict?: ((conflict: Conflict) => Promise<ConflictAnswer>) | undefined;
  /** As in `DownloadOptions`; takes `delete`, and `read`, without which nothing changes its type. */
  readonly onTypeChange?: ((conflict: Conflict) => Promise<boolean>) | undefined;
  readonly checksum?: boolean | undefined;
  readonly fsync?: boolean | undefined;
  /** Sends content that shrinks compressed; see `DownloadOptions`. */
  readonly compressor?: Compressor | undefined;
  /** As of `DownloadOptions`. */
  readonly copyLinks?: boolean | undefined;
  /** Stands before the kind of channel, as of `FilesClient`. Not for a stream. */
  readonly prefix?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Hears what happens at the host. Must not throw. */
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
}

async function change(route: Route, kind: string, request: { readonly [key: string]: unknown }): Promise<void> {
  const channel = route.open(kind, request);
  try {
    await channel.readMessage();
  } finally {
    channel.reset();
  }
}
