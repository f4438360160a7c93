import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { ArrivingFiles } from '../../../src/node/chat/arriving-files.ts';
import { FileLedger } from '../../../src/node/chat/file-ledger.ts';
import { ReceiveRoot } from '../../../src/node/files/receive-root.ts';
import { CHAT_FILE_OVERHEAD_BYTES } from '../../../src/protocol/limits.ts';
import type { ReceivingFile } from '../../../src/services/files/store.ts';
import { filesBelow } from './shared-files.ts';

const MAX_BYTES = 3 * CHAT_FILE_OVERHEAD_BYTES + 1000;
const attributes = { mtimeUs: 0, mode: 0o755, replace: true };
const ids = ['A', 'B', 'C', 'D'].map(letter => letter.repeat(22));
const [ID] = ids as [string];

let folder: string;
let root: ReceiveRoot;
let ledger: FileLedger;
let arriving: ArrivingFiles;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-arriving-'));
  root = await ReceiveRoot.open(folder);
  ledger = new FileLedger(MAX_BYTES);
  arriving = new ArrivingFiles(root, ledger, () => 0);
});
afterEach(async () => {
  await root.close();
  rmSync(folder, { recursive: true, force: true });
});

const noSpace = expect.objectContaining({ code: 'NO_SPACE' });

describe('R-A12 what arrives', () => {
  test('ends where there is no room, whatever it said of its size, and leaves nothing', async () => {
    const file = await arriving.create(`${ID}/f`, { byteLength: 1 });
    await file.write(new Uint8Array(2000), 0);
    await expect(file.write(new Uint8Array(1), 2 ** 40)).rejects.toEqual(noSpace);
    await expect(file.writeZeros(MAX_BYTES, 2000)).rejects.toEqual(noSpace);
    await expect(file.truncate(MAX_BYTES)).rejects.toEqual(noSpace);
    await file.keep();
    expect([ledger.usedBytes, readdirSync(folder)]).toEqual([0, []]);
  });

  test('does not begin where there is no room for what it says', async () => {
    await expect(arriving.create(`${ID}/f`, { byteLength: MAX_BYTES })).rejects.toEqual(noSpace);
    expect([ledger.usedBytes, readdirSync(folder)]).toEqual([0, []]);
  });

  test('counts a partial once, when it is gone on with too', async () => {
    const first = await arriving.create(`${ID}/f`, { byteLength: 8000 });
    await first.write(new Uint8Array(7000), 0);
    await first.keep();
    expect(ledger.usedBytes).toBe(CHAT_FILE_OVERHEAD_BYTES + 7000);
    const again = await arriving.create(`${ID}/f`, { resume: true, byteLength: 8000 });
    expect([again.keptBytes, ledger.usedBytes]).toEqual([7000, CHAT_FILE_OVERHEAD_BYTES + 8000]);
    await again.write(new Uint8Array(1000), 7000);
    await again.commit(attributes);
    expect(ledger.usedBytes).toBe(CHAT_FILE_OVERHEAD_BYTES + 8000);
    expect(filesBelow(folder)).toEqual([`${ID}/f 8000`]);
  });

  test('is kept once where two bring the same', async () => {
    const [one, other] = [await arriving.create(`${ID}/f`), await arriving.create(`${ID}/f`)];
    for (const file of [one, other]) await file.write(new Uint8Array(100), 0);
    await one.commit(attributes);
    await expect(other.commit(attributes)).rejects.toEqual(expect.objectContaining({ code: 'EXISTS' }));
    await other.keep();
    expect(filesBelow(folder)).toEqual([`${ID}/f 100`]);
    expect(ledger.usedBytes).toBe(CHAT_FILE_OVERHEAD_BYTES + 100);
  });

  test('does not come under an id that some disks take for that of another file', async () => {
    const file = await arriving.create(`${ID}/f`);
    const taken = expect.objectContaining({ code: 'EXISTS' });
    await expect(arriving.create(`${ID.toLowerCase()}/g`)).rejects.toEqual(taken);
    await file.commit(attributes);
    await expect(arriving.create(`${ID.toLowerCase()}/f`)).rejects.toEqual(taken);
    // Else this would remove the folder of both.
    expect(ledger.leave(ID.toLowerCase())).toBeUndefined();
    expect(ledger.sizeOf(ID.toLowerCase(), 'f')).toBeUndefined();
    expect(ledger.sizeOf(ID, 'f')).toBe(0);
  });

  test('has the name of its first writer: another one is EXISTS, while it is half there too', async () => {
    const half = await arriving.create(`${ID}/f`);
    await half.write(new Uint8Array(100), 0);
    const taken = expect.objectContaining({ code: 'EXISTS' });
    await expect(arriving.create(`${ID}/g`)).rejects.toEqual(taken);
    await half.keep();
    await expect(arriving.create(`${ID}/g`)).rejects.toEqual(taken);
    await (await arriving.create(`${ID}/f`)).discard();
    expect(filesBelow(folder)).toHaveLength(1);
  });

  test('never takes more than there is room for, and is counted as it lies on the disk', async () => {
    const step = fc.record({
      id: fc.constantFrom(...ids),
      resume: fc.boolean(),
      byteLength: fc.nat(6000),
      writes: fc.array(fc.record({ position: fc.nat(5000), length: fc.nat(5000) }), { maxLength: 3 }),
      end: fc.constantFrom('commit', 'keep', 'discard', 'leave open' as const),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async steps => {
        const open: ReceivingFile[] = [];
        const run = { ledger: new FileLedger(MAX_BYTES), sub: `run-${Math.random()}` };
        const place = await ReceiveRoot.open(join(folder, run.sub), { make: true });
        const store = new ArrivingFiles(place, run.ledger, () => 0);
        for (const { id, resume, byteLength, writes, end } of steps) {
          const file = await orRefused(store.create(`${id}/f`, { resume, byteLength }));
          if (file === undefined) continue;
          for (const { position, length } of writes) await orRefused(file.write(new Uint8Array(length), position));
          if (end === 'leave open') open.push(file);
          else if (end === 'commit') await file.commit(attributes).catch(() => file.discard());
          else await file[end]();
          expect(run.ledger.usedBytes).toBeLessThanOrEqual(MAX_BYTES);
        }
        for (const file of open) await file.keep();
        const lies = filesBelow(join(folder, run.sub)).map(path => Number(path.split(' ').at(-1)));
        const folders = readdirSync(join(folder, run.sub)).length;
        expect(run.ledger.usedBytes).toBe(
          folders * CHAT_FILE_OVERHEAD_BYTES + lies.reduce((sum, size) => sum + size, 0),
        );
        await place.close();
      }),
      { numRuns: 60 },
    );
  });
});

async function orRefused<Value>(attempt: Promise<Value>): Promise<Value | undefined> {
  try {
    return await attempt;
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(LineError);
    expect(['NO_SPACE', 'EXISTS']).toContain((thrown as LineError).code);
    return undefined;
  }
}
