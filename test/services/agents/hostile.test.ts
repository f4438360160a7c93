import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import type { Line } from '../../../src/line/line.ts';
import type { Route } from '../../../src/line/route.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { encodeBase64url } from '../../../src/protocol/bytes/base64url.ts';
import {
  MAX_BACK_CHANNELS_PER_REACH,
  MAX_REACHES_PER_AGENT,
  MAX_REACHES_PER_OPERATOR,
} from '../../../src/protocol/limits.ts';
import { Agent, joinAgents } from '../../../src/services/agents/agent.ts';
import { agentsHost } from '../../../src/services/agents/host.ts';
import { AgentRoutes, listAgents } from '../../../src/services/agents/routes.ts';
import { PERMISSIONS } from '../../../src/services/permission.ts';
import { joinedLines } from '../../support/lines.ts';
import { code } from '../files/served.ts';
import { Machines, NOW_MS, serviceOf } from './machines.ts';

const SECRET = encodeBase64url(new Uint8Array(32));
const KiB = 1024;

let machines: Machines;

beforeEach(async () => {
  machines = await Machines.serve();
});

afterEach(async () => {
  await machines.end();
  expect(machines.faults).toEqual([]);
});

/** Sends without end, as far as it is let. */
async function flood(channel: Channel): Promise<void> {
  for (;;) await channel.write(new Uint8Array(64 * KiB));
}

const services = [
  serviceOf({
    'test.echo': async channel => {
      await channel.send({ said: channel.request['say'] });
      if (channel.request['goOn'] === true) await channel.send(await channel.readMessage());
    },
    'test.flood': flood,
    /** Reads nothing until the channel is over. */
    'test.deaf': async channel => {
      if (channel.request['answers'] === true) await channel.send({});
      await new Promise<void>(resolve => channel.whenOver(() => resolve()));
    },
    /** Opens a channel back, and says what came of it. */
    'test.back': async (channel, route) => {
      const back = route.open('test.asked', { why: 'back' });
      await channel.send({ answer: await back.readMessage() });
    },
  }),
];
const honest = { allow: ['read'], services } as const;

async function echoes(route: Route): Promise<boolean> {
  const channel = route.open('test.echo', { say: 'x', goOn: true });
  try {
    // Both ways something is sent that needs credit.
    await channel.readMessage();
    await channel.send({ again: 'x' });
    return (await channel.readMessage())['again'] === 'x';
  } finally {
    channel.reset();
  }
}

