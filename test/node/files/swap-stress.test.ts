import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { ReadRoot } from '../../../src/node/files/read-root.ts';
import { ReceiveRoot } from '../../../src/node/files/receive-root.ts';
import { makeScene, readAll, SECRET, snapshot } from './scene.ts';

const ROUNDS = Number(process.env['POSTERN_STRESS_ROUNDS'] ?? 1500);

// Another process that has the right to write in the root and does its worst: the folder in the way is there, gone, or
// a link to outside, in turn and as fast as it can. It ends when its input does.
const SWAPPER = `
  const fs = require('node:fs');
  const [folder, aside, target] = process.argv.slice(1);
  let ended = false;
  process.stdin.on('end', () => { ended = true; }).resume();
  const turn = () => {
    for (let i = 0; i < 50; i += 1) {
      try { fs.renameSync(folder, aside); fs.symlinkSync(target, folder); fs.unlinkSync(folder); } catch {}
      try { fs.unlinkSync(folder); } catch {}
      try { fs.renameSync(aside, folder); } catch {}
    }
    if (!ended) setImmediate(turn);
  };
  process.stdout.write('ready');
  turn();
`;

// The walk by paths promises less: it can be outrun, and says so (beneath.ts).
test.skipIf(process.platform !== 'linux')(
  'R-F2 R-F7 nothing is read or written outside while another process swaps a folder for a link',
  async () => {
    const scene = makeScene();
    mkdirSync(join(scene.root, 'folder/b'), { recursive: true });
    for (const name of ['folder/secret', 'folder/b/secret', 'secret']) writeFileSync(join(scene.root, name), 'inside');
    const outside = snapshot(scene.outside);
    const read = await ReadRoot.open(scene.root);
    const receive = await ReceiveRoot.open(scene.root);
    const places = [join(scene.root, 'folder'), join(scene.root, 'aside'), join(scene.outside, 'folder')];
    const swapper = spawn(process.execPath, ['-e', SWAPPER, ...places], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(swapper, 'exit');
    const outcomes = new Map<string, number>();
    const attempt = async (what: string, action: () => Promise<unknown>) => {
      let outcome = 'done';
      try {
        await action();
      } catch (error) {
        expect(error).toBeInstanceOf(LineError);
        outcome = (error as LineError).code;
      }
      outcomes.set(`${what} ${outcome}`, (outcomes.get(`${what} ${outcome}`) ?? 0) + 1);
    };
    try {
      await once(swapper.stdout, 'data');
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const path of ['folder/secret', 'folder/b/secret'])
          await attempt('read', async () => expect(await readAll(await read.open(path))).not.toContain(SECRET));
        await attempt('list', async () => {
          for await (const batch of read.list('', { recursive: true }))
            for (const entry of batch)
              if ('type' in entry && entry.type === 'file') expect(entry.size).not.toBe(SECRET.length);
        });
        const path = round % 2 === 0 ? 'folder/b/secret' : `folder/new${round % 7}`;
        await attempt('write', async () => {
          const file = await receive.create(path);
          try {
            await file.write(Buffer.from('inside'), 0);
            await file.commit({ mtimeUs: 0, mode: 0o666, replace: round % 4 < 2 });
          } finally {
            await file.discard();
          }
        });
        await attempt('link', () => receive.makeLink(`folder/link${round % 5}`, 'x', { replace: true }));
        await attempt('folder', () => receive.makeFolder('folder/b/c'));
        await attempt('finish', () => receive.finishFolder('folder/b', { mtimeUs: round, mode: 0o700 }));
      }
    } finally {
      swapper.stdin.end();
      await ended;
      await read.close();
      await receive.close();
      const after = snapshot(scene.outside);
      scene.remove();
      expect(after).toEqual(outside);
    }
    // Both sides had their turns: else nothing was tested.
    expect(outcomes.get('read done'), JSON.stringify([...outcomes])).toBeGreaterThan(0);
    expect(outcomes.get('write done')).toBeGreaterThan(0);
    expect(outcomes.size, JSON.stringify([...outcomes])).toBeGreaterThan(4);
    if (process.env['POSTERN_STRESS_ROUNDS']) console.log(Object.fromEntries(outcomes));
  },
);
