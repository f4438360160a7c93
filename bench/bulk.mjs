// One big file, file to new file, over loopback: postern and every peer that is installed, in turn, on the same file.
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import {
  busySeconds,
  findProgram,
  freePort,
  makeFile,
  median,
  postern,
  run,
  startPostern,
  table,
  timed,
} from './measure.mjs';
import { hasSshd, sshClients, startNginx, startSshd } from './peers.mjs';

export async function bulk(folder) {
  const gib = Number(process.env.POSTERN_BENCH_GIB ?? 2);
  const rounds = Number(process.env.POSTERN_BENCH_ROUNDS ?? 5);
  const share = join(folder, 'files/share');
  const target = join(folder, 'files/target');
  mkdirSync(share, { recursive: true });
  const bytes = Math.round(gib * 2 ** 30);
  makeFile(join(share, 'big'), bytes);
  const digest = await sha256(join(share, 'big'));
  const peers = await startPeers(folder, share);
  const results = new Map(peers.map(({ name }) => [name, []]));
  try {
    // The first round warms everybody up and is not counted.
    for (let round = 0; round <= rounds; round += 1) {
      for (const peer of peers) {
        rmSync(target, { recursive: true, force: true });
        mkdirSync(target);
        const cpu = busySeconds();
        const seconds = await timed(() => peer.move(join(target, 'big')));
        if (process.env.POSTERN_BENCH_VERBOSE) console.error(peer.name, seconds.toFixed(2));
        if (round > 0)
          results.get(peer.name).push({ rate: bytes / 1e9 / seconds, cpu: (busySeconds() - cpu) / (bytes / 1e9) });
        if (round === 0 && (await sha256(join(target, 'big'))) !== digest) throw new Error(`${peer.name}: differs`);
      }
    }
  } finally {
    for (const peer of peers) await peer.stop();
  }
  const rate = name => median(results.get(name).map(result => result.rate));
  const ofScp = name => {
    const peer = name.endsWith(', put') ? 'scp, put' : 'scp';
    return results.has(peer) ? (rate(name) / rate(peer)).toFixed(2) : '';
  };
  const rows = peers.map(({ name }) => [
    name,
    rate(name).toFixed(2),
    ofScp(name),
    median(results.get(name).map(result => result.cpu)).toFixed(2),
  ]);
  return [
    `One file of ${gib} GiB, file to new file in memory, medians of ${rounds} interleaved rounds, start of the client included:`,
    '',
    ...table(['who', 'GB/s', 'of scp', 'CPU s/GB, both ends'], rows),
  ];
}

/** Of OpenSSH, on machines with AES instructions. */
const FASTEST = ['-c', 'aes128-gcm@openssh.com'];

async function startPeers(folder, share) {
  const peers = await posternPeers(folder, share);
  const file = join(share, 'big');
  if (hasSshd()) {
    const sshd = await startSshd(folder);
    const { at, scp } = sshClients(sshd);
    peers.push(
      { name: 'scp', move: to => scp([at(file), to]), stop: sshd.stop },
      { name: 'scp, put', move: to => scp([file, at(to)]), stop: sshd.stop },
      { name: 'scp, its fastest cipher (aes128-gcm)', move: to => scp([...FASTEST, at(file), to]), stop: sshd.stop },
    );
    if (findProgram('rsync')) {
      const fast = sshClients({ ...sshd, options: [...FASTEST, ...sshd.options] });
      peers.push({
        name: 'rsync over ssh, aes128-gcm',
        move: to => fast.rsync('--whole-file', at(file), to),
        stop: sshd.stop,
      });
    }
  }
  if (findProgram('nginx') && findProgram('curl') && findProgram('openssl')) {
    const nginx = await startNginx(folder, share, await freePort());
    peers.push({
      name: 'nginx TLS 1.3 + curl',
      move: to => run('curl', ['-sSk', '--tlsv1.3', '-o', to, `https://127.0.0.1:${nginx.port}/big`]),
      stop: nginx.stop,
    });
  }
  return peers;
}

/** The folder that is served holds both the file and where it is put. */
async function posternPeers(folder, share) {
  const served = dirname(share);
  const server = await startPostern(folder, served);
  const at = path => `postern://127.0.0.1:${server.port}/${relative(served, path)}`;
  const file = join(share, 'big');
  return [
    { name: 'postern', move: to => postern(folder, 'get', '-q', at(file), to), stop: server.stop },
    { name: 'postern, put', move: to => postern(folder, 'put', '-q', file, at(to)), stop: server.stop },
  ];
}

async function sha256(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk);
  return hash.digest('hex');
}
