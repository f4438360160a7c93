// Answers to encrypted datagrams from one server process, beside a plain UDP echo in another.
import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { askTimeByDatagrams, connect, openDatagrams, temporaryInstall } from '../dist/node/index.js';
import { median, PASSPHRASE, stopped, table, untilExit } from './measure.mjs';

const ROUNDS = Number(process.env.POSTERN_BENCH_ROUNDS ?? 5);
const QUESTIONS = 40_000;
/** Under way at once: as many clients that each wait for their answer. */
const AT_ONCE = 128;
/** Of a packet that loopback has dropped after all. */
const LOST_MS = 500;

export async function time() {
  const server = await startServer('time');
  const options = { host: '127.0.0.1', port: server.port, passphrase: PASSPHRASE, install: temporaryInstall() };
  const connected = await connect(options);
  const checked = await askTimeByDatagrams(await openDatagrams(connected), { exchanges: 8 });
  let echo;
  const rates = { time: [], echo: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    const packets = await sealedQuestions(connected);
    const ours = await answersPerSecond(server.port, packets);
    echo ??= await startServer('echo', String(ours.answerBytes));
    const plain = await answersPerSecond(echo.port, packets);
    if (round === 0) continue;
    rates.time.push(ours.perSecond);
    rates.echo.push(plain.perSecond);
  }
  await connected.line.close();
  await server.stop();
  await echo.stop();
  const [ours, plain] = [median(rates.time), median(rates.echo)];
  return [
    `Questions for the time by UDP, ${AT_ONCE} at once, one server process, asked by another; medians of ${ROUNDS} interleaved rounds of`,
    `${QUESTIONS.toLocaleString('en')} questions that were sealed before. Best of 8 exchanges: round trip ${(checked.roundTripMs * 1000).toFixed(0)} µs, error at most ${(checked.errorMs * 1000).toFixed(0)} µs.`,
    '',
    ...table(
      ['who', 'answers a second', 'of echo'],
      [
        ['postern', Math.round(ours).toLocaleString('en'), (ours / plain).toFixed(2)],
        ['plain UDP echo, in Node', Math.round(plain).toLocaleString('en'), '1.00'],
      ],
    ),
  ];
}

async function startServer(...args) {
  const child = untilExit(fork(fileURLToPath(new URL('./time-server.mjs', import.meta.url)), args));
  const [port] = await once(child, 'message');
  return { port, stop: () => stopped(child) };
}

/** Packets of a connection of their own, which nobody waits for: so the asking side costs as little as it can. */
async function sealedQuestions({ datagrams }) {
  const packets = [];
  const asker = datagrams.open({ start() {}, send: packet => packets.push(packet), close() {} });
  const asked = Promise.allSettled(Array.from({ length: QUESTIONS }, () => asker.ask({ t: 'time' })));
  while (packets.length < QUESTIONS) await new Promise(resolve => setImmediate(resolve));
  // Here, not at the server: it goes on answering what has these keys.
  asker.close();
  await asked;
  return packets.slice(0, QUESTIONS);
}

function answersPerSecond(port, packets) {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 2 ** 20 });
    let sent = 0;
    let answered = 0;
    let answerBytes = 0;
    let lastMs = 0;
    const send = () => {
      if (sent < packets.length) socket.send(packets[sent++]);
    };
    const finish = error => {
      clearInterval(watch);
      socket.close();
      if (error) reject(error);
      else resolve({ perSecond: answered / ((lastMs - start) / 1000), answerBytes });
    };
    socket.on('message', packet => {
      answered += 1;
      answerBytes = packet.length;
      lastMs = performance.now();
      if (answered === packets.length) finish();
      else send();
    });
    let start = 0;
    socket.connect(port, '127.0.0.1', () => {
      start = performance.now();
      for (let count = 0; count < AT_ONCE; count += 1) send();
    });
    const watch = setInterval(() => {
      if (performance.now() - Math.max(lastMs, start) < LOST_MS) return;
      if (sent === packets.length && answered > 0.9 * sent) finish();
      else if (sent === packets.length) finish(new Error(`only ${answered} of ${sent} questions were answered`));
      else for (let count = 0; count < AT_ONCE; count += 1) send();
    }, LOST_MS);
  });
}
