import { basename, dirname } from 'node:path';
import {
  type ChangeWatch,
  decodeName,
  type Entry,
  excluder,
  FilesClient,
  LineError,
  makeOffers,
  makeSha256,
  openOffer,
  PathSet,
  ReadRoot,
  type ReadStore,
  ReceiveRoot,
  readConfig,
  type SyncOptions,
  syncFromRemote,
  syncToRemote,
} from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { formatPlace, parsePlace, type RemotePlace } from '../../place.ts';
import { escapeJson, escapeText } from '../../terminal/escape.ts';
import { formatCount, formatSize } from '../../terminal/format.ts';
import { confirm, type PromptOptions, requirePerson } from '../../terminal/prompt.ts';
import { type Reached, requirePermission } from '../dial.ts';
import { checkWatchOptions, type RoundsSource, type Sync, SyncRounds } from './sync-watch.ts';
import { type ClosingStore, lookAhead, OfferAhead } from './transfer/look-ahead.ts';
import { type RedialReport, withRedial } from './transfer/redial.ts';
import { type CarryOptions, carryingOf, statusOf } from './transfer/transfer-options.ts';
import { TransferReport } from './transfer/transfer-report.ts';

export interface SyncCommandOptions extends CarryOptions {
  readonly dryRun?: boolean;
  readonly delete?: boolean;
  readonly exclude?: readonly string[];
  readonly excludeFrom?: string;
  readonly checksum?: boolean;
  readonly watch?: boolean;
}

/**
 * `sync SRC DST`, one of them remote.
 *
 *   1. Where `--delete` must be confirmed and nobody can be asked, it ends before it dials.
 *   2. A dry run tells its plan on stdout. A run that deletes plans first, to ask with the number.
 *   3. The run itself is told like a download, and dials again like one.
 *   4. With `--watch` it stays, and runs again when the source changes (sync-watch.ts).
 */
export async function sync(
  context: CommandContext,
  sourceText: string,
  targetText: string,
  options: SyncCommandOptions,
): Promise<void> {
  if (options.watch === true) checkWatchOptions(context, options);
  const { hosts } = await readConfig();
  const [source, target] = [sourceText, targetText].map(text =>
    parsePlace(text, { port: options.port, aliases: hosts }),
  ) as [ReturnType<typeof parsePlace>, ReturnType<typeof parsePlace>];
  const removals = new Removals(context, formatPlace(source), options);
  removals.requirePerson();
  context.doing = `cannot sync ${formatPlace(source)} to ${formatPlace(target)}`;
  const common = {
    makeSha256,
    signal: context.signal,
    checksum: options.checksum,
    ...carryingOf(options),
    delete: options.delete,
    exclude: await excludeOf(options),
  };
  const report = new TransferReport(context, formatPlace(source));
  const rounds = options.watch === true ? new SyncRounds(context, formatPlace(source)) : undefined;
  const told = rounds ?? report;
  const work = async (run: Sync, watched: RoundsSource): Promise<void> => {
    if (rounds !== undefined) await rounds.keepInSync(run, common, watched);
    else if (options.dryRun === true) await showPlan(context, run, common, report);
    else await runOnce(run, common, report, removals);
  };
  try {
    if (source.kind === 'remote' && target.kind === 'local') {
      const ahead = isPlain(options) ? await lookAhead(target.path, '') : undefined;
      try {
        const how = { ...options, meanwhile: () => ahead?.seen.begin() };
        await withRedial(context, source, how, told, reached =>
          fromRemote(reached, source, target.path, options, (run, watched) =>
            work(how => run({ ...how, seen: ahead?.seen }), watched),
          ),
        );
      } finally {
        await ahead?.close();
      }
    } else if (source.kind === 'local' && target.kind === 'remote') {
      await toRemote(context, source.path, target, { ...options, exclude: common.exclude }, told, work);
    } else {
      throw new LineError('USAGE', 'one of SRC and DST is on another machine: HOST:PATH or postern://HOST/PATH');
    }
    if (options.dryRun !== true) {
      await report.finish({ removed: report.removals });
      if (report.removals > 0) context.note(`postern: ${report.removals} removed`);
    }
  } finally {
    report.close();
  }
  context.exitStatus = statusOf(report);
}

async function fromRemote(
  { line, route }: Reached,
  source: RemotePlace,
  targetPath: string,
  options: SyncCommandOptions,
  work: (run: Sync, source: RoundsSource) => Promise<void>,
): Promise<void> {
  const files = new FilesClient(route);
  let root: Entry | undefined = await files.stat(source.path);
  const isFolder = root.type === 'folder';
  const directory = isFolder ? targetPath : dirname(targetPath);
  const local = await openLocal(directory, options.dryRun === true);
  const request = { from: source.path, to: isFolder ? '' : basename(targetPath) };
  try {
    const run: Sync = how => {
      // Asked just now, which is true of the first run alone.
      const known = root;
      root = undefined;
      return syncFromRemote(files, local, { ...request, root: known }, how);
    };
    await work(run, {
      line,
      watch: signal => files.watch(source.path, { signal }),
    });
  } finally {
    await local?.read.close();
    await local?.write.close();
  }
}

