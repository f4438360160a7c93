// A server of rooms in a process of its own, for chat.mjs: `chat-server.mjs SHARE`. Tells its port, and what it has used when it is asked.
import { join } from 'node:path';
import { listen, serveChat, temporaryInstall } from '../dist/node/index.js';
import { PASSPHRASE, usedSoFar } from './measure.mjs';

const [, , share] = process.argv;
const server = await listen({
  host: '127.0.0.1',
  port: 0,
  passphrase: [{ text: PASSPHRASE, generated: true }],
  services: [serveChat(share, { folders: { data: join(share, 'data'), state: join(share, 'state') } })],
  allow: ['chat'],
  install: temporaryInstall(),
  // All members come from one address, one behind the other.
  limits: { hellosPerSecondPerSource: 1e6, helloBurstPerSource: 1e6, hellosPerSecond: 1e6, helloBurst: 1e6 },
});
process.on('message', () => process.send(usedSoFar()));
process.on('disconnect', () => process.exit());
process.send({ port: server.port });
