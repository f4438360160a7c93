// What the suites share: running things, medians, CPU time, tables.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const POSTERN = fileURLToPath(new URL('../dist/bin/postern.js', import.meta.url));

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** The path of a program, or undefined. Servers often live where a user's PATH does not look. */
export function findProgram(name) {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/** Runs a program to its end, for ten minutes at most; resolves with its output, rejects when it fails. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const bounds = { timeout: MAX_RUN_MS, killSignal: 'SIGKILL' };
    const child = untilExit(spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...bounds, ...options }));
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
      child[name]?.setEncoding('utf8').on('data', text => {
        texts[name] += text;
      });
    }
    child.once('error', reject);
    child.once('close', (status, signal) => {
      if (status === 0) resolve(texts.stdout);
      else reject(new Error(`${command} ended with ${status ?? signal}: ${texts.stderr.slice(-500)}`));
    });
  });
}

const MAX_RUN_MS = 600_000;

/** The seconds that `work` takes. */
export async function timed(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A child that does not outlive this process, however that ends. */
export function untilExit(child) {
  running.add(child);
  child.once('error', () => running.delete(child));
  child.once('exit', () => running.delete(child));
  return child;
}

/** Ends a server and waits until it has gone. May be called twice. */
export async function stopped(child) {
  if (!running.has(child)) return;
  const gone = once(child, 'exit');
  child.kill();
  const hurry = setTimeout(() => child.kill('SIGKILL'), 5000);
  await gone;
  clearTimeout(hurry);
}

/** Busy CPU seconds of the whole machine so far: both ends of a transfer and the kernel's work for them. */
export function busySeconds() {
  const [, ...ticks] = readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/);
  const [user, nice, system, , , irq, softirq] = ticks.map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

/** Peak resident memory of a process in MB. */
export function peakMegabytes(pid) {
  return (Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6;
}

/** What this process has used: CPU seconds, and its resident memory now and at its peak in MB. */
export function usedSoFar() {
  const { user, system } = process.cpuUsage();
  const peak = peakMegabytes(process.pid);
  return { cpuSeconds: (user + system) / 1e6, megabytes: process.memoryUsage.rss() / 1e6, peakMegabytes: peak };
}

export async function freePort() {
  const server = createServer();
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** Runs the command with a home of its own in `folder`. */
export function postern(folder, ...args) {
  return run(process.execPath, [POSTERN, ...args], { env: posternEnvironment(folder, PASSPHRASE) });
}

/** The same without a passphrase, for a server that this machine is paired with, as ssh here has a key that was let in. */
export function pairedPostern(folder, ...args) {
  return run(process.execPath, [POSTERN, ...args], { env: posternEnvironment(folder, undefined) });
}

export function posternEnvironment(folder, passphrase) {
  return {
    ...process.env,
    POSTERN_PASSWORD: passphrase,
    XDG_DATA_HOME: join(folder, 'data'),
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_CONFIG_HOME: join(folder, 'config'),
  };
}

/** Starts `postern serve` and resolves with its port, its process's id and what ends it. */
export async function startPostern(folder, share, allow = 'read,write,delete') {
  const args = ['serve', share, '--listen', '127.0.0.1:0', '--json', '--pair', '--allow', allow];
  const child = untilExit(
    spawn(process.execPath, [POSTERN, ...args], {
      env: posternEnvironment(folder, PASSPHRASE),
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const port = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', status => reject(new Error(`postern serve ended with ${status}`)));
    child.stdout.setEncoding('utf8').once('data', line => resolve(JSON.parse(line).port));
  });
  return { port, pid: child.pid, stop: () => stopped(child) };
}

export function table(header, rows) {
  const line = cells => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)];
}

/** A passphrase for the bench alone. */
export const PASSPHRASE = 'orbit-velvet-canyon-turtle';

/** Makes `files` files of random bytes under `root`. */
export function makeTree(root, folders, files, bytes) {
  return run(process.execPath, [
    fileURLToPath(new URL('./make-tree.mjs', import.meta.url)),
    ...[root, folders, files, bytes].map(String),
  ]);
}

/** A file whose content does not compress. */
export function makeFile(path, bytes) {
  const block = randomBytes(16 * 2 ** 20);
  const file = openSync(path, 'w');
  for (let written = 0; written < bytes; written += block.length) {
    block.writeUInt32BE(written / block.length, 0);
    writeSync(file, block, 0, Math.min(block.length, bytes - written));
  }
  closeSync(file);
}
