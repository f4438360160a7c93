// Loaded into a process under test: leaves its peak resident memory, in MB, in a file when it ends.
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  writeFileSync(process.env.BENCH_PEAK_FILE, String((process.resourceUsage().maxRSS * 1024) / 1e6));
});
