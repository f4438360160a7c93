// One room of many members, some of whom stop reading: how many messages reach them a second, how soon, and at which cost.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, stopped, table, untilExit } from './measure.mjs';

const ROUNDS = Math.min(3, Number(process.env.POSTERN_BENCH_ROUNDS ?? 5));
const MEMBERS = Number(process.env.POSTERN_BENCH_MEMBERS ?? 1000);
const SECONDS = Number(process.env.POSTERN_BENCH_SECONDS ?? 60);
const STOPPED = Math.round(MEMBERS / 20);
const PER_SECOND = 100;
/** Enough for the rooms to be full of it all the time. */
const IN_FLIGHT = 400;
const RUSH_SECONDS = 10;
/** A thousand programs in one: what each has under way for a moment is not old yet for all of them together. */
const ROOM_FOR_ALL = '--max-semi-space-size=64';

export async function chat(folder) {
  const runs = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const share = join(folder, `round${round}`);
    mkdirSync(share);
    runs.push(await oneRun(share));
    if (process.env.POSTERN_BENCH_VERBOSE) console.error(round, JSON.stringify(runs.at(-1)));
  }
  const figure = (of, digits = 0) => {
    const values = runs.map(of);
    return median(values).toFixed(digits);
  };
  const row = (name, digits, of) => [
    name,
    figure(({ talk }) => of(talk), digits),
    figure(({ rush }) => of(rush), digits),
  ];
  return [
    `A room of ${MEMBERS} members in one process, ${STOPPED} of whom have stopped reading, and its server in another; ` +
      `medians of ${ROUNDS} runs. Each of the others got every message once and in the one order:`,
    '',
    ...table(
      ['what', `${PER_SECOND} messages a second for ${SECONDS} s`, `as many as pass, for ${RUSH_SECONDS} s`],
      [
        row('messages a second', 0, ({ sent, seconds }) => sent / seconds),
        row('deliveries a second', 0, ({ deliveries, seconds }) => deliveries / seconds),
        row('from send to arrival, median, ms', 0, ({ latencies }) => latencies.p50),
        row('95 of 100 within, ms', 0, ({ latencies }) => latencies.p95),
        row('99 of 100 within, ms', 0, ({ latencies }) => latencies.p99),
        row('the slowest, ms', 0, ({ latencies }) => latencies.worst),
        row('CPU seconds a second, server', 2, ({ serverCpu, seconds }) => serverCpu / seconds),
        row('CPU seconds a second, all members', 2, ({ membersCpu, seconds }) => membersCpu / seconds),
        row('resident memory of the server when it began, MB', 0, ({ serverMegabytes }) => serverMegabytes),
        row('its peak, MB', 0, ({ serverPeak }) => serverPeak),
        row('peak of all members, MB', 0, ({ membersPeak }) => membersPeak),
      ],
    ),
    '',
    `The server before anybody came: ${figure(run => run.emptyMegabytes)} MB.`,
  ];
}

async function oneRun(share) {
  const server = start('./chat-server.mjs', { args: [share] });
  const members = start('./chat-members.mjs', { flags: [ROOM_FOR_ALL] });
  try {
    const { port } = await server.answer();
    const { megabytes: emptyMegabytes } = await server.ask({});
    await members.ask({ do: 'join', port, members: MEMBERS - STOPPED, stopped: STOPPED });
    const measured = async deed => {
      const before = { server: await server.ask({}), members: await members.ask({ do: 'tell' }) };
      const { faults, ...figures } = await members.ask(deed);
      if (faults.length > 0) throw new Error(`chat: ${faults.slice(0, 3).join('; ')}`);
      const after = { server: await server.ask({}), members: await members.ask({ do: 'tell' }) };
      return {
        ...figures,
        serverCpu: after.server.cpuSeconds - before.server.cpuSeconds,
        membersCpu: after.members.cpuSeconds - before.members.cpuSeconds,
        serverMegabytes: before.server.megabytes,
        serverPeak: after.server.peakMegabytes,
        membersPeak: after.members.peakMegabytes,
      };
    };
    const talk = await measured({ do: 'talk', perSecond: PER_SECOND, seconds: SECONDS });
    const rush = await measured({ do: 'rush', inFlight: IN_FLIGHT, seconds: RUSH_SECONDS });
    return { emptyMegabytes, talk, rush };
  } finally {
    await members.stop();
    await server.stop();
  }
}

/** A process that answers one question after the other. */
function start(file, { args = [], flags = [] } = {}) {
  const profile = process.env.POSTERN_BENCH_PROFILE;
  const execArgv = profile ? [...flags, '--cpu-prof', `--cpu-prof-dir=${profile}`] : flags;
  const child = untilExit(fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv }));
  const answer = async () => {
    const over = new AbortController();
    const { signal } = over;
    const ended = once(child, 'exit', { signal }).then(([status]) => {
      throw new Error(`${file} ended with ${status}`);
    });
    try {
      const [message] = await Promise.race([once(child, 'message', { signal }), ended]);
      return message;
    } finally {
      over.abort();
      ended.catch(() => {});
    }
  };
  const ask = question => {
    const answered = answer();
    child.send(question);
    return answered;
  };
  // A process that was disconnected ends by itself, and writes its profile.
  const stop = async () => {
    const gone = child.connected ? once(child, 'exit') : undefined;
    if (child.connected) child.disconnect();
    await gone;
    await stopped(child);
  };
  return { answer, ask, stop };
}
