// What `tsc -b` leaves to do: it never removes the output of a source that is gone, and a program of two hundred modules
// takes longer to load than to run. So the command is put together into few files; packages stay where npm puts them.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

for (const path of readdirSync('dist', { recursive: true })) {
  const source = /^(.*?)(\.d)?\.[jt]s$/.exec(path)?.[1];
  if (source !== undefined && !existsSync(join('src', `${source}.ts`))) rmSync(join('dist', path));
}

await build({
  // Its name among the sources is `main`; esbuild sets the mode of a file that begins with `#!`.
  entryPoints: { postern: 'dist/cli/main.js' },
  outdir: 'dist/bin',
  bundle: true,
  // A command loads what it needs and no more.
  splitting: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  logLevel: 'warning',
});
