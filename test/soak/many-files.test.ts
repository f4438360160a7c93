import { expect, it } from 'vitest';
import { checkManyFiles, placeForFiles } from '../support/many-files.ts';

const MAX_MEGABYTES = 150;

it('gets and syncs 1,000,000 files with little memory at either end', { timeout: 1_800_000 }, async context => {
  const place = placeForFiles(1_000_000);
  if ('missing' in place) return context.skip(place.missing);
  const figures = await checkManyFiles(place.path, { folders: 1000, filesPerFolder: 1000 });
  console.log(figures.map(figure => JSON.stringify(figure)).join('\n'));
  for (const { verb, clientMegabytes, serverMegabytes } of figures) {
    expect.soft(clientMegabytes, `${verb}, client`).toBeLessThan(MAX_MEGABYTES);
    expect.soft(serverMegabytes, `${verb}, server`).toBeLessThan(MAX_MEGABYTES);
  }
});
