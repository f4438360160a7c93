// One end of a transfer in a process of its own, to be killed by kill.ts. Over dist, as everybody uses it.
//
//   serve DIR PERMISSIONS            get PORT FROM DIR              put PORT DIR TO
//   sync-down PORT FROM DIR DELETE   sync-up PORT DIR TO DELETE
import {
  connect,
  download,
  FilesClient,
  listen,
  makeOffers,
  makeSha256,
  openOffer,
  ReadRoot,
  ReceiveRoot,
  serveFolder,
  syncFromRemote,
  syncToRemote,
  temporaryInstall,
  upload,
} from '../../dist/node/index.js';

const passphrase = 'orbit-velvet-canyon-turtle';
const [role, first, second, third, fourth] = process.argv.slice(2);

if (role === 'serve') {
  const allow = second.split(',');
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    passphrase: [{ text: passphrase, generated: true }],
    services: [await serveFolder(first, allow)],
    allow,
    install: temporaryInstall(),
  });
  process.stdout.write(`${server.port}\n`);
} else {
  const offers = makeOffers();
  const { line } = await connect({
    host: '127.0.0.1',
    port: Number(first),
    passphrase,
    install: temporaryInstall(),
    onChannel: (channel, from) => offers.handle(channel, from),
  });
  const failures = [];
  const onEvent = event => {
    if (event.type === 'failed') failures.push(`${event.path} ${event.error.code}`);
  };
  const options = { makeSha256, onEvent };
  const syncing = { ...options, delete: fourth === 'delete' };
  const files = new FilesClient(line);
  const roles = {
    get: async () => {
      const store = await ReceiveRoot.open(third, { make: true });
      await download(files, store, { from: second, to: '' }, options);
    },
    put: async () => upload(line, offers, await openOffer(second), { to: third }, options),
    'sync-down': async () => {
      const write = await ReceiveRoot.open(third, { make: true });
      const read = await ReadRoot.open(third);
      await syncFromRemote(files, { read, write }, { from: second, to: '' }, syncing);
    },
    'sync-up': async () => syncToRemote(line, offers, await openOffer(second), { to: third }, syncing),
  };
  await roles[role]();
  await line.close();
  if (failures.length > 0) throw new Error(failures.join());
}
