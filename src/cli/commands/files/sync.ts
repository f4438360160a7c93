import { basename, dirname } from 'node:path';
import {
  excluder,
  FilesClient,
  type Line,
  LineError,
  makeOffers,
  makeSha256,
  openOffer,
  ReadRoot,
  ReceiveRoot,
  readConfig,
  type SyncEvent,
  type SyncOptions,
  type SyncSummary,
  syncFromRemote,
  syncToRemote,
} from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { formatPlace, parsePlace, type RemotePlace } from '../../place.ts';
import { escapeJson, escapeText } from '../../terminal/escape.ts';
import { confirm, requirePerson } from '../../terminal/prompt.ts';
import { requirePermission, withLine } from '../dial.ts';
import { type CarryOptions, carryingOf, statusOf } from './transfer/transfer-options.ts';
import { TransferReport } from './transfer/transfer-report.ts';

export interface SyncCommandOptions extends CarryOptions {
  readonly dryRun?: boolean;
  readonly delete?: boolean;
  readonly exclude?: readonly string[];
  readonly excludeFrom?: string;
  readonly checksum?: boolean;
}

/** One direction over a line that is open: the library's sync with everything but its options. */
type Sync = (options: SyncOptions) => Promise<SyncSummary>;

/**
 * `sync SRC DST`, one of them remote.
 *
 *   1. Where `--delete` must be confirmed and nobody can be asked, it ends before it dials.
 *   2. A dry run tells its plan on stdout. A run that deletes plans first, to ask with the number.
 *   3. The run itself is told like a download.
 */
export async function sync(
  context: CommandContext,
  sourceText: string,
  targetText: string,
  options: SyncCommandOptions,
): Promise<void> {
  const { hosts } = await readConfig();
  const [source, target] = [sourceText, targetText].map(text =>
    parsePlace(text, { port: options.port, aliases: hosts }),
  ) as [ReturnType<typeof parsePlace>, ReturnType<typeof parsePlace>];
  const asks = options.delete === true && options.dryRun !== true && context.options.yes !== true;
  const how = { noInput: context.options.input === false, signal: context.signal, answeredBy: ['--yes'] };
  if (asks) requirePerson('what may be removed', how);
  context.doing = `cannot sync ${formatPlace(source)} to ${formatPlace(target)}`;
  const common = {
    makeSha256,
    signal: context.signal,
    checksum: options.checksum,
    ...carryingOf(options),
    delete: options.delete,
    exclude: await excludeOf(options),
  };
  const work = async (run: Sync): Promise<void> => {
    if (options.dryRun === true) {
      await showPlan(context, run, common);
      return;
    }
    if (asks) {
      const { removed } = await run({ ...common, dryRun: true });
      const question = `${removed} things are not in ${escapeText(formatPlace(source))}; remove them?`;
      if (removed > 0 && !(await confirm(question, how))) throw new LineError('CANCELLED', 'nothing was changed');
    }
    await runAndTell(context, formatPlace(source), run, common);
  };
  if (source.kind === 'remote' && target.kind === 'local') {
    await withLine(context, source, options, ({ line }) => fromRemote(line, source, target.path, options, work));
  } else if (source.kind === 'local' && target.kind === 'remote') {
    await toRemote(context, source.path, target, options, work);
  } else {
    throw new LineError('USAGE', 'one of SRC and DST is on another machine: HOST:PATH or postern://HOST/PATH');
  }
}

async function fromRemote(
  line: Line,
  source: RemotePlace,
  targetPath: string,
  options: SyncCommandOptions,
  work: (run: Sync) => Promise<void>,
): Promise<void> {
  const files = new FilesClient(line);
  const isFolder = (await files.stat(source.path)).type === 'folder';
  const directory = isFolder ? targetPath : dirname(targetPath);
  const local = await openLocal(directory, options.dryRun === true);
  const request = { from: source.path, to: isFolder ? '' : basename(targetPath) };
  try {
    await work(how => syncFromRemote(files, local, request, how));
  } finally {
    await local?.read.close();
    await local?.write.close();
  }
}

async function toRemote(
  context: CommandContext,
  sourcePath: string,
  target: RemotePlace,
  options: SyncCommandOptions,
  work: (run: Sync) => Promise<void>,
): Promise<void> {
  const store = await openOffer(sourcePath);
  const offers = makeOffers();
  const how = { ...options, onChannel: offers.handle.bind(offers) };
  await withLine(context, target, how, async connected => {
    const needed = options.dryRun === true ? [] : (['write', 'delete'] as const);
    for (const permission of needed) requirePermission(connected, permission, 'sync to there');
    await work(one => syncToRemote(connected.line, offers, store, { to: target.path }, one));
  });
}

/** `undefined` where nothing is yet and a dry run makes nothing. */
async function openLocal(
  directory: string,
  dryRun: boolean,
): Promise<{ readonly read: ReadRoot; readonly write: ReceiveRoot } | undefined> {
  try {
    const write = await ReceiveRoot.open(directory, { make: !dryRun });
    return { write, read: await ReadRoot.open(directory) };
  } catch (thrown) {
    if (dryRun && thrown instanceof LineError && thrown.code === 'NOT_FOUND') return undefined;
    throw thrown;
  }
}

/** The plan on stdout: what is to happen, a tab, and the path. */
async function showPlan(context: CommandContext, run: Sync, common: SyncOptions): Promise<void> {
  const report = new TransferReport(context, '');
  const lines: string[] = [];
  const summary = await run({
    ...common,
    dryRun: true,
    onEvent: event => {
      if (event.type === 'failed') report.failed(event.path, event.error);
      if (event.type !== 'planned') return;
      const { path, change, size } = event;
      const shown = context.stdout.terminal ? escapeText(path) : path;
      lines.push(
        context.options.json ? escapeJson({ type: 'item', path, size, outcome: change }) : `${change}\t${shown}`,
      );
    },
  });
  if (lines.length > 0) await context.print(lines.join('\n'));
  if (context.options.json) await context.printJson({ type: 'summary', dry_run: true, ...summary });
  const { received, removed } = summary;
  context.note(`postern: would transfer ${received} (${summary.bytes} bytes) and remove ${removed}`);
  context.exitStatus = statusOf(report);
}

async function runAndTell(context: CommandContext, label: string, run: Sync, common: SyncOptions): Promise<void> {
  const report = new TransferReport(context, label);
  const onEvent = (event: SyncEvent): void => {
    if (event.type === 'removed') {
      if (context.options.json) process.stdout.write(`${escapeJson({ ...event, type: 'item', outcome: 'removed' })}\n`);
      else context.detail(`removed ${event.path}`);
    } else if (event.type !== 'planned') report.event(event);
  };
  try {
    await report.show();
    const { removed } = await run({ ...common, onEvent });
    await report.finish();
    if (removed > 0) context.note(`postern: ${removed} removed`);
  } finally {
    report.close();
  }
  context.exitStatus = statusOf(report);
}

/** Patterns of the file first, so that those of the command line can take them back. */
async function excludeOf({ exclude = [], excludeFrom }: SyncCommandOptions): Promise<SyncOptions['exclude']> {
  const patterns = [...(excludeFrom === undefined ? [] : await readLines(excludeFrom)), ...exclude];
  return patterns.length === 0 ? undefined : excluder(patterns);
}

async function readLines(path: string): Promise<string[]> {
  const file = await (await openOffer(path)).open('');
  try {
    const bytes = new Uint8Array(file.entry.size);
    const count = await file.read(bytes, 0);
    return new TextDecoder().decode(bytes.subarray(0, count)).split('\n');
  } finally {
    await file.close();
  }
}
