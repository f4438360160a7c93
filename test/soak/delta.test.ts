import { randomBytes } from 'node:crypto';
import { closeSync, openSync, utimesSync, writeSync } from 'node:fs';
import { expect, it } from 'vitest';
import { makeSha256 } from '../../src/node/files/folder-service.ts';
import { ReadRoot } from '../../src/node/files/read-root.ts';
import { hashFile } from '../../src/services/files/hash.ts';
import { serve } from '../services/files/served.ts';

const MiB = 1024 * 1024;

it('brings 1 GiB with 1 MiB inserted in the middle over the line as less than 4 MiB', async () => {
  const { at, got, get, scene, transports, end } = await serve();
  const before = openSync(got('big'), 'w');
  const after = openSync(at('big'), 'w');
  for (let index = 0; index < 1024; index += 1) {
    const block = randomBytes(MiB);
    writeSync(before, block);
    if (index === 512) writeSync(after, randomBytes(MiB));
    writeSync(after, block);
  }
  closeSync(before);
  closeSync(after);
  utimesSync(got('big'), 1, 1);
  let sent = 0;
  for (const transport of transports) {
    const write = transport.write.bind(transport);
    transport.write = segments => {
      for (const { length } of segments) sent += length;
      write(segments);
    };
  }
  const startedAt = performance.now();
  const { summary } = await get('big', 'big', { conflict: 'force' });
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(`1 GiB, 1 MiB inserted: ${sent} bytes both ways in ${seconds.toFixed(1)} s`);
  expect(summary).toMatchObject({ received: 1, failed: 0, bytes: 1025 * MiB });
  expect(sent).toBeLessThan(4 * MiB);
  expect(await sha256(got(), 'big')).toEqual(await sha256(scene.root, 'big'));
  await end();
});

async function sha256(folder: string, name: string): Promise<Uint8Array> {
  const root = await ReadRoot.open(folder);
  const file = await root.open(name);
  try {
    return await hashFile(file, makeSha256);
  } finally {
    await file.close();
    await root.close();
  }
}
