import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { seeded } from './bytes.ts';

const execute = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('kill-process.mjs', import.meta.url));
const MiB = 1024 * 1024;

export interface KillFigures {
  readonly kills: number;
  readonly transfers: number;
  /** Bytes that came in a transfer's last run beyond what the disk was missing, protocol included. */
  readonly worstBytesAgain: number;
  readonly meanBytesAgain: number;
}

/**
 * Gets and puts a tree while one of the two processes is killed at a number of bytes drawn by chance, once or twice per
 * transfer, then lets it run to its end: the trees are the same, no name was ever incomplete, and little came twice.
 */
export async function checkKills(kills: number, seed: number): Promise<KillFigures> {
  const random = seeded(seed);
  const home = await mkdtemp(join(tmpdir(), 'postern-kill-'));
  const shared = join(home, 'shared');
  mkdirSync(shared);
  const sizes = plantTree(join(shared, 'tree'));
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const gate = await Gate.open();
  let server = await Serving.start(shared);
  const again: number[] = [];
  let done = 0;
  try {
    for (let transfer = 0; done < kills; transfer += 1) {
      const role = transfer % 2 === 0 ? 'get' : 'put';
      const target = role === 'get' ? join(home, `got${transfer}`) : join(shared, `put${transfer}`);
      const words =
        role === 'get'
          ? ['get', String(gate.port), 'tree', target]
          : ['put', String(gate.port), join(shared, 'tree'), `put${transfer}`];
      const killsHere = 1 + Math.floor(random() * 2);
      for (let turn = 0; turn < killsHere; turn += 1) {
        const missing = total - bytesKept(target, sizes);
        const victim = random() < 0.5 ? 'client' : 'server';
        const client = run(words);
        gate.pass(server.port, Math.floor(random() * missing), () =>
          (victim === 'client' ? client : server.child).kill('SIGKILL'),
        );
        await ended(client);
        gate.cut();
        if (server.child.exitCode === null && server.child.signalCode === null && victim === 'server') {
          // The transfer ended before the point was reached.
          server.child.kill('SIGKILL');
        }
        if (victim === 'server') server = await Serving.start(shared);
        else await settled(target, server.child.pid!);
        done += 1;
        expectWhole(target, join(shared, 'tree'), sizes);
      }
      const missing = total - bytesKept(target, sizes);
      gate.pass(server.port, Number.POSITIVE_INFINITY, () => {});
      const client = run(words);
      expect(await ended(client)).toBe(0);
      again.push(gate.bytes - missing);
      expect(gate.bytes - missing, `transfer ${transfer}`).toBeLessThanOrEqual(8 * MiB + OVERHEAD_BYTES);
      await execute('diff', ['-r', '--no-dereference', join(shared, 'tree'), target]);
      gate.cut();
      await rm(target, { recursive: true });
    }
  } finally {
    server.child.kill('SIGKILL');
    gate.close();
    await rm(home, { recursive: true, force: true });
  }
  return {
    kills: done,
    transfers: again.length,
    worstBytesAgain: Math.max(...again),
    meanBytesAgain: Math.round(again.reduce((sum, bytes) => sum + bytes, 0) / again.length),
  };
}

/** Small files, and some that are resumed; gives the sizes of all. */
function plantTree(root: string): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const folder of ['', 'a', 'a/b', 'empty']) mkdirSync(join(root, folder), { recursive: true });
  const add = (name: string, size: number): void => {
    writeFileSync(join(root, name), randomBytes(size));
    sizes.set(name, size);
  };
  for (let n = 0; n < 60; n += 1) add(`a/small${n}`, n * 997);
  add('a/b/medium', 3 * MiB + 1);
  add('large', 21 * MiB + 77);
  add('a/larger', 30 * MiB);
  symlinkSync('a/b', join(root, 'link'));
  chmodSync(join(root, 'a/b'), 0o750);
  return sizes;
}

/** What the disk holds of the files, be it under their names or as partials. */
function bytesKept(target: string, sizes: ReadonlyMap<string, number>): number {
  let kept = 0;
  for (const [name, size] of sizes) {
    if (existsSync(join(target, name))) {
      kept += size;
      continue;
    }
    const partials = partialsBelow(target).filter(partial => partial.startsWith(`${name}.`));
    const largest = Math.max(0, ...partials.map(partial => sizeOf(join(target, partial))));
    kept += Math.min(size, largest);
  }
  return kept;
}

function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function partialsBelow(target: string): string[] {
  if (!existsSync(target)) return [];
  const names = readdirSync(target, { recursive: true, encoding: 'utf8' });
  return names.filter(name => name.endsWith('.postern-part'));
}

function expectWhole(target: string, source: string, sizes: ReadonlyMap<string, number>): void {
  for (const name of sizes.keys()) {
    if (!existsSync(join(target, name))) continue;
    expect(Buffer.compare(readFileSync(join(target, name)), readFileSync(join(source, name))), name).toBe(0);
  }
}

/** Until the server that lives on has let go of the partials that it was writing. */
async function settled(target: string, pid: number): Promise<void> {
  await expect
    .poll(() => partialsBelow(target).filter(name => name.includes(`.${pid}-`)), { timeout: 20_000 })
    .toEqual([]);
}

function run(words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [SCRIPT, ...words], { stdio: ['ignore', 'pipe', 'ignore'] });
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

class Serving {
  readonly child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
  }

  static async start(folder: string): Promise<Serving> {
    const child = run(['serve', folder]);
    const [line] = (await once(createInterface(child.stdout!), 'line')) as [string];
    return new Serving(child, Number(line));
  }
}

/** A TCP relay that counts what passes, and calls out at a number of bytes. */
class Gate {
  bytes = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target = 0;
  #limit = Number.POSITIVE_INFINITY;
  #reached: () => void = () => {};

  static async open(): Promise<Gate> {
    const gate = new Gate();
    await once(gate.#server.listen(0, '127.0.0.1'), 'listening');
    return gate;
  }

  private constructor() {
    this.#server = createServer(near => {
      const far = connect(this.#target, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', bytes => this.#count(bytes.length));
        from.on('error', () => to.destroy());
        from.on('close', () => this.#sockets.delete(from));
        from.pipe(to);
      }
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  pass(port: number, limit: number, reached: () => void): void {
    this.#target = port;
    this.bytes = 0;
    this.#limit = limit;
    this.#reached = reached;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #count(byteLength: number): void {
    const before = this.bytes;
    this.bytes += byteLength;
    if (before <= this.#limit && this.bytes > this.#limit) this.#reached();
  }
}

/** Records, messages, listings and leaves of such a tree in one run. */
const OVERHEAD_BYTES = 256 * 1024;
