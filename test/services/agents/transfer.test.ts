import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Route } from '../../../src/line/route.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import {
  type FolderService,
  makeOffers,
  makeSha256,
  openOffer,
  serveFolder,
} from '../../../src/node/files/folder-service.ts';
import { ReceiveRoot } from '../../../src/node/files/receive-root.ts';
import { FilesClient } from '../../../src/services/files/reading/client.ts';
import type { Offers } from '../../../src/services/files/reading/offers.ts';
import { download } from '../../../src/services/files/receiving/download.ts';
import { type UploadOptions, upload, uploadStream } from '../../../src/services/files/receiving/upload.ts';
import { syncToRemote } from '../../../src/services/files/syncing/sync.ts';
import type { Permission } from '../../../src/services/permission.ts';
import type { Service } from '../../../src/services/service.ts';
import { makeScene, type Scene } from '../../node/files/scene.ts';
import { code } from '../files/served.ts';
import { type JoinedAgent, Machines, type Operator } from './machines.ts';

const MiB = 1024 * 1024;

let scene: Scene;
let machines: Machines;
let folder: FolderService;
let agent: JoinedAgent;
let offers: Offers;
let operator: Operator;
const staticKey = nodeCrypto.generateKeyPair();

/** What the agent serves, and where the operator's files lie. */
const served = (name = ''): string => join(scene.root, name);
const own = (name = ''): string => join(scene.base, 'own', name);

beforeEach(async () => {
  scene = makeScene();
  mkdirSync(own());
  machines = await Machines.serve();
  await joinAgain(['read', 'write', 'delete']);
  offers = makeOffers();
  operator = await machines.operator((channel, route) => offers.handle(channel, route));
});

afterEach(async () => {
  await machines.end();
  await folder.close();
  scene.remove();
});

async function joinAgain(allow: readonly Permission[]): Promise<void> {
  folder = await serveFolder(scene.root, allow);
  agent = await machines.agent('web1', { allow, services: [folder], dialling: { staticKey } });
}

async function put(route: Route, from: string, to: string, options: UploadOptions = {}) {
  const store = await openOffer(own(from));
  try {
    return await upload(route, offers, store, { to }, options);
  } finally {
    await store.close();
  }
}

async function get(route: Route, from: string, to: string) {
  const store = await ReceiveRoot.open(own());
  try {
    return await download(new FilesClient(route), store, { from, to }, { makeSha256, checksum: true });
  } finally {
    await store.close();
  }
}

