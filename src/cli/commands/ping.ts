import type { CommandContext } from '../context.ts';
import { formatHost } from '../place.ts';
import { escapeText } from '../terminal/escape.ts';
import { type DialOptions, dial, remoteHost } from './dial.ts';

export interface PingOptions extends DialOptions {
  readonly count: number;
}

/** Reach, login and round trip times. */
export async function ping(context: CommandContext, text: string, options: PingOptions): Promise<void> {
  const place = await remoteHost(context, text, options);
  const name = formatHost(place.host);
  context.doing = `cannot ping ${name}`;
  const at = { dialling: 0, reached: 0 };
  const { line } = await dial(context, place, options, stage => {
    at[stage] = performance.now();
  });
  const loggedInAt = performance.now();
  const roundTrips: number[] = [];
  while (roundTrips.length < options.count) roundTrips.push(await line.ping());
  const answer = {
    host: place.host,
    port: place.port,
    address: line.peer.address,
    agent: line.peer.agent,
    reach_ms: round(at.reached - at.dialling),
    login_ms: round(loggedInAt - at.reached),
    round_trip_ms: roundTrips.map(round),
  };
  await line.close();
  if (context.options.json) {
    await context.printJson(answer);
    return;
  }
  await context.print(`reached ${escapeText(name)} at ${answer.address} in ${answer.reach_ms} ms`);
  await context.print(`logged in after ${answer.login_ms} ms, to ${escapeText(answer.agent)}`);
  if (roundTrips.length === 0) return;
  const sorted = [...roundTrips].sort((a, b) => a - b);
  const median = round(sorted[Math.floor(sorted.length / 2)]!);
  await context.print(
    `round trip ${round(sorted[0]!)} ms at best, ${median} ms in the middle, ${round(sorted.at(-1)!)} ms at worst`,
  );
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
