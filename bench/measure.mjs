// What the suites share: running things, medians, CPU time, tables.
import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const POSTERN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

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

/** Runs a program to its end; rejects when it fails. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], ...options });
    let errors = '';
    child.stderr?.setEncoding('utf8').on('data', text => {
      errors += text;
    });
    child.once('error', reject);
    child.once('close', (status, signal) => {
      if (status === 0) resolve();
      else reject(new Error(`${command} ended with ${status ?? signal}: ${errors.slice(-500)}`));
    });
  });
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

export async function freePort() {
  const server = createServer();
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** A home of its own for the command under test. */
export function posternEnvironment(folder, passphrase) {
  return {
    ...process.env,
    POSTERN_PASSWORD: passphrase,
    XDG_DATA_HOME: join(folder, 'data'),
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_CONFIG_HOME: join(folder, 'config'),
  };
}

/** Starts `postern serve` and resolves with the process and its port. */
export function startPostern(folder, share, passphrase) {
  const child = spawn(process.execPath, [POSTERN, 'serve', share, '--listen', '127.0.0.1:0', '--json'], {
    env: posternEnvironment(folder, passphrase),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', status => reject(new Error(`postern serve ended with ${status}`)));
    child.stdout.setEncoding('utf8').once('data', line => resolve({ child, port: JSON.parse(line).port }));
  });
}

export function table(header, rows) {
  const line = cells => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)];
}

/** A passphrase for the bench alone. */
export const PASSPHRASE = 'orbit-velvet-canyon-turtle';