describe('files of an agent, through the server', () => {
  it('are listed and fetched byte for byte', async () => {
    const big = nodeCrypto.randomBytes(6 * MiB + 17);
    mkdirSync(served('tree/deep'), { recursive: true });
    writeFileSync(served('tree/deep/big'), big);
    for (let at = 0; at < 300; at += 1) writeFileSync(served(`tree/small${at}`), `number ${at}`);
    const route = await operator.to('web1');
    expect((await new FilesClient(route).stat('tree')).type).toBe('folder');
    expect(await get(route, 'tree', 'copy')).toMatchObject({ received: 301, failed: 0 });
    expect(readFileSync(own('copy/deep/big')).equals(big)).toBe(true);
    expect(readFileSync(own('copy/small299'), 'utf8')).toBe('number 299');
  });

  it('are put byte for byte, which the agent fetches over channels back', async () => {
    const big = nodeCrypto.randomBytes(6 * MiB + 17);
    mkdirSync(own('tree/deep'), { recursive: true });
    writeFileSync(own('tree/deep/big'), big);
    for (let at = 0; at < 300; at += 1) writeFileSync(own(`tree/small${at}`), `number ${at}`);
    const route = await operator.to('web1');
    expect(await put(route, 'tree', 'copy')).toMatchObject({ received: 301, failed: 0 });
    expect(readFileSync(served('copy/deep/big')).equals(big)).toBe(true);
    expect(readFileSync(served('copy/small299'), 'utf8')).toBe('number 299');
    expect(await put(route, 'tree', 'copy')).toMatchObject({ received: 0, identical: 301, failed: 0 });
  });

  it('takes a stream, and makes one folder like another', async () => {
    const route = await operator.to('web1');
    const bytes = nodeCrypto.randomBytes(3 * MiB);
    const pieces = (async function* () {
      for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
    })();
    expect(await uploadStream(route, pieces, { to: 'stream' })).toBe(bytes.length);
    expect(readFileSync(served('stream')).equals(bytes)).toBe(true);
    writeFileSync(own('kept'), 'kept');
    const store = await openOffer(own());
    const options = { makeSha256, remove: true, confirmRemoval: async () => true };
    await syncToRemote(route, offers, store, { to: '' }, options);
    await store.close();
    expect(readFileSync(served('kept'), 'utf8')).toBe('kept');
  });

  it('R-F9 continues a put where it was cut, when both come back, byte for byte', async () => {
    const big = nodeCrypto.randomBytes(24 * MiB + 5);
    writeFileSync(own('big'), big);
    const route = await operator.to('web1');
    let transfers = 0;
    const cut = put(route, 'big', 'big', {
      onEvent: event => {
        if (event.type === 'progress' && event.bytes >= 1) transfers += event.bytes;
        if (transfers > 10 * MiB) agent.transport.break();
      },
    });
    await expect(cut).rejects.toEqual(code('TRUNCATED'));
    await expect.poll(() => machines.comings.at(-1)).toBe('left web1');
    await expect.poll(() => readdirSync(served()).some(name => /\.0-.*postern-part$/.test(name))).toBe(true);
    await folder.close();
    await joinAgain(['read', 'write', 'delete']);
    let kept = 0;
    const again = await put(await operator.to('web1'), 'big', 'big', {
      onEvent: event => {
        if (event.type === 'kept') kept += event.bytes;
      },
    });
    expect(again).toMatchObject({ received: 1, failed: 0 });
    expect(kept).toBeGreaterThanOrEqual(4 * MiB);
    expect(readFileSync(served('big')).equals(big)).toBe(true);
    expect(readdirSync(served())).toEqual(['big']);
  });

  it('R-F9 continues a get where it was cut, byte for byte', async () => {
    const big = nodeCrypto.randomBytes(24 * MiB + 5);
    writeFileSync(served('big'), big);
    const store = await ReceiveRoot.open(own());
    const route = await operator.to('web1');
    let bytes = 0;
    const cut = download(
      new FilesClient(route),
      store,
      { from: 'big', to: 'big' },
      {
        makeSha256,
        onEvent: event => {
          if (event.type === 'progress') bytes += event.bytes;
          if (bytes > 10 * MiB) agent.transport.break();
        },
      },
    );
    await expect(cut).rejects.toEqual(code('TRUNCATED'));
    await store.close();
    await folder.close();
    await expect.poll(() => machines.comings.at(-1)).toBe('left web1');
    await joinAgain(['read']);
    expect(await get(await operator.to('web1'), 'big', 'big')).toMatchObject({ received: 1, failed: 0 });
    expect(readFileSync(own('big')).equals(big)).toBe(true);
    expect(readdirSync(own())).toEqual(['big']);
  });

  it('sends of a version that the agent has only what differs', async () => {
    const old = nodeCrypto.randomBytes(8 * MiB);
    const changed = Buffer.concat([old.subarray(0, 3 * MiB), Buffer.from('here'), old.subarray(3 * MiB)]);
    writeFileSync(served('f'), old);
    writeFileSync(own('f'), changed);
    let kept = 0;
    const summary = await put(await operator.to('web1'), 'f', 'f', {
      conflict: 'force',
      onEvent: event => {
        if (event.type === 'kept') kept += event.bytes;
      },
    });
    expect(summary).toMatchObject({ received: 1, failed: 0 });
    expect(kept).toBeGreaterThan(7 * MiB);
    expect(readFileSync(served('f')).equals(changed)).toBe(true);
  });

  it('R-A15 R-F10 is permitted by the agent, whatever the operator may do at the server', async () => {
    agent.membership.leave();
    await agent.membership.left;
    await folder.close();
    agent.transport.break();
    await joinAgain(['read']);
    writeFileSync(own('f'), 'new');
    writeFileSync(served('f'), 'old');
    const route = await operator.to('web1');
    await expect(put(route, 'f', 'g')).rejects.toEqual(code('FORBIDDEN'));
    await get(route, 'f', 'got');
    expect(readFileSync(own('got'), 'utf8')).toBe('old');
    expect(readdirSync(served())).toEqual(['f']);
  });

  it('R-A8 R-A14 without anything allowed every kind there is is refused, and told of', async () => {
    const told: string[] = [];
    await machines.agent('closed', {
      services: [folder, probe],
      onReached: ({ kind, error }) => told.push(`${kind} ${error?.code}`),
    });
    const route = await operator.to('closed');
    const kinds = [
      ...Object.keys(folder.kinds),
      'probe',
      'exec.run',
      'shell.open',
      'chat.join',
      '__proto__',
      'toString',
    ];
    expect(kinds.length).toBeGreaterThanOrEqual(18);
    for (const kind of kinds) {
      await expect(route.open(kind, { path: '', to: 'x', offer: 'x', policy: 'force' }).read()).rejects.toEqual(
        code('FORBIDDEN'),
      );
    }
    expect(told).toEqual(kinds.map(kind => `${kind} FORBIDDEN`));
  });
});

const probe: Service = {
  name: 'probe',
  kinds: { probe: { permission: 'exec', handle: () => Promise.reject(new Error('reached')) } },
};
