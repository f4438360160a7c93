// Serves a folder and fetches a file from it, both in one program. In real life the two halves run on two machines.
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  connect,
  download,
  FilesClient,
  listen,
  makeSha256,
  ReceiveRoot,
  serveFolder,
  temporaryInstall,
} from 'postern/node';

const folder = await mkdtemp(join(tmpdir(), 'postern-example-'));
const passphrase = 'orbit-velvet-canyon-turtle';

// ── The machine that has the file ────────────────────────────────────────────────────────────────────────────────────
await writeFile(join(folder, 'report.txt'), 'all is well\n'.repeat(100_000));
const shared = await serveFolder(folder);
const server = await listen({
  host: '127.0.0.1',
  port: 0, // any free one; left out, it is 7678
  passphrase,
  services: [shared],
  allow: ['read'], // nothing is allowed that is not named here
  install: temporaryInstall(), // left out, this machine keeps its keys and remembers whom it has met
});

// ── The machine that wants it ────────────────────────────────────────────────────────────────────────────────────────
const { line } = await connect({ host: '127.0.0.1', port: server.port, passphrase, install: temporaryInstall() });
console.log(`connected, verifier has ${line.verifier.length} characters`); // compare it aloud to rule out a middleman

const files = new FilesClient(line);
const store = await ReceiveRoot.open(join(folder, 'received'), { make: true });
let bytesDone = 0;
const summary = await download(
  files,
  store,
  { from: 'report.txt', to: 'copy.txt' },
  {
    makeSha256,
    onEvent: event => {
      if (event.type === 'progress') bytesDone += event.bytes;
      if (event.type === 'failed') console.error(`${event.path}: ${event.error.code}`);
    },
  },
);
console.log(`received ${summary.received} file, ${bytesDone} bytes`);

// A plain transfer is verified by the line. To compare what lies on both disks, ask for the hash.
const theirs = Buffer.from(await files.sha256('report.txt')).toString('hex');
const ours = createHash('sha256')
  .update(await readFile(join(folder, 'received/copy.txt')))
  .digest('hex');
console.log(theirs === ours ? 'the contents are equal' : 'the contents differ');

await line.close();
await server.close();
await Promise.all([store.close(), shared.close()]);
await rm(folder, { recursive: true });
