import { afterEach, describe, expect, it } from 'vitest';
import type { Channel } from '../../../src/line/channel.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { joinAgents } from '../../../src/services/agents/agent.ts';
import { findAgent, listAgents } from '../../../src/services/agents/routes.ts';
import { code } from '../files/served.ts';
import { Machines, NOW_MS, serviceOf } from './machines.ts';

const served: Machines[] = [];

afterEach(async () => {
  await Promise.all(served.splice(0).map(machines => machines.end()));
});

async function serve(options: Parameters<typeof Machines.serve>[0] = {}): Promise<Machines> {
  const machines = await Machines.serve(options);
  served.push(machines);
  return machines;
}

/** Says what it was opened with, then sends back what comes. */
const echo = serviceOf({
  'test.echo': async (channel: Channel) => {
    await channel.send({ kind: channel.kind, said: channel.request['say'] });
    for await (const item of channel) {
      if (item instanceof Uint8Array) await channel.write(item);
      else await channel.send(item);
    }
  },
});

describe('a server that agents join', () => {
  it('lists who is there, with what each says of itself and the key that it has proven', async () => {
    const machines = await serve();
    const key = nodeCrypto.generateKeyPair();
    await machines.agent('web1', { allow: ['read', 'exec'], dialling: { staticKey: key } });
    await machines.agent('DB.one', {});
    const { line } = await machines.operator();
    const agents = await listAgents(line);
    expect(agents.map(({ name }) => name)).toEqual(['web1', 'db.one']);
    expect(agents[0]).toEqual({
      name: 'web1',
      platform: 'test',
      allow: ['read', 'exec'],
      sinceMs: NOW_MS,
      device: key.publicKey,
    });
    expect((await findAgent(line, 'WEB1')).name).toBe('web1');
    await expect(findAgent(line, 'web2')).rejects.toEqual(code('UNREACHABLE'));
  });

  it('takes messages, bytes, ends and requests both ways to the agent as they are', async () => {
    const machines = await serve();
    await machines.agent('web1', { allow: ['read'], services: [echo] });
    const route = await (await machines.operator()).to('web1');
    const channel = route.open('test.echo', { say: 'hello' });
    expect(await channel.readMessage()).toEqual({ kind: 'test.echo', said: 'hello' });
    const big = nodeCrypto.randomBytes(3_000_000);
    const sending = (async () => {
      await channel.send({ n: 1, text: 'é\u2028' });
      await channel.write(big);
      await channel.send({ n: 2 });
      await channel.end();
    })();
    const got: unknown[] = [];
    let bytes = Buffer.alloc(0);
    for await (const item of channel) {
      if (item instanceof Uint8Array) bytes = Buffer.concat([bytes, item]);
      else got.push(item);
    }
    await sending;
    expect(got).toEqual([{ n: 1, text: 'é\u2028' }, { n: 2 }]);
    expect(bytes.equals(big)).toBe(true);
    expect(machines.faults).toEqual([]);
  });

  it('gives both far ends of a channel the same keys, and no two channels the same', async () => {
    const machines = await serve();
    const theirs: Uint8Array[] = [];
    const keys = serviceOf({
      'test.keys': async (channel, route) => {
        theirs.push(route.channelKey(channel, 'x', 16));
        theirs.push(...route.chunkAead(channel).seal(new Uint8Array(12), new Uint8Array(3), []));
      },
    });
    await machines.agent('web1', { allow: ['read'], services: [keys] });
    const route = await (await machines.operator()).to('web1');
    const ours: Uint8Array[] = [];
    for (const channel of [route.open('test.keys'), route.open('test.keys')]) {
      await channel.finish();
      ours.push(route.channelKey(channel, 'x', 16));
      ours.push(...route.chunkAead(channel).seal(new Uint8Array(12), new Uint8Array(3), []));
    }
    expect(ours).toEqual(theirs);
    expect(new Set(ours.map(String)).size).toBe(4);
  });

  it('tells the operator at once when the agent is gone, and lists it no more', async () => {
    const machines = await serve();
    const { transport } = await machines.agent('web1', { allow: ['read'], services: [echo] });
    const operator = await machines.operator();
    const channel = (await operator.to('web1')).open('test.echo');
    await channel.readMessage();
    const waiting = channel.read();
    transport.break();
    await expect(waiting).rejects.toEqual(code('TRUNCATED'));
    expect(await listAgents(operator.line)).toEqual([]);
    expect(machines.comings).toEqual(['joined web1', 'left web1']);
  });

  it('has the agent end what an operator began when the operator is gone', async () => {
    const machines = await serve();
    const ended: string[] = [];
    await machines.agent('web1', {
      allow: ['read'],
      services: [echo],
      onReached: ({ error }) => ended.push(String(error?.code)),
    });
    const operator = await machines.operator();
    await (await operator.to('web1')).open('test.echo').readMessage();
    operator.transport.break();
    await expect.poll(() => ended).toEqual(['TRUNCATED']);
  });

  it('refuses a name that belongs to another device, here or away', async () => {
    const machines = await serve();
    const { membership } = await machines.agent('web1');
    const other = await machines.dial();
    const card = { name: 'Web1', platform: '', allow: [] };
    await expect(joinAgents(other.line, card)).rejects.toEqual(code('EXISTS'));
    membership.leave();
    await membership.left;
    await expect(joinAgents(other.line, card)).rejects.toEqual(code('EXISTS'));
    await joinAgents(other.line, { ...card, name: 'web2' });
  });

  it('lets the same device take the place of its old line, and tells that one', async () => {
    const machines = await serve();
    const staticKey = nodeCrypto.generateKeyPair();
    const old = await machines.agent('web1', { dialling: { staticKey } });
    await machines.agent('web1', { allow: ['read'], services: [echo], dialling: { staticKey } });
    expect(await old.membership.left).toEqual(code('EXISTS'));
    const operator = await machines.operator();
    expect((await listAgents(operator.line)).length).toBe(1);
    await (await operator.to('web1')).open('test.echo').readMessage();
  });

  it.each(['', '.x', '-x', 'a b', 'a/b', 'ä', 'x'.repeat(64), '__proto__', 'a\nb'])(
    'R-X2 takes no machine of the name %j',
    async name => {
      const machines = await serve();
      const { line } = await machines.dial();
      const channel = line.open('agents.join', { name, platform: '', allow: [] });
      await expect(channel.read()).rejects.toMatchObject({ code: expect.stringMatching(/BAD_NAME|PROTOCOL/) });
      expect(await listAgents(line)).toEqual([]);
    },
  );

  it('is joined once over a line', async () => {
    const machines = await serve();
    const { line } = await machines.agent('web1');
    await expect(joinAgents(line, { name: 'web2', platform: '', allow: [] })).rejects.toEqual(code('STATE'));
  });
});
