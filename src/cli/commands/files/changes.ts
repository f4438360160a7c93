import {
  FilesClient,
  LineError,
  makeRemoteFolder,
  moveRemote,
  type Permission,
  removeRemote,
} from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { EXIT, exitStatusOf } from '../../exit-status.ts';
import { explainError, explainItem } from '../../failure.ts';
import { formatPlace, parsePlace, type RemotePlace } from '../../place.ts';
import { escapeJson, escapeText } from '../../terminal/escape.ts';
import { formatCount, formatSize } from '../../terminal/format.ts';
import { confirm, requirePerson } from '../../terminal/prompt.ts';
import { type Reached, type ReachOptions, remotePlace, requirePermission, withLine } from '../dial.ts';
import { LINE_IS_OVER } from './transfer/transfer-options.ts';

/** `rm`, `mkdir` and `mv`: single changes of the served folder. */

export interface RemoveOptions extends ReachOptions {
  readonly recursive?: boolean;
}

export async function remove(context: CommandContext, texts: readonly string[], options: RemoveOptions): Promise<void> {
  const places = await namedPlaces(texts, options);
  const recursive = options.recursive === true;
  const how = {
    noInput: context.options.input === false,
    signal: context.signal,
    answeredBy: ['--yes'],
  };
  const asks = recursive && context.options.yes !== true;
  if (asks) requirePerson('remove with all that is in it', how);
  await changeEach(context, places, options, {
    verb: 'remove',
    outcome: 'removed',
    permission: 'delete',
    power: 'remove files',
    act: async (connected, { path }) => {
      if (asks && !(await confirm(`remove ${escapeText(path)}${await contentsOf(context, connected, path)}?`, how))) {
        return false;
      }
      await removeRemote(connected.route, path, { recursive });
      return true;
    },
  });
}

export async function makeFolders(
  context: CommandContext,
  texts: readonly string[],
  options: ReachOptions,
): Promise<void> {
  await changeEach(context, await namedPlaces(texts, options), options, {
    verb: 'make',
    outcome: 'made',
    permission: 'write',
    power: 'make folders',
    act: async ({ route }, { path }) => {
      context.hint = '';
      await makeRemoteFolder(route, path);
      return true;
    },
  });
}

/** Into TO if that is a folder or ends with a slash, else TO is the new name. */
export async function move(
  context: CommandContext,
  fromText: string,
  toText: string,
  options: ReachOptions,
): Promise<void> {
  const [from] = await namedPlaces([fromText], options);
  if (parsePlace(toText).kind === 'local') throw new LineError('USAGE', 'both places are written HOST:PATH');
  const to = await remotePlace(toText, options);
  if (from!.host !== to.host || from!.port !== to.port) {
    throw new LineError('USAGE', 'both places must be on the same machine; use get and put between two');
  }
  await changeEach(context, [from!], options, {
    verb: 'move',
    outcome: 'moved',
    permission: 'delete',
    power: 'rename files',
    act: async (connected, { path }) => {
      const isInto = to.trailingSlash || (await isFolder(connected, to.path));
      const name = path.split('/').at(-1)!;
      const target = isInto ? (to.path === '' ? name : `${to.path}/${name}`) : to.path;
      try {
        await moveRemote(connected.route, path, target);
      } catch (thrown) {
        if (thrown instanceof LineError && thrown.code === 'EXISTS') {
          context.hint = 'remove what is there, or choose another name';
        }
        throw thrown;
      }
      return true;
    },
  });
}

interface Change {
  readonly verb: string;
  readonly outcome: string;
  readonly permission: Permission;
  /** What that allows, as a phrase. */
  readonly power: string;
  /** `false`: the user did not want it. */
  act(connected: Reached, place: RemotePlace): Promise<boolean>;
}

/** Does it to each place, one line a machine; one that fails is told, and the rest goes on. */
async function changeEach(
  context: CommandContext,
  places: readonly RemotePlace[],
  options: ReachOptions,
  change: Change,
): Promise<void> {
  context.doing = `cannot ${change.verb} ${places.map(formatPlace).join(', ')}`;
  const errors: LineError[] = [];
  let done = 0;
  let declined = 0;
  for (let at = 0; at < places.length; ) {
    const { host, port } = places[at]!;
    const next = places.findIndex((place, index) => index > at && (place.host !== host || place.port !== port));
    const here = places.slice(at, next === -1 ? undefined : next);
    at += here.length;
    await withLine(context, here[0]!, options, async connected => {
      requirePermission(connected, change.permission, change.power);
      for (const place of here) {
        try {
          if (!(await change.act(connected, place))) {
            declined += 1;
            continue;
          }
          done += 1;
          if (context.options.json)
            await context.printJson({ type: 'item', path: place.path, outcome: change.outcome });
          else context.note(`${change.outcome} ${escapeText(place.path)}`);
        } catch (thrown) {
          if (!(thrown instanceof LineError) || places.length === 1 || LINE_IS_OVER.has(thrown.code)) throw thrown;
          errors.push(thrown);
          const { code } = thrown;
          context.tell(
            context.options.json
              ? escapeJson({ type: 'error', path: place.path, code, message: explainError(thrown) })
              : `postern: ${escapeText(place.path)}: ${explainItem(thrown)}`,
          );
        }
      }
    });
  }
  if (context.options.json) await context.printJson({ type: 'summary', [change.outcome]: done, failed: errors.length });
  const statuses = new Set(errors.map(({ code }) => exitStatusOf(code)));
  const [status = declined > 0 ? EXIT.interrupted : EXIT.ok] = statuses;
  context.exitStatus = statuses.size > 1 || (done > 0 && errors.length > 0) ? EXIT.partial : status;
}

/** The served folder itself is not for changing, and a host alone is more likely a slip. */
async function namedPlaces(texts: readonly string[], options: ReachOptions): Promise<RemotePlace[]> {
  const places: RemotePlace[] = [];
  for (const text of texts) {
    const place = await remotePlace(text, options);
    if (place.path === '') throw new LineError('USAGE', `${text} is the served folder itself; a path in it is needed`);
    places.push(place);
  }
  return places;
}

async function isFolder({ route }: Reached, path: string): Promise<boolean> {
  try {
    return (await new FilesClient(route).stat(path)).type === 'folder';
  } catch (thrown) {
    if (thrown instanceof LineError && (thrown.code === 'NOT_FOUND' || thrown.code === 'FORBIDDEN')) return false;
    throw thrown;
  }
}

/** What would be lost, for the question; nothing where it may not be read. */
async function contentsOf(context: CommandContext, { route, allowed }: Reached, path: string): Promise<string> {
  if (!allowed.includes('read')) return ' and all that is in it';
  const files = new FilesClient(route);
  const entry = await files.stat(path, { signal: context.signal });
  if (entry.type !== 'folder') return ` (${formatSize(entry.size)})`;
  let count = 0;
  let bytes = 0;
  const contents = () => `${formatCount(count)} ${count === 1 ? 'entry' : 'entries'}, ${formatSize(bytes)}`;
  await context.transient('listing…', async show => {
    for await (const batch of files.list(path, { recursive: true, signal: context.signal })) {
      for (const item of batch) {
        count += 1;
        if (!('error' in item) && item.type === 'file') bytes += item.size;
      }
      show(`${contents()} …`);
    }
  });
  return ` with ${contents()}`;
}
