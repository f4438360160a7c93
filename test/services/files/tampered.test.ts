import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSha256, serveFolder } from '../../../src/node/files/folder-service.ts';
import { ReceiveRoot } from '../../../src/node/files/receive-root.ts';
import { FilesClient } from '../../../src/services/files/reading/client.ts';
import { download } from '../../../src/services/files/receiving/download.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import type { MemoryOptions } from '../../../src/transports/memory.ts';
import { joinedLines } from '../../support/lines.ts';

/** Each thing that can be done to one piece of bytes on its way. */
const ATTACKS: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array | undefined>> = {
  'one bit flipped': bytes => bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 0x10 : byte)),
  lost: () => new Uint8Array(0),
  'come twice': bytes => Uint8Array.from([...bytes, ...bytes]),
  'cut off in the middle, and the connection with it': bytes => bytes.subarray(0, bytes.length >> 1),
  'the last before the connection breaks': () => undefined,
};

/** Larger than a record before SETTINGS, so that it takes several. */
const CONTENT = Buffer.alloc(150_000, 'postern ');

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'postern-tampered-'));
  mkdirSync(join(home, 'share'));
  writeFileSync(join(home, 'share', 'file'), CONTENT);
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** Gets the file over a connection in memory; whatever happens to the line ends as a rejection here. */
async function getOver(into: string, tamper: NonNullable<MemoryOptions['tamper']>): Promise<void> {
  const service = await serveFolder(join(home, 'share'));
  const store = await ReceiveRoot.open(into, { make: true });
  try {
    const { client } = await joinedLines({ onChannel: dispatchChannels([service], ['read']) }, {}, { tamper });
    await download(new FilesClient(client), store, { from: 'file', to: 'file' }, { makeSha256 });
    await client.close();
  } finally {
    await store.close();
    await service.close();
  }
}

describe('R-A6 R-A9 whatever piece of the connection is', () => {
  for (const [name, attack] of Object.entries(ATTACKS)) {
    test(`${name}: the file is whole under its name, or not there`, async () => {
      let pieces = 0;
      await getOver(await mkdtemp(join(home, 'got-')), bytes => {
        pieces += 1;
        return bytes;
      });
      expect(pieces).toBeGreaterThan(20);
      let refused = 0;
      for (let target = 0; target < pieces; target += 1) {
        const got = await mkdtemp(join(home, 'got-'));
        let at = 0;
        let isCut = false;
        const attempt = getOver(got, bytes => {
          if (isCut) return undefined;
          const isTarget = at++ === target && bytes.length > 0;
          isCut = isTarget && name.startsWith('cut');
          return isTarget ? attack(bytes) : bytes;
        });
        // A piece that is lost can leave one side waiting for it: then the other side's silence is what ends it.
        const outcome = await Promise.race([
          attempt.then(
            () => 'done',
            () => 'refused',
          ),
          stalled(),
        ]);
        if (outcome !== 'done') refused += 1;
        const file = join(got, 'file');
        if (existsSync(file)) expect(readFileSync(file).equals(CONTENT), `piece ${target}`).toBe(true);
        else expect(outcome).not.toBe('done');
        const others = existsSync(join(home, 'got'))
          ? readdirSync(join(home, 'got')).filter(one => one !== 'file')
          : [];
        expect(others.every(one => one.endsWith('.postern-part'))).toBe(true);
      }
      expect(refused).toBeGreaterThan(pieces / 2);
    });
  }
});

/** Resolves when nothing has happened for many turns of the event loop. */
async function stalled(): Promise<string> {
  for (let turn = 0; turn < 400; turn += 1) await new Promise(resolve => setImmediate(resolve));
  return 'stalled';
}
