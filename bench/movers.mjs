// Everybody who moves a folder, or a file, from one end to the other, in either direction.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, pairedPostern, postern, run, startPostern, timed } from './measure.mjs';
import { hasSshd, sshClients, startSshd } from './peers.mjs';

/**
 * Each moves what has a name in one end into the folder `new` of the other: `get` from there to here, `put` the other way.
 * `again`: run a second time it finds out that nothing has changed. `through` gives the port to dial in place of a server's.
 */
export async function startMovers(folder, { here, there }, through = port => port) {
  const into = join(here, 'new');
  const intoThere = join(there, 'new');
  const server = await startPostern(folder, there);
  const base = `postern://127.0.0.1:${await through(server.port)}`;
  const movers = [
    {
      name: 'postern',
      again: true,
      get: what => postern(folder, 'get', '-q', `${base}/${what}`, into),
      put: what => postern(folder, 'put', '-q', join(here, what), `${base}/new/`),
      stop: server.stop,
    },
    {
      name: 'postern sync',
      again: true,
      get: what => postern(folder, 'sync', '-q', `${base}/${what}`, join(into, what)),
      put: what => postern(folder, 'sync', '-q', join(here, what), `${base}/new/${what}`),
      stop: server.stop,
    },
  ];
  await postern(folder, 'pair', '-q', base);
  movers.push({
    name: 'postern sync, paired',
    again: true,
    get: what => pairedPostern(folder, 'sync', '-q', `${base}/${what}`, join(into, what)),
    put: what => pairedPostern(folder, 'sync', '-q', join(here, what), `${base}/new/${what}`),
    stop: server.stop,
  });
  if (!hasSshd()) return { base, movers };
  const sshd = await startSshd(folder);
  const { stop } = sshd;
  const { at, scp, rsync, tarFrom, tarTo } = sshClients(sshd, await through(sshd.port));
  if (findProgram('rsync')) {
    movers.push({
      name: 'rsync -a over ssh',
      again: true,
      get: what => rsync(at(join(there, what)), into),
      put: what => rsync(join(here, what), at(intoThere)),
      stop,
    });
  }
  movers.push({
    name: 'scp -r',
    again: false,
    get: what => scp(['-r', at(join(there, what)), into]),
    put: what => scp(['-r', join(here, what), at(intoThere)]),
    stop,
  });
  if (findProgram('tar')) {
    movers.push({
      name: 'tar over ssh',
      again: false,
      get: what => tarFrom(there, what, into),
      put: what => tarTo(here, what, intoThere),
      stop,
    });
  }
  return { base, movers };
}

export const DIRECTIONS = ['get', 'put'];

/**
 * Times in seconds by mover and direction, each `{ first, again }`: into nothing, and once more when nothing has changed.
 * All take turns. The first round is for warming up and, unless there is only one, not counted; it compares what came.
 */
export async function moveRounds(ends, movers, what, rounds) {
  const times = new Map(movers.map(mover => [mover, { get: [], put: [] }]));
  const warmUps = rounds > 1 ? 1 : 0;
  for (let round = 0; round < warmUps + rounds; round += 1) {
    for (const direction of DIRECTIONS) {
      for (const mover of movers) {
        const both = await moveTwice(ends, mover, direction, what, round === 0);
        if (round >= warmUps) times.get(mover)[direction].push(both);
      }
    }
  }
  return times;
}

async function moveTwice({ here, there }, mover, direction, what, isCompared) {
  const [source, target] = direction === 'get' ? [there, here] : [here, there];
  const into = join(target, 'new');
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into);
  const first = await timed(() => mover[direction](what));
  if (isCompared) await run('diff', ['-r', join(source, what), join(into, what)]);
  const again = mover.again ? await timed(() => mover[direction](what)) : undefined;
  if (process.env.POSTERN_BENCH_VERBOSE) {
    console.error(mover.name, direction, what, first.toFixed(2), again?.toFixed(2) ?? '');
  }
  return { first, again };
}
