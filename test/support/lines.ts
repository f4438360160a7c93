import { type OpenLineOptions, openLine } from '../../src/line/connect.ts';
import type { Line } from '../../src/line/line.ts';
import { Listener, type ListenerOptions } from '../../src/line/listener.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { stretchPassphrase } from '../../src/protocol/pake/passphrase.ts';
import { type MemoryOptions, type MemoryTransport, memoryPair } from '../../src/transports/memory.ts';

const stretched = new Map<string, Promise<Uint8Array>>();

/** scrypt costs 80 ms, and tests use few passphrases. */
export function prsOf(passphrase: string, realm = ''): Promise<Uint8Array> {
  const name = `${realm}\0${passphrase}`;
  if (!stretched.has(name)) stretched.set(name, stretchPassphrase(nodeCrypto, passphrase, realm));
  return stretched.get(name)!;
}

export const PASSPHRASE = 'orbit-velvet-canyon-turtle';

export async function makeListener(options: Partial<ListenerOptions> = {}): Promise<Listener> {
  return new Listener({
    provider: nodeCrypto,
    realms: [{ name: '', prs: await prsOf(PASSPHRASE), generated: true }],
    staticKey: nodeCrypto.generateKeyPair(),
    ...options,
  });
}

export async function loginOptions(options: Partial<OpenLineOptions> = {}): Promise<OpenLineOptions> {
  return {
    provider: nodeCrypto,
    prs: await prsOf(PASSPHRASE),
    staticKey: nodeCrypto.generateKeyPair(),
    ...options,
  };
}

/** Two lines joined in memory. */
export async function joinedLines(
  listening: Partial<ListenerOptions> = {},
  dialling: Partial<OpenLineOptions> = {},
  memory: MemoryOptions = {},
): Promise<{ client: Line; server: Line; listener: Listener; transports: [MemoryTransport, MemoryTransport] }> {
  let server: Line | undefined;
  const listener = await makeListener({
    ...listening,
    onLine: line => {
      server = line;
      listening.onLine?.(line);
    },
  });
  const transports = memoryPair(memory);
  listener.accept(transports[1]);
  const { line: client } = await openLine(transports[0], await loginOptions(dialling));
  // The server's line is ready one flight later: a round trip is past it.
  await client.ping();
  return { client, server: server!, listener, transports };
}
