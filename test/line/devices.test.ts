import { describe, expect, it } from 'vitest';
import { openLine } from '../../src/line/connect.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { FRAME } from '../../src/protocol/channels/frame.ts';
import { InitiatorHandshake } from '../../src/protocol/handshake/initiator.ts';
import type { Permission } from '../../src/services/permission.ts';
import { dispatchChannels, dispatchDatagrams } from '../../src/services/registry.ts';
import type { Service } from '../../src/services/service.ts';
import type { DatagramPort, DatagramSink } from '../../src/transports/datagram.ts';
import { memoryPair } from '../../src/transports/memory.ts';
import { deviceFor } from '../support/devices.ts';
import { BY_KEY, OTHER_PRS } from '../support/endpoints.ts';
import { loginOptions } from '../support/lines.ts';
import { settled } from '../support/session-ends.ts';
import { answerTo, freshOptions, Wire } from '../support/wire.ts';
import { answers, control, Scene } from './device-scene.ts';

const code = (name: string) => expect.objectContaining({ code: name });

describe('a machine that is let in by its key', () => {
  const services = (seen: string[][]): Service[] => [
    {
      name: 'test',
      kinds: Object.fromEntries(
        (['read', 'write', 'exec'] as const).map(permission => [
          `test.${permission}`,
          {
            permission,
            handle: async (channel, _route, granted) => {
              seen.push([...granted]);
              await channel.send({ t: 'done' });
            },
          },
        ]),
      ),
    },
  ];

  it.each([
    [
      ['read', 'write'],
      ['read', 'write', 'exec'],
      ['read', 'write'],
    ],
    [['read', 'write', 'exec'], ['read'], ['read']],
    [['read'], ['exec'], []],
    [['read', 'exec'], [], []],
    [['read'], ['read', 'nonsense'], ['read']],
  ] as [Permission[], string[], string[]][])(
    'R-A15: of %j with the entry %j may do %j, and is told so',
    async (allowed, allow, expected) => {
      const seen: string[][] = [];
      const onChannel = dispatchChannels(services(seen), allowed);
      const at = await Scene.open({ allowed, onChannel });
      at.list.replace([deviceFor(at.staticKey.publicKey, { allow })]);
      const connected = await at.dialByKey();
      expect(connected.allowed).toEqual(expected);
      for (const permission of ['read', 'write', 'exec']) {
        const answer = connected.line.open(`test.${permission}`).readMessage();
        if (expected.includes(permission)) await answer;
        else await expect(answer).rejects.toEqual(code('FORBIDDEN'));
      }
      for (const granted of seen) expect(granted).toEqual(expected);
      // A login with the passphrase has all of it.
      expect((await at.dial()).allowed).toEqual(allowed);
    },
  );

  it('is told of datagrams only if it may ask something by them', async () => {
    const datagrams = { answer: () => ({}), permissions: ['time'] };
    const at = await Scene.open({ allowed: ['read', 'time'], datagrams });
    at.listener.answerDatagrams({ start() {}, close: async () => {} }, 0);
    at.list.replace([deviceFor(at.staticKey.publicKey, { allow: ['read'] })]);
    expect((await at.dialByKey()).datagrams).toBeUndefined();
    const wire = await at.wire(BY_KEY);
    await wire.sendFrames(control({ t: 'dgram', conn: 'AAAAAAAAAAA' }));
    expect(answers(wire)).toEqual([]);
    at.list.replace([deviceFor(at.staticKey.publicKey, { allow: ['time'] })]);
    expect((await at.dialByKey()).datagrams).toBeDefined();
  });

  /** A machine that asks by datagrams: what it sends is kept, and given to the server by the test. */
  async function asking(at: Scene) {
    let answer: ((packet: Uint8Array) => Uint8Array | undefined) | undefined;
    const port: DatagramPort = {
      start: given => {
        answer = given;
      },
      close: async () => {},
    };
    at.listener.answerDatagrams(port, 0);
    const { datagrams } = await at.dialByKey();
    let sink: DatagramSink | undefined;
    const sent: Uint8Array[] = [];
    const asker = datagrams!.open({
      start: given => {
        sink = given;
      },
      send: packet => void sent.push(packet.slice()),
      close() {},
    });
    const next = async (): Promise<Uint8Array> => {
      await expect.poll(() => sent.length).toBeGreaterThan(0);
      return sent.shift()!;
    };
    return {
      asker,
      next,
      answer: (packet: Uint8Array) => answer!(packet),
      hear: (packet: Uint8Array) => {
        sink!.received(packet);
        // What was sent again meanwhile is of no use any more.
        sent.length = 0;
      },
    };
  }

  const timeAndMore: Service = {
    name: 'test',
    kinds: {},
    datagrams: {
      time: { permission: 'time', answer: () => ({ t: 'time' }) },
      names: { permission: 'read', answer: () => ({ t: 'names' }) },
    },
  };

  it('R-A15: is answered by datagrams what its entry allows, and no more', async () => {
    const allowed: Permission[] = ['read', 'time'];
    const datagrams = { answer: dispatchDatagrams([timeAndMore], allowed)!, permissions: allowed };
    const at = await Scene.open({ allowed, datagrams });
    at.list.replace([deviceFor(at.staticKey.publicKey, { allow: ['time'] })]);
    const { asker, next, answer, hear } = await asking(at);
    const padding = 'x'.repeat(200);
    const told = asker.ask({ t: 'time', padding });
    hear(answer(await next())!);
    expect((await told).body).toEqual({ t: 'time' });
    const refused = asker.ask({ t: 'names', padding });
    hear(answer(await next())!);
    await expect(refused).rejects.toEqual(code('FORBIDDEN'));
  });

  it('R-A8: that is taken out is answered nothing by datagrams, before its line has ended', async () => {
    const datagrams = { answer: dispatchDatagrams([timeAndMore], ['time'])!, permissions: ['time'] };
    const at = await Scene.open({ allowed: ['time'], datagrams });
    at.list.replace([deviceFor(at.staticKey.publicKey, { allow: ['time'] })]);
    const { asker, next, answer } = await asking(at);
    const told = asker.ask({ t: 'time', padding: 'x'.repeat(200) });
    const packet = await next();
    at.list.replace([]);
    expect(answer(packet)).toBeUndefined();
    await expect(told).rejects.toEqual(code('REVOKED'));
  });

  it('that is taken out loses its lines at once: GOAWAY, then CLOSE, with REVOKED', async () => {
    const at = await Scene.open();
    const other = nodeCrypto.generateKeyPair();
    at.list.replace([deviceFor(at.staticKey.publicKey), deviceFor(other.publicKey, { name: 'other' })]);
    const wire = await at.wire(BY_KEY);
    const line = (await at.dialByKey()).line;
    const stays = (await at.dialByKey({ staticKey: other })).line;
    const byPassphrase = (await at.dial()).line;
    at.list.replace(at.list.devices.slice(1));
    await at.ended(line.closed);
    expect(await line.closed).toMatchObject({ code: 'REVOKED' });
    const ends = wire.frames().filter(({ type }) => type === FRAME.GOAWAY || type === FRAME.CLOSE);
    expect(ends.map(({ type, payload }) => [type, Math.max(...payload.subarray(0, 4))])).toEqual([
      [FRAME.GOAWAY, 13],
      [FRAME.CLOSE, 13],
    ]);
    expect(wire.state).not.toBe('open');
    await stays.ping();
    await byPassphrase.ping();
    const login = at.dialByKey();
    await settled();
    at.clock.advance(700);
    await expect(login).rejects.toEqual(code('AUTH'));
  });

  it('loses its lines also when it loses a permission, but not when it gets one or another name', async () => {
    const at = await Scene.open();
    at.list.replace([deviceFor(at.staticKey.publicKey, { allow: ['read', 'chat'] })]);
    const { line } = await at.dialByKey();
    at.list.replace([deviceFor(at.staticKey.publicKey, { name: 'other', allow: ['read', 'chat', 'exec'] })]);
    await line.ping();
    at.list.replace([deviceFor(at.staticKey.publicKey, { allow: ['read'] })]);
    await at.ended(line.closed);
    expect(await line.closed).toMatchObject({ code: 'REVOKED' });
  });

  it('leaves nothing behind: no session, no timer, no listener', async () => {
    const at = await Scene.open();
    at.list.replace([deviceFor(at.staticKey.publicKey)]);
    const { line } = await at.dialByKey();
    at.list.replace([]);
    await at.ended(line.closed);
    await settled();
    expect(at.listener.connectionCount).toBe(0);
    expect(at.clock.pendingTimers).toBe(0);
    await at.listener.close();
    expect(at.list.listenerCount).toBe(0);
  });
});

