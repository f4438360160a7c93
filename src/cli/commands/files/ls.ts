import { type Entry, encodeName, FilesClient, type Problem } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { EXIT } from '../../exit-status.ts';
import { explainError, explainItem } from '../../failure.ts';
import { formatPlace } from '../../place.ts';
import { escapeJson, escapeText } from '../../terminal/escape.ts';
import { formatLocalTime, formatSize, formatTimestamp } from '../../terminal/format.ts';
import { type ReachOptions, remotePlace, withLine } from '../dial.ts';

export interface ListOptions extends ReachOptions {
  readonly long?: boolean;
  readonly recursive?: boolean;
  readonly null?: boolean;
}

/** Lists a folder, or tells of one file. One folder comes sorted; a whole tree as it is found, however large. */
export async function list(context: CommandContext, text: string, options: ListOptions): Promise<void> {
  const place = await remotePlace(text, options);
  context.doing = `cannot list ${formatPlace(place)}`;
  await withLine(context, place, options, async ({ route }) => {
    const files = new FilesClient(route);
    const found = await files.stat(place.path, { signal: context.signal });
    const printer = context.options.json ? new JsonPrinter(context) : new LinePrinter(context, options);
    await printer.begin();
    if (found.type !== 'folder') {
      await printer.entry({ ...found, path: place.path.split('/').at(-1)! });
    } else if (options.recursive) {
      for await (const batch of files.list(place.path, { recursive: true, signal: context.signal })) {
        for (const item of batch) await printItem(context, printer, item);
      }
    } else {
      const items: (Entry | Problem)[] = [];
      for await (const batch of files.list(place.path, { signal: context.signal })) items.push(...batch);
      items.sort((a, b) => (a.path < b.path ? -1 : 1));
      for (const item of items) await printItem(context, printer, item);
    }
    await printer.end();
  });
}

async function printItem(context: CommandContext, printer: Printer, item: Entry | Problem): Promise<void> {
  if (!('error' in item)) {
    await printer.entry(item);
    return;
  }
  context.exitStatus = EXIT.partial;
  const { code } = item.error;
  if (context.options.json) {
    process.stderr.write(
      `${escapeJson({ type: 'error', path: shown(item.path), code, message: explainError(item.error) })}\n`,
    );
  } else {
    process.stderr.write(`postern: ${escapeText(item.path)}: ${explainItem(item.error)}\n`);
  }
}

interface Printer {
  begin(): Promise<void>;
  entry(entry: Entry): Promise<void>;
  end(): Promise<void>;
}

/** One document, written as the entries come. */
class JsonPrinter implements Printer {
  readonly #context: CommandContext;
  #count = 0;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  begin(): Promise<void> {
    return this.#context.write('{"entries":[');
  }

  entry(entry: Entry): Promise<void> {
    const separator = this.#count++ === 0 ? '\n' : ',\n';
    return this.#context.write(separator + escapeJson(entryJson(entry)));
  }

  end(): Promise<void> {
    return this.#context.write('\n]}\n');
  }
}

/** For people in columns, off a terminal with tabs; names are escaped only where a terminal would obey them. */
class LinePrinter implements Printer {
  readonly #context: CommandContext;
  readonly #options: ListOptions;

  constructor(context: CommandContext, options: ListOptions) {
    this.#context = context;
    this.#options = options;
  }

  async begin(): Promise<void> {}

  async entry(entry: Entry): Promise<void> {
    const isTerminal = this.#context.stdout.terminal;
    const end = this.#options.null ? '\0' : '\n';
    if (!isTerminal) {
      const details = this.#options.long
        ? `${entry.type}\t${entry.size}\t${formatTimestamp(entry.mtimeUs / 1000)}\t`
        : '';
      const target = this.#options.long && entry.target !== undefined ? `\t${entry.target}` : '';
      await this.#context.write(encodeName(`${details}${this.#paint(entry, entry.path)}${target}${end}`));
      return;
    }
    const painted = this.#paint(entry, escapeText(entry.path) + (entry.type === 'folder' ? '/' : ''));
    if (!this.#options.long) {
      await this.#context.write(`${painted}${end}`);
      return;
    }
    const size = (entry.type === 'file' ? formatSize(entry.size) : entry.type).padStart(9);
    const target = entry.target === undefined ? '' : ` -> ${escapeText(entry.target)}`;
    await this.#context.write(`${size}  ${formatLocalTime(entry.mtimeUs / 1000)}  ${painted}${target}${end}`);
  }

  async end(): Promise<void> {}

  /** Off a terminal too, if colours are asked for. */
  #paint({ type }: Entry, name: string): string {
    const { colors } = this.#context.stdout;
    if (type === 'folder') return colors.blue(name);
    return type === 'link' ? colors.cyan(name) : name;
  }
}

/** An entry as JSON shows it. A name that is no UTF-8 has its bytes in base64 beside a form to read. */
export function entryJson(entry: Entry): Record<string, unknown> {
  return {
    name: shown(entry.path.split('/').at(-1)!),
    path: shown(entry.path),
    ...(entry.path.isWellFormed() ? {} : { path_base64: Buffer.from(encodeName(entry.path)).toString('base64') }),
    type: entry.type,
    size: entry.size,
    modified: formatTimestamp(entry.mtimeUs / 1000),
    mode: entry.mode.toString(8).padStart(4, '0'),
    ...(entry.target === undefined ? {} : { target: shown(entry.target) }),
  };
}

function shown(name: string): string {
  return name.isWellFormed() ? name : escapeText(name);
}
