import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** The built command; `npm test` builds it first. */
export const MAIN = fileURLToPath(new URL('../../../dist/bin/postern.js', import.meta.url));

export const PASSPHRASE = 'orbit-velvet-canyon-turtle';

export type Environment = Record<string, string | undefined>;

export interface RunOptions {
  readonly cwd?: string;
  /** Added to the environment; `undefined` takes a variable out. */
  readonly env?: Environment;
  readonly input?: string | Uint8Array;
  /** Leaves its input open for the test to write to and to end. */
  readonly keepInput?: boolean;
}

export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly bytes: Buffer;
  readonly stdout: string;
  readonly stderr: string;
}

/** A home of its own: keys, pins and settings of the command lie in it and nowhere else. */
export class Home {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Home> {
    return new Home(await mkdtemp(join(tmpdir(), 'postern-test-')));
  }

  /** What the command sees, and nothing of the terminal that the tests run in. */
  environment(extra: Environment = {}): Record<string, string> {
    const all: Environment = {
      PATH: process.env['PATH'],
      HOME: this.path,
      TMPDIR: process.env['TMPDIR'],
      TERM: 'xterm-256color',
      XDG_DATA_HOME: join(this.path, 'data'),
      XDG_STATE_HOME: join(this.path, 'state'),
      XDG_CONFIG_HOME: join(this.path, 'config'),
      POSTERN_PASSWORD: PASSPHRASE,
      ...extra,
    };
    return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
  }

  /** Writes its config.toml. */
  async configure(text: string): Promise<void> {
    await mkdir(join(this.path, 'config/postern'), { recursive: true });
    await writeFile(join(this.path, 'config/postern/config.toml'), text);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** The command as a running process: its output so far, and waiting for more of it. */
export class Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  readonly #bytes: Buffer[] = [];
  #stdout = '';
  #stderr = '';
  #waiting: (() => void)[] = [];
  #isOver = false;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child;
    child.stdout.on('data', (data: Buffer) => {
      this.#bytes.push(data);
      this.#stdout += data.toString('latin1');
      this.#wake();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#wake();
    });
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, signal) => {
        this.#isOver = true;
        this.#wake();
        const bytes = Buffer.concat(this.#bytes);
        resolve({ status, signal, bytes, stdout: bytes.toString('utf8'), stderr: this.#stderr });
      });
    });
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves when stdout or stderr has what matches; rejects if the process ends without. */
  async until(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const text = stream === 'stdout' ? this.#stdout : this.#stderr;
      const found = pattern.exec(text);
      if (found !== null) return found;
      if (this.#isOver) throw new Error(`ended without ${pattern}: ${this.#stdout}${this.#stderr}`);
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Starts the command in a session of its own, so that it has no terminal to ask at wherever the tests run. */
export function start(home: Home, args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd ?? home.path,
    env: home.environment(options.env),
    detached: true,
  });
  // The command may end without having read all of it.
  child.stdin.on('error', () => {});
  if (!options.keepInput) child.stdin.end(options.input ?? '');
  return new Running(child);
}

/** Runs the command to its end. */
export function run(home: Home, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return start(home, args, options).ended;
}

/** As `start`, for one test: whatever is left of the process at its end is killed. */
export function startForTest(home: Home, args: readonly string[], options: RunOptions = {}): Running {
  const running = start(home, args, options);
  onTestFinished(async () => {
    await stop(running, 'SIGKILL');
  });
  return running;
}

export async function stop(running: Running, signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
  if (running.child.exitCode === null && running.child.signalCode === null) running.child.kill(signal);
  return running.ended;
}
