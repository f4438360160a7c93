import {
  childEnvironment,
  type Entry,
  EntrySet,
  type FilesClient,
  LineError,
  makeSha256,
  type Problem,
} from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { escapeText } from '../../terminal/escape.ts';
import { formatCount, formatSize } from '../../terminal/format.ts';
import type { Pager } from '../../terminal/pager.ts';
import { ask, type PromptOptions } from '../../terminal/prompt.ts';
import type { CarryOptions } from './transfer/transfer-options.ts';

/**
 * What a host has at some places, offered to the person at the terminal before any of it is fetched (R-F5).
 *
 *   1. Each place is looked at. Single files were named one by one: only folders are asked about.
 *   2. They are listed, and the numbers asked about. `l` lists them again, shows every path, and asks again.
 *   3. What was listed last is what is agreed to, exactly; over a line that was lost, too.
 *
 * Where nobody sits at a terminal, and with `--yes`, everything is agreed to unseen.
 */
export class Offer {
  readonly #context: CommandContext;
  readonly #places: readonly string[];
  readonly #label: string;
  readonly #followLinks: boolean;
  readonly #how: PromptOptions;
  #state: 'new' | 'unseen' | 'agreed' = 'new';
  #listing: Listing | undefined;

  /** `places` are paths at the host; `label` is what the question calls all of them together. */
  constructor(context: CommandContext, places: readonly string[], label: string, options: CarryOptions) {
    this.#context = context;
    this.#places = places;
    this.#label = label;
    this.#followLinks = options.copyLinks === true;
    this.#how = { noInput: context.options.input === false, signal: context.signal, answeredBy: ['--yes'] };
  }

  /** Resolves with `false` after a no. Once agreed, it is not asked again. */
  async agree(files: FilesClient): Promise<boolean> {
    if (this.#state !== 'new') return true;
    if (!this.#context.isAttended) {
      this.#state = 'unseen';
      return true;
    }
    const roots = await this.#look(files);
    this.#listing = await this.#list(files, roots);
    const isAsked = [...roots.values()].some(({ type }) => type === 'folder');
    while (isAsked) {
      const answer = await this.#ask(this.#listing);
      if (answer === 'no') return false;
      if (answer === 'yes') break;
      this.#listing = await this.#show(files, roots);
    }
    this.#state = 'agreed';
    return true;
  }

  /** All of it, where that is known. */
  get total(): { readonly bytes: number; readonly items: number } | undefined {
    if (this.#listing === undefined) return undefined;
    const { bytes, files, links } = this.#listing;
    return { bytes, items: files + links };
  }

  /** For `download`: whether an entry of the place is part of what was agreed to. */
  acceptFor(place: string): ((entry: Entry) => boolean) | undefined {
    const listed = this.#listing?.sets.get(place);
    return listed === undefined ? undefined : entry => listed.has(entry);
  }

  /** What is not there, or may not be read, is not offered: it fails by its name when its turn comes. */
  async #look(files: FilesClient): Promise<ReadonlyMap<string, Entry>> {
    const roots = new Map<string, Entry>();
    for (let at = 0; at < this.#places.length; at += MAX_LOOKS_AHEAD) {
      const looks = this.#places.slice(at, at + MAX_LOOKS_AHEAD).map(async place => {
        try {
          roots.set(place, await files.stat(place, { signal: this.#context.signal }));
        } catch (thrown) {
          if (!(thrown instanceof LineError) || !NOT_THERE.has(thrown.code)) throw thrown;
        }
      });
      await Promise.all(looks);
    }
    return roots;
  }

  /**
   * Lists everything anew. A pager gets a line for each entry, escaped, until it has enough; without one, and from then
   * on, a line grows with the numbers.
   */
  async #list(files: FilesClient, roots: ReadonlyMap<string, Entry>, pager?: Pager): Promise<Listing> {
    const listing = new Listing();
    let reader = pager;
    await this.#context.transient(pager === undefined ? 'listing…' : '', async show => {
      for (const [place, root] of roots) {
        const set = listing.begin(place);
        const name = place.split('/').at(-1)!;
        const add = async (item: Entry | Problem, path: string): Promise<void> => {
          listing.count(item);
          if (!('error' in item)) set.add(item);
          if (reader !== undefined && !(await reader.write(lineOf(item, path)))) reader = undefined;
        };
        if (root.type !== 'folder') {
          await add(root, name);
          continue;
        }
        listing.countFolder();
        const how = { recursive: true, followLinks: this.#followLinks, signal: this.#context.signal };
        for await (const batch of files.list(place, how)) {
          for (const item of batch) await add(item, name === '' ? item.path : `${name}/${item.path}`);
          if (reader === undefined) show(`${listing.describe()} …`);
        }
      }
    });
    return listing;
  }

