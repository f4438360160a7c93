import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { seeded } from './bytes.ts';
import { describeTree, differences, microseconds, partialsBelow } from './trees.ts';

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
 * Gets, puts and syncs a tree while one of the two processes is killed, once or twice per transfer, then lets the same
 * command run to its end: the trees are the same, no name was ever incomplete, no partial stays, and little came twice.
 */
export async function checkKills(kills: number, seed: number): Promise<KillFigures> {
  const killing = await Killing.begin(seed);
  try {
    while (killing.kills < kills) await killing.transfer();
  } finally {
    await killing.end();
  }
  const { again } = killing;
  return {
    kills: killing.kills,
    transfers: again.length,
    worstBytesAgain: Math.max(...again),
    meanBytesAgain: Math.round(again.reduce((sum, bytes) => sum + bytes, 0) / again.length),
  };
}

type Role = 'get' | 'put' | 'sync-down' | 'sync-up';

interface Case {
  readonly role: Role;
  /** `older`: another version of the tree is there, whose large file differs in the middle. */
  readonly target: 'nothing' | 'older';
  readonly delete: boolean;
}

const CASES: readonly Case[] = [
  { role: 'get', target: 'nothing', delete: false },
  { role: 'sync-up', target: 'older', delete: true },
  { role: 'put', target: 'nothing', delete: false },
  { role: 'sync-down', target: 'older', delete: true },
  { role: 'sync-up', target: 'nothing', delete: false },
  { role: 'sync-down', target: 'older', delete: false },
  { role: 'sync-down', target: 'nothing', delete: true },
  { role: 'sync-up', target: 'older', delete: false },
];

class Killing {
  kills = 0;
  /** For each transfer that is through. */
  readonly again: number[] = [];
  readonly #home: string;
  readonly #gate: Gate;
  readonly #random: () => number;
  readonly #source: Tree;
  #transfers = 0;

  static async begin(seed: number): Promise<Killing> {
    const home = await mkdtemp(join(tmpdir(), 'postern-kill-'));
    mkdirSync(join(home, 'shared'));
    return new Killing(home, await Gate.open(), seeded(seed));
  }

  private constructor(home: string, gate: Gate, random: () => number) {
    this.#home = home;
    this.#gate = gate;
    this.#random = random;
    this.#source = new Tree(join(home, 'shared', 'tree'), join(home, 'older'));
  }

