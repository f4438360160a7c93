import { join } from 'node:path';
import { LineError } from '../../errors.ts';
import { type StateFolders, stateFolders } from './folders.ts';
import { appendPrivateLine, type PrivateFile, readPrivateFile } from './private-file.ts';
import { parsePublicKey, publicKeyText } from './public-key.ts';

/** The key that a server showed at the first login, by the address that the user gave. */
export interface PinnedPeer {
  readonly host: string;
  readonly port: number;
  readonly publicKey: Uint8Array;
  /** Unix milliseconds. */
  readonly firstSeenMs: number;
  /** That server lets this machine in by its key; it may have thought better of it since. */
  readonly isPaired: boolean;
}

/**
 * Pins, per host and port (docs/protocol/1-handshake.md §7). The file only grows, one line a fact, so processes that
 * write at once lose nothing: `[host]:port line1-x25519 KEY TIME` pins, `[host]:port paired TIME` says that the server with
 * that key lets us in by ours, and `[host]:port forgotten TIME` lets go of both. The first pin since the last letting go is
 * the one that counts; a later line cannot replace it.
 */
export class KnownPeers {
  readonly #file: PrivateFile;
  readonly #now: () => number;

  constructor(folders: StateFolders = stateFolders(), now: () => number = Date.now) {
    this.#file = { path: join(folders.state, 'known_peers'), secret: false };
    this.#now = now;
  }

  /** A pin that stands there but cannot be read is `PIN`: to ignore it would mean to trust whoever answers. */
  async lookup(host: string, port: number): Promise<PinnedPeer | undefined> {
    const name = peerName(host, port);
    const pin = (await this.#read()).get(name);
    if (pin === undefined || 'publicKey' in pin) return pin;
    throw new LineError('PIN', `line ${pin.line} of ${this.#file.path} pins ${name} but cannot be read`);
  }

  /** Every pin that can be read, in the order of first sight. */
  async list(): Promise<PinnedPeer[]> {
    return [...(await this.#read()).values()].filter(pin => 'publicKey' in pin);
  }

  /** Pins a key. The same one again changes nothing; another one is `PIN` until the old one is forgotten. */
  async remember(host: string, port: number, publicKey: Uint8Array): Promise<void> {
    const name = peerName(host, port);
    const known = await this.lookup(host, port);
    if (known === undefined) {
      await appendPrivateLine(this.#file, `${name} ${publicKeyText(publicKey)} ${this.#timestamp()}`);
    } else if (publicKeyText(known.publicKey) !== publicKeyText(publicKey)) {
      throw new LineError('PIN', `another key is pinned for ${name}`);
    }
  }

  /** From now on this machine's key is enough there. Only for a server whose key is pinned: else `USAGE`. */
  async rememberPairing(host: string, port: number): Promise<void> {
    const name = peerName(host, port);
    const pin = await this.lookup(host, port);
    if (pin === undefined) throw new LineError('USAGE', `no key is pinned for ${name}`);
    if (!pin.isPaired) await appendPrivateLine(this.#file, `${name} paired ${this.#timestamp()}`);
  }

  /** Lets go of the pins of a host, on one port or on all, unreadable ones too, and says how many there were. */
  async forget(host: string, port?: number): Promise<number> {
    const wanted = checkHost(host);
    let forgotten = 0;
    for (const [name, pin] of await this.#read()) {
      if (pin.host !== wanted || (port !== undefined && pin.port !== port)) continue;
      await appendPrivateLine(this.#file, `${name} forgotten ${this.#timestamp()}`);
      forgotten += 1;
    }
    return forgotten;
  }

  /** What the lines come to, by name. A line whose name cannot be read is about nobody. */
  async #read(): Promise<Map<string, PinnedPeer | UnreadablePin>> {
    const pins = new Map<string, PinnedPeer | UnreadablePin>();
    const lines = ((await readPrivateFile(this.#file)) ?? '').split('\n');
    for (const [index, line] of lines.entries()) {
      const [name = '', ...fact] = line.trim().split(/\s+/);
      const peer = decodePeerName(name);
      if (peer === undefined) continue;
      const pin = pins.get(name);
      if (fact[0] === 'forgotten') pins.delete(name);
      else if (fact[0] === 'paired') {
        // Without a pin there is no server that this could be about.
        if (pin !== undefined) pins.set(name, { ...pin, isPaired: true });
      } else if (pin === undefined) pins.set(name, decodePin(peer, fact) ?? { ...peer, line: index + 1 });
    }
    return pins;
  }

  #timestamp(): string {
    return new Date(this.#now()).toISOString();
  }
}

type Peer = Pick<PinnedPeer, 'host' | 'port'>;
type UnreadablePin = Peer & { readonly line: number };

function decodePin(peer: Peer, fact: readonly string[]): PinnedPeer | undefined {
  const [type, key, time, ...rest] = fact;
  const firstSeenMs = Date.parse(time ?? '');
  if (rest.length > 0 || Number.isNaN(firstSeenMs)) return undefined;
  try {
    return { ...peer, publicKey: parsePublicKey(`${type} ${key}`), firstSeenMs, isPaired: false };
  } catch {
    // Which part of the line is wrong makes no difference.
    return undefined;
  }
}

function decodePeerName(name: string): Peer | undefined {
  const parts = /^\[([^\]]+)\]:(\d{1,5})$/.exec(name);
  return parts === null ? undefined : { host: parts[1]!, port: Number(parts[2]) };
}

function peerName(host: string, port: number): string {
  return `[${checkHost(host)}]:${port}`;
}

/** Lower case; nothing that could end the name or the line. */
function checkHost(host: string): string {
  if (!/^[^\s[\]#]+$/.test(host)) throw new LineError('USAGE', 'this is no name of a host');
  return host.toLowerCase();
}
