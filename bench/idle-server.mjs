// A server in a process of its own, for memory.mjs: answers `port` and `rss`.
import { listen, temporaryInstall } from '../dist/node/index.js';
import { PASSPHRASE } from './measure.mjs';

const server = await listen({
  host: '127.0.0.1',
  port: 0,
  passphrase: [{ text: PASSPHRASE, generated: true }],
  install: temporaryInstall(),
  limits: { hellosPerSecondPerSource: 1e6, helloBurstPerSource: 1e6, hellosPerSecond: 1e6, helloBurst: 1e6 },
});
process.on('message', question => {
  if (question === 'port') {
    process.send(server.port);
    return;
  }
  globalThis.gc();
  process.send(process.memoryUsage.rss());
});
process.on('disconnect', () => process.exit());
