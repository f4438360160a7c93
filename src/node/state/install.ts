import { LineError } from '../../errors.ts';
import type { KnownClients } from '../../line/listener.ts';
import type { KeyPair } from '../../protocol/crypto/provider.ts';
import { nodeCrypto } from '../crypto.ts';
import { type StateFolders, stateFolders } from './folders.ts';
import { KnownClients as StoredKnownClients } from './known-clients.ts';
import { KnownPeers, type PinnedPeer } from './known-peers.ts';
import { loadStaticKey } from './static-keys.ts';

/** What makes this machine the same one the next time: its keys, and whom it has met. */
export interface Install {
  /** The serving key; made at first use. */
  hostKey(): Promise<KeyPair>;
  /** The dialling key; made at first use. */
  deviceKey(): Promise<KeyPair>;
  /** Keys of servers by host and port. */
  readonly pins: Pins;
  /** Clients that have logged in here. */
  knownClients(): Promise<KnownClients>;
}

export interface Pins {
  lookup(host: string, port: number): Promise<Pick<PinnedPeer, 'publicKey' | 'isPaired'> | undefined>;
  remember(host: string, port: number, publicKey: Uint8Array): Promise<void>;
  /** The server that is pinned there lets this machine in by its key. */
  rememberPairing(host: string, port: number): Promise<void>;
}

/** The install of this user on this machine, under the XDG folders. */
export function thisInstall(folders: StateFolders = stateFolders()): Install {
  return {
    hostKey: () => loadStaticKey(nodeCrypto, 'host', folders),
    deviceKey: () => loadStaticKey(nodeCrypto, 'device', folders),
    pins: new KnownPeers(folders),
    knownClients: () => StoredKnownClients.load(folders),
  };
}

/** An install that lives as long as the process and leaves nothing on the disk. */
export function temporaryInstall(): Install {
  const hostKey = nodeCrypto.generateKeyPair();
  const deviceKey = nodeCrypto.generateKeyPair();
  const pins = new Map<string, { publicKey: Uint8Array; isPaired: boolean }>();
  const clients = new Set<string>();
  return {
    hostKey: async () => hostKey,
    deviceKey: async () => deviceKey,
    pins: {
      lookup: async (host, port) => pins.get(`${host} ${port}`),
      remember: async (host, port, publicKey) => {
        pins.set(`${host} ${port}`, { publicKey, isPaired: false });
      },
      rememberPairing: async (host, port) => {
        const pin = pins.get(`${host} ${port}`);
        if (pin === undefined) throw new LineError('USAGE', 'no key is pinned there');
        pin.isPaired = true;
      },
    },
    knownClients: async () => ({ has: tag => clients.has(tag), add: tag => void clients.add(tag) }),
  };
}
