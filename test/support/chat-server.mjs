// A server of rooms in a process of its own, to be killed by chat-load.ts. Over dist, as everybody uses it.
//
//   chat-server.mjs FOLDER PORT       keeps keys and history in FOLDER
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { listen, serveChat, thisInstall } from '../../dist/node/index.js';

const [folder, port] = process.argv.slice(2);
const folders = { data: join(folder, 'data'), state: join(folder, 'state') };
const share = join(folder, 'share');
mkdirSync(share, { recursive: true });
const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  passphrase: [{ text: 'orbit-velvet-canyon-turtle', generated: true }],
  services: [serveChat(share, { folders, flood: { perSecond: 1000, burst: 1000 } })],
  allow: ['chat'],
  install: thisInstall(folders),
  // A thousand people come from one address, and all at once when the server is back.
  limits: {
    hellosPerSecondPerSource: 1e6,
    helloBurstPerSource: 1e6,
    hellosPerSecond: 1e6,
    helloBurst: 1e6,
    halfOpenConnectionsPerSource: 2000,
    halfOpenConnections: 2000,
  },
});
// Whoever started it may end in any way.
process.stdin.resume().on('end', () => process.exit());
process.stdout.write(`${server.port}\n`);
