// One big file, file to new file, over loopback: postern and every peer that is installed, in turn, on the same file.
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, createReadStream, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  busySeconds,
  findProgram,
  freePort,
  median,
  PASSPHRASE,
  POSTERN,
  posternEnvironment,
  run,
  startPostern,
  table,
} from './measure.mjs';
import { startNginx, startSshd } from './peers.mjs';

export async function bulk(folder) {
  const gib = Number(process.env.POSTERN_BENCH_GIB ?? 2);
  const rounds = Number(process.env.POSTERN_BENCH_ROUNDS ?? 5);
  const share = join(folder, 'share');
  const target = join(folder, 'target');
  mkdirSync(share);
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
        const start = performance.now();
        await peer.fetch(join(target, 'big'));
        const seconds = (performance.now() - start) / 1000;
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
  const scp = results.has('scp') ? rate('scp') : undefined;
  const rows = peers.map(({ name }) => [
    name,
    rate(name).toFixed(2),
    scp === undefined ? '' : (rate(name) / scp).toFixed(2),
    median(results.get(name).map(result => result.cpu)).toFixed(2),
  ]);
  rmSync(share, { recursive: true });
  rmSync(target, { recursive: true, force: true });
  return [
    `One file of ${gib} GiB, file to new file in memory, medians of ${rounds} interleaved rounds, start of the client included:`,
    '',
    ...table(['who', 'GB/s', 'of scp', 'CPU s/GB, both ends'], rows),
  ];
}

/** Of OpenSSH, on machines with AES instructions. */
const FASTEST = ['-c', 'aes128-gcm@openssh.com'];

async function startPeers(folder, share) {
  const peers = [await posternPeer(folder, share)];
  const sshd = findProgram('sshd') && findProgram('ssh-keygen') ? await startSshd(folder) : undefined;
  if (sshd !== undefined) {
    const scp = (name, options) => ({
      name,
      fetch: to => {
        const from = `127.0.0.1:${join(share, 'big')}`;
        return run('scp', [...options, ...sshd.options, '-q', '-P', String(sshd.port), from, to]);
      },
      stop: sshd.stop,
    });
    peers.push(scp('scp', []), scp('scp, its fastest cipher (aes128-gcm)', FASTEST));
    if (findProgram('rsync')) {
      const shell = ['ssh', ...FASTEST, ...sshd.options, '-p', String(sshd.port)].join(' ');
      peers.push({
        name: 'rsync over ssh, aes128-gcm',
        fetch: to => run('rsync', ['-a', '--whole-file', '-e', shell, `127.0.0.1:${join(share, 'big')}`, to]),
        stop: async () => {},
      });
    }
  }
  if (findProgram('nginx') && findProgram('curl') && findProgram('openssl')) {
    const nginx = await startNginx(folder, share, await freePort());
    peers.push({
      name: 'nginx TLS 1.3 + curl',
      fetch: to => run('curl', ['-sSk', '--tlsv1.3', '-o', to, `https://127.0.0.1:${nginx.port}/big`]),
      stop: nginx.stop,
    });
  }
  return peers;
}

async function posternPeer(folder, share) {
  const { child, port } = await startPostern(folder, share, PASSPHRASE);
  const options = { env: posternEnvironment(folder, PASSPHRASE) };
  return {
    name: 'postern',
    fetch: to => run(process.execPath, [POSTERN, 'get', '-q', `postern://127.0.0.1:${port}/big`, to], options),
    stop: async () => {
      child.kill();
    },
  };
}

/** Content that does not compress. */
function makeFile(path, bytes) {
  const block = randomBytes(16 * 2 ** 20);
  const file = openSync(path, 'w');
  for (let written = 0; written < bytes; written += block.length) {
    block.writeUInt32BE(written / block.length, 0);
    writeSync(file, block, 0, Math.min(block.length, bytes - written));
  }
  closeSync(file);
}

async function sha256(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk);
  return hash.digest('hex');
}
