// All members of one room in a process of their own, for chat.mjs. Does what it is told and answers with what came of it:
//
//   { do: 'join', port, members, stopped }   `stopped` more come and then read nothing any more
//   { do: 'talk', perSecond, seconds }       so many messages a second, each of another member
//   { do: 'rush', inFlight, seconds }        the next message goes when all but so many have reached everybody
import { openLine } from '../dist/line/connect.js';
import {
  connect,
  dialTcp,
  joinChat,
  nodeCrypto,
  StretchedPassphrase,
  stretchPassphrase,
  temporaryInstall,
} from '../dist/node/index.js';
import { Latencies } from './latencies.mjs';
import { PASSPHRASE, usedSoFar } from './measure.mjs';

const ROOM = 'lobby';
/** Logging in at once. */
const AT_ONCE = 8;
const TICK_MS = 5;
/** Nothing new for so long: the rest will not come. */
const PATIENCE_MS = 30_000;
/** Behind the number of each message, so that it has the length of what people say. */
const FILLER = ' and something that a person could have said about it, sixty-odd letters long';

/** What all members have been told: each is one, with the number of messages that it has had. */
const members = [];
/** The ids of the messages in the order in which the first one got them: everybody's order. */
const order = [];
const faults = [];
/** By the number of the message. */
const sentAtMs = [];
let acknowledged = 0;
let deliveries = 0;
let latencies = new Latencies();

const deeds = {
  join: async ({ port, members: count, stopped }) => {
    const passphrase = new StretchedPassphrase(PASSPHRASE);
    const prs = await stretchPassphrase(nodeCrypto, PASSPHRASE, '');
    await inTurns(count, number => join(number, { host: '127.0.0.1', port, passphrase }));
    await inTurns(stopped, number => joinAndStop(number, port, prs));
    return {};
  },
  talk: ({ perSecond, seconds }) => {
    const dueAt = elapsedMs => Math.floor((Math.min(elapsedMs, seconds * 1000) / 1000) * perSecond);
    return talk(dueAt, elapsedMs => elapsedMs >= seconds * 1000);
  },
  rush: ({ inFlight, seconds }) => {
    const from = sentAtMs.length;
    const dueAt = () => Math.floor(deliveries / members.length) + inFlight - from;
    return talk(dueAt, elapsedMs => elapsedMs >= seconds * 1000);
  },
};

async function join(number, dialling) {
  const { line } = await connect({ ...dialling, install: temporaryInstall(), connectTimeoutMs: 60_000 });
  const room = await joinChat(line, { room: ROOM, name: `member${number}`, last: 0 });
  const member = { room, count: 0 };
  members.push(member);
  listen(member).catch(thrown => faults.push(`member ${number}: ${thrown}`));
}

/** Half of them take nothing from their channel, half nothing from the network. */
async function joinAndStop(number, port, prs) {
  const transport = await dialTcp('127.0.0.1', port);
  const { line } = await openLine(transport, { provider: nodeCrypto, prs, staticKey: nodeCrypto.generateKeyPair() });
  const channel = line.open('chat.join', { room: ROOM, name: `stopped${number}` });
  await channel.readMessage();
  if (number % 2 === 0) transport.pause();
}

async function listen(member) {
  for await (const event of member.room) {
    if (event.type !== 'message') continue;
    const { id, text } = event.message;
    if (member.count === order.length) order.push(id);
    if (order[member.count] !== id) throw new Error(`message ${id} in place of ${order[member.count]}`);
    member.count += 1;
    deliveries += 1;
    latencies.add(performance.now() - sentAtMs[Number.parseInt(text, 10)]);
  }
}

/** `dueAt` says how many messages should have been sent by now. */
async function talk(dueAt, isOver) {
  const from = { sent: sentAtMs.length, deliveries, used: usedSoFar(), atMs: performance.now() };
  latencies = new Latencies();
  for (let elapsedMs = 0; !isOver(elapsedMs); elapsedMs = performance.now() - from.atMs) {
    for (const due = from.sent + dueAt(elapsedMs); sentAtMs.length < due; ) say(sentAtMs.length);
    await new Promise(resolve => setTimeout(resolve, TICK_MS));
  }
  await everythingArrived();
  const seconds = (performance.now() - from.atMs) / 1000;
  const sent = sentAtMs.length - from.sent;
  return { seconds, sent, deliveries: deliveries - from.deliveries, latencies: latencies.summary(), faults };
}

function say(number) {
  sentAtMs.push(performance.now());
  members[number % members.length].room.send(`${number}${FILLER}`).then(
    () => {
      acknowledged += 1;
    },
    thrown => faults.push(`message ${number}: ${thrown}`),
  );
}

async function everythingArrived() {
  const isHere = () => acknowledged === sentAtMs.length && deliveries === sentAtMs.length * members.length;
  let progress = -1;
  for (let sinceMs = performance.now(); !isHere() && faults.length === 0; ) {
    if (progress !== acknowledged + deliveries) sinceMs = performance.now();
    else if (performance.now() - sinceMs > PATIENCE_MS) {
      faults.push(`${acknowledged} acknowledged and ${deliveries} delivered of ${sentAtMs.length}`);
    }
    progress = acknowledged + deliveries;
    await new Promise(resolve => setTimeout(resolve, TICK_MS));
  }
  // Each had all, in the one order, and none of them twice.
  const ids = new Set(order);
  if (ids.size !== sentAtMs.length) faults.push(`${ids.size} ids for ${sentAtMs.length} messages`);
  if (order.some((id, at) => at > 0 && id <= order[at - 1])) faults.push('ids do not grow');
}

async function inTurns(count, work) {
  for (let from = 0; from < count; from += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, at) => from + at);
    await Promise.all(numbers.map(work));
  }
}

process.on('message', async question => {
  const answer = question.do === 'tell' ? usedSoFar() : await deeds[question.do](question);
  process.send(answer);
});
process.on('disconnect', () => process.exit());