describe('an operator that does what it likes', () => {
  it('R-A11 opens reaches and never reads: others, and its own other channels, go on', async () => {
    await machines.agent('web1', honest);
    // Together more than all credit of the line of the agent, either way.
    const hostile = [await machines.operator(), await machines.operator()];
    const deaf: Channel[] = [];
    for (const operator of hostile) {
      const route = await operator.to('web1');
      for (let at = 0; at < MAX_REACHES_PER_OPERATOR - 1; at += 1) deaf.push(route.open('test.flood'));
      // What it sends is read by nobody either; an operator's own sending stops at its own windows.
      for (const channel of deaf.slice(1 - MAX_REACHES_PER_OPERATOR)) flood(channel).catch(() => {});
    }
    const other = await (await machines.operator()).to('web1');
    for (let round = 0; round < 20; round += 1) expect(await echoes(other)).toBe(true);
    for (const operator of hostile) {
      expect(await echoes(await operator.to('web1'))).toBe(true);
      expect((await listAgents(operator.line)).length).toBe(1);
    }
    for (const channel of deaf) channel.reset();
  });

  it('R-A11 opens reaches and resets them while the agent reads nothing: the server keeps none for it', async () => {
    let seen = 0;
    const agent = await machines.agent('web1', {
      onChannel: async () => {
        seen += 1;
      },
    });
    const operator = await machines.operator();
    const route = await operator.to('web1');
    agent.transport.pause();
    for (let round = 0; round < 32; round += 1) {
      const channels = Array.from({ length: MAX_REACHES_PER_OPERATOR }, () =>
        route.open('test.echo', { say: 'x'.repeat(10 * KiB) }),
      );
      await operator.line.ping();
      for (const channel of channels) channel.reset();
      await operator.line.ping();
    }
    agent.transport.resume();
    await agent.line.ping();
    // As many as fit into what waits in its socket, of 2,048.
    expect(seen).toBeGreaterThan(0);
    expect(seen).toBeLessThan(512);
  });

  it('R-A11 has a bounded number of channels to one agent, and all operators together too', async () => {
    await machines.agent('web1', honest);
    const own: Channel[] = [];
    const openUntilRefused = async (route: Route): Promise<number> => {
      for (let count = 0; ; count += 1) {
        const channel = route.open('test.deaf', { answers: true });
        try {
          await channel.readMessage();
          own.push(channel);
        } catch (thrown) {
          expect(thrown).toEqual(code('TOO_MANY'));
          return count;
        }
      }
    };
    const first = await (await machines.operator()).to('web1');
    expect(await openUntilRefused(first)).toBe(MAX_REACHES_PER_OPERATOR);
    const second = await (await machines.operator()).to('web1');
    expect(await echoes(second)).toBe(true);
    expect(await openUntilRefused(second)).toBe(MAX_REACHES_PER_OPERATOR);
    const third = await (await machines.operator()).to('web1');
    const rest = MAX_REACHES_PER_AGENT - 2 * MAX_REACHES_PER_OPERATOR;
    expect(await openUntilRefused(third)).toBe(rest);
    for (const channel of own) channel.reset();
    await expect.poll(() => echoes(third).catch(() => false)).toBe(true);
  });

  it.each([
    ['no name', { open: { kind: 'x' }, secret: SECRET }, 'PROTOCOL'],
    ['no channel', { name: 'web1', secret: SECRET }, 'PROTOCOL'],
    ['no kind', { name: 'web1', open: {}, secret: SECRET }, 'PROTOCOL'],
    ['a list for a channel', { name: 'web1', open: [], secret: SECRET }, 'PROTOCOL'],
    ['no secret', { name: 'web1', open: { kind: 'x' } }, 'PROTOCOL'],
    ['a short secret', { name: 'web1', open: { kind: 'x' }, secret: 'AAAA' }, 'PROTOCOL'],
    ['nobody of that name', { name: 'web2', open: { kind: 'x' }, secret: SECRET }, 'UNREACHABLE'],
    ['what is no name', { name: '../x', open: { kind: 'x' }, secret: SECRET }, 'BAD_NAME'],
    ['a kind that nobody offers', { name: 'web1', open: { kind: 'x' }, secret: SECRET }, 'FORBIDDEN'],
  ])('asks for %s: %# is refused', async (_, request, expected) => {
    await machines.agent('web1', honest);
    const { line } = await machines.operator();
    await expect(line.open('agents.reach', request).read()).rejects.toEqual(code(expected as 'PROTOCOL'));
  });

  it('R-A8 cannot have itself taken for the server, nor go on from an agent to others', async () => {
    await machines.agent('web1', { allow: PERMISSIONS, services: [agentsHost({ nowMs: () => NOW_MS })] });
    const operator = await machines.operator();
    const route = await operator.to('web1');
    for (const kind of ['join', 'list', 'reach', 'reached', 'back', 'backed']) {
      const request = { name: 'x', platform: '', allow: [] };
      await expect(route.open(`agents.${kind}`, request).read()).rejects.toEqual(code('FORBIDDEN'));
    }
    for (const kind of ['agents.reached', 'agents.backed']) {
      const request = { open: { kind: 'x' }, secret: SECRET };
      await expect(operator.line.open(kind, request).read()).rejects.toEqual(code('UNSUPPORTED'));
    }
  });

  it('cannot open a channel back for an agent that it is not', async () => {
    await machines.agent('web1', honest);
    const operator = await machines.operator();
    const reach = (await operator.to('web1')).open('test.deaf');
    for (const of of [reach.id, 0, 2, 2 ** 32 - 1]) {
      const request = { reach: of, open: { kind: 'x' }, secret: SECRET };
      await expect(operator.line.open('agents.back', request).read()).rejects.toEqual(code('FORBIDDEN'));
    }
  });

  it('R-A8 R-A14 without the permission neither joins nor lists nor reaches', async () => {
    await machines.end();
    machines = await Machines.serve({ allow: PERMISSIONS.filter(name => name !== 'agents') });
    const { line } = await machines.dial();
    for (const kind of ['join', 'list', 'reach', 'back']) {
      await expect(line.open(`agents.${kind}`, { name: 'x' }).read()).rejects.toEqual(code('FORBIDDEN'));
    }
  });
});