describe('R-A11: logins by key and by passphrase', () => {
  /** The code of the REJECT, 0 for a login. */
  async function attempt(at: Scene, source: string, options: Parameters<typeof Wire.login>[2]): Promise<number> {
    const wire = await Wire.login(at.listener, source, options).catch(() => undefined);
    if (wire === undefined) return 2;
    return answerTo(wire, at.clock);
  }
  const unknown = { ...BY_KEY };

  it('R-A14: an unknown key waits as long for its answer as a wrong passphrase', async () => {
    const provider = { ...nodeCrypto, randomBytes: (length: number) => new Uint8Array(length).fill(128) };
    const at = await Scene.open({ provider });
    const wires = [await Wire.login(at.listener, 'a', unknown), await Wire.login(at.listener, 'b', { prs: OTHER_PRS })];
    at.clock.advance(499);
    await settled();
    for (const wire of wires) expect([wire.state, wire.units().length]).toEqual(['open', 0]);
    expect(at.listener.connectionCount).toBe(2);
    at.clock.advance(1);
    await settled();
    for (const wire of wires) {
      expect(wire.units().map(unit => [...unit])).toEqual([[5, 0, 0, 3, 3, 0, 0]]);
      wire.transport.destroy();
    }
    await settled();
    expect(at.rejected.map(({ error }) => [error.code, error.message])).toEqual(
      Array.from({ length: 2 }, () => ['AUTH', at.rejected[0]!.error.message]),
    );
  });

  it('do not share budgets: unknown keys lock nobody out of the passphrase', async () => {
    const at = await Scene.open();
    for (let count = 0; count < 50; count += 1) {
      expect(await attempt(at, '192.0.2.1', unknown)).toBe(3);
      at.clock.advance(1000);
    }
    for (let count = 0; count < 10; count += 1) {
      expect(await attempt(at, '192.0.2.1', { prs: OTHER_PRS })).toBe(3);
      at.clock.advance(1000);
    }
    expect(await attempt(at, '192.0.2.1', {})).toBe(2);
  });

  it('do not share budgets: wrong guesses keep no key out, and a key clears none of them', async () => {
    const at = await Scene.open();
    at.list.replace([deviceFor(at.staticKey.publicKey)]);
    const { staticKey } = at;
    for (let count = 0; count < 10; count += 1) {
      expect(await attempt(at, '192.0.2.1', { prs: OTHER_PRS })).toBe(3);
      expect(await attempt(at, '192.0.2.1', { ...BY_KEY, staticKey })).toBe(0);
      at.clock.advance(1000);
    }
    expect(await attempt(at, '192.0.2.1', { prs: OTHER_PRS })).toBe(2);
    expect(await attempt(at, '192.0.2.1', { ...BY_KEY, staticKey })).toBe(0);
    // Nor is it taken for one that has logged in with the passphrase.
    expect(await attempt(at, '192.0.2.1', { staticKey })).toBe(2);
  });

  it('do not share rates: a flood of one leaves the other as it was', async () => {
    const at = await Scene.open();
    at.list.replace([deviceFor(at.staticKey.publicKey)]);
    const hellos = async (options: Parameters<typeof freshOptions>[0], source: string): Promise<number[]> => {
      const kinds: number[] = [];
      for (let count = 0; count < 22; count += 1) {
        const wire = Wire.to(at.listener, source);
        wire.send(new InitiatorHandshake(nodeCrypto, await freshOptions(options)).hello());
        await settled(1);
        kinds.push(wire.units()[0]![0]!);
        wire.transport.destroy();
        await settled(1);
      }
      return kinds;
    };
    const twenty = [...Array.from({ length: 20 }, () => 2), 5, 5];
    expect(await hellos(BY_KEY, '192.0.2.1')).toEqual(twenty);
    expect(await attempt(at, '192.0.2.1', {})).toBe(0);
    expect(await hellos({}, '192.0.2.2')).toEqual(twenty);
    expect(await attempt(at, '192.0.2.2', { ...BY_KEY, staticKey: at.staticKey })).toBe(0);
  });

  it('share the places of those who have not logged in', async () => {
    const at = await Scene.open();
    for (let count = 0; count < 30; count += 1) {
      const wire = Wire.to(at.listener, '192.0.2.1');
      wire.send(new InitiatorHandshake(nodeCrypto, await freshOptions(BY_KEY)).hello());
      await settled(1);
      expect(at.listener.connectionCount).toBeLessThanOrEqual(9);
    }
  });

  it('are not begun without the key of the server', async () => {
    const [near] = memoryPair();
    const options = await loginOptions({ prs: undefined });
    await expect(openLine(near, options)).rejects.toEqual(code('USAGE'));
  });
});
