import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ConnectedLine } from '../../src/line/connect.ts';
import type { DeviceList } from '../../src/line/device-list.ts';
import { pairDevice } from '../../src/line/pairing.ts';
import { runAgent, serveAgents } from '../../src/node/agent.ts';
import { type ConnectOptions, connect } from '../../src/node/connect.ts';
import { openDatagrams } from '../../src/node/datagrams.ts';
import { type ListenOptions, listen, type Server } from '../../src/node/listen.ts';
import { AuthorizedKeys } from '../../src/node/state/authorized-keys.ts';
import { stateFolders } from '../../src/node/state/folders.ts';
import { type Install, temporaryInstall } from '../../src/node/state/install.ts';
import { serveTime } from '../../src/node/time-service.ts';
import { askTimeByDatagrams } from '../../src/services/time/asking.ts';
import { PASSPHRASE } from '../support/lines.ts';

const code = (value: string) => expect.objectContaining({ code: value });

/** A server with a list on the disk, and a machine that dials. */
class Scene {
  readonly keys: AuthorizedKeys;
  readonly server: Server;
  readonly install: Install = temporaryInstall();

  private constructor(keys: AuthorizedKeys, server: Server) {
    this.keys = keys;
    this.server = server;
  }

  static async open(options: Partial<ListenOptions> = {}): Promise<Scene> {
    const home = await mkdtemp(join(tmpdir(), 'postern-devices-'));
    onTestFinished(() => rm(home, { recursive: true, force: true }));
    const keys = await AuthorizedKeys.open({ folders: stateFolders({}, home) });
    const server = await listen({
      host: '127.0.0.1',
      port: 0,
      passphrase: [{ text: PASSPHRASE, generated: true }],
      services: [await serveTime(), serveAgents()],
      allow: ['time', 'agents'],
      install: temporaryInstall(),
      devices: { list: keys, isPairing: true },
      ...options,
    });
    onTestFinished(() => server.close(0));
    return new Scene(keys, server);
  }

  async dial(options: Partial<ConnectOptions> = {}): Promise<ConnectedLine> {
    const { port } = this.server;
    const connected = await connect({ host: '127.0.0.1', port, install: this.install, ...options });
    onTestFinished(() => connected.line.close());
    return connected;
  }

  async pair(): Promise<Uint8Array> {
    const connected = await this.dial({ passphrase: PASSPHRASE });
    await pairDevice(connected, { name: 'laptop' });
    await connected.line.close();
    return (await this.install.deviceKey()).publicKey;
  }
}

describe('connect without a passphrase', () => {
  it('opens a line by the key of this machine once it is paired', async () => {
    const at = await Scene.open();
    await at.pair();
    const { line, allowed } = await at.dial();
    expect([line.openedBy, allowed]).toEqual(['device', ['time', 'agents']]);
  });

  it('is AUTH for a machine that is not, and USAGE for a server that nobody has met', async () => {
    const at = await Scene.open();
    await expect(at.dial()).rejects.toEqual(code('USAGE'));
    await at.dial({ passphrase: PASSPHRASE });
    await expect(at.dial()).rejects.toEqual(code('AUTH'));
    await expect(at.dial({ realm: 'guest' })).rejects.toEqual(code('USAGE'));
  });

  it('R-A5: is PIN at a server with another key, which hears nothing of ours', async () => {
    const at = await Scene.open();
    await at.pair();
    const other = await Scene.open();
    const rejected: string[] = [];
    const impostor = await listen({
      host: '127.0.0.1',
      port: 0,
      passphrase: PASSPHRASE,
      install: temporaryInstall(),
      devices: { list: other.keys, isPairing: true },
      onRejected: ({ error }) => rejected.push(error.code),
    });
    onTestFinished(() => impostor.close(0));
    const { publicKey } = (await at.install.pins.lookup('127.0.0.1', at.server.port))!;
    await at.install.pins.remember('127.0.0.1', impostor.port, publicKey);
    await expect(at.dial({ port: impostor.port })).rejects.toEqual(code('PIN'));
    await expect.poll(() => rejected).toEqual(['TRUNCATED']);
  });

  it('R-A5: is refused where the pin was let go of while it was dialled, and pins nothing', async () => {
    const at = await Scene.open();
    await at.pair();
    const { pins } = at.install;
    let looks = 0;
    const install: Install = {
      ...at.install,
      pins: { ...pins, lookup: async (host, port) => (looks++ === 0 ? pins.lookup(host, port) : undefined) },
    };
    await expect(at.dial({ install })).rejects.toEqual(code('USAGE'));
    expect(looks).toBe(2);
  });

  it('is refused by a server that lets in nobody by key', async () => {
    const at = await Scene.open({ devices: undefined });
    await at.dial({ passphrase: PASSPHRASE });
    await expect(at.dial()).rejects.toEqual(code('AUTH'));
  });

  it('lets a machine be an agent, until its owner is told that it may not any more', async () => {
    const at = await Scene.open();
    const key = await at.pair();
    const options = { host: '127.0.0.1', port: at.server.port, install: at.install, services: [], allow: [] };
    let joined: (() => void) | undefined;
    const isJoined = new Promise<void>(resolve => {
      joined = resolve;
    });
    const agent = runAgent({ ...options, name: 'web', onEvent: ({ type }) => type === 'joined' && joined!() });
    await isJoined;
    await at.keys.remove(key);
    await expect(agent).rejects.toEqual(code('REVOKED'));
  });

  it('R-A8: a key that is taken out has no datagrams answered any more', async () => {
    const at = await Scene.open();
    const key = await at.pair();
    const connected = await at.dial();
    const asker = (await openDatagrams(connected))!;
    await askTimeByDatagrams(asker);
    await at.keys.remove(key);
    await expect(connected.line.closed).resolves.toEqual(code('REVOKED'));
    await expect(askTimeByDatagrams(asker)).rejects.toEqual(code('REVOKED'));
    await expect.poll(() => at.server.connectionCount).toBe(0);
  });

  it('does not look at the list where there is no server in the end', async () => {
    const at = await Scene.open();
    let listeners = 0;
    const list: DeviceList = {
      devices: [],
      enrol: () => Promise.reject(new Error('not asked')),
      onChange: () => {
        listeners += 1;
        return () => {
          listeners -= 1;
        };
      },
    };
    const again = listen({
      host: '127.0.0.1',
      port: at.server.port,
      passphrase: PASSPHRASE,
      devices: { list },
      install: temporaryInstall(),
    });
    await expect(again).rejects.toEqual(code('ACCESS'));
    expect(listeners).toBe(0);
  });

  it('stops looking at the list when the server closes', async () => {
    const at = await Scene.open();
    await at.server.close(0);
    // What others do to the file is not noticed any more, and no timer keeps the process.
    const before = at.keys.devices;
    const other = await AuthorizedKeys.open({ folders: { data: '', config: '', state: join(at.keys.path, '..') } });
    await other.put({ name: 'x', key: new Uint8Array(32).fill(9), allow: [] });
    expect(at.keys.devices).toBe(before);
    await at.keys.refresh();
    expect(at.keys.devices).toHaveLength(1);
  });
});
