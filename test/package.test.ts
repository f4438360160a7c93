import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LINE_ERROR_CODES } from '../src/errors.ts';
import { ROOT } from './source-files.ts';

/** The product as users get it: what is packed, what resolves, what a browser's bundle holds. The build ran before. */
interface Manifest {
  readonly name: string;
  readonly bin: Record<string, string>;
  readonly exports: Record<string, string | { types: string; default: string }>;
}

/** What npm packs of the command. */
const COMMAND = ['package.json', 'dist/bin/package.json', 'dist/bin/postern.js', 'dist/bin/command.js'];
const manifest = JSON.parse(read('package.json')) as Manifest;
const subpaths = Object.entries(manifest.exports).filter(([path]) => path !== './package.json');

describe('the packed files', () => {
  const packed = packedPaths();

  it('are the build, four documents, one of them in two languages, and the manifest', () => {
    const documents = packed.filter(path => !path.startsWith('dist/'));
    expect(documents).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'README.zh-CN.md',
      'SECURITY.md',
      'package.json',
    ]);
  });

  it('hold the code and its types, and no test', () => {
    const build = packed.filter(path => path.startsWith('dist/'));
    expect(build.filter(path => !/\.(?:js|d\.ts)$/.test(path))).toEqual([
      'dist/bin/LICENSES.txt',
      'dist/bin/package.json',
    ]);
    expect(build.filter(path => /\.test\.|(?:^|\/)tests?\//.test(path))).toEqual([]);
  });

  it('hold every file that the manifest names', () => {
    const named = subpaths.flatMap(([, target]) => (typeof target === 'string' ? [target] : Object.values(target)));
    const missing = [...named, ...Object.values(manifest.bin)].filter(path => !packed.includes(path.replace('./', '')));
    expect(missing).toEqual([]);
  });
});

describe('the command', () => {
  it('is taken by this engine as it was compiled ahead', () => {
    // The engine alone knows whether it does: it compiles what it does not take, and says nothing.
    const script = `
      const { readFileSync } = require('node:fs');
      const { Script } = require('node:vm');
      import('./dist/cli/engine-flags.js').then(({ setEngineFlags }) => {
        setEngineFlags();
        const [text, compiled] = [readFileSync(process.argv[1], 'latin1'), readFileSync(process.argv[1] + '.compiled')];
        // The digest of the text stands behind it.
        console.log(new Script(text, { cachedData: compiled.subarray(0, -32) }).cachedDataRejected);
      });`;
    const run = (...flags: string[]) =>
      execFileSync(process.execPath, [...flags, '--eval', script, 'dist/bin/command.js'], {
        cwd: ROOT,
        encoding: 'utf8',
      });
    expect(run().trim()).toBe('false');
    // And by one with other flags it is not.
    expect(run('--no-opt').trim()).toBe('true');
  });

  it('runs without what was compiled ahead, as npm packs it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-packed-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await mkdir(join(folder, 'dist/bin'), { recursive: true });
    for (const name of COMMAND) await copyFile(join(ROOT, name), join(folder, name));
    const args = [join(folder, manifest.bin['postern']!), '--version'];
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toMatch(/^postern \d/);
  });

  it('is what its text says, also when that was changed after it was compiled', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-patched-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await mkdir(join(folder, 'dist/bin'), { recursive: true });
    for (const name of [...COMMAND, 'dist/bin/command.js.compiled']) {
      await copyFile(join(ROOT, name), join(folder, name));
    }
    // The engine itself looks at the length alone.
    const text = read('dist/bin/command.js');
    const patched = text.replaceAll('there are list, add and remove', 'THERE ARE LIST, ADD AND REMOVE');
    expect([patched === text, patched.length - text.length]).toEqual([false, 0]);
    await writeFile(join(folder, 'dist/bin/command.js'), patched);
    const args = [join(folder, manifest.bin['postern']!), 'devices', 'nonsense'];
    expect(spawnSync(process.execPath, args, { encoding: 'utf8' }).stderr).toContain('THERE ARE LIST');
  });

  it('holds nothing but ASCII, as its loader expects', () => {
    expect(/[^\0-\x7f]/.test(read('dist/bin/command.js'))).toBe(false);
  });
});

describe('the subpaths', () => {
  it.each(subpaths)('%s resolves by the name of the package and exports something', path => {
    const script = 'console.log(Object.keys(await import(process.argv[1])).length)';
    const specifier = path.replace('.', manifest.name);
    const args = ['--input-type=module', '--eval', script, specifier];
    expect(Number(execFileSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' }))).toBeGreaterThan(0);
  });

  it('are all there is: what lies below an entry does not resolve', () => {
    const script = `import('${manifest.name}/dist/errors.js').catch(error => console.log(error.code))`;
    const code = execFileSync(process.execPath, ['--eval', script], { cwd: ROOT, encoding: 'utf8' });
    expect(code.trim()).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it('bundles "." for a browser without anything of Node', async () => {
    const { outputFiles } = await build({
      entryPoints: [join(ROOT, 'dist/index.js')],
      platform: 'browser',
      format: 'esm',
      bundle: true,
      write: false,
      legalComments: 'none',
      logLevel: 'silent',
    });
    const { text } = outputFiles[0]!;
    expect(text.length).toBeGreaterThan(1000);
    expect(text.match(/['"]node:.*|\bBuffer\b.*/g)).toBeNull();
  });

  it('publint has nothing to say', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [publint(), '--strict'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect(status, stdout + stderr).toBe(0);
  });
});

describe('docs/errors.md', () => {
  it('has a row for every code, in the order of errors.ts, and no other', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `([A-Z_]+)` *\| (.+?) *\| (.+?) *\|$/gm)];
    expect(rows.map(([, code]) => code)).toEqual([...LINE_ERROR_CODES]);
    for (const [, code, happened, remedy] of rows) {
      expect(happened!.length, code).toBeGreaterThan(10);
      expect(remedy!.length, code).toBeGreaterThan(10);
    }
  });
});

describe('the repository stands alone', () => {
  // Written in pieces, so that this file does not name what it looks for.
  const foreign = [['', 'work', ''].join('/'), ['..', 'shared'].join('/'), ['registry', 'npmjs'].join('.')];

  it('the lock file names no place to download from', () => {
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, { resolved?: string }> };
    const entries = Object.entries(lock.packages);
    expect(entries.length).toBeGreaterThan(10);
    expect(entries.filter(([, entry]) => entry.resolved !== undefined).map(([path]) => path)).toEqual([]);
  });

  it('no file names a path outside, nor the registry that packages come from', () => {
    const words = [...foreign, registryHost()];
    const found = repositoryPaths().flatMap(path => {
      const text = read(path);
      return words.filter(word => text.includes(word)).map(word => `${path}: ${word}`);
    });
    expect(found).toEqual([]);
  });
});

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function packedPaths(): string[] {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const output = execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const [pack] = JSON.parse(output) as [{ files: { path: string }[] }];
  return pack.files.map(file => file.path).sort();
}

function publint(): string {
  const { bin } = JSON.parse(read('node_modules/publint/package.json')) as { bin: Record<string, string> };
  return join(ROOT, 'node_modules/publint', bin['publint']!);
}

/** Tracked files and those that are about to be; deleted ones aside. */
function repositoryPaths(): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const paths = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).split('\0');
  return paths.filter(path => path !== '' && existsSync(join(ROOT, path)));
}

/** With its port, if it has one. */
function registryHost(): string {
  const url = execFileSync('npm', ['config', 'get', 'registry'], { cwd: ROOT, encoding: 'utf8' });
  return new URL(url.trim()).host;
}