describe('an agent that does what it likes', () => {
  it('answers nothing: the operator stops waiting when it likes, and others go on', async () => {
    await machines.agent('dead', { onChannel: () => new Promise(() => {}) });
    await machines.agent('web1', honest);
    const operator = await machines.operator();
    const stop = new AbortController();
    const waiting = (await operator.to('dead')).open('test.echo', {}, { signal: stop.signal }).read();
    stop.abort();
    await expect(waiting).rejects.toEqual(code('CANCELLED'));
    expect(await echoes(await operator.to('web1'))).toBe(true);
  });

  it('R-A11 sends without end on many channels: the operator that does not read them reaches others', async () => {
    const operator = await machines.operator();
    const floods: Channel[] = [];
    // Two of them send more than all credit of the line.
    for (const name of ['loud1', 'loud2']) {
      await machines.agent(name, { onChannel: flood });
      const loud = await operator.to(name);
      for (let at = 0; at < MAX_REACHES_PER_OPERATOR; at += 1) floods.push(loud.open('test.echo'));
    }
    await machines.agent('web1', honest);
    const quiet = await operator.to('web1');
    for (let round = 0; round < 20; round += 1) expect(await echoes(quiet)).toBe(true);
    for (const channel of floods) channel.reset();
  });

  it.each(['FORBIDDEN', 'NO_SPACE', 'CHANGED'] as const)('resets with %s, which the operator hears', async expected => {
    await machines.agent('web1', {
      onChannel: async channel => {
        await channel.send({ n: 1 });
        throw new LineError(expected, 'because');
      },
    });
    const channel = (await (await machines.operator()).to('web1')).open('test.echo');
    const read = async (): Promise<void> => {
      while ((await channel.read()) !== undefined);
    };
    await expect(read()).rejects.toMatchObject({ code: expected, message: 'because' });
  });

  it('sends what is no JSON: the operator refuses it, and the server does not care', async () => {
    await machines.agent('web1', {
      onChannel: async channel => {
        // The longest message there is, nested too deeply for anybody who reads it.
        let nested: object = {};
        for (let level = 0; level < 20; level += 1) nested = { nested };
        await channel.send(nested as never);
      },
    });
    const channel = (await (await machines.operator()).to('web1')).open('test.echo');
    await expect(channel.read()).rejects.toEqual(code('MALFORMED'));
    channel.reset();
  });

  it('opens a channel back only while it is reached, and only to who reaches it', async () => {
    let reached: { channel: Channel; line: Line } | undefined;
    const agent = await machines.agent('web1', {
      onChannel: async (channel, line) => {
        reached = { channel, line };
        await new Promise<void>(resolve => channel.whenOver(() => resolve()));
      },
    });
    const other = await machines.agent('web2', honest);
    const asked: string[] = [];
    const operator = await machines.operator(async (channel, route) => {
      asked.push(`${channel.kind} by ${route.peer.address}`);
      await channel.send({ fine: true });
    });
    const reach = (await operator.to('web1')).open('test.echo');
    await expect.poll(() => reached !== undefined).toBe(true);
    const id = reached!.channel.id;
    const back = { reach: id, open: { kind: 'test.asked' }, secret: SECRET };
    expect(await agent.line.open('agents.back', back).readMessage()).toEqual({ fine: true });
    expect(asked).toEqual(['test.asked by web1']);
    // Of another agent, with a number that is somebody's.
    await expect(other.line.open('agents.back', back).read()).rejects.toEqual(code('FORBIDDEN'));
    // Another number, and kinds that would lead on from the operator.
    await expect(agent.line.open('agents.back', { ...back, reach: id + 2 }).read()).rejects.toEqual(code('FORBIDDEN'));
    const on = { ...back, open: { kind: 'agents.reach', name: 'web2' } };
    await expect(agent.line.open('agents.back', on).read()).rejects.toEqual(code('FORBIDDEN'));
    reach.reset();
    await expect
      .poll(() =>
        agent.line
          .open('agents.back', back)
          .read()
          .catch((error: { code: string }) => error.code),
      )
      .toBe('FORBIDDEN');
    expect(asked.length).toBe(1);
  });

  it('R-A11 opens a bounded number of channels back, which end with the reach', async () => {
    const ended: string[] = [];
    const agent = await machines.agent('web1', {
      onChannel: async (channel, line) => {
        const backs = Array.from({ length: MAX_BACK_CHANNELS_PER_REACH + 1 }, () =>
          line.open('agents.back', { reach: channel.id, open: { kind: 'test.asked' }, secret: SECRET }),
        );
        for (const back of backs) back.whenOver(error => ended.push(error!.code));
        await new Promise<void>(resolve => channel.whenOver(() => resolve()));
      },
    });
    const operator = await machines.operator(() => new Promise(() => {}));
    const reach = (await operator.to('web1')).open('test.echo');
    await expect.poll(() => ended).toEqual(['TOO_MANY']);
    reach.reset();
    await expect.poll(() => ended.length).toBe(MAX_BACK_CHANNELS_PER_REACH + 1);
    expect(await agent.line.ping()).toBeGreaterThanOrEqual(0);
  });

  it.each([
    ['a platform that a terminal would obey', { platform: '\u001b[2J' }],
    ['a platform that is too long', { platform: 'x'.repeat(65) }],
    ['permissions without end', { allow: Array.from({ length: 17 }, () => 'read') }],
    ['a permission that is none', { allow: ['\u001b[2J'] }],
    ['permissions that are no list', { allow: 'read' }],
  ])('R-X1 joins with %s: it is not taken', async (_, card) => {
    const { line } = await machines.dial();
    const request = { name: 'web1', platform: '', allow: [], ...card };
    await expect(line.open('agents.join', request).read()).rejects.toEqual(code('PROTOCOL'));
    expect(await listAgents(line)).toEqual([]);
  });

  it('says something over the channel on which it joined: it is gone', async () => {
    const { line } = await machines.dial();
    const channel = line.open('agents.join', { name: 'web1', platform: '', allow: [] });
    await channel.readMessage();
    await channel.send({ t: 'hello' });
    await expect(channel.read()).rejects.toEqual(code('PROTOCOL'));
    expect(await listAgents(line)).toEqual([]);
  });
});

