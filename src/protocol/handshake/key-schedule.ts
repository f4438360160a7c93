import { encodeAscii } from '../bytes/text.ts';
import { concatBytes, u64Bytes } from '../bytes/writer.ts';
import { extract, kdf } from '../crypto/kdf.ts';
import type { CryptoProvider } from '../crypto/provider.ts';

/** What Noise's Split leaves behind. */
export interface SplitKeys {
  readonly k1: Uint8Array;
  readonly k2: Uint8Array;
  readonly handshakeHash: Uint8Array;
}

/** The secrets of a session's first lane. Whoever takes a traffic secret owns and erases it. */
export interface SessionSecrets {
  readonly clientToServer: Uint8Array;
  readonly serverToClient: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly exporter: Exporter;
}

/**
 * Key schedule after the handshake (docs/protocol/1-handshake.md §5). Erases `k1` and `k2`. No key comes from the
 * handshake hash alone: Noise calls it public.
 */
export function deriveSession(provider: CryptoProvider, split: SplitKeys): SessionSecrets {
  const secret = extract(provider, split.handshakeHash, concatBytes(split.k1, split.k2));
  split.k1.fill(0);
  split.k2.fill(0);
  const derive = (name: string, length: number): Uint8Array => kdf(provider, secret, name, NO_CONTEXT, length);
  const secrets = {
    clientToServer: derive('c2s traffic', 64),
    serverToClient: derive('s2c traffic', 64),
    sessionId: derive('session id', 16),
    exporter: new Exporter(provider, derive('exporter', 64)),
  };
  secret.fill(0);
  return secrets;
}

/** Gives out keys for other purposes of the session; the exporter secret itself never leaves this object. */
export class Exporter {
  readonly #provider: CryptoProvider;
  readonly #secret: Uint8Array;

  constructor(provider: CryptoProvider, secret: Uint8Array) {
    this.#provider = provider;
    this.#secret = secret;
  }

  /** Eight bytes that both sides can show people to compare. */
  verifier(): Uint8Array {
    return kdf(this.#provider, this.#secret, 'verifier', NO_CONTEXT, 8);
  }

  joinPsk(): Uint8Array {
    return kdf(this.#provider, this.#secret, 'join psk', NO_CONTEXT, 32);
  }

  /** The key under which two ends compare the chunks of one file over `channel` (docs/protocol/4-services.md). */
  chunkCompareKey(channel: number): Uint8Array {
    return kdf(this.#provider, this.#secret, 'chunk compare', u64Bytes(channel), 32);
  }

  /**
   * The secrets of one datagram connection (docs/protocol/5-datagrams.md §2). One pair of ids gives one pair of keys, so an
   * id is fresh for each connection. Whoever takes a secret owns and erases it.
   */
  datagramSecrets(serverId: Uint8Array, clientId: Uint8Array): DatagramSecrets {
    const ids = concatBytes(serverId, clientId);
    return {
      clientToServer: kdf(this.#provider, this.#secret, 'dgram c2s', ids, 64),
      serverToClient: kdf(this.#provider, this.#secret, 'dgram s2c', ids, 64),
    };
  }

  /** Keys from a secret of 32 bytes that two ends have in place of the session's. */
  over(secret: Uint8Array): Exporter {
    return new Exporter(this.#provider, secret);
  }

  /** A key for an application: nobody else's `name` gives the same. */
  application(name: string, context: Uint8Array, length: number): Uint8Array {
    return kdf(this.#provider, this.#secret, `app ${name}`, context, length);
  }
}

export interface DatagramSecrets {
  readonly clientToServer: Uint8Array;
  readonly serverToClient: Uint8Array;
}

const NO_CONTEXT = encodeAscii('');
