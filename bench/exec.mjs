// Commands: how soon one is over, on a connection of its own and over one that is open, and how fast bytes pass through.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { connect, exec as execOn, temporaryInstall } from '../dist/node/index.js';
import {
  median,
  PASSPHRASE,
  POSTERN,
  posternEnvironment,
  run,
  startPostern,
  table,
  timed,
  untilExit,
} from './measure.mjs';
import { hasSshd, sshClients, startSshd } from './peers.mjs';

const ROUNDS = Number(process.env.POSTERN_BENCH_ROUNDS ?? 5);
const BYTES = 2 ** 30;

export async function exec(folder) {
  const share = join(folder, 'share');
  mkdirSync(share);
  const served = await startPostern(folder, share, 'exec');
  const sshd = hasSshd() ? await startSshd(folder) : undefined;
  const line = await openLine(served.port);
  const master = sshd && (await startMaster(folder, sshd));
  const ssh = sshd && sshClients(sshd);
  const ours = (args, options) =>
    run(process.execPath, [POSTERN, 'exec', `postern://127.0.0.1:${served.port}`, ...args], {
      env: posternEnvironment(folder, PASSPHRASE),
      ...options,
    });
  const nothing = openSync('/dev/null', 'r+');
  const zeros = ['head', '-c', String(BYTES), '/dev/zero'];
  const cases = {
    'postern exec': { of: 'true', work: () => ours(['--', 'true']) },
    'over an open line, from a program': { of: 'true', work: async () => (await execOn(line, TRUE)).wait() },
    ...(ssh && {
      ssh: { of: 'true', work: () => ssh.run(['true']) },
      'ssh, ControlMaster': { of: 'true', work: () => ssh.run([...master.options, 'true']) },
    }),
    'postern exec, its output': { of: 'bytes', work: () => ours(['-n', '--', ...zeros], into(nothing)) },
    'postern exec, its input': { of: 'bytes', work: () => fed(zeros, pipe => ours(['-c', DISCARD], from(pipe))) },
    ...(ssh && {
      'ssh, its output': { of: 'bytes', work: () => ssh.run(zeros, into(nothing)) },
      'ssh, its input': { of: 'bytes', work: () => fed(zeros, pipe => ssh.run([DISCARD], from(pipe))) },
    }),
  };
  const times = await takeTurns(cases);
  closeSync(nothing);
  await line.close();
  await master?.stop();
  await served.stop();
  await sshd?.stop();
  const rowsOf = (of, figure) =>
    Object.entries(cases).flatMap(([name, one]) => (one.of === of ? [[name, figure(median(times[name]))]] : []));
  return [
    `\`true\`, medians of ${ROUNDS} interleaved rounds, start of the client included unless the row says otherwise:`,
    '',
    ...table(
      ['who', 'ms'],
      rowsOf('true', seconds => (seconds * 1000).toFixed(1)),
    ),
    '',
    '1 GiB of zeros through a command, start of the client included:',
    '',
    ...table(
      ['who', 'GB/s'],
      rowsOf('bytes', seconds => (BYTES / 1e9 / seconds).toFixed(2)),
    ),
  ];
}

const TRUE = { argv: ['true'] };
const DISCARD = 'cat > /dev/null';

async function openLine(port) {
  const { line } = await connect({ host: '127.0.0.1', port, passphrase: PASSPHRASE, install: temporaryInstall() });
  return line;
}

/** An ssh that stays and carries the others. */
async function startMaster(folder, sshd) {
  const options = ['-o', `ControlPath=${join(folder, 'master')}`];
  const args = [...sshd.options, ...options, '-p', String(sshd.port), '127.0.0.1'];
  await run('ssh', ['-M', '-f', '-N', '-o', 'ControlPersist=yes', ...args], { stdio: 'ignore' });
  return { options, stop: () => run('ssh', ['-O', 'exit', ...args]) };
}

async function takeTurns(cases) {
  const times = Object.fromEntries(Object.keys(cases).map(name => [name, []]));
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [name, { work }] of Object.entries(cases)) {
      const seconds = await timed(work);
      if (process.env.POSTERN_BENCH_VERBOSE) console.error(round, name, seconds.toFixed(4));
      if (round > 0) times[name].push(seconds);
    }
  }
  return times;
}

function into(descriptor) {
  return { stdio: ['ignore', descriptor, 'pipe'] };
}

function from(stream) {
  return { stdio: [stream, 'pipe', 'pipe'] };
}

/** Runs `work` with the output of a program to read from. */
async function fed([command, ...args], work) {
  const source = untilExit(spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] }));
  await work(source.stdout);
}