async function toRemote(
  context: CommandContext,
  sourcePath: string,
  target: RemotePlace,
  options: Omit<SyncCommandOptions, 'exclude'> & Pick<SyncOptions, 'exclude'>,
  report: RedialReport,
  work: (run: Sync, source: RoundsSource) => Promise<void>,
): Promise<void> {
  const offer: ClosingStore = await openOffer(sourcePath);
  const store = new OfferAhead(offer);
  const meanwhile = isPlain(options) ? () => store.begin() : undefined;
  const offers = makeOffers();
  const how = { ...options, onChannel: offers.handle.bind(offers), meanwhile };
  try {
    await withRedial(context, target, how, report, async connected => {
      const needed = options.dryRun === true ? [] : (['write', 'delete'] as const);
      for (const permission of needed) requirePermission(connected, permission, 'sync to there');
      await work(one => syncToRemote(connected.route, offers, store, { to: target.path }, one), {
        line: connected.line,
        watch: () => watchLocal(offer, options.exclude),
      });
    });
  } finally {
    await store.close();
  }
}

/** What is here may be looked at ahead of time: once, and by what the system says of it. */
function isPlain({ watch, dryRun, checksum }: Pick<SyncCommandOptions, 'watch' | 'dryRun' | 'checksum'>): boolean {
  return watch !== true && dryRun !== true && checksum !== true;
}

async function watchLocal(store: ReadStore, exclude: SyncOptions['exclude']): Promise<ChangeWatch> {
  if (store.watch === undefined) throw new LineError('NOT_A_FILE', 'only a folder can be watched');
  return store.watch('', { exclude });
}

/** The run over one line; another one compares anew, so what was done by then is found done. */
async function runOnce(run: Sync, common: SyncOptions, report: TransferReport, removals: Removals): Promise<void> {
  await removals.agree(run, common);
  await report.show();
  await run({
    ...common,
    mayRemove: path => removals.allow(path),
    onEvent: event => {
      if (event.type === 'removed') {
        removals.done(event.path);
        report.removed(event.path);
      } else if (event.type !== 'planned') report.event(event);
    },
  });
}

/**
 * What `--delete` may take away: what was agreed to, asked once for all lines, and each path once. A name that is there
 * again after its removal is something that nobody was asked about.
 */
class Removals {
  readonly #context: CommandContext;
  readonly #source: string;
  readonly #asks: boolean;
  readonly #how: PromptOptions;
  readonly #gone = new PathSet();
  #agreed: PathSet | undefined;

  constructor(context: CommandContext, source: string, options: SyncCommandOptions) {
    this.#context = context;
    this.#source = source;
    this.#asks = options.delete === true && options.dryRun !== true && context.options.yes !== true;
    this.#how = { noInput: context.options.input === false, signal: context.signal, answeredBy: ['--yes'] };
  }

  requirePerson(): void {
    if (this.#asks) requirePerson('what may be removed', this.#how);
  }

  /** Plans and asks, unless that was done over an earlier line. Throws `CANCELLED` after a no. */
  async agree(run: Sync, common: SyncOptions): Promise<void> {
    if (!this.#asks || this.#agreed !== undefined) return;
    const planned = new PathSet();
    const { removed } = await this.#context.transient('comparing…', () =>
      run({
        ...common,
        dryRun: true,
        onEvent: event => {
          if (event.type === 'planned' && event.change === 'remove') planned.add(event.path);
        },
      }),
    );
    const things = removed === 1 ? '1 thing is' : `${formatCount(removed)} things are`;
    const question = `${things} not in ${escapeText(this.#source)}; remove ${removed === 1 ? 'it' : 'them'}?`;
    if (removed > 0 && !(await confirm(question, this.#how))) throw new LineError('CANCELLED', 'nothing was changed');
    this.#agreed = planned;
  }

  allow(path: string): boolean {
    return !this.#gone.has(path) && (this.#agreed?.has(path) ?? true);
  }

  done(path: string): void {
    this.#gone.add(path);
  }
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

/** The plan on stdout: what is to happen, a tab, and the path. Told once it is complete: a lost line begins it anew. */
async function showPlan(
  context: CommandContext,
  run: Sync,
  common: SyncOptions,
  report: TransferReport,
): Promise<void> {
  const lines: string[] = [];
  const summary = await context.transient('comparing…', () =>
    run({
      ...common,
      dryRun: true,
      onEvent: event => {
        if (event.type === 'failed') report.event(event);
        if (event.type !== 'planned') return;
        const { path, change, size } = event;
        const shown = context.stdout.terminal ? escapeText(path) : path;
        lines.push(
          context.options.json ? escapeJson({ type: 'item', path, size, outcome: change }) : `${change}\t${shown}`,
        );
      },
    }),
  );
  report.tellHeld();
  if (lines.length > 0) await context.print(lines.join('\n'));
  if (context.options.json) await context.printJson({ type: 'summary', dry_run: true, ...summary });
  const { received, bytes, removed } = summary;
  const files = received === 1 ? '1 file' : `${formatCount(received)} files`;
  context.note(`would transfer ${files}, ${formatSize(bytes)}, and remove ${formatCount(removed)}`);
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
    // As names are read, so that a pattern can mean one that is not UTF-8; an editor's byte order mark means nothing.
    return decodeName(bytes.subarray(0, count))
      .replace(/^\uFEFF/, '')
      .split('\n');
  } finally {
    await file.close();
  }
}