describe('a server that does what it likes', () => {
  /** A line whose far end is ours to misuse. */
  async function serveAgent(onServer: (channel: Channel, line: Line) => Promise<void>) {
    const agent = new Agent({ ...honest, randomBytes: length => nodeCrypto.randomBytes(length) });
    return joinedLines({ onChannel: onServer }, { onChannel: (channel, line) => agent.handle(channel, line) });
  }

  const by = { line: 1, device: SECRET, address: 'x', agent: 'y' };

  it('R-A8 opens anything at an agent: nothing but what the owner allows is done', async () => {
    const { server, client } = await serveAgent(async () => {});
    const reached = { open: { kind: 'test.echo', say: 'x' }, secret: SECRET, by };
    expect(await server.open('agents.reached', reached).readMessage()).toEqual({ said: 'x' });
    for (const kind of ['test.echo', 'files.list', 'agents.join', 'agents.reach', 'agents.back', 'agents.backed', '']) {
      await expect(server.open(kind, reached).read()).rejects.toEqual(code('UNSUPPORTED'));
    }
    for (const broken of [
      { ...reached, by: undefined },
      { ...reached, by: { ...by, device: 'AAAA' } },
      { ...reached, by: { ...by, line: -1 } },
      { ...reached, by: { ...by, address: 'x'.repeat(129) } },
      { ...reached, secret: '' },
      { ...reached, open: null },
    ]) {
      await expect(server.open('agents.reached', broken).read()).rejects.toEqual(code('PROTOCOL'));
    }
    client.abort(new LineError('CANCELLED', ''));
  });

  it('answers a join with something else, or with nothing: the agent gives up', async () => {
    const card = { name: 'web1', platform: '', allow: [] };
    const wrong = await serveAgent(async channel => channel.send({ t: 'welcome' }));
    await expect(joinAgents(wrong.client, card)).rejects.toEqual(code('PROTOCOL'));
    const silent = await serveAgent(() => new Promise(() => {}));
    const stop = new AbortController();
    const joining = joinAgents(silent.client, card, { signal: stop.signal });
    stop.abort();
    await expect(joining).rejects.toEqual(code('CANCELLED'));
    const none = await joinedLines();
    await expect(joinAgents(none.client, card)).rejects.toEqual(code('UNSUPPORTED'));
  });

  it('opens channels back at an operator: only for a reach that is open', async () => {
    const asked: string[] = [];
    const routes = new AgentRoutes(
      length => nodeCrypto.randomBytes(length),
      async channel => void asked.push(channel.kind),
    );
    const { server, client } = await joinedLines(
      { onChannel: channel => new Promise(resolve => channel.whenOver(() => resolve())) },
      { onChannel: (channel, line) => routes.handle(channel, line) },
    );
    const entry = { name: 'web1', platform: '', allow: [], sinceMs: 0, device: new Uint8Array(32) };
    const reach = routes.to(client, entry).open('test.echo');
    const back = { reach: reach.id, open: { kind: 'test.asked' }, secret: SECRET };
    expect(await server.open('agents.backed', back).read()).toBeUndefined();
    await expect(server.open('agents.backed', { ...back, reach: reach.id + 2 }).read()).rejects.toEqual(
      code('FORBIDDEN'),
    );
    reach.reset();
    await expect(server.open('agents.backed', back).read()).rejects.toEqual(code('FORBIDDEN'));
    // One that was over before it had begun.
    const never = routes.to(client, entry).open('test.echo', {}, { signal: AbortSignal.abort() });
    await client.ping();
    await expect(server.open('agents.backed', { ...back, reach: never.id }).read()).rejects.toEqual(code('FORBIDDEN'));
    expect(asked).toEqual(['test.asked']);
    client.abort(new LineError('CANCELLED', ''));
  });

  it.each([
    ['an agent without a key', [{ name: 'a', platform: '', allow: [], since_ms: 1, device: '' }]],
    ['a name that is none', [{ name: 'a/b', platform: '', allow: [], since_ms: 1, device: SECRET }]],
    ['a number for an agent', [1]],
    ['null for an agent', [null]],
  ])('lists %s: the operator refuses it', async (_, agents) => {
    const { client } = await joinedLines({ onChannel: channel => channel.send({ t: 'agents', agents }) });
    await expect(listAgents(client)).rejects.toMatchObject({ code: expect.stringMatching(/MALFORMED|BAD_NAME/) });
    client.abort(new LineError('CANCELLED', ''));
  });
});
