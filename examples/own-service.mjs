// A service of one's own: whoever may `time` can have numbers added up, as they come.
import { connect, LineError, listen, temporaryInstall } from 'postern/node';

const passphrase = 'orbit-velvet-canyon-turtle';

// A service is a table from kinds of channels to who may open them and what runs for each. Handlers need not check the
// permission: a channel without it never reaches them.
const sums = {
  name: 'sums',
  kinds: {
    'sums.add': {
      permission: 'time',
      async handle(channel) {
        let sum = channel.request.start ?? 0;
        // Messages come in order until the other side ends its direction. What it sends is not to be trusted.
        for await (const message of channel) {
          if (typeof message.add !== 'number') throw new LineError('REFUSED', 'only numbers can be added');
          sum += message.add;
          await channel.send({ sum });
        }
        // On return our direction is ended too. What is thrown reaches the other side as the channel's error.
      },
    },
  },
};

const server = await listen({
  host: '127.0.0.1',
  port: 0,
  passphrase,
  services: [sums],
  allow: ['time'],
  install: temporaryInstall(),
});
const { line, allowed } = await connect({
  host: '127.0.0.1',
  port: server.port,
  passphrase,
  install: temporaryInstall(),
});
console.log(`allowed: ${allowed.join(', ')}`);

const channel = line.open('sums.add', { start: 100 });
for (const add of [1, 20, 300]) await channel.send({ add });
await channel.end();
for await (const { sum } of channel) console.log(`sum: ${sum}`);

// A channel that fails says why; the line and its other channels go on.
const wrong = line.open('sums.add');
await wrong.send({ add: 'one' });
await wrong.read().catch(error => console.log(`${error.code}: ${error.message}`));

const unknown = line.open('sums.multiply');
await unknown.read().catch(error => console.log(`${error.code}: ${error.message}`));

await line.close();
await server.close();
