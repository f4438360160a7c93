import { onTestFinished } from 'vitest';
import {
  type ChatRoom,
  type ConnectedLine,
  chatHost,
  connect,
  type FloodLimits,
  joinChat,
  LineError,
  listen,
  MemoryHistory,
  type Permission,
  type Server,
  temporaryInstall,
} from '../../../src/node/index.ts';
import { Home, PASSPHRASE } from './command.ts';
import { InTerminal, type TerminalOptions } from './terminal.ts';

/** A server with rooms, in this process: it can go and come back on its port with what it remembers. */
export class ChatScene {
  readonly #history = new MemoryHistory();
  readonly #install = temporaryInstall();
  readonly #allow: readonly Permission[];
  readonly #flood: FloodLimits | undefined;
  readonly #homes: Home[] = [];
  readonly #lines: ConnectedLine[] = [];
  #server: Server | undefined;
  #close: (() => Promise<void>) | undefined;
  port = 0;
  /** What the server took for faults of its own. */
  readonly faults: unknown[] = [];

  private constructor(allow: readonly Permission[], flood: FloodLimits | undefined) {
    this.#allow = allow;
    this.#flood = flood;
  }

  /** For one test. */
  static async start(allow: readonly Permission[] = ['chat'], flood?: FloodLimits): Promise<ChatScene> {
    const scene = new ChatScene(allow, flood);
    onTestFinished(() => scene.#end());
    await scene.open();
    return scene;
  }

  get url(): string {
    return `postern://127.0.0.1:${this.port}`;
  }

  async open(): Promise<void> {
    const chat = chatHost(async () => this.#history, {
      nowMs: () => Date.now(),
      flood: this.#flood,
    });
    this.#server = await listen({
      host: '127.0.0.1',
      port: this.port,
      passphrase: [{ text: PASSPHRASE, generated: true }],
      services: [chat],
      allow: this.#allow,
      install: this.#install,
      onFault: thrown => this.faults.push(thrown),
    });
    this.#close = () => chat.close();
    this.port = this.#server.port;
  }

  /** The server goes; what was stored stays. */
  async close(): Promise<void> {
    await this.#server?.close(0);
    await this.#close?.();
    this.#server = undefined;
  }

  /** Somebody with a device of their own, over the library. */
  async join(name: string, room = 'lobby'): Promise<ChatRoom> {
    const connected = await connect({
      host: '127.0.0.1',
      port: this.port,
      passphrase: PASSPHRASE,
      install: temporaryInstall(),
    });
    this.#lines.push(connected);
    return joinChat(connected.line, { room, name, last: 0 });
  }

  /** A home with keys of its own: another device. */
  async home(): Promise<Home> {
    const home = await Home.make();
    this.#homes.push(home);
    return home;
  }

  /** The command in a terminal, once it is in the room. */
  async talk(
    name: string,
    options: TerminalOptions & { room?: string; home?: Home; args?: string[] } = {},
  ): Promise<InTerminal> {
    const { room = 'lobby', home = await this.home(), args = [], ...terminalOptions } = options;
    const terminal = new InTerminal(home, ['chat', this.url, room, '--as', name, ...args], terminalOptions);
    await terminal.until(new RegExp(`^${room}>`, 'm'));
    await terminal.until(/else is here|also here/);
    return terminal;
  }

  /** The command in a terminal, where it is refused. */
  async refused(name: string): Promise<{ status: number; screen: string }> {
    const terminal = new InTerminal(await this.home(), ['chat', this.url, '--as', name]);
    const { status } = await terminal.ended;
    return { status, screen: terminal.screen() };
  }

  async #end(): Promise<void> {
    for (const { line } of this.#lines) line.abort(new LineError('CANCELLED', 'the test is over'));
    await this.close();
    for (const home of this.#homes) await home.remove();
  }
}
