import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Ended, Home, type Running, type RunOptions, run, start, stop } from './command.ts';

export interface Ready {
  readonly type: string;
  readonly address: string;
  readonly port: number;
  readonly key: string;
  readonly fingerprint: string;
  readonly allow: readonly string[];
}

/** A server over a new folder, and the homes of both sides. */
export class Served {
  /** Of the server. */
  readonly home: Home;
  /** Of the clients. */
  readonly client: Home;
  readonly share: string;
  readonly server: Running;
  readonly ready: Ready;

  private constructor(parts: { home: Home; client: Home; share: string; server: Running; ready: Ready }) {
    this.home = parts.home;
    this.client = parts.client;
    this.share = parts.share;
    this.server = parts.server;
    this.ready = parts.ready;
  }

  static async start(args: readonly string[] = [], options: RunOptions = {}): Promise<Served> {
    const home = await Home.make();
    const client = await Home.make();
    const share = join(home.path, 'share');
    await mkdir(share);
    const server = start(home, ['serve', share, '--json', '--listen', '127.0.0.1:0', ...args], options);
    try {
      const [line] = await server.until('stdout', /^.*\n/);
      return new Served({ home, client, share, server, ready: JSON.parse(line) as Ready });
    } catch (thrown) {
      await stop(server);
      await home.remove();
      await client.remove();
      throw thrown;
    }
  }

  get url(): string {
    return `postern://127.0.0.1:${this.ready.port}`;
  }

  /** Runs a client against it, with its own current folder. */
  run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return run(this.client, args, options);
  }

  /** A new folder for a client to work in. */
  async folder(): Promise<string> {
    this.#folders += 1;
    const path = join(this.client.path, `work-${this.#folders}`);
    await mkdir(path);
    return path;
  }
  #folders = 0;

  async stop(): Promise<void> {
    await stop(this.server);
    await this.home.remove();
    await this.client.remove();
  }
}
