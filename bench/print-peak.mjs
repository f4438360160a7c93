// Loaded into a process under test: leaves its peak resident memory, in MB, in a file when it ends. Not from getrusage,
// whose peak begins with that of the process that started this one.
import { readFileSync, writeFileSync } from 'node:fs';

process.on('exit', () => {
  const [, kibibytes] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
  writeFileSync(process.env.BENCH_PEAK_FILE, String((Number(kibibytes) * 1024) / 1e6));
});
