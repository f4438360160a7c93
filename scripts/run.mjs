// The one entry of every npm script: sets up what is missing on a fresh clone, then runs the steps of the task.
// Plain JavaScript without dependencies, because it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [task, ...rest] = process.argv.slice(2);
const bin = name => join(root, 'node_modules', '.bin', name);

const tasks = {
  build: () => build(),
  check: () => {
    install();
    run(bin('biome'), ['check', '--error-on-warnings', '.']);
    build();
    run(bin('oxlint'), ['--type-aware', '--deny-warnings', 'src', 'test', 'bench', 'examples', 'scripts']);
    run(bin('tsc'), ['-p', 'tsconfig/test.json']);
    run(process.execPath, ['scripts/sizes.mjs']);
    vitest(['run', '--project', 'check']);
  },
  test: () => {
    build();
    vitest(['run', '--project', 'test', ...rest]);
  },
  soak: () => {
    build();
    vitest(['run', '--project', 'soak', ...rest], { POSTERN_SOAK: '1' });
  },
  bench: () => {
    build();
    run(process.execPath, ['bench/main.mjs', ...rest]);
  },
  demo: () => {
    build();
    run(process.execPath, ['dist/bin/postern.js', 'demo', ...rest]);
  },
  start: () => {
    build();
    run(process.execPath, ['dist/bin/postern.js', 'serve', ...rest], { cwd: process.env.INIT_CWD ?? root });
  },
  format: () => {
    install();
    run(bin('biome'), ['check', '--write', '.']);
  },
};

if (!Object.hasOwn(tasks, task ?? '')) {
  console.error(`scripts/run.mjs: no task ${JSON.stringify(task)}; there are ${Object.keys(tasks).join(', ')}`);
  process.exit(2);
}
tasks[task]();

/** Installs the locked dependencies when they are absent or older than the lock file. */
function install() {
  const marker = join(root, 'node_modules', '.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs) return;
  if (existsSync(marker) && sameLock(marker, lock)) return;
  // Not `npm ci`: the lock file names only the platforms whose optional packages could be had when it was written, and
  // `ci` refuses that. The versions are the locked ones either way.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], { stdio: ['ignore', 2, 2] });
}

/** A checkout touches the lock file's time; what counts is whether it names the same packages. */
function sameLock(marker, lock) {
  const packages = file => {
    const all = JSON.parse(readFileSync(file, 'utf8')).packages;
    return Object.entries(all).filter(([path]) => path !== '');
  };
  const wanted = new Map(packages(lock).map(([path, entry]) => [path, entry.version]));
  return packages(marker).every(([path, entry]) => wanted.get(path) === entry.version);
}

function build() {
  install();
  // Without the compiler's notes the output cannot be trusted to be whole.
  if (!existsSync(join(root, '.cache', 'tsc'))) rmSync(join(root, 'dist'), { recursive: true, force: true });
  // And without the output the notes are wrong.
  if (!existsSync(join(root, 'dist'))) rmSync(join(root, '.cache', 'tsc'), { recursive: true, force: true });
  run(bin('tsc'), ['-b', 'tsconfig.json']);
  run(process.execPath, ['scripts/finish-build.mjs']);
}

function vitest(args, env = {}) {
  const report = process.env.POSTERN_TEST_REPORT;
  const reporters = report ? ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`] : [];
  run(bin('vitest'), [...args, ...reporters], { env: { ...process.env, ...env } });
}

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (done.error) {
    console.error(`cannot run ${command}: ${done.error.message}`);
    process.exit(1);
  }
  if (done.signal) process.kill(process.pid, done.signal);
  if (done.status !== 0) process.exit(done.status ?? 1);
}
