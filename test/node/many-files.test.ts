import { expect, it } from 'vitest';
import { makeSha256 } from '../../src/node/files/folder-service.ts';
import type { Entry } from '../../src/services/files/entry.ts';
import { download } from '../../src/services/files/receiving/download.ts';
import type { ReceiveStore } from '../../src/services/files/store.ts';
import { serve } from '../services/files/served.ts';
import { checkManyFiles, placeForFiles } from '../support/many-files.ts';

// The long form is in test/soak.
it('gets and syncs 20,000 files, and again where nothing has changed', { timeout: 240_000 }, async context => {
  const place = placeForFiles(20_000);
  if ('missing' in place) return context.skip(place.missing);
  expect(await checkManyFiles(place.path, { folders: 20, filesPerFolder: 1000 })).toHaveLength(3);
});

it('has the first file before the listing is complete, and never looks far ahead', async () => {
  const entry = (path: string): Entry => ({ path, type: 'file', size: 0, mtimeUs: 1, mode: 0o644 });
  let listed = 0;
  const { files, end } = await serve({
    readStore: root => ({
      stat: path => (path === '' ? root.stat('') : Promise.resolve(entry(''))),
      async *list() {
        for (let folder = 0; folder < 50; folder += 1) {
          listed += 100;
          yield Array.from({ length: 100 }, (_, n) => entry(`file-${folder}-${n}`));
          // A disk lets others have a turn.
          await new Promise(resolve => setImmediate(resolve));
        }
      },
      open: async () => ({
        entry: entry(''),
        read: async () => 0,
        verifyUnchanged: async () => {},
        close: async () => {},
      }),
    }),
  });
  let finished = 0;
  let listedAtFirst = 0;
  let worstAhead = 0;
  const nothing = async (): Promise<void> => {};
  const store: ReceiveStore = {
    stat: async () => undefined,
    open: () => Promise.reject(new Error('nothing is there')),
    makeFolder: async () => 'new',
    finishFolder: nothing,
    setAttributes: nothing,
    makeLink: nothing,
    partialBytes: async () => 0,
    move: nothing,
    create: async () => ({
      keptBytes: 0,
      truncate: nothing,
      write: nothing,
      writeZeros: nothing,
      read: async () => 0,
      commit: nothing,
      keep: nothing,
      discard: nothing,
    }),
  };
  let found = 0;
  const onEvent = ({ type }: { type: string }): void => {
    if (type === 'found') found += 1;
    if (type !== 'finished') return;
    finished += 1;
    if (finished === 1) listedAtFirst = listed;
    worstAhead = Math.max(worstAhead, found - finished);
  };
  const summary = await download(files, store, { from: '', to: '' }, { makeSha256, onEvent });
  expect(summary).toMatchObject({ received: 5_000, failed: 0 });
  expect(listedAtFirst).toBeLessThan(5_000);
  expect(worstAhead).toBeLessThan(1_000);
  await end();
});
