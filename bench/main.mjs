// `npm run bench`: postern beside every peer that is installed, in one run on the same machine. See bench/README.md.
//
//   npm run bench                    everything
//   npm run bench -- bulk memory     only these
//   POSTERN_BENCH_GIB=0.25           size of the bulk file; POSTERN_BENCH_ROUNDS=5, POSTERN_BENCH_DIR=/dev/shm
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { bulk } from './bulk.mjs';
import { login } from './login.mjs';
import { memory } from './memory.mjs';

const suites = { bulk, login, memory };
const wanted = process.argv.slice(2).filter(name => !name.startsWith('-'));
const unknown = wanted.find(name => !Object.hasOwn(suites, name));
if (unknown !== undefined) {
  console.error(`bench: no suite ${unknown}; there are ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}

const base = process.env.POSTERN_BENCH_DIR ?? (platform() === 'linux' ? '/dev/shm' : undefined);
const folder = mkdtempSync(join(base ?? (await import('node:os')).tmpdir(), 'postern-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
process.on('SIGINT', () => process.exit(130));

const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${arch()}, Node ${process.version}`;
const report = [`Measured on ${new Date().toISOString().slice(0, 10)}: ${machine}.`, ''];
console.log(report[0]);
for (const [name, suite] of Object.entries(suites)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const lines = await suite(folder);
  console.log(`\n${lines.join('\n')}`);
  report.push(...lines, '');
}
if (process.env.POSTERN_BENCH_OUT) writeFileSync(process.env.POSTERN_BENCH_OUT, `${report.join('\n').trim()}\n`);
