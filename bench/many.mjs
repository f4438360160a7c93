// Ten thousand small files: into nothing, and again when nothing has changed.
import { join } from 'node:path';
import { makeTree, median, table } from './measure.mjs';
import { DIRECTIONS, moveRounds, startMovers } from './movers.mjs';

const FOLDERS = 100;
const BYTES = 4096;

export async function many(folder) {
  const files = Number(process.env.POSTERN_BENCH_FILES ?? 10_000);
  const rounds = Number(process.env.POSTERN_BENCH_ROUNDS ?? 5);
  const ends = { here: join(folder, 'here'), there: join(folder, 'there') };
  for (const end of Object.values(ends)) await makeTree(join(end, 'tree'), FOLDERS, files, BYTES);
  const { movers } = await startMovers(folder, ends);
  let times;
  try {
    times = await moveRounds(ends, movers, 'tree', rounds);
  } finally {
    for (const mover of movers) await mover.stop();
  }
  return [
    `${files} files of ${BYTES} random bytes in ${FOLDERS} folders, in memory, medians of ${rounds} interleaved rounds, start of the client included:`,
    '',
    ...table(
      ['who', 's', 'of rsync', 'nothing changed, s', 'of rsync'],
      DIRECTIONS.flatMap(direction => rowsOf(movers, direction, times)),
    ),
  ];
}

/** Beside rsync's time in the same direction: less than 1 is faster. */
function rowsOf(movers, direction, times) {
  const middle = (mover, pass) => median(times.get(mover)[direction].map(both => both[pass]));
  const rsync = movers.find(({ name }) => name.startsWith('rsync'));
  return movers.map(mover => {
    const cells = ['first', 'again'].flatMap(pass => {
      if (pass === 'again' && !mover.again) return ['', ''];
      const seconds = middle(mover, pass);
      return [seconds.toFixed(2), rsync === undefined ? '' : (seconds / middle(rsync, pass)).toFixed(2)];
    });
    return [`${mover.name}, ${direction}`, ...cells];
  });
}
