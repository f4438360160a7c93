import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startForTest } from '../support/command.ts';
import { Served } from '../support/served.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start(['--allow', 'read,time,agents'], { env: { TZ: 'Europe/Berlin' } });
});
afterAll(() => served.stop());

interface Answer {
  readonly time: string;
  readonly unix_ms: number;
  readonly offset_ms: number;
  readonly round_trip_ms: number;
  readonly error_ms: number;
  readonly via: string;
}

async function ask(...args: readonly string[]): Promise<Answer> {
  const { stdout, stderr, status } = await served.run(['time', served.url, '--json', ...args]);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout) as Answer;
}

describe('postern time', () => {
  it('prints the time in the zone of the server, by UDP', async () => {
    const { stdout, stderr, status } = await served.run(['time', served.url], { env: { TZ: 'Asia/Tokyo' } });
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n$/);
    const shown = Date.parse(`${stdout.trim().replace(' ', 'T')}Z`);
    const berlin = Number((await ask('%z')).time.slice(1, 3)) * 3_600_000;
    expect(Math.abs(shown - berlin - Date.now())).toBeLessThan(60_000);
  });

  it('takes a format, UTC, and other zones', async () => {
    expect((await ask('%Z')).time).toMatch(/^CES?T$/);
    expect((await ask('%Z', '--utc')).time).toBe('UTC');
    expect((await ask('%z %Z', '--zone', 'Asia/Kolkata')).time).toBe('+0530 IST');
    expect((await ask('%% plain')).time).toBe('% plain');
    expect((await ask('+%%+')).time).toBe('%+');
  });

  it('tells as JSON how sure it is, and by which way it asked', async () => {
    const byUdp = await ask();
    expect(Object.keys(byUdp)).toEqual(['time', 'unix_ms', 'offset_ms', 'round_trip_ms', 'error_ms', 'via']);
    expect(byUdp.via).toBe('udp');
    expect((await ask('--via', 'line')).via).toBe('line');
    for (const { offset_ms, error_ms, round_trip_ms } of [byUdp, await ask('--via', 'line')]) {
      expect(Math.abs(offset_ms)).toBeLessThanOrEqual(error_ms + 0.001);
      expect(error_ms).toBeGreaterThanOrEqual(round_trip_ms / 2);
    }
  });

  it('tells the offset with its bound for people', async () => {
    const { stdout, status } = await served.run(['time', served.url, '--offset']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^[+-]\d+\.\d{3} ms ± \d+\.\d{3} ms, round trip \d+\.\d{3} ms, via udp\n$/);
  });

  it('R-T2: runs no format: widths are text', async () => {
    expect((await ask('%1400d')).time).toBe('%1400d');
  });

  it.each([
    [['x'.repeat(100_000)]],
    [['--zone', '../../etc/passwd']],
    [['--zone', 'Nowhere/There']],
    [['--utc', '--zone', 'UTC']],
    [['--offset', '%H']],
    [['--all', '%H']],
    [['--all', '--via', 'udp']],
    [['--on', 'east', '--via', 'udp']],
  ])('refuses what makes no sense before it asks anybody (%#)', async args => {
    // Nobody is there to be asked.
    expect((await served.run(['time', 'postern://127.0.0.1:1', ...args])).status).toBe(2);
  });

  it('asks over the line where UDP is blocked, and says so', async () => {
    const wall = await behindAWall(served.ready.port);
    try {
      const url = `postern://127.0.0.1:${wall.port}`;
      const asked = await served.run(['time', url, '--offset']);
      expect(asked.stdout).toMatch(/via line\n$/);
      expect(asked.stderr).toMatch(/^no answer by UDP: .* over the line instead\n$/);
      // It was sent twice before it was given up.
      expect(wall.packets()).toBe(2);
      const quiet = await served.run(['time', '-q', url]);
      expect([quiet.stderr, quiet.status]).toEqual(['', 0]);
      const json = await served.run(['time', url, '--json']);
      expect(JSON.parse(json.stdout)).toMatchObject({ via: 'line' });
    } finally {
      await wall.stop();
    }
  });

  it('is served over lines where the UDP port is taken, which the server says', async () => {
    const wall = await behindAWall(0, false);
    const server = await Served.start(['--listen', `127.0.0.1:${wall.port}`]);
    try {
      expect(server.server.stderr).toContain('"event":"no-udp"');
      const asked = await server.run(['time', server.url]);
      expect([asked.status, asked.stderr]).toEqual([0, expect.stringContaining('over the line instead')]);
      const byUdp = await server.run(['time', server.url, '--via', 'udp']);
      expect(byUdp.status).toBe(5);
      expect(byUdp.stderr).toMatch(/answers nothing by UDP\nhint: it can be asked over the line: --via line\n$/);
      expect(wall.packets()).toBe(0);
    } finally {
      await server.stop();
      await wall.stop();
    }
  });

  it('is refused where the server does not allow it', async () => {
    const closed = await Served.start(['--allow', 'read']);
    try {
      const { status, stderr } = await closed.run(['time', closed.url]);
      expect(status).toBe(7);
      expect(stderr).toContain('(time)');
    } finally {
      await closed.stop();
    }
  });

  it('asks an agent, and all of them, and names those that could not be asked', async () => {
    const agent = (name: string, allow: string, zone: string) =>
      startForTest(served.client, ['agent', served.url, '--name', name, '--allow', allow, '--json'], {
        env: { TZ: zone },
      });
    for (const running of [
      agent('east', 'time', 'Asia/Tokyo'),
      agent('west', 'time', 'UTC'),
      agent('mute', '', 'UTC'),
    ]) {
      await running.until('stderr', /"joined"/);
    }
    const one = await served.run(['time', served.url, '--on', 'east', '%Z', '--json']);
    expect(JSON.parse(one.stdout)).toMatchObject({ time: 'JST', via: 'line' });
    const all = await served.run(['time', served.url, '--all']);
    expect(all.status).toBe(3);
    expect(all.stdout.split('\n').slice(0, 2).sort()).toEqual([
      expect.stringMatching(/^east\t[+-][\d.]+ ms ± [\d.]+ ms\t(same|ahead|behind)$/) as string,
      expect.stringMatching(/^west\t[+-][\d.]+ ms ± [\d.]+ ms\t(same|ahead|behind)$/) as string,
    ]);
    expect(all.stderr).toMatch(/1 of 3 machines could not be asked\npostern: mute: /);
    const some = await served.run(['time', served.url, '--on', 'east,west', '--json']);
    expect(some.status).toBe(0);
    const { machines, failed } = JSON.parse(some.stdout) as { machines: Answer[]; failed: unknown[] };
    expect([machines.length, failed]).toEqual([2, []]);
    for (const { offset_ms, error_ms } of machines) expect(Math.abs(offset_ms)).toBeLessThanOrEqual(error_ms + 0.001);
  });
});

/** A port that passes on TCP and swallows UDP, as a firewall does; or UDP alone, and nothing over TCP. */
async function behindAWall(target: number, forwards = true) {
  let packets = 0;
  const udp = createSocket('udp4').on('message', () => {
    packets += 1;
  });
  const tcp = createServer(near => {
    const far = createConnection(target, '127.0.0.1');
    near.on('error', () => far.destroy()).pipe(far);
    far.on('error', () => near.destroy()).pipe(near);
  });
  if (forwards) await once(tcp.listen(0, '127.0.0.1'), 'listening');
  udp.bind(forwards ? (tcp.address() as AddressInfo).port : 0, '127.0.0.1');
  await once(udp, 'listening');
  const stop = async (): Promise<void> => {
    udp.close();
    if (forwards) await new Promise(resolve => tcp.close(resolve));
  };
  return { port: udp.address().port, packets: () => packets, stop };
}
