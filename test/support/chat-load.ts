import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { LineError } from '../../src/errors.ts';
import type { Line } from '../../src/line/line.ts';
import { joinChat, makeChatRoom, stayInChat } from '../../src/node/chat.ts';
import { connect } from '../../src/node/connect.ts';
import { temporaryInstall } from '../../src/node/state/install.ts';
import { StretchedPassphrase } from '../../src/node/stretched-passphrase.ts';
import type { ChatRoom } from '../../src/services/chat/chat-room.ts';
import { PASSPHRASE } from '../cli/support/command.ts';
import { TELLS_PEAKS } from './peak-memory.ts';

/**
 * Many people in one room, all in this process, each with a key of its own, and their server in a process that can be
 * killed. What a crowd has been told is checked as it comes: everybody hears the same messages, in one order, each once.
 */
export class Crowd {
  readonly #folder = mkdtempSync(join(tmpdir(), 'postern-crowd-'));
  readonly #passphrase = new StretchedPassphrase(PASSPHRASE);
  readonly #people: Person[] = [];
  /** The ids of the messages, in the order in which the first one heard them. */
  readonly #order: number[] = [];
  /** By the number that is its text, the id under which a message was acknowledged. */
  readonly #acknowledged = new Map<number, number>();
  readonly #sending = new Set<Promise<void>>();
  readonly #faults: string[] = [];
  readonly #stopped: Line[] = [];
  /** Reads the history. */
  readonly #watcher = temporaryInstall();
  #server: Serving | undefined;
  #port = 0;
  #said = 0;

