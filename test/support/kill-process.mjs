// One end of a transfer in a process of its own, to be killed by kill.ts: `serve DIR`, `get PORT FROM DIR` or
// `put PORT DIR TO`. Over dist, as everybody uses it.
import {
  connect,
  download,
  FilesClient,
  listen,
  makeOffers,
  makeSha256,
  openOffer,
  ReceiveRoot,
  serveFolder,
  temporaryInstall,
  upload,
} from '../../dist/node/index.js';

const passphrase = 'orbit-velvet-canyon-turtle';
const [role, first, second, third] = process.argv.slice(2);

if (role === 'serve') {
  const allow = ['read', 'write'];
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
  if (role === 'get') {
    const store = await ReceiveRoot.open(third, { make: true });
    await download(new FilesClient(line), store, { from: second, to: '' }, { makeSha256, onEvent });
  } else {
    await upload(line, offers, await openOffer(second), { to: third }, { onEvent });
  }
  await line.close();
  if (failures.length > 0) throw new Error(failures.join());
}
