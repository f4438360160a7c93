// Servers in a process of their own, for time.mjs: `time` as postern serves it, or `echo`, which sends back as many bytes as
// an answer has and does nothing else. The parent hears the port.
import { createSocket } from 'node:dgram';
import { listen, serveTime, temporaryInstall } from '../dist/node/index.js';
import { PASSPHRASE } from './measure.mjs';

if (process.argv[2] === 'time') {
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    passphrase: [{ text: PASSPHRASE, generated: true }],
    services: [await serveTime()],
    allow: ['time'],
    install: temporaryInstall(),
    datagrams: { requestsPerSecond: 1e9 },
  });
  process.send(server.port);
} else {
  const answerBytes = Number(process.argv[3]);
  const lookup = (host, _, done) => done(null, host, 4);
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 2 ** 20, lookup });
  socket.on('message', (packet, from) => socket.send(packet, 0, answerBytes, from.port, from.address, () => {}));
  socket.bind(0, '127.0.0.1', () => process.send(socket.address().port));
}
process.on('disconnect', () => process.exit());
