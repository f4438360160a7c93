import { basename, resolve } from 'node:path';
import {
  type Entry,
  FilesClient,
  LineError,
  makeOffers,
  makeRemoteFolder,
  type Offers,
  openOffer,
  type Problem,
  type Route,
  upload,
  uploadStream,
} from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { formatHost, formatPlace, parsePlace, type RemotePlace } from '../../place.ts';
import { type Reached, remotePlace, requirePermission, withLine } from '../dial.ts';
import { Conflicts } from './transfer/conflicts.ts';
import { OfferAhead } from './transfer/look-ahead.ts';
import { withRedial } from './transfer/redial.ts';
import { carryingOf, LINE_IS_OVER, policyOf, statusOf, type TransferOptions } from './transfer/transfer-options.ts';
import { TransferReport } from './transfer/transfer-report.ts';

/**
 * Uploads: `put PATH… HOST[:PATH]`.
 *
 *   1. What is here is opened before anybody is dialled; what is missing is told, and the rest goes on.
 *   2. Each gets its name over there, as cp and scp would have it, and the host fetches it.
 *   3. `-` is standard input, whose bytes become one file.
 */
export async function put(context: CommandContext, texts: readonly string[], options: TransferOptions): Promise<void> {
  if (texts.length < 2) throw new LineError('USAGE', 'what to put, and where, is needed: PATH… HOST[:PATH]');
  const place = await remotePlace(texts.at(-1)!, options);
  const paths = texts.slice(0, -1);
  context.doing = `cannot put ${paths.join(', ')} to ${formatPlace(place)}`;
  if (paths.includes('-')) {
    await putStream(context, paths, place, options);
    return;
  }
  for (const path of paths) {
    if (parsePlace(path).kind === 'remote') throw new LineError('USAGE', `${path} is on another machine; get it first`);
  }
  const report = new TransferReport(
    context,
    paths.length === 1 ? basename(resolve(paths[0]!)) : `${paths.length} places`,
  );
  const conflicts = new Conflicts(context, options, { direction: 'put', report });
  const sources: Source[] = [];
  const over = new AbortController();
  let counting: Promise<void> | undefined;
  try {
    await openAll(context, paths, sources, report);
    // Only for whoever watches: it reads every folder once more.
    if (context.isAttended) counting = countAll(sources, report, options, over.signal);
    if (sources.length > 0) {
      const offers = makeOffers();
      // Of several folders the later ones would be looked at too early, and whoever watches has it counted meanwhile.
      const [only] = sources.length === 1 && counting === undefined ? sources : [];
      const meanwhile = only?.isFolder ? () => only.store.begin() : undefined;
      const how = { ...options, onChannel: offers.handle.bind(offers), meanwhile };
      await withRedial(context, place, how, report, connected =>
        sendAll(context, connected, offers, { sources, place, several: paths.length > 1, options, report, conflicts }),
      );
    }
    await report.finish();
  } finally {
    report.close();
    over.abort();
    await counting;
    for (const { store } of sources) await store.close();
  }
  context.exitStatus = statusOf(report);
}

// ── 1. What is here ─────────────────────────────────────────────────────────────────────────────────────────────────

interface Source {
  readonly name: string;
  readonly isFolder: boolean;
  readonly store: OfferAhead;
}

async function openAll(
  context: CommandContext,
  paths: readonly string[],
  sources: Source[],
  report: TransferReport,
): Promise<void> {
  for (const path of paths) {
    try {
      const store = await openOffer(path);
      const isFolder = (await store.stat('')).type === 'folder';
      sources.push({ name: basename(resolve(path)), isFolder, store: new OfferAhead(store) });
    } catch (thrown) {
      if (!(thrown instanceof LineError)) throw thrown;
      // The usual hint is about the other machine.
      context.hint = '';
      report.failed(path, thrown);
    }
  }
  if (sources.length > 0) context.hint = undefined;
}

/** Counts it all while the first of it is under way: the host tells of it only as it gets there. */
async function countAll(
  sources: readonly Source[],
  report: TransferReport,
  options: TransferOptions,
  signal: AbortSignal,
): Promise<void> {
  let bytes = 0;
  let items = 0;
  const count = (item: Entry | Problem): void => {
    if ('error' in item || (item.type !== 'file' && item.type !== 'link')) return;
    bytes += item.size;
    items += 1;
  };
  try {
    for (const { isFolder, store } of sources) {
      if (!isFolder) count(await store.stat(''));
      else {
        for await (const batch of store.list('', { recursive: true, followLinks: options.copyLinks === true })) {
          if (signal.aborted) return;
          for (const item of batch) count(item);
        }
      }
    }
    report.expect({ bytes, items });
  } catch {
    // What cannot be counted fails by its name when its turn comes; until then the total grows.
  }
}

