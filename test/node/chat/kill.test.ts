import { once } from 'node:events';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { joinChat, makeChatRoom, stayInChat } from '../../../src/node/chat.ts';
import { connect } from '../../../src/node/connect.ts';
import { temporaryInstall } from '../../../src/node/state/install.ts';
import { StretchedPassphrase } from '../../../src/node/stretched-passphrase.ts';
import type { ChatRoom } from '../../../src/services/chat/chat-room.ts';
import { Home, PASSPHRASE, type Running, start, stop } from '../../cli/support/command.ts';
import type { Ready } from '../../cli/support/served.ts';

let home: Home;
let share: string;
beforeAll(async () => {
  home = await Home.make();
  share = join(home.path, 'share');
  await mkdir(share);
});
afterAll(() => home.remove());

async function serve(port = 0, args: readonly string[] = []): Promise<{ server: Running; port: number }> {
  const server = start(home, ['serve', share, '--json', '--listen', `127.0.0.1:${port}`, '--allow', 'chat', ...args]);
  const [line] = await server.until('stdout', /^.*\n/);
  return { server, port: (JSON.parse(line) as Ready).port };
}

async function kill({ child }: Running): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** What a room tells, message by message. */
class Numbers {
  readonly seen: number[] = [];
  #whenSeen: (() => void) | undefined;

  constructor(room: ChatRoom) {
    void this.#listen(room);
  }

  async until(count: number): Promise<void> {
    while (this.seen.length < count) {
      await new Promise<void>(resolve => {
        this.#whenSeen = resolve;
      });
    }
  }

  async #listen(room: ChatRoom): Promise<void> {
    for await (const event of room) {
      if (event.type !== 'message') continue;
      this.seen.push(Number(event.message.text));
      this.#whenSeen?.();
    }
  }
}

it('a server that is killed while people talk loses nothing that it has acknowledged, and they come back by themselves', async () => {
  let { server, port } = await serve();
  const passphrase = new StretchedPassphrase(PASSPHRASE);
  const install = temporaryInstall();
  const anna = makeChatRoom({ room: 'lobby', name: 'anna', last: 0 });
  const bert = makeChatRoom({ room: 'lobby', name: 'bert', last: 0 });
  const told = new Numbers(bert);
  const joinings: string[] = [];
  let whenJoined = () => {};
  const allJoined = async (times: number) => {
    while ([0, 1].some(who => joinings.filter(event => event === `joined ${who}`).length < times)) {
      await new Promise<void>(resolve => {
        whenJoined = resolve;
      });
    }
  };
  const staying = [anna, bert].map((room, who) =>
    stayInChat(room, {
      host: '127.0.0.1',
      port,
      passphrase,
      install: { ...temporaryInstall(), pins: install.pins },
      onEvent: ({ type }) => {
        joinings.push(`${type} ${who}`);
        whenJoined();
      },
    }),
  );
  const acknowledged: number[] = [];
  const order: number[] = [];
  let next = 0;
  const say = async () => {
    const number = next++;
    const { id } = await anna.send(`${number}`);
    acknowledged.push(number);
    order[number] = id;
  };
  for (let round = 0; round < 3; round += 1) {
    await allJoined(round + 1);
    const saying = Array.from({ length: 12 }, say);
    // Somewhere in the middle: some are acknowledged, some are not.
    await Promise.race(saying);
    await kill(server);
    const before = [...acknowledged];
    ({ server, port } = await serve(port));
    const { line } = await connect({ host: '127.0.0.1', port, passphrase, install });
    const watcher = await joinChat(line, { room: 'lobby', name: 'watcher', last: 0 });
    const kept: number[] = [];
    for await (const { text } of watcher.history()) kept.push(Number(text));
    expect(kept).toEqual(expect.arrayContaining(before));
    expect(new Set(kept).size).toBe(kept.length);
    await watcher.leave();
    await line.close();
    await Promise.all(saying);
  }
  expect(order).toEqual(order.toSorted((one, other) => one - other));
  await told.until(next);
  expect(told.seen).toEqual(Array.from({ length: next }, (_, n) => n));
  await allJoined(4);
  await Promise.all([anna.leave(), bert.leave()]);
  await Promise.all(staying);
  expect((await stop(server)).status).toBe(143);
});

it('R-A4: the history lies in the state folder, of its owner alone, and not in the served folder', async () => {
  const state = join(home.path, 'state', 'postern', 'chat');
  const [folder] = await readdir(state);
  expect((await stat(join(state, folder!))).mode & 0o777).toBe(0o700);
  for (const name of await readdir(join(state, folder!))) {
    const found = await stat(join(state, folder!, name));
    expect(found.mode & 0o777).toBe(found.isDirectory() ? 0o700 : 0o600);
  }
  expect(await readdir(share)).toEqual([]);
});

it('a second server of the same folder keeps its chat in memory, and says so', async () => {
  const passphrase = new StretchedPassphrase(PASSPHRASE);
  const first = await serve();
  const second = await serve();
  const say = async ({ port }: { port: number }) => {
    const { line } = await connect({ host: '127.0.0.1', port, passphrase, install: temporaryInstall() });
    const room = await joinChat(line, { room: 'attic', name: `name${port}` });
    await room.send('hello');
    await room.leave();
    await line.close();
  };
  await say(first);
  await say(second);
  await second.server.until('stderr', /"event":"chat-in-memory".*"code":"ACCESS"/);
  expect(first.server.stderr).not.toContain('chat-in-memory');
  for (const { server } of [first, second]) expect((await stop(server)).status).toBe(143);
});
