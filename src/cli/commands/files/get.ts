import { FilesClient, LineError } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { formatHost, formatPlace, parsePlace, type RemotePlace } from '../../place.ts';
import { requirePerson } from '../../terminal/prompt.ts';
import { remotePlace, withLine } from '../dial.ts';
import { converse } from './get-conversation.ts';
import { type Fetching, fetchTarget, type GetOptions } from './get-fetch.ts';
import { Offer } from './get-offer.ts';
import { type DownloadTarget, resolveTargets } from './get-target.ts';
import { Conflicts } from './transfer/conflicts.ts';
import { type LookAhead, lookAhead } from './transfer/look-ahead.ts';
import { withRedial } from './transfer/redial.ts';
import { carryingOf, LINE_IS_OVER, statusOf } from './transfer/transfer-options.ts';
import { TransferReport } from './transfer/transfer-report.ts';

/**
 * Downloads: `get HOST:PATH… [DEST]`.
 *
 *   1. A single HOST without a path converses; DEST `-` streams to standard output.
 *   2. Else each place gets its target (get-target.ts), and the places of one host share one line.
 */
export async function get(context: CommandContext, texts: readonly string[], options: GetOptions): Promise<void> {
  if (texts.length === 1 && isBareHost(texts[0]!)) {
    const place = await remotePlace(texts[0]!, options);
    requirePerson('which file', { noInput: context.options.input === false, answeredBy: ['HOST:PATH'] });
    context.doing = `cannot get from ${formatHost(place.host)}`;
    await withLine(context, place, options, ({ route }) => converse(context, route, options));
    return;
  }
  const { sources, destination } = await splitPlaces(texts, options);
  context.doing = `cannot get ${sources.map(formatPlace).join(', ')}`;
  if (destination === '-') {
    await stream(context, sources, options);
    return;
  }
  if (options.offset !== undefined || options.length !== undefined) {
    throw new LineError('USAGE', '--offset and --length go with DEST -');
  }
  const report = new TransferReport(context, labelOf(sources));
  const conflicts = new Conflicts(context, options, { direction: 'get', report });
  let rootsLeft = sources.length;
  try {
    const hosts = distinctHosts(sources);
    for (const place of hosts) {
      const here = sources.filter(source => source.host === place.host && source.port === place.port);
      const targets = await resolveTargets(here, destination, sources.length > 1);
      rootsLeft -= targets.length;
      const offer = new Offer(
        context,
        targets.map(({ from }) => from),
        labelOf(here),
        options,
      );
      const ahead = await aheadOf(targets, options);
      const how = { ...options, meanwhile: () => ahead?.seen.begin() };
      try {
        await withRedial(context, place, how, report, async ({ route }) => {
          const files = new FilesClient(route);
          if (!(await offer.agree(files))) throw new LineError('CANCELLED', 'nothing was fetched');
          await report.show();
          if (hosts.length === 1 && offer.total !== undefined) report.expect(offer.total);
          await fetchAll(files, targets, { options, report, conflicts, offer, seen: ahead?.seen }, rootsLeft);
        });
      } catch (thrown) {
        // Of several machines one that cannot be reached does not keep us from the others.
        if (!(thrown instanceof LineError) || context.phase !== 'connecting' || hosts.length === 1) throw thrown;
        const { code, message } = thrown;
        // A time-out before there is a line means that nothing usable answers there, as in exit-status.ts.
        const error = code === 'TIMEOUT' ? new LineError('UNREACHABLE', message, { cause: thrown }) : thrown;
        for (const { to } of targets) report.failed(to, error);
      } finally {
        await ahead?.close();
      }
    }
    await report.finish();
  } finally {
    report.close();
  }
  context.exitStatus = statusOf(report);
}

/** Of a single thing that may be here already under its own name. */
async function aheadOf(targets: readonly DownloadTarget[], options: GetOptions): Promise<LookAhead | undefined> {
  const [target] = targets;
  if (target === undefined || targets.length > 1 || target.to === '' || options.checksum === true) return undefined;
  return lookAhead(target.folder, target.to);
}

/** Downloads each target; one that fails as a whole is told like a file that fails, and the next one follows. */
async function fetchAll(
  files: FilesClient,
  targets: readonly DownloadTarget[],
  fetching: Fetching,
  rootsLeft: number,
): Promise<void> {
  const { report } = fetching;
  for (const [at, target] of targets.entries()) {
    try {
      report.beginRoot(rootsLeft + targets.length - 1 - at);
      await fetchTarget(files, target, fetching);
    } catch (thrown) {
      if (!(thrown instanceof LineError) || LINE_IS_OVER.has(thrown.code)) throw thrown;
      report.failed(target.to, thrown);
    }
  }
}

/** `get HOST:FILE -`: the bytes and nothing else on standard output. */
async function stream(context: CommandContext, sources: readonly RemotePlace[], options: GetOptions): Promise<void> {
  for (const place of sources) {
    await withLine(context, place, options, async ({ route }) => {
      const file = await new FilesClient(route).read(place.path, {
        offset: options.offset ?? 0,
        ...(options.length === undefined ? {} : { length: options.length }),
        compressor: carryingOf(options).compressor,
        signal: context.signal,
      });
      for await (const bytes of file.bytes) await context.write(bytes);
    });
  }
}

/** One thing by its own name, a whole share by its host; several only by their number: their names follow. */
function labelOf(sources: readonly RemotePlace[]): string {
  const [source] = sources;
  if (source === undefined || sources.length > 1) return `${sources.length} places`;
  return source.path.split('/').at(-1) || formatHost(source.host);
}

/** The last argument is where to put things, unless it is remote: then the current folder is. */
async function splitPlaces(
  texts: readonly string[],
  options: GetOptions,
): Promise<{ sources: RemotePlace[]; destination: string }> {
  const last = texts.at(-1)!;
  const hasDestination = texts.length > 1 && (last === '-' || parsePlace(last).kind === 'local');
  const sources: RemotePlace[] = [];
  for (const text of hasDestination ? texts.slice(0, -1) : texts) sources.push(await remotePlace(text, options));
  return { sources, destination: hasDestination ? last : '.' };
}

function isBareHost(text: string): boolean {
  return parsePlace(text).kind === 'local' || /^postern:\/\/[^/]*$/i.test(text);
}

function distinctHosts(places: readonly RemotePlace[]): RemotePlace[] {
  return places.filter(
    (place, at) => places.findIndex(other => other.host === place.host && other.port === place.port) === at,
  );
}
