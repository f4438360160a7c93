// `npm run bench`: postern beside every peer that is installed, in one run on the same machine. See bench/README.md.
//
//   npm run bench                    everything
//   npm run bench -- bulk memory     only these
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { agents } from './agents.mjs';
import { bulk } from './bulk.mjs';
import { chat } from './chat.mjs';
import { classic } from './classic.mjs';
import { exec } from './exec.mjs';
import { link } from './link.mjs';
import { login } from './login.mjs';
import { many } from './many.mjs';
import { memory } from './memory.mjs';
import { time } from './time.mjs';

const suites = { bulk, many, link, exec, agents, chat, time, login, memory, classic };
const wanted = process.argv.slice(2).filter(name => !name.startsWith('-'));
const unknown = wanted.find(name => !Object.hasOwn(suites, name));
if (unknown !== undefined) {
  console.error(`bench: no suite ${unknown}; there are ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}

const base = process.env.POSTERN_BENCH_DIR ?? (platform() === 'linux' ? '/dev/shm' : undefined);
const folder = mkdtempSync(join(base ?? (await import('node:os')).tmpdir(), 'postern-bench-'));
// Children are killed before this (measure.mjs); one of them may still be dying.
process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${arch()}, Node ${process.version}`;
const report = [`Measured on ${new Date().toISOString().slice(0, 10)}: ${machine}.`, ''];
console.log(report[0]);
for (const [name, suite] of Object.entries(suites)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const home = join(folder, name);
  mkdirSync(home);
  const lines = await suite(home);
  rmSync(home, { recursive: true, maxRetries: 5 });
  console.log(`\n${lines.join('\n')}`);
  report.push(...lines, '');
}
if (process.env.POSTERN_BENCH_OUT) writeFileSync(process.env.POSTERN_BENCH_OUT, `${report.join('\n').trim()}\n`);
