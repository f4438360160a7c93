import { execFile } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import {
  connect,
  download,
  FilesClient,
  listen,
  makeSha256,
  ReceiveRoot,
  serveFolder,
  temporaryInstall,
} from '../../src/node/index.ts';

const execute = promisify(execFile);

/**
 * Real input while others are at work: a tree and a large file go over TCP to one client each, two more list and fetch
 * in a loop until those are done, and tools that are not ours compare what came.
 */
export async function checkRealTransfer(options: {
  /** A folder of this machine. A copy of it is served, because tools write into node_modules while tests run. */
  readonly tree: string;
  readonly largeFileBytes: number;
}): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'postern-real-'));
  const install = temporaryInstall();
  const share = join(home, 'share');
  mkdirSync(share);
  writePattern(join(share, 'large'), options.largeFileBytes);
  const passphrase = 'orbit-velvet-canyon-turtle';
  const tree = join(home, 'tree');
  await execute('cp', ['-a', options.tree, tree]);
  const services = await Promise.all([serveFolder(share), serveFolder(tree)]);
  const servers = await Promise.all(
    services.map(service =>
      listen({
        host: '127.0.0.1',
        port: 0,
        passphrase: [{ text: passphrase, generated: true }],
        services: [service],
        allow: ['read'],
        install,
      }),
    ),
  );
  const [filePort, treePort] = [servers[0]!.port, servers[1]!.port];
  const dial = async (port: number) => (await connect({ host: '127.0.0.1', port, passphrase, install })).line;
  let isDone = false;
  let rounds = 0;
  const fetchAll = async (port: number, from: string, to: string): Promise<void> => {
    const line = await dial(port);
    const store = await ReceiveRoot.open(join(home, 'got'), { make: true });
    const failures: unknown[] = [];
    await download(
      new FilesClient(line),
      store,
      { from, to },
      {
        makeSha256,
        onEvent: event => {
          if (event.type === 'failed') failures.push(event);
        },
      },
    );
    await line.close();
    expect(failures).toEqual([]);
  };
  const disturb = async (): Promise<void> => {
    const line = await dial(filePort);
    const files = new FilesClient(line);
    while (!isDone) {
      for await (const batch of files.list('', { recursive: true })) expect(batch.length).toBeGreaterThan(0);
      const part = await files.read('large', { offset: (rounds * 77_777) % options.largeFileBytes, length: 100_000 });
      for await (const bytes of part.bytes) expect(bytes.length).toBeGreaterThan(0);
      rounds += 1;
    }
    await line.close();
  };
  try {
    const others = [disturb(), disturb()];
    await Promise.all([fetchAll(filePort, 'large', 'large'), fetchAll(treePort, '', 'tree')]);
    isDone = true;
    await Promise.all(others);
    expect(rounds).toBeGreaterThan(0);
    await execute('cmp', [join(share, 'large'), join(home, 'got', 'large')]);
    await execute('diff', ['-r', '--no-dereference', tree, join(home, 'got', 'tree')]);
  } finally {
    isDone = true;
    await Promise.all(servers.map(server => server.close()));
    await rm(home, { recursive: true, force: true });
  }
}

/** Every block differs from every other, so that a block in a wrong place is found. */
function writePattern(path: string, byteLength: number): void {
  const block = new Uint32Array(256 * 1024);
  const file = openSync(path, 'w');
  for (let at = 0; at < byteLength; at += block.byteLength) {
    for (let i = 0; i < block.length; i += 1) block[i] = (at / 4 + i) * 2654435761;
    writeSync(file, block, 0, Math.min(block.byteLength, byteLength - at));
  }
  closeSync(file);
}
