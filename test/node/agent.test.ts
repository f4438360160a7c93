import { afterEach, describe, expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { type AgentEvent, makeAgentRoutes, runAgent, serveAgents, waitBeforeDialling } from '../../src/node/agent.ts';
import { connect } from '../../src/node/connect.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { type ListenOptions, listen, type Server } from '../../src/node/listen.ts';
import { type Install, temporaryInstall } from '../../src/node/state/install.ts';
import { StretchedPassphrase } from '../../src/node/stretched-passphrase.ts';
import { Agent, joinAgents } from '../../src/services/agents/agent.ts';
import { findAgent, listAgents } from '../../src/services/agents/routes.ts';
import type { Service } from '../../src/services/service.ts';
import { code } from '../services/files/served.ts';

const HOST = '127.0.0.1';
const PASSPHRASE = 'orbit-velvet-canyon-turtle';

/** What must be taken away after each test, last first. */
const atEnd: (() => unknown)[] = [];

afterEach(async () => {
  for (const action of atEnd.splice(0).reverse()) await action();
});

async function serve(options: Partial<ListenOptions> = {}): Promise<Server> {
  const server = await listen({
    host: HOST,
    port: 0,
    passphrase: [{ text: PASSPHRASE, generated: true }],
    install: temporaryInstall(),
    services: [serveAgents()],
    allow: ['agents'],
    limits: { hellosPerSecond: 1e6, helloBurst: 1e6, hellosPerSecondPerSource: 1e6, helloBurstPerSource: 1e6 },
    ...options,
  });
  atEnd.push(() => server.close(0));
  return server;
}

const echo: Service = {
  name: 'echo',
  kinds: {
    'test.echo': { permission: 'read', handle: channel => channel.send({ said: channel.request['say'] }) },
    'test.stay': { permission: 'read', handle: () => new Promise(() => {}) },
  },
};

/** A machine that stays until the test is over, and what becomes of it. */
function stayAt(port: number, name = 'web1', options: { install?: Install; passphrase?: string } = {}) {
  const stop = new AbortController();
  const events: AgentEvent[] = [];
  const over = runAgent({
    host: HOST,
    port,
    passphrase: options.passphrase ?? PASSPHRASE,
    install: options.install ?? temporaryInstall(),
    name,
    services: [echo],
    allow: ['read'],
    signal: stop.signal,
    onEvent: event => events.push(event),
  });
  over.catch(() => {}); // Looked at by the tests that expect it.
  atEnd.push(async () => {
    stop.abort();
    await over.catch(() => {});
  });
  const joined = (times = 1) =>
    expect.poll(() => events.filter(({ type }) => type === 'joined').length, PATIENCE).toBe(times);
  return { stop, events, over, joined };
}

async function dial(port: number) {
  const { line } = await connect({ host: HOST, port, passphrase: PASSPHRASE, install: temporaryInstall() });
  atEnd.push(() => line.abort(new LineError('CANCELLED', '')));
  return line;
}

const PATIENCE = { timeout: 20_000, interval: 10 };

describe('a machine that stays at a server', () => {
  it('is reached there, and leaves in good order when it is stopped', async () => {
    const { port } = await serve();
    const agent = stayAt(port);
    await agent.joined();
    const line = await dial(port);
    const route = makeAgentRoutes().to(line, await findAgent(line, 'web1'));
    expect(await route.open('test.echo', { say: 'x' }).readMessage()).toEqual({ said: 'x' });
    agent.stop.abort();
    expect(await agent.over).toBeUndefined();
    expect(await listAgents(line)).toEqual([]);
  });

  it('comes back when the server does', { timeout: 30_000 }, async () => {
    const install = temporaryInstall();
    const first = await serve({ install });
    const { port } = first;
    const agent = stayAt(port);
    await agent.joined();
    await first.close(0);
    await expect.poll(() => agent.events.at(-1)?.type, PATIENCE).toBe('lost');
    await serve({ install, port });
    await agent.joined(2);
    expect((await listAgents(await dial(port))).map(({ name }) => name)).toEqual(['web1']);
  });

  it('ends at a wrong passphrase, and does not try again', async () => {
    const { port } = await serve();
    const agent = stayAt(port, 'web1', { passphrase: 'wrong-wrong-wrong-wrong' });
    await expect(agent.over).rejects.toEqual(code('AUTH'));
    expect(agent.events).toEqual([]);
  });

  it('ends when the server has another key than before', { timeout: 30_000 }, async () => {
    const first = await serve();
    const { port } = first;
    const agent = stayAt(port);
    await agent.joined();
    await first.close(0);
    await serve({ port });
    await expect(agent.over).rejects.toEqual(code('PIN'));
  });

  it.each([
    ['FORBIDDEN', { allow: [] }],
    ['UNSUPPORTED', { services: [] }],
  ] as const)('ends with %s where no agents are taken', async (expected, options) => {
    const { port } = await serve(options as Partial<ListenOptions>);
    await expect(stayAt(port).over).rejects.toEqual(code(expected));
  });

  it('ends with EXISTS for a name of another machine, and when it was replaced', async () => {
    const { port } = await serve();
    const install = temporaryInstall();
    const agent = stayAt(port, 'web1', { install });
    await agent.joined();
    await expect(stayAt(port, 'WEB1').over).rejects.toEqual(code('EXISTS'));
    const twin = stayAt(port, 'web1', { install });
    await expect(agent.over).rejects.toEqual(code('EXISTS'));
    await twin.joined();
  });

  it('dials again later and later, up to a minute, and never all at once', () => {
    expect([0, 1, 2, 5, 6, 7, 1000].map(attempt => waitBeforeDialling(attempt, 0))).toEqual([
      1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000,
    ]);
    expect(waitBeforeDialling(3, 1)).toBe(4000);
  });
});

describe('two hundred agents in one process', () => {
  it('are listed, and cost little; the half that is killed is gone at once', { timeout: 60_000 }, async () => {
    const { port } = await serve();
    const passphrase = new StretchedPassphrase(PASSPHRASE);
    const agent = new Agent({
      services: [echo],
      allow: ['read'],
      randomBytes: length => nodeCrypto.randomBytes(length),
    });
    const joinOne = async (name: string) => {
      const { line } = await connect({
        host: HOST,
        port,
        passphrase,
        install: temporaryInstall(),
        sharesLine: true,
        onChannel: (channel, from) => agent.handle(channel, from),
      });
      atEnd.push(() => line.abort(new LineError('CANCELLED', '')));
      await joinAgents(line, { name, platform: 'test', allow: ['read'] });
      return line;
    };
    await joinOne('first');
    globalThis.gc?.();
    const before = process.memoryUsage();
    const lines = [];
    for (let at = 0; at < 200; at += 1) lines.push(await joinOne(`m${at}`));
    globalThis.gc?.();
    const after = process.memoryUsage();
    // Both ends of each line are in this process; without a collection in between garbage counts too.
    const eachBytes = (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / lines.length;
    expect(eachBytes).toBeLessThan(2 * 100_000);
    const operator = await dial(port);
    expect((await listAgents(operator)).length).toBe(201);
    const routes = makeAgentRoutes();
    const reach = async (name: string) => routes.to(operator, await findAgent(operator, name));
    const gone = (await reach('m1')).open('test.stay').read();
    await operator.ping();
    for (const line of lines.filter((_, at) => at % 2 === 1)) line.abort(new LineError('CANCELLED', 'killed'));
    await expect(gone).rejects.toEqual(code('TRUNCATED'));
    await expect.poll(async () => (await listAgents(operator)).length, PATIENCE).toBe(101);
    await expect(reach('m3')).rejects.toEqual(code('UNREACHABLE'));
    for (let at = 0; at < 200; at += 2) {
      const channel = (await reach(`m${at}`)).open('test.echo', { say: at });
      expect(await channel.readMessage()).toEqual({ said: at });
      channel.reset();
    }
  });
});