  async #show(files: FilesClient, roots: ReadonlyMap<string, Entry>): Promise<Listing> {
    // Loaded here: most look at no list.
    const { openPager } = await import('../../terminal/pager.ts');
    const context = this.#context;
    return context.alone(async () => {
      const pager = await openPager({
        program: process.env['PAGER'],
        environment: childEnvironment(process.env),
        stream: process.stderr,
        style: context.stderr,
        askForMore: async () => (await ask('-- Enter for the next page, q to leave --', this.#how)).trim() !== 'q',
        signal: context.signal,
      });
      context.isTerminalLent = () => pager.hasTerminal;
      try {
        return await this.#list(files, roots, pager);
      } finally {
        await pager.close();
      }
    });
  }

  async #ask(listing: Listing): Promise<'yes' | 'no' | 'list'> {
    const them = listing.files === 1 ? 'it' : 'them';
    const question = `${escapeText(this.#label)}: ${listing.describe()}. Get ${them}? [Y/n/l to list]`;
    for (;;) {
      const answer = ANSWERS.get((await ask(question, this.#how)).trim().toLowerCase());
      if (answer !== undefined) return answer;
    }
  }
}

/** What was listed: in numbers, and as sets, a few bytes for each entry. */
class Listing {
  readonly sets = new Map<string, EntrySet>();
  files = 0;
  links = 0;
  bytes = 0;
  #folders = 0;
  #problems = 0;

  begin(place: string): EntrySet {
    const set = new EntrySet(makeSha256);
    this.sets.set(place, set);
    return set;
  }

  countFolder(): void {
    this.#folders += 1;
  }

  count(item: Entry | Problem): void {
    if ('error' in item || item.type === 'other') this.#problems += 1;
    else if (item.type === 'folder') this.countFolder();
    else if (item.type === 'link') this.links += 1;
    else {
      this.files += 1;
      this.bytes += item.size;
    }
  }

  /** `1,204 files in 37 folders, 3.2 GB`. */
  describe(): string {
    const folders = this.#folders > 1 ? ` in ${things(this.#folders, 'folder')}` : '';
    const links = this.links === 0 ? '' : `, ${things(this.links, 'link')}`;
    const problems = this.#problems === 0 ? '' : `, ${formatCount(this.#problems)} that cannot be read`;
    return `${things(this.files, 'file')}${folders}${links}, ${formatSize(this.bytes)}${problems}`;
  }
}

function things(count: number, name: string): string {
  return `${formatCount(count)} ${name}${count === 1 ? '' : 's'}`;
}

function lineOf(item: Entry | Problem, path: string): string {
  if ('error' in item || item.type === 'other') return `${'unreadable'.padStart(SIZE_COLUMNS)}  ${escapeText(path)}`;
  if (item.type === 'folder') return `${'folder'.padStart(SIZE_COLUMNS)}  ${escapeText(path)}/`;
  const size = (item.type === 'link' ? 'link' : formatSize(item.size)).padStart(SIZE_COLUMNS);
  return `${size}  ${escapeText(path)}${item.target === undefined ? '' : ` -> ${escapeText(item.target)}`}`;
}

const ANSWERS: ReadonlyMap<string, 'yes' | 'no' | 'list'> = new Map([
  ['', 'yes'],
  ['y', 'yes'],
  ['yes', 'yes'],
  ['n', 'no'],
  ['no', 'no'],
  ['l', 'list'],
  ['list', 'list'],
]);
const NOT_THERE: ReadonlySet<string> = new Set(['NOT_FOUND', 'FORBIDDEN', 'BAD_NAME', 'ACCESS', 'NOT_A_FILE']);
const MAX_LOOKS_AHEAD = 32;
const SIZE_COLUMNS = 10;
