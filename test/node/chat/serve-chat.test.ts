import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { type ChatOptions, serveChat } from '../../../src/node/chat/serve-chat.ts';
import { joinChat, makeChatRoom, stayInChat } from '../../../src/node/chat.ts';
import { connect } from '../../../src/node/connect.ts';
import { listen } from '../../../src/node/listen.ts';
import { temporaryInstall } from '../../../src/node/state/install.ts';
import { StretchedPassphrase } from '../../../src/node/stretched-passphrase.ts';
import type { Permission } from '../../../src/services/permission.ts';
import { code } from '../../services/files/served.ts';
import { PASSPHRASE } from '../../support/lines.ts';

const passphrase = new StretchedPassphrase(PASSPHRASE);

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-chat-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Serves the chat of `directory` while `visit` runs. */
async function whileServed<Result>(
  directory: string,
  state: string,
  visit: (port: number) => Promise<Result>,
  { allow = ['chat'], ...options }: ChatOptions & { readonly allow?: readonly Permission[] } = {},
): Promise<Result> {
  const chat = serveChat(directory, { folders: { data: state, state, config: state }, ...options });
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    passphrase: [{ text: PASSPHRASE, generated: true }],
    services: [chat],
    allow,
    install: temporaryInstall(),
  });
  try {
    return await visit(server.port);
  } finally {
    await Promise.all([server.close(), chat.close()]);
  }
}

/** What is kept, to which `text` is added. */
async function say(port: number, text: string): Promise<string[]> {
  const { line } = await connect({ host: '127.0.0.1', port, passphrase, install: temporaryInstall() });
  const room = await joinChat(line, { room: 'lobby', name: text });
  await room.send(text);
  const texts: string[] = [];
  for await (const message of room.history()) texts.push(message.text);
  await room.leave();
  await line.close();
  return texts;
}

it('keeps one history for one folder, whatever it is called, and another for another', async () => {
  const home = await temporary();
  const state = join(home, 'state');
  for (const name of ['one', 'two']) await mkdir(join(home, name));
  await symlink('one', join(home, 'link'));
  expect(await whileServed(join(home, 'one'), state, port => say(port, 'a'))).toEqual(['a']);
  expect(await whileServed(join(home, 'link'), state, port => say(port, 'b'))).toEqual(['a', 'b']);
  expect(await whileServed(join(home, 'two'), state, port => say(port, 'c'))).toEqual(['c']);
  expect(await readdir(join(state, 'chat'))).toHaveLength(2);
});

it('touches the disk only when somebody comes', async () => {
  const home = await temporary();
  await whileServed(home, join(home, 'state'), async () => {});
  expect(await readdir(home)).toEqual([]);
});

it('keeps the chat in memory, and says why, where there is no SQLite', async () => {
  const home = await temporary();
  const heard: LineError[] = [];
  const options = {
    loadSqlite: () => Promise.reject(new LineError('UNSUPPORTED', 'there is none')),
    onMemory: (error: LineError) => heard.push(error),
  };
  expect(await whileServed(home, join(home, 'state'), port => say(port, 'a'), options)).toEqual(['a']);
  expect(heard).toEqual([code('UNSUPPORTED')]);
});

it('a room that may not be joined is not tried again, and one that is left while no server is there ends', async () => {
  const home = await temporary();
  const dialling = { host: '127.0.0.1', passphrase, install: temporaryInstall() };
  const refused = makeChatRoom({ room: 'lobby', name: 'anna' });
  await whileServed(
    home,
    join(home, 'state'),
    async port => {
      await expect(stayInChat(refused, { ...dialling, port })).rejects.toEqual(code('FORBIDDEN'));
    },
    { allow: ['read'] },
  );
  const port = await whileServed(home, join(home, 'state'), async taken => taken);
  const room = makeChatRoom({ room: 'lobby', name: 'anna' });
  await stayInChat(room, { ...dialling, port, onEvent: () => void room.leave() });
  const stopped = makeChatRoom({ room: 'lobby', name: 'anna' });
  const stop = new AbortController();
  await stayInChat(stopped, { ...dialling, port, signal: stop.signal, onEvent: () => stop.abort() });
  for await (const event of stopped) expect(event).toBeUndefined();
});
