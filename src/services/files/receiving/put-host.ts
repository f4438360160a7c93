import { LineError } from '../../../errors.ts';
import type { Channel } from '../../../line/channel.ts';
import type { Route } from '../../../line/route.ts';
import { type JsonObject, readFlag, readText } from '../../../protocol/bytes/json.ts';
import type { Permission } from '../../permission.ts';
import type { Service } from '../../service.ts';
import type { Compressor } from '../coding/compressor.ts';
import type { Entry } from '../entry.ts';
import type { MakeSha256 } from '../hash.ts';
import { CHANGE_KIND, requestedPath } from '../messages.ts';
import { FilesClient } from '../reading/client.ts';
import type { ChangeStore } from '../store.ts';
import {
  CONFLICT_POLICIES,
  type Conflict,
  type ConflictAnswer,
  type ConflictPolicy,
  judge,
  makeRoom,
  replaces,
} from './conflict.ts';
import { download } from './download.ts';
import { EventTeller } from './events.ts';
import { Questions } from './questions.ts';

/**
 * The host's writing side of the files service. An upload is the host's own download of what the client offers
 * (offers.ts), so conflicts, partials, resuming and order are one piece of code in both directions; the other kinds are
 * single changes. `write` makes new names only; whatever was there before takes `delete` as well, both of the service and
 * of the login.
 */
export function filesChangeHost(
  store: ChangeStore,
  allowed: readonly Permission[],
  makeSha256: MakeSha256,
  nowMs: () => number,
  compressor?: Compressor,
): Service {
  const rightsOf = (granted: ReadonlySet<Permission>): Rights => {
    const may = (permission: Permission): boolean => allowed.includes(permission) && granted.has(permission);
    return { mayReplace: may('delete'), mayRead: may('read') };
  };
  return {
    name: 'files-change',
    kinds: {
      [CHANGE_KIND.put]: {
        permission: 'write',
        handle: (channel, route, granted) =>
          receiveOffer(store, channel, route, rightsOf(granted), { makeSha256, compressor }),
      },
      [CHANGE_KIND.write]: {
        permission: 'write',
        handle: (channel, _route, granted) => receiveStream(store, channel, rightsOf(granted), nowMs),
      },
      [CHANGE_KIND.makeFolder]: { permission: 'write', handle: channel => makeFolder(store, channel, nowMs) },
      [CHANGE_KIND.remove]: {
        permission: 'delete',
        handle: async channel => {
          await store.remove(requestedPath(channel.request), { recursive: readFlag(channel.request, 'recursive') });
          await channel.send({ t: 'done' });
        },
      },
      [CHANGE_KIND.move]: {
        permission: 'delete',
        handle: async channel => {
          await store.move(requestedPath(channel.request), requestedPath(channel.request, 'to'));
          await channel.send({ t: 'done' });
        },
      },
    },
  };
}

interface Rights {
  readonly mayReplace: boolean;
  readonly mayRead: boolean;
}