  async serve(): Promise<void> {
    const script = fileURLToPath(new URL('./chat-server.mjs', import.meta.url));
    const child = spawn(process.execPath, [script, this.#folder, String(this.#port)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#server = { child };
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    this.#port = Number(line.toString());
  }

  async kill(): Promise<void> {
    if (this.#server === undefined) return;
    const { child } = this.#server;
    this.#server = undefined;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Resolves when all of them are in the room. */
  async join(count: number): Promise<void> {
    for (let from = 0; from < count; from += JOINING_AT_ONCE) {
      const numbers = Array.from({ length: Math.min(JOINING_AT_ONCE, count - from) }, (_, at) => from + at);
      await Promise.all(numbers.map(number => this.#join(number)));
    }
  }

  /** They take what says that they are in the room, and nothing after it. */
  async joinAndStop(count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      const { line } = await connect({ ...this.#dialling(), install: temporaryInstall() });
      const channel = line.open('chat.join', { room: ROOM, name: `stopped${this.#stopped.push(line)}` });
      await channel.readMessage();
    }
  }

  /** Somebody says something: its number, and `padBytes` more. */
  say(padBytes = 0): void {
    const number = this.#said++;
    const { room } = this.#people[number % this.#people.length]!;
    const sending = room.send(`${number} ${'x'.repeat(padBytes)}`).then(
      ({ id }) => void this.#acknowledged.set(number, id),
      thrown => void this.#faults.push(`message ${number}: ${thrown}`),
    );
    this.#sending.add(sending);
    void sending.then(() => this.#sending.delete(sending));
  }

  /** Says so many a second, for so long. */
  async talk(perSecond: number, forMs: number): Promise<void> {
    const from = this.#said;
    const startedAt = performance.now();
    for (let elapsedMs = 0; elapsedMs < forMs; elapsedMs = performance.now() - startedAt) {
      while (this.#said - from < (elapsedMs / 1000) * perSecond) this.say();
      await sleep(TICK_MS);
    }
  }

  /** Resolves when at most `count` messages wait to be acknowledged. */
  async untilUnacknowledged(count: number): Promise<void> {
    while (this.#sending.size > count && this.#faults.length === 0) await Promise.race(this.#sending);
  }

  /** Resolves when everybody is there again, all that was said is acknowledged, and everybody has heard all of it. */
  async quiet(): Promise<void> {
    await this.untilUnacknowledged(0);
    const isQuiet = () => this.#people.every(({ heard }) => heard === this.#said);
    while (!isQuiet() && this.#faults.length === 0) await sleep(TICK_MS);
    this.#expectNoFaults();
  }

  /** The ids of what the history holds now: each message once, with all that was acknowledged, in the order of the ids. */
  async history(): Promise<readonly number[]> {
    const acknowledged = new Map(this.#acknowledged);
    const { line } = await connect({ ...this.#dialling(), install: this.#watcher });
    const room = await joinChat(line, { room: ROOM, name: 'watcher', last: 0 });
    const kept = new Map<number, number>();
    let lastId = 0;
    for await (const { id, text } of room.history()) {
      const number = Number.parseInt(text, 10);
      if (id <= lastId || kept.has(number)) this.#faults.push(`message ${number} is kept twice or out of its order`);
      lastId = id;
      kept.set(number, id);
    }
    for (const [number, id] of acknowledged) {
      if (kept.get(number) !== id) this.#faults.push(`message ${number} was acknowledged and is not kept`);
    }
    await room.leave();
    await line.close();
    this.#expectNoFaults();
    return [...kept.values()];
  }

  /** The ids of what everybody has heard, in the order of all. Only after `quiet`. */
  get heard(): readonly number[] {
    return this.#order;
  }

  get said(): number {
    return this.#said;
  }

  get joinings(): number {
    return this.#people.reduce((sum, { joinings }) => sum + joinings, 0);
  }

  /** What the server holds now in MB, where the system tells. */
  get serverMegabytes(): number {
    if (!TELLS_PEAKS) return 0;
    const status = readFileSync(`/proc/${this.#server!.child.pid}/status`, 'utf8');
    return Math.round((Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)![1]) * 1024) / 1e6);
  }

  async end(): Promise<void> {
    for (const line of this.#stopped) line.abort(new LineError('CANCELLED', 'the test is over'));
    await Promise.all(this.#people.map(({ room }) => room.leave()));
    await Promise.allSettled(this.#people.map(({ staying }) => staying));
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #expectNoFaults(): void {
    expect(this.#faults.slice(0, 5)).toEqual([]);
  }

  #dialling() {
    return { host: '127.0.0.1', port: this.#port, passphrase: this.#passphrase, connectTimeoutMs: 120_000 };
  }

  async #join(number: number): Promise<void> {
    const room = makeChatRoom({ room: ROOM, name: `member${number}`, last: 0 });
    const person: Person = { room, heard: 0, joinings: 0, staying: Promise.resolve() };
    this.#people.push(person);
    void this.#listen(person, number);
    await new Promise<void>((joined, failed) => {
      const onEvent = ({ type }: { readonly type: string }) => {
        if (type !== 'joined') return;
        person.joinings += 1;
        joined();
      };
      person.staying = stayInChat(room, { ...this.#dialling(), install: temporaryInstall(), onEvent });
      person.staying.catch(thrown => {
        this.#faults.push(`member ${number} cannot stay: ${thrown}`);
        failed(thrown);
      });
    });
  }

  async #listen(person: Person, number: number): Promise<void> {
    for await (const event of person.room) {
      if (event.type === 'missed') this.#faults.push(`member ${number} has missed something`);
      if (event.type !== 'message') continue;
      const { id } = event.message;
      const due = this.#order[person.heard];
      if (due === undefined && id > (this.#order.at(-1) ?? 0)) this.#order.push(id);
      else if (due !== id) this.#faults.push(`member ${number} heard ${id} where ${due} was due`);
      person.heard += 1;
    }
  }
}

interface Serving {
  readonly child: ChildProcess;
}

interface Person {
  readonly room: ChatRoom;
  heard: number;
  joinings: number;
  staying: Promise<void>;
}

/** A server is killed again and again while a crowd talks, and nothing that it has acknowledged is lost or comes twice. */
export async function checkChatKills(options: {
  readonly members: number;
  readonly stopped: number;
  readonly kills: number;
  readonly perSecond: number;
  /** How long they talk before each kill, and after the last. */
  readonly talkMs: number;
}): Promise<{ readonly said: number; readonly joinings: number; readonly serverMegabytes: number }> {
  const { members, stopped, kills, perSecond, talkMs } = options;
  const crowd = new Crowd();
  try {
    await crowd.serve();
    await crowd.join(members);
    for (let kill = 0; kill < kills; kill += 1) {
      await crowd.joinAndStop(stopped);
      await crowd.talk(perSecond, talkMs);
      // In the middle: some are acknowledged, some are on their way.
      for (let n = 0; n < IN_THE_MIDDLE; n += 1) crowd.say();
      await crowd.untilUnacknowledged(IN_THE_MIDDLE / 2);
      await crowd.kill();
      const talking = crowd.talk(perSecond, talkMs / 4);
      await crowd.serve();
      await crowd.history();
      await talking;
      await crowd.quiet();
    }
    await crowd.talk(perSecond, talkMs);
    await crowd.quiet();
    expect(await crowd.history()).toEqual(crowd.heard);
    const { said, joinings, serverMegabytes } = crowd;
    expect(crowd.heard).toHaveLength(said);
    return { said, joinings, serverMegabytes };
  } finally {
    await crowd.end();
  }
}

/** Members that stop reading cost the server little, however much is said. Gives its resident size before and after. */
export async function checkStoppedReaders(options: {
  readonly members: number;
  readonly stopped: number;
  readonly messages: number;
  readonly messageBytes: number;
}): Promise<{ readonly before: number; readonly after: number }> {
  const crowd = new Crowd();
  const say = async (count: number) => {
    for (let n = 0; n < count; n += 1) {
      await crowd.untilUnacknowledged(MAX_UNACKNOWLEDGED);
      crowd.say(options.messageBytes);
    }
    await crowd.quiet();
  };
  try {
    await crowd.serve();
    await crowd.join(options.members);
    await crowd.joinAndStop(options.stopped);
    // What grows once, with the first of them.
    await say(options.messages / 10);
    const before = crowd.serverMegabytes;
    await say(options.messages);
    return { before, after: crowd.serverMegabytes };
  } finally {
    await crowd.end();
  }
}

const ROOM = 'lobby';
const JOINING_AT_ONCE = 8;
const TICK_MS = 10;
/** Sent together before a kill. */
const IN_THE_MIDDLE = 20;
const MAX_UNACKNOWLEDGED = 100;
