import { describe, expect, test } from 'vitest';
import type { Channel } from '../../src/line/channel.ts';
import type { Line } from '../../src/line/line.ts';
import { makeSha256 } from '../../src/node/files/folder-service.ts';
import { ExecHost, type ExecHostOptions } from '../../src/services/exec/host.ts';
import { filesHost } from '../../src/services/files/reading/sender.ts';
import { filesChangeHost } from '../../src/services/files/receiving/put-host.ts';
import type { ChangeStore, ReadStore } from '../../src/services/files/store.ts';
import { PERMISSIONS, type Permission } from '../../src/services/permission.ts';
import { dispatchChannels, offeredPermissions } from '../../src/services/registry.ts';
import type { Service } from '../../src/services/service.ts';
import { joinedLines } from '../support/lines.ts';

/** What the specification says (docs/protocol/4-services.md): each kind that there is, and what it needs. */
const KINDS: Readonly<Record<string, Permission>> = {
  'files.stat': 'read',
  'files.list': 'read',
  'files.get': 'read',
  'files.hash': 'read',
  'files.leaves': 'read',
  'files.chunks': 'read',
  'files.watch': 'read',
  'files.put': 'write',
  'files.write': 'write',
  'files.mkdir': 'write',
  'files.remove': 'delete',
  'files.move': 'delete',
};

/** These ask their channel or line before the store. */
const NEED_A_LINE = new Set(['files.get', 'files.put']);

/** A store that must not be reached. */
const untouched: ReadStore = {
  stat: () => Promise.reject(new Error('reached')),
  watch: () => Promise.reject(new Error('reached')),
  open: () => Promise.reject(new Error('reached')),
  list: () => {
    throw new Error('reached');
  },
};

const reached = () => Promise.reject(new Error('reached'));

const unchanged: ChangeStore = {
  stat: reached,
  open: reached,
  makeFolder: reached,
  finishFolder: reached,
  setAttributes: reached,
  makeLink: reached,
  partialBytes: reached,
  create: reached,
  move: reached,
  remove: reached,
};

const files = filesHost(untouched, makeSha256);
const changes = filesChangeHost(unchanged, PERMISSIONS, makeSha256, () => 0);
const both = [files, changes];
/** What a request of each kind holds besides its path. */
const REQUEST = { path: 'x', to: 'y', offer: 'z', policy: 'refuse' };

/** One kind per permission, so that the matrix is not only of `read`. */
function probes(reached: string[]): Service {
  const kinds = PERMISSIONS.map(
    permission => [`probe.${permission}`, { permission, handle: async () => void reached.push(permission) }] as const,
  );
  return { name: 'probes', kinds: Object.fromEntries(kinds) };
}

async function outcome(allowed: readonly Permission[], services: readonly Service[], kind: string): Promise<string> {
  const dispatch = dispatchChannels(services, allowed);
  const channel = { kind, request: REQUEST, send: async () => {}, read: async () => {} } as unknown as Channel;
  return dispatch(channel, { origin: {} } as Line).then(
    () => 'handled',
    (thrown: { code?: string; message: string }) => thrown.code ?? thrown.message,
  );
}

describe('R-A8 R-A13 R-A14 the permission matrix', () => {
  test('the files service has exactly the kinds of the specification, with their permissions', () => {
    const all = both.flatMap(service => Object.entries(service.kinds));
    const kinds = all.map(([kind, { permission }]) => [kind, permission]);
    expect(Object.fromEntries(kinds)).toEqual(KINDS);
  });

  for (const permission of PERMISSIONS) {
    for (const [kind, needed] of Object.entries(KINDS).filter(([name]) => !NEED_A_LINE.has(name))) {
      const isAllowed = permission === needed;
      test(`${kind} with ${permission} alone is ${isAllowed ? 'handled' : 'FORBIDDEN'}`, async () => {
        expect(await outcome([permission], both, kind)).toBe(isAllowed ? 'reached' : 'FORBIDDEN');
      });
    }
    for (const other of PERMISSIONS) {
      test(`a kind that needs ${other} with ${permission} alone is ${permission === other ? 'handled' : 'FORBIDDEN'}`, async () => {
        const reached: string[] = [];
        const result = await outcome([permission], [probes(reached)], `probe.${other}`);
        expect(result).toBe(permission === other ? 'handled' : 'FORBIDDEN');
        expect(reached).toEqual(permission === other ? [other] : []);
      });
    }
    test(`everything but ${permission} does not make up for it`, async () => {
      const reached: string[] = [];
      const rest = PERMISSIONS.filter(other => other !== permission);
      expect(await outcome(rest, [probes(reached)], `probe.${permission}`)).toBe('FORBIDDEN');
      expect(reached).toEqual([]);
    });
  }

  test.each(Object.keys(KINDS))('R-A14 %s with no permission at all is FORBIDDEN', async kind => {
    expect(await outcome([], both, kind)).toBe('FORBIDDEN');
  });

  test.each(['', 'files', 'probe', '__proto__', 'constructor', 'hasOwnProperty', 'files.puts'])(
    'R-A8 the kind %j is UNSUPPORTED, whatever is allowed',
    async kind => {
      expect(await outcome(PERMISSIONS, [...both, probes([])], kind)).toBe('UNSUPPORTED');
    },
  );

  test('the exec service has one kind, which needs exec and nothing else', () => {
    const unused = {} as ExecHostOptions;
    const kinds = Object.entries(new ExecHost(unused).service.kinds);
    expect(kinds.map(([kind, { permission }]) => [kind, permission])).toEqual([['exec.run', 'exec']]);
  });

  test('a permission that does not exist grants nothing', async () => {
    const made = ['Read', 'read ', '*', 'all', '__proto__'] as unknown as Permission[];
    expect(await outcome(made, [files], 'files.stat')).toBe('FORBIDDEN');
    expect(offeredPermissions([files], made)).toEqual([]);
  });

  test('what is granted later to the caller’s list grants nothing', async () => {
    const allowed: Permission[] = [];
    const dispatch = dispatchChannels([files], allowed);
    allowed.push('read');
    const channel = { kind: 'files.stat', request: { path: '' } } as unknown as Channel;
    await expect(dispatch(channel, { origin: {} } as Line)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('two services with the same kind are refused when they are put together', () => {
    expect(() => dispatchChannels([files, files], [])).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  test('welcome tells what is both granted and of use', () => {
    expect(offeredPermissions([files], PERMISSIONS)).toEqual(['read']);
    expect(offeredPermissions([files], ['write'])).toEqual([]);
    expect(offeredPermissions(both, PERMISSIONS)).toEqual(['read', 'write', 'delete']);
    expect(offeredPermissions([], PERMISSIONS)).toEqual([]);
  });

  test('over a line the refusal is what the peer hears, at every channel anew', async () => {
    const { client } = await joinedLines({ onChannel: dispatchChannels(both, ['time', 'exec', 'shell']) });
    for (const kind of [...Object.keys(KINDS), ...Object.keys(KINDS)]) {
      await expect(client.open(kind, { path: '' }).read()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
    await client.close();
  });

  test('a line whose server offers nothing refuses every channel', async () => {
    const { client } = await joinedLines();
    await expect(client.open('files.stat', { path: '' }).read()).rejects.toMatchObject({
      code: expect.stringMatching(/UNSUPPORTED|CLOSED/),
    });
    await client.close();
  });
});