  async end(): Promise<void> {
    this.#gate.close();
    await rm(this.#home, { recursive: true, force: true });
  }

  async transfer(): Promise<void> {
    const one = CASES[this.#transfers % CASES.length]!;
    const isDown = one.role === 'get' || one.role === 'sync-down';
    const name = `target${this.#transfers}`;
    const target = join(this.#home, isDown ? '' : 'shared', name);
    const [from, to] = isDown ? ['tree', target] : [this.#source.root, name];
    const words = [one.role, String(this.#gate.port), from, to, one.delete ? 'delete' : 'keep'];
    this.#transfers += 1;
    // Without `delete` as far as that does: an upload then leaves folders alone that were there.
    const allow = one.role === 'put' ? 'read,write' : 'read,write,delete';
    if (one.target === 'older') this.#source.plantOlder(target);
    let server = await Serving.start(join(this.#home, 'shared'), allow);
    try {
      const kills = 1 + Math.floor(this.#random() * 2);
      for (let turn = 0; turn < kills; turn += 1) {
        const isClient = this.#random() < 0.5;
        await this.#runAndKill(words, server, isClient ? 'client' : 'server', this.#source.missing(target));
        if (isClient) await settled(target, server.child.pid!);
        else server = await Serving.start(join(this.#home, 'shared'), allow);
        this.#source.expectWholeFiles(target);
      }
      await this.#runToEnd(words, server, target, `${one.role} ${one.target} ${one.delete}`);
    } finally {
      server.child.kill('SIGKILL');
    }
    this.#source.expectSame(target, one.target === 'older' && !one.delete);
    await rm(target, { recursive: true });
  }

  /**
   * At a number of bytes drawn by chance, up to some more than the transfer takes, and often some time later: what the
   * receiver does without the line, comparing and moving, is to be hit too.
   */
  async #runAndKill(
    words: readonly string[],
    server: Serving,
    victim: 'client' | 'server',
    missing: number,
  ): Promise<void> {
    const client = run(words);
    const delayMs = Math.max(0, this.#random() * 200 - 50);
    let killing: ReturnType<typeof setTimeout> | undefined;
    this.#gate.pass(server.port, Math.floor(this.#random() * 1.1 * missing), () => {
      killing = setTimeout(() => (victim === 'client' ? client : server.child).kill('SIGKILL'), delayMs);
    });
    await ended(client);
    clearTimeout(killing);
    this.#gate.cut();
    // The transfer may have ended before its point was reached.
    if (victim === 'server') {
      server.child.kill('SIGKILL');
      await ended(server.child);
    }
    this.kills += 1;
  }

  async #runToEnd(words: readonly string[], server: Serving, target: string, what: string): Promise<void> {
    const missing = this.#source.missing(target);
    this.#gate.pass(server.port, Number.POSITIVE_INFINITY, () => {});
    expect(await ended(run(words)), what).toBe(0);
    this.#gate.cut();
    const again = this.#gate.bytes - missing;
    expect(again, what).toBeLessThanOrEqual(8 * MiB + OVERHEAD_BYTES);
    this.again.push(again);
  }
}

/** What is transferred: small files, and some that are gone on with; and an older version of it. */
class Tree {
  readonly root: string;
  readonly #older: string;
  readonly #sizes = new Map<string, number>();
  readonly #described: readonly string[];

  constructor(root: string, older: string) {
    this.root = root;
    this.#older = older;
    for (const folder of ['', 'a', 'a/b', 'empty']) mkdirSync(join(root, folder), { recursive: true });
    for (let n = 0; n < 60; n += 1) this.#add(`a/small${n}`, randomBytes(n * 997));
    this.#add('a/b/medium', randomBytes(3 * MiB + 1));
    this.#add('large', randomBytes(21 * MiB + 77));
    this.#add(CHANGED, randomBytes(40 * MiB + 5));
    symlinkSync('a/b', join(root, 'link'));
    chmodSync(join(root, 'a/b'), 0o750);
    execFileSync('cp', ['-a', root, older]);
    this.#makeOlder();
    for (const folder of ['a/b', 'a', 'empty']) utimesSync(join(root, folder), 1_500_000_000, 1_500_000_000.25);
    this.#described = describeTree(root);
  }

  plantOlder(target: string): void {
    execFileSync('cp', ['-a', this.#older, target]);
  }

  /** Bytes of files that the disk does not hold, be it under their names, as partials, or in the older version. */
  missing(target: string): number {
    let missing = 0;
    for (const [name, size] of this.#sizes) {
      if (isSameVersion(join(this.root, name), join(target, name))) continue;
      const partials = existsSync(target) ? partialsBelow(target).filter(one => one.startsWith(`${name}.`)) : [];
      if (name === CHANGED && existsSync(join(target, name))) {
        missing += Math.min(FRESH_BYTES, ...partials.map(partial => this.#freshBytesMissing(join(target, partial))));
      } else {
        const kept = Math.max(0, ...partials.map(partial => sizeOf(join(target, partial))));
        missing += size - Math.min(size, kept);
      }
    }
    return missing;
  }

  /** Every name has the content of this version or of the older one, and nothing between. */
  expectWholeFiles(target: string): void {
    for (const name of this.#sizes.keys()) {
      if (!existsSync(join(target, name))) continue;
      const content = readFileSync(join(target, name));
      const isOlder = (): boolean =>
        existsSync(join(this.#older, name)) && content.equals(readFileSync(join(this.#older, name)));
      expect(content.equals(readFileSync(join(this.root, name))) || isOlder(), name).toBe(true);
    }
  }

  expectSame(target: string, withExtras: boolean): void {
    const omit = withExtras ? (path: string): boolean => path.split('/').at(-1)!.startsWith('extra') : () => false;
    expect(differences(this.#described, describeTree(target, { omit }))).toEqual([]);
    expect(partialsBelow(target)).toEqual([]);
    if (withExtras) expect(existsSync(join(target, 'extra', 'deep', 'extra'))).toBe(true);
  }

  #add(name: string, content: Buffer): void {
    writeFileSync(join(this.root, name), content);
    this.#sizes.set(name, content.length);
  }

  #makeOlder(): void {
    const at = (name: string): string => join(this.#older, name);
    const changed = readFileSync(at(CHANGED));
    // What is new lies in the middle; behind it everything is elsewhere than before.
    writeFileSync(
      at(CHANGED),
      Buffer.concat([changed.subarray(0, FRESH_AT), changed.subarray(FRESH_AT + FRESH_BYTES)]),
    );
    for (let n = 0; n < 60; n += 3) writeFileSync(at(`a/small${n}`), `older ${n}`);
    for (const name of ['a/small1', 'empty', 'link']) rmSync(at(name), { recursive: true });
    symlinkSync('a', at('link'));
    mkdirSync(at('extra/deep'), { recursive: true });
    for (const name of ['extra/deep/extra', 'a/extra1', 'a/b/extra2', 'extra-file']) writeFileSync(at(name), name);
    chmodSync(at('a/b'), 0o700);
  }

  /** Of what is new in the changed file, as far as the partial does not have it. */
  #freshBytesMissing(partial: string): number {
    const kept = readFileSync(partial);
    const wanted = readFileSync(join(this.root, CHANGED));
    let missing = 0;
    for (let at = FRESH_AT; at < FRESH_AT + FRESH_BYTES; at += BLOCK_BYTES) {
      const isKept = wanted.subarray(at, at + BLOCK_BYTES).equals(kept.subarray(at, at + BLOCK_BYTES));
      if (!isKept) missing += BLOCK_BYTES;
    }
    return missing;
  }
}

function isSameVersion(one: string, other: string): boolean {
  const [left, right] = [one, other].map(path => lstatSync(path, { throwIfNoEntry: false }));
  return right !== undefined && left!.size === right.size && microseconds(left!) === microseconds(right);
}

function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Until the server that lives on has let go of the partials that it was writing. */
async function settled(target: string, pid: number): Promise<void> {
  const own = (): string[] => (existsSync(target) ? partialsBelow(target) : []).filter(one => one.includes(`.${pid}-`));
  await expect.poll(own, { timeout: 20_000 }).toEqual([]);
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

  static async start(folder: string, allow: string): Promise<Serving> {
    const child = run(['serve', folder, allow]);
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

const CHANGED = 'a/larger';
const FRESH_AT = 10 * MiB;
const FRESH_BYTES = 16 * MiB;
const BLOCK_BYTES = 4096;
/** Records, messages, listings, leaves and lists of chunks of such a tree in one run. */
const OVERHEAD_BYTES = 512 * 1024;
