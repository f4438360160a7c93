// What `tsc -b` leaves to do: it never removes the output of a source that is gone, and a program of two hundred modules
// takes longer to load than to run. So the command is put together into one file and compiled ahead (cli/load-command.ts).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

for (const path of readdirSync('dist', { recursive: true })) {
  const source = /^(.*?)(\.d)?\.[jt]s$/.exec(path)?.[1];
  if (source !== undefined && !existsSync(join('src', `${source}.ts`))) rmSync(join('dist', path));
}
rmSync('dist/bin', { recursive: true, force: true });
mkdirSync('dist/bin');

const bundle = (from, to, more) =>
  build({
    entryPoints: [from],
    outfile: to,
    bundle: true,
    // Large, or native, and needed by few commands: they stay where npm puts them.
    external: ['@zxcvbn-ts/*', 'iconv-lite', '@lydell/node-pty', '@photostructure/sqlite'],
    // Only this form can be compiled ahead.
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    // Comments are not ASCII, which the loader counts on. Names stay, for whoever reads a trace.
    minifyWhitespace: true,
    lineLimit: 160,
    // What `import()` names lies in the same file, and runs when it is asked for.
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': 'moduleUrl' },
    metafile: true,
    logLevel: 'warning',
    ...more,
  });
const MODULE_URL = "const moduleUrl = require('node:url').pathToFileURL(__filename).href;";

// What begins to stretch the passphrase is there before the rest of the command is.
await bundle('dist/cli/main.js', 'dist/bin/postern.js', { banner: { js: MODULE_URL } });
const { metafile } = await bundle('dist/cli/run.js', 'dist/bin/command.js', {
  banner: { js: `(function (require, module, __filename) { ${MODULE_URL}` },
  footer: { js: '})' },
});
writeFileSync('dist/bin/package.json', '{ "type": "commonjs" }\n');
writeFileSync('dist/bin/LICENSES.txt', licenses(Object.keys(metafile.inputs)));
const compiled = spawnSync(process.execPath, ['scripts/compile-command.mjs'], { stdio: 'inherit' });
if (compiled.status !== 0) process.exit(1);

/** Of every package that has become part of the command, what it asks to be kept with copies. */
function licenses(inputs) {
  const packages = new Set(inputs.flatMap(input => /node_modules\/(@[^/]+\/[^/]+|[^/]+)\//.exec(input)?.[1] ?? []));
  const texts = [...packages]
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map(name => {
      const folder = join('node_modules', name);
      const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry));
      if (file === undefined) throw new Error(`${name} is part of the command and has no license to copy`);
      return `${name}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
    });
  return `dist/bin/command.js contains parts of the following packages.\n\n${texts.join('\n---\n\n')}`;
}
