import type { OpenLineOptions } from '../../../src/line/connect.ts';
import { openLine } from '../../../src/line/connect.ts';
import type { Line } from '../../../src/line/line.ts';
import type { Listener } from '../../../src/line/listener.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import type { KeyPair } from '../../../src/protocol/crypto/provider.ts';
import { type ChatHost, type ChatHostOptions, chatHost } from '../../../src/services/chat/chat-host.ts';
import { ChatRoom, type ChatRoomOptions } from '../../../src/services/chat/chat-room.ts';
import type { ChatHistory } from '../../../src/services/chat/history.ts';
import { MemoryHistory } from '../../../src/services/chat/memory-history.ts';
import type { ChatEvent, ChatMessage } from '../../../src/services/chat/message.ts';
import type { Permission } from '../../../src/services/permission.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import { type MemoryTransport, memoryPair } from '../../../src/transports/memory.ts';
import { loginOptions, makeListener } from '../../support/lines.ts';

/** A server with rooms, in memory, and whoever comes. */
export class ChatScene {
  readonly history: ChatHistory;
  readonly faults: unknown[] = [];
  #host: ChatHost;
  #listener: Listener;
  readonly #options: SceneOptions;

  private constructor(history: ChatHistory, host: ChatHost, listener: Listener, options: SceneOptions) {
    this.history = history;
    this.#host = host;
    this.#listener = listener;
    this.#options = options;
  }

  static async open(options: SceneOptions = {}): Promise<ChatScene> {
    const history = options.history ?? new MemoryHistory();
    const { host, listener } = await start(history, options);
    return new ChatScene(history, host, listener, options);
  }

  /** The server goes, and another one with the same history is in its place. */
  async restart(): Promise<void> {
    await this.#listener.close(0);
    // Two servers of one history is what its lock prevents: what the old one still had to do must not come after this.
    await this.#host.close();
    const { host, listener } = await start(this.history, this.#options);
    this.#host = host;
    this.#listener = listener;
  }

  async dial(
    staticKey: KeyPair = nodeCrypto.generateKeyPair(),
    options: Partial<OpenLineOptions> = {},
  ): Promise<Dialled> {
    const [near, far] = memoryPair();
    this.#listener.accept(far);
    const { line } = await openLine(near, await loginOptions({ staticKey, ...options }));
    return { line, transport: near, staticKey };
  }

  /** Somebody who has joined. */
  async person(name: string, options: PersonOptions = {}): Promise<Person> {
    const { staticKey, dialling, ...rest } = options;
    const dialled = await this.dial(staticKey, dialling);
    const room = makeRoom({ room: 'lobby', name, ...rest });
    await room.attach(dialled.line);
    return new Person(room, dialled);
  }

  async end(): Promise<void> {
    await this.#listener.close(0);
    await this.#host.close();
  }
}

export interface SceneOptions extends Partial<ChatHostOptions> {
  readonly history?: ChatHistory;
  readonly allow?: readonly Permission[];
}

export interface PersonOptions extends Partial<Omit<ChatRoomOptions, 'name'>> {
  readonly staticKey?: KeyPair;
  readonly dialling?: Partial<OpenLineOptions>;
}

export interface Dialled {
  readonly line: Line;
  readonly transport: MemoryTransport;
  readonly staticKey: KeyPair;
}

/** A room and the line that it is attached to now, with everything that it has told. */
export class Person {
  readonly room: ChatRoom;
  readonly told: ChatEvent[] = [];
  line: Line;
  transport: MemoryTransport;
  readonly staticKey: KeyPair;
  #whenTold: (() => void) | undefined;

  constructor(room: ChatRoom, { line, transport, staticKey }: Dialled) {
    this.room = room;
    this.line = line;
    this.transport = transport;
    this.staticKey = staticKey;
  }

  /** Takes what is told from now on. */
  listen(): this {
    void (async () => {
      for await (const event of this.room) {
        this.told.push(event);
        this.#whenTold?.();
      }
    })();
    return this;
  }

  get messages(): ChatMessage[] {
    return this.told.flatMap(event => (event.type === 'message' ? [event.message] : []));
  }

  get texts(): string[] {
    return this.messages.map(({ text }) => text);
  }

  /** Messages as they are, everything else in short: `came anna`. */
  get lines(): string[] {
    return this.told.map(event => {
      if (event.type === 'message') return event.message.text;
      if (event.type === 'renamed') return `renamed ${event.from} ${event.to}`;
      if (event.type === 'missed') return `missed ${event.count}`;
      return `${event.type} ${event.name}`;
    });
  }

  async until(isSo: (person: this) => boolean): Promise<void> {
    while (!isSo(this)) {
      await new Promise<void>(resolve => {
        this.#whenTold = resolve;
      });
    }
  }

  /** The connection goes without a word. */
  async cut(): Promise<void> {
    const detached = this.room.detached;
    this.transport.break();
    await detached;
  }

  async return(scene: ChatScene): Promise<void> {
    const { line, transport } = await scene.dial(this.staticKey);
    this.line = line;
    this.transport = transport;
    await this.room.attach(line);
  }
}

export function makeRoom(options: Omit<ChatRoomOptions, 'randomBytes'>): ChatRoom {
  return new ChatRoom({ ...options, randomBytes: length => nodeCrypto.randomBytes(length) });
}

async function start(history: ChatHistory, options: SceneOptions): Promise<{ host: ChatHost; listener: Listener }> {
  const { history: _, allow = ['chat'], ...rest } = options;
  const host = chatHost(async () => history, {
    nowMs: () => NOW_MS,
    flood: { perSecond: 1e6, burst: 1e6 },
    ...rest,
  });
  const listener = await makeListener({
    limits: {
      hellosPerSecond: 1e6,
      helloBurst: 1e6,
      hellosPerSecondPerSource: 1e6,
      helloBurstPerSource: 1e6,
      halfOpenConnectionsPerSource: 1000,
      halfOpenConnections: 1000,
    },
    onChannel: dispatchChannels([host], allow),
    onFault: thrown => {
      throw thrown;
    },
  });
  return { host, listener };
}

export const NOW_MS = 1_700_000_000_000;
