import { onTestFinished } from 'vitest';
import type { Clock } from '../../../src/line/clock.ts';
import { openLine } from '../../../src/line/connect.ts';
import type { Line } from '../../../src/line/line.ts';
import type { Listener } from '../../../src/line/listener.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import type { Permission } from '../../../src/services/permission.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import { type ShellHost, shellHost } from '../../../src/services/shell/shell-host.ts';
import { type MemoryTransport, memoryPair } from '../../../src/transports/memory.ts';
import { MemoryDevices } from '../../support/devices.ts';
import { loginOptions, makeListener } from '../../support/lines.ts';
import { ScriptedTerminals } from './scripted-terminal.ts';

/** A host of scripted terminals, and lines to it in memory that can be broken. */
export class ShellScene {
  readonly terminals = new ScriptedTerminals();
  readonly host: ShellHost;
  /** What the host took for faults of its own. */
  readonly faults: unknown[] = [];
  readonly device = nodeCrypto.generateKeyPair();
  /** Who is let in by key. */
  readonly list = new MemoryDevices();
  readonly #listener: Promise<Listener>;

  constructor(options: { readonly clock?: Clock; readonly allow?: readonly Permission[] } = {}) {
    this.host = shellHost(this.terminals, {
      randomBytes: length => nodeCrypto.randomBytes(length),
      clock: options.clock,
    });
    this.#listener = makeListener({
      onChannel: dispatchChannels([this.host], options.allow ?? ['shell', 'exec']),
      onFault: thrown => this.faults.push(thrown),
      devices: { list: this.list },
    });
    onTestFinished(async () => (await this.#listener).close(0));
  }

  /** A line, of this device unless told otherwise, which breaks after so many bytes in both directions together. */
  async connect({
    device = this.device,
    breakAfter = Number.POSITIVE_INFINITY,
    byKey = false,
  } = {}): Promise<Connected> {
    let left = Number.POSITIVE_INFINITY;
    const transports = memoryPair({
      tamper: bytes => {
        left -= bytes.length;
        return left < 0 ? undefined : bytes;
      },
    });
    (await this.#listener).accept(transports[1]);
    const login = byKey ? { prs: undefined, checkServerKey() {} } : {};
    const { line } = await openLine(transports[0], await loginOptions({ staticKey: device, ...login }));
    await line.ping();
    left = breakAfter;
    return { line, transport: transports[0], break: () => transports[0].break() };
  }
}

export interface Connected {
  readonly line: Line;
  readonly transport: MemoryTransport;
  readonly break: () => void;
}

export const REQUEST = { term: 'xterm-256color', size: { columns: 80, rows: 24 } };

export async function textOf(output: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const bytes of output) parts.push(bytes);
  return Buffer.concat(parts).toString();
}