/** `files.put`: downloads the offer into `path` and tells what happens. */
async function receiveOffer(
  store: ChangeStore,
  channel: Channel,
  route: Route,
  { mayReplace, mayRead }: Rights,
  { makeSha256, compressor }: { readonly makeSha256: MakeSha256; readonly compressor: Compressor | undefined },
): Promise<void> {
  const { request } = channel;
  const to = requestedPath(request);
  const conflict = requestedPolicy(request, mayReplace);
  const mayChangeTypes = readFlag(request, 'types');
  if (mayChangeTypes) requireRight('force', mayReplace);
  const files = new FilesClient(route, { offer: readText(request, 'offer', 64) });
  const stop = new AbortController();
  const questions = new Questions(channel);
  const events = new EventTeller(channel);
  const ask = async (conflict: Conflict): Promise<ConflictAnswer> => {
    await events.flush();
    return questions.ask(conflict);
  };
  // The client says nothing but answers: its end, or its RESET, is the wish to stop.
  const listening = questions.listen().then(
    () => stop.abort(new LineError('CANCELLED', 'the other side cancelled')),
    (thrown: unknown) => stop.abort(thrown),
  );
  const summary = await download(
    files,
    store,
    { from: '', to },
    {
      conflict,
      // A question shows what is there.
      onConflict: mayRead
        ? async asked => {
            const answer = await ask(asked);
            requireRight(answer, mayReplace);
            return answer;
          }
        : undefined,
      onTypeChange: mayChangeTypes && mayRead ? async asked => (await ask(asked)) === 'force' : undefined,
      checksum: readFlag(request, 'checksum'),
      fsync: readFlag(request, 'fsync'),
      leaveFolders: !mayReplace,
      mayCompare: mayRead,
      copyLinks: readFlag(request, 'follow'),
      compressor: readFlag(request, 'compress') ? compressor : undefined,
      makeSha256,
      signal: stop.signal,
      onEvent: event => events.tell(event), // A channel that fails is heard of by `listening`.
    },
  );
  await events.flush();
  await channel.send({ t: 'summary', ...summary });
  await channel.end();
  await listening;
}

/** `files.write`: the bytes of the channel become a file; its size is known only at the end. */
async function receiveStream(
  store: ChangeStore,
  channel: Channel,
  { mayReplace }: Rights,
  nowMs: () => number,
): Promise<void> {
  const wanted = requestedPath(channel.request);
  const policy = requestedPolicy(channel.request, mayReplace);
  const mtimeUs = Math.round(nowMs() * 1000);
  const source: Entry = { path: '', type: 'file', size: 0, mtimeUs, mode: STREAM_MODE };
  // What a stream will hold is not known yet, so it is never identical; and it cannot be skipped once it was sent.
  const verdict = await judge(store, wanted, source, { policy }, async () => false);
  if (verdict.action === 'leave') throw new LineError('EXISTS', 'something else has this name already');
  const file = await store.create(verdict.to);
  try {
    let position = 0;
    for (let item = await channel.read(); item !== undefined; item = await channel.read()) {
      if (!(item instanceof Uint8Array)) throw new LineError('PROTOCOL', 'a message where bytes are due');
      await file.write(item, position);
      position += item.length;
    }
    await makeRoom(store, verdict.to, verdict.over);
    const fsync = readFlag(channel.request, 'fsync');
    await file.commit({
      mtimeUs: Math.round(nowMs() * 1000),
      mode: STREAM_MODE,
      replace: verdict.over === 'replace',
      fsync,
    });
    await channel.send({ t: 'done', bytes: position });
  } catch (thrown) {
    // A stream cannot be begun again in the middle, so its partial is of no use.
    await file.discard();
    throw thrown;
  }
}

async function makeFolder(store: ChangeStore, channel: Channel, nowMs: () => number): Promise<void> {
  const path = requestedPath(channel.request);
  if ((await store.stat(path)) !== undefined) throw new LineError('EXISTS', 'something of this name exists');
  const names = path.split('/');
  for (let depth = 1; depth <= names.length; depth += 1) {
    const folder = names.slice(0, depth).join('/');
    const made = await store.makeFolder(folder);
    if (made !== 'there') await store.finishFolder(folder, { mtimeUs: Math.round(nowMs() * 1000), mode: FOLDER_MODE });
  }
  await channel.send({ t: 'done' });
}

function requestedPolicy(request: JsonObject, mayReplace: boolean): ConflictPolicy {
  const name = readText(request, 'policy', 16);
  const policy = CONFLICT_POLICIES.find(one => one === name);
  if (policy === undefined) throw new LineError('MALFORMED', 'a policy that there is not');
  requireRight(policy, mayReplace);
  return policy;
}

function requireRight(policy: ConflictPolicy, mayReplace: boolean): void {
  if (mayReplace || !replaces(policy)) return;
  throw new LineError('FORBIDDEN', 'this machine does not allow to replace what is there (delete)');
}

const STREAM_MODE = 0o644;
const FOLDER_MODE = 0o755;