// ── 2. What becomes of it there ─────────────────────────────────────────────────────────────────────────────────────

interface Job {
  readonly sources: readonly Source[];
  readonly place: RemotePlace;
  readonly several: boolean;
  readonly options: TransferOptions;
  readonly report: TransferReport;
  readonly conflicts: Conflicts;
}

/** Puts each source; one that fails as a whole is told like a file that fails, and the next one follows. */
async function sendAll(
  context: CommandContext,
  connected: Reached,
  offers: Offers,
  { sources, place, several, options, report, conflicts }: Job,
): Promise<void> {
  requirePermission(connected, 'write', 'put files');
  const { route, allowed } = connected;
  await report.show();
  for (const [at, { name, isFolder, store }] of sources.entries()) {
    const isInto = several || isFolder || place.trailingSlash || (await isRemoteFolder(route, place.path, context));
    const to = isInto ? join(place.path, name) : place.path;
    try {
      report.beginRoot(sources.length - 1 - at);
      await makeParent(route, to);
      await upload(
        route,
        offers,
        store,
        { to },
        {
          ...conflicts.optionsFor('', allowed.includes('delete')),
          checksum: options.checksum,
          ...carryingOf(options),
          fsync: options.fsync,
          onEvent: event => report.event(event),
        },
      );
    } catch (thrown) {
      if (!(thrown instanceof LineError) || LINE_IS_OVER.has(thrown.code)) throw thrown;
      report.failed(to, thrown);
    }
  }
}

/** Whoever may write and not read cannot be told: then PATH is the new name. */
async function isRemoteFolder(route: Route, path: string, context: CommandContext): Promise<boolean> {
  try {
    return (await new FilesClient(route).stat(path, { signal: context.signal })).type === 'folder';
  } catch (thrown) {
    if (thrown instanceof LineError && (thrown.code === 'NOT_FOUND' || thrown.code === 'FORBIDDEN')) return false;
    throw thrown;
  }
}

/** As `get` makes the folder that it is told to put things into. */
async function makeParent(route: Route, path: string): Promise<void> {
  const end = path.lastIndexOf('/');
  if (end === -1) return;
  try {
    await makeRemoteFolder(route, path.slice(0, end));
  } catch (thrown) {
    if (!(thrown instanceof LineError) || thrown.code !== 'EXISTS') throw thrown;
  }
}

// ── 3. Standard input ───────────────────────────────────────────────────────────────────────────────────────────────

/** Its length is not known and it cannot be read again: nothing is resumed and nobody redials. */
async function putStream(
  context: CommandContext,
  paths: readonly string[],
  place: RemotePlace,
  options: TransferOptions,
): Promise<void> {
  if (paths.length > 1) throw new LineError('USAGE', '- is put alone');
  if (options.passwordFile === '-')
    throw new LineError('USAGE', 'standard input cannot be the passphrase and the file');
  if (place.trailingSlash) throw new LineError('USAGE', 'with - a file name is needed: HOST:NAME');
  context.doing = `cannot put standard input to ${formatHost(place.host)}:${place.path}`;
  const report = new TransferReport(context, place.path.split('/').at(-1)!);
  try {
    await withLine(context, place, options, async connected => {
      requirePermission(connected, 'write', 'put files');
      await report.show();
      await makeParent(connected.route, place.path);
      report.begin(place.path);
      const { path } = place;
      try {
        const size = await uploadStream(
          connected.route,
          counted(process.stdin, bytes => report.event({ type: 'progress', path, bytes })),
          { to: path },
          { conflict: policyOf(options), fsync: options.fsync, signal: context.signal },
        );
        report.event({ type: 'finished', path, size, outcome: 'received' });
      } catch (thrown) {
        if (!options.skip || !(thrown instanceof LineError) || thrown.code !== 'EXISTS') throw thrown;
        report.event({ type: 'finished', path, size: 0, outcome: 'skipped' });
      }
    });
    await report.finish();
  } finally {
    report.close();
  }
}

async function* counted(source: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    yield bytes;
    count(bytes.length);
  }
}

function join(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}
