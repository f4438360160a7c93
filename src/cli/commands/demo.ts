import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AuditFile,
  childEnvironment,
  LineError,
  listen,
  nodeCrypto,
  serveChat,
  serveCommands,
  serveFolder,
  serveTime,
  temporaryInstall,
} from '../../node/index.ts';
import type { CommandContext } from '../context.ts';
import { generatePassphrase } from '../passphrase.ts';

/**
 * A tour on loopback: serves a folder, commands and rooms in this process and runs the real command in a second one against it. Everything
 * lives in a temporary folder, keys and pins too, and is gone afterwards.
 */
export async function demo(context: CommandContext): Promise<void> {
  context.doing = 'the demo did not go through';
  const home = await mkdtemp(join(tmpdir(), 'postern-demo-'));
  try {
    const tour = new Tour(context, home);
    await tour.run();
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

class Tour {
  readonly #context: CommandContext;
  readonly #home: string;
  readonly #steps: { command: string; output: string }[] = [];

  constructor(context: CommandContext, home: string) {
    this.#context = context;
    this.#home = home;
  }

  async run(): Promise<void> {
    const share = join(this.#home, 'share');
    await mkdir(join(share, 'photos'), { recursive: true });
    await writeFile(join(share, 'notes.txt'), 'The back gate is open to those who know the word.\n');
    await writeFile(join(share, 'photos', 'harbour.raw'), randomBytes(8 * 1024 * 1024));
    await writeFile(join(share, 'photos', 'empty.raw'), '');

    const passphrase = generatePassphrase(length => nodeCrypto.randomBytes(length));
    const host = join(this.#home, 'host');
    const folders = { data: host, state: host, config: host };
    const commands = await serveCommands(share, { audit: new AuditFile(folders) });
    const chat = serveChat(share, { folders });
    const server = await listen({
      host: '127.0.0.1',
      port: 0,
      passphrase: [passphrase],
      services: [await serveFolder(share), commands, chat, await serveTime()],
      allow: ['read', 'exec', 'chat', 'time'],
      install: temporaryInstall(),
    });
    await this.#say(`serving a folder on 127.0.0.1 port ${server.port}; passphrase: ${passphrase.text}`);
    const url = `postern://127.0.0.1:${server.port}`;
    try {
      await this.#client(passphrase.text, ['may', url]);
      await this.#client(passphrase.text, ['ping', '-c', '3', url]);
      await this.#client(passphrase.text, ['ls', '-l', '-R', url]);
      await this.#client(passphrase.text, ['get', `${url}/notes.txt`, `${url}/photos`, 'fetched/']);
      await this.#client(passphrase.text, ['exec', url, '-c', 'echo this was run there']);
      await this.#client(passphrase.text, ['time', '--offset', url]);
      await this.#client(passphrase.text, ['chat', url, '--as', 'ann'], { input: 'the word is out\n' });
      await this.#client(passphrase.text, ['chat', url, '--as', 'bob'], { input: 'I have heard it\n' });
      await this.#client('not the right passphrase', ['get', `${url}/notes.txt`, 'stolen.txt'], { expected: 4 });
      await this.#compare(share, join(this.#home, 'fetched'));
    } finally {
      await server.close();
      await commands.close();
      await chat.close();
    }
    if (this.#context.options.json) await this.#context.printJson({ ok: true, steps: this.#steps });
  }

  /** Runs the command as a process of its own, with a home of its own, and shows what it printed. */
  async #client(
    passphrase: string,
    args: readonly string[],
    { expected = 0, input }: { readonly expected?: number; readonly input?: string } = {},
  ): Promise<void> {
    const said = input === undefined ? '' : `echo '${input.trimEnd()}' | `;
    const command = `${said}postern ${args.map(word => (word.includes(' ') ? `'${word}'` : word)).join(' ')}`;
    await this.#say(`\n$ ${command}`);
    // This very program.
    const main = process.argv[1]!;
    // By a pipe or a file: in an environment it would stand for as long as the process runs (R-A3).
    const file = join(this.#home, 'passphrase');
    if (input !== undefined) await writeFile(file, passphrase, { mode: 0o600 });
    const from = input === undefined ? '-' : file;
    const child = spawn(process.execPath, [main, args[0]!, '--password-file', from, ...args.slice(1)], {
      cwd: this.#home,
      env: {
        ...childEnvironment(process.env),
        XDG_DATA_HOME: join(this.#home, 'data'),
        XDG_STATE_HOME: join(this.#home, 'state'),
        XDG_CONFIG_HOME: join(this.#home, 'config'),
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      signal: this.#context.signal,
    });
    // One that ends without having read it is found by its status.
    child.stdin.on('error', () => {}).end(input ?? passphrase);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    this.#steps.push({ command, output });
    await this.#say(output.trimEnd());
    if (status === expected) return;
    throw new LineError('INTERNAL', `${command} ended with ${status}, not with ${expected}`);
  }

  async #compare(share: string, fetched: string): Promise<void> {
    await this.#say('');
    for (const path of ['notes.txt', 'photos/harbour.raw', 'photos/empty.raw']) {
      const [sent, received] = await Promise.all([readFile(join(share, path)), readFile(join(fetched, path))]);
      const digest = createHash('sha256').update(received).digest('hex');
      if (createHash('sha256').update(sent).digest('hex') !== digest) {
        throw new LineError('MISMATCH', `${path} did not arrive as it was sent`);
      }
      await this.#say(`${path}: identical, sha256 ${digest.slice(0, 16)}…`);
    }
    await this.#say('a wrong passphrase opened nothing; everything that was asked for arrived as it was sent');
  }

  async #say(line: string): Promise<void> {
    if (!this.#context.options.json) await this.#context.print(line);
  }
}
