// Logins and guesses: what one costs the server, and how many go through a second on one thread for both ends.

import { openLine } from '../dist/line/connect.js';
import { ourSettings } from '../dist/line/our-settings.js';
import { connect, listen, nodeCrypto, stretchPassphrase, temporaryInstall } from '../dist/node/index.js';
import { Endpoint } from '../dist/protocol/endpoint.js';
import { elligator2 } from '../dist/protocol/pake/elligator2.js';
import { median, PASSPHRASE, table } from './measure.mjs';

export async function login() {
  const guess = await guessCost();
  const together = await loginsTogether();
  const whole = await wholeConnect();
  const map = elligatorTimes();
  return [
    'Logging in:',
    '',
    ...table(
      ['what', 'figure'],
      [
        ['server work for one login or guess (HELLO to FINISH)', `${guess.toFixed(2)} ms of one core`],
        [
          'guesses a second that one core can check',
          `${Math.round(1000 / guess)} (the limits before login allow far fewer)`,
        ],
        ['logins a second over TCP, both ends on one thread', `${Math.round(together)}`],
        ['one connect from the library: scrypt, TCP, login', `${whole.toFixed(0)} ms`],
        ['the Elligator map, mean', `${map.mean.toFixed(1)} µs`],
        [
          `its spread over ${MAP_INPUTS} inputs (a BigInt map had 0.4 µs, the same from run to run)`,
          `${map.spread.toFixed(2)} µs`,
        ],
        [
          'how much of that spread comes again (correlation of odd with even passes; near 0 is noise)',
          map.again.toFixed(2),
        ],
      ],
    ),
  ];
}

const silent = new Proxy({}, { get: () => () => {} });

/** Both ends as pure machines; only the responder's calls are timed. */
async function guessCost() {
  const prs = await stretchPassphrase(nodeCrypto, PASSPHRASE, '');
  const keys = { server: nodeCrypto.generateKeyPair(), client: nodeCrypto.generateKeyPair() };
  const times = [];
  for (let round = 0; round < 300; round += 1) {
    let answer;
    const server = Endpoint.responder(
      nodeCrypto,
      ourSettings(),
      new Proxy({}, { get: (_, name) => (name === 'handshakeBytes' ? segments => (answer = segments[0]) : () => {}) }),
      {
        staticKey: keys.server,
        fresh: () => ({
          ephemeral: nodeCrypto.generateKeyPair(),
          pakeKey: nodeCrypto.generateKeyPair(),
          unknownPrs: nodeCrypto.randomBytes(32),
        }),
        realm: () => ({ name: '', prs, generated: true }),
        unknownRealm: { generated: true },
        gate: { hello: () => 'admit', replied: () => {}, guess: () => 'admit' },
      },
    );
    let finish;
    const client = Endpoint.initiator(
      nodeCrypto,
      ourSettings(),
      new Proxy(silent, {
        get: (_, name) => (name === 'handshakeBytes' ? segments => (finish = segments[0]) : () => {}),
      }),
      {
        passphrase: { prs, realm: '', pakeKey: nodeCrypto.generateKeyPair() },
        staticKey: keys.client,
        nonce: nodeCrypto.randomBytes(16),
        ephemeral: nodeCrypto.generateKeyPair(),
        checkServerKey: () => {},
      },
    );
    const feed = (endpoint, bytes) => {
      endpoint.space().set(bytes);
      endpoint.received(bytes.length);
    };
    const hello = client.start();
    const start = performance.now();
    feed(server, hello);
    const afterReply = performance.now();
    feed(client, answer);
    const beforeFinish = performance.now();
    feed(server, finish);
    times.push(afterReply - start + (performance.now() - beforeFinish));
  }
  return median(times);
}

const MAP_INPUTS = 32;

/**
 * The map's input depends on the passphrase, and a client sees the time of REPLY: so its time must not depend on its
 * input (docs/protocol/1-handshake.md). Inputs take turns; each has the median of its odd and of its even passes, and if
 * an input had a time of its own, the two would go together.
 */
function elligatorTimes() {
  const inputs = Array.from({ length: MAP_INPUTS }, (_, at) =>
    at < 3 ? new Uint8Array(32).fill([0, 1, 255][at]) : nodeCrypto.randomBytes(32),
  );
  const times = inputs.map(() => [[], []]);
  for (let pass = 0; pass < 1200; pass += 1) {
    for (const [at, input] of inputs.entries()) {
      const start = process.hrtime.bigint();
      elligator2(input);
      const nanoseconds = Number(process.hrtime.bigint() - start);
      // The first passes are compiled.
      if (pass >= 200) times[at][pass % 2].push(nanoseconds / 1000);
    }
  }
  const even = times.map(([one]) => median(one));
  const odd = times.map(([, other]) => median(other));
  const both = even.map((value, at) => (value + odd[at]) / 2);
  return { mean: mean(both), spread: deviation(both), again: correlation(even, odd) };
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values) {
  const middle = mean(values);
  return Math.sqrt(mean(values.map(value => (value - middle) ** 2)));
}

function correlation(one, other) {
  const [meanOne, meanOther] = [mean(one), mean(other)];
  const together = mean(one.map((value, at) => (value - meanOne) * (other[at] - meanOther)));
  return together / (deviation(one) * deviation(other) || 1);
}

async function loginsTogether() {
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    passphrase: [{ text: PASSPHRASE, generated: true }],
    install: temporaryInstall(),
    limits: {
      hellosPerSecondPerSource: 1e6,
      helloBurstPerSource: 1e6,
      hellosPerSecond: 1e6,
      helloBurst: 1e6,
    },
  });
  const { dialTcp } = await import('../dist/node/index.js');
  const prs = await stretchPassphrase(nodeCrypto, PASSPHRASE, '');
  const count = 400;
  const start = performance.now();
  for (let at = 0; at < count; at += 1) {
    const transport = await dialTcp('127.0.0.1', server.port);
    const { line } = await openLine(transport, { provider: nodeCrypto, prs, staticKey: nodeCrypto.generateKeyPair() });
    await line.close();
  }
  const rate = (count / (performance.now() - start)) * 1000;
  await server.close();
  return rate;
}

async function wholeConnect() {
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    passphrase: [{ text: PASSPHRASE, generated: true }],
    install: temporaryInstall(),
  });
  const times = [];
  for (let round = 0; round < 9; round += 1) {
    const start = performance.now();
    const { line } = await connect({
      host: '127.0.0.1',
      port: server.port,
      passphrase: PASSPHRASE,
      install: temporaryInstall(),
    });
    times.push(performance.now() - start);
    await line.close();
  }
  await server.close();
  return median(times);
}
