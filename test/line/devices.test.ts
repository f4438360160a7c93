import { describe, expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { type ConnectedLine, type OpenLineOptions, openLine } from '../../src/line/connect.ts';
import type { Line } from '../../src/line/line.ts';
import type { Listener, ListenerOptions, PairingAsked, RejectedLogin } from '../../src/line/listener.ts';
import { pairDevice } from '../../src/line/pairing.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { JsonObject } from '../../src/protocol/bytes/json.ts';
import { encodeJson } from '../../src/protocol/bytes/json.ts';
import { encodeFrame, FRAME } from '../../src/protocol/channels/frame.ts';
import type { Device } from '../../src/protocol/handshake/device.ts';
import { InitiatorHandshake } from '../../src/protocol/handshake/initiator.ts';
import type { Permission } from '../../src/services/permission.ts';
import { dispatchChannels } from '../../src/services/registry.ts';
import type { Service } from '../../src/services/service.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { memoryPair } from '../../src/transports/memory.ts';
import { deviceFor, MemoryDevices } from '../support/devices.ts';
import { BY_KEY, OTHER_PRS } from '../support/endpoints.ts';
import { HOSTILE_DEVICE_NAMES } from '../support/hostile-names.ts';
import { loginOptions, makeListener } from '../support/lines.ts';
import { settingsFrame } from '../support/multiplexers.ts';
import { settled } from '../support/session-ends.ts';
import { freshOptions, Wire } from '../support/wire.ts';

/** A server with a list, whose time the test moves. */
class Scene {
  readonly clock = new ManualClock();
  readonly list = new MemoryDevices();
  readonly rejected: RejectedLogin[] = [];
  readonly asked: PairingAsked[] = [];
  readonly faults: unknown[] = [];
  readonly lines: Line[] = [];
  readonly staticKey = nodeCrypto.generateKeyPair();
  listener!: Listener;

  static async open(options: Partial<ListenerOptions> = {}, isPairing = true): Promise<Scene> {
    const scene = new Scene();
    scene.listener = await makeListener({
      clock: scene.clock,
      devices: { list: scene.list, isPairing },
      allowed: ['read', 'chat'],
      onRejected: one => scene.rejected.push(one),
      onPairing: one => scene.asked.push(one),
      onFault: thrown => scene.faults.push(thrown),
      onLine: line => scene.lines.push(line),
      ...options,
    });
    return scene;
  }

  async dial(options: Partial<OpenLineOptions> = {}): Promise<ConnectedLine> {
    const [near, far] = memoryPair();
    this.listener.accept(far);
    const connected = await openLine(near, await loginOptions({ staticKey: this.staticKey, ...options }));
    await connected.line.ping();
    return connected;
  }

  /** By key alone. */
  dialByKey(options: Partial<OpenLineOptions> = {}): Promise<ConnectedLine> {
    return this.dial({ prs: undefined, checkServerKey() {}, ...options });
  }

  /** A client by hand that has logged in. */
  async wire(options: Parameters<typeof Wire.login>[2] = {}, source = 'memory'): Promise<Wire> {
    const wire = await Wire.login(this.listener, source, { staticKey: this.staticKey, ...options });
    await wire.sendFrames(settingsFrame({ credit: 4 * 1024 * 1024, lane_credit: 16 * 1024 * 1024 }));
    wire.frames();
    return wire;
  }

  async ended(promise: Promise<unknown>): Promise<void> {
    await settled();
    this.clock.advance(20_000);
    await promise;
  }
}

function control(message: JsonObject): Uint8Array {
  return encodeFrame(FRAME.MSG, 0, encodeJson(message, 4096));
}

/** Control messages that were heard. */
function answers(wire: Wire): JsonObject[] {
  return wire
    .frames()
    .filter(({ type, channel }) => type === FRAME.MSG && channel === 0)
    .map(({ payload }) => JSON.parse(Buffer.from(payload).toString()) as JsonObject);
}

const code = (name: string) => expect.objectContaining({ code: name });

describe('pairing', () => {
  it('puts the key of this handshake into the list, and from then on it opens lines alone', async () => {
    const at = await Scene.open();
    const first = await at.dial();
    expect(first.line.openedBy).toBe('passphrase');
    expect(await pairDevice(first, { name: 'laptop' })).toEqual({ name: 'laptop', allow: ['read', 'chat'] });
    expect(at.list.devices).toEqual([
      { name: 'laptop', key: at.staticKey.publicKey, sinceMs: 0, allow: ['read', 'chat'] },
    ]);
    expect(at.asked).toEqual([expect.objectContaining({ device: at.list.devices[0], error: undefined })]);
    const second = await at.dialByKey();
    expect([second.line.openedBy, second.line.realm, second.line.device]).toEqual(['device', undefined, undefined]);
    expect(second.allowed).toEqual(['read', 'chat']);
    const [, server] = at.lines;
    expect([server!.openedBy, server!.realm, server!.device]).toEqual(['device', undefined, at.list.devices[0]]);
  });

  it('is answered only after the entry is kept', async () => {
    const at = await Scene.open();
    let keep: (() => void) | undefined;
    const enrol = at.list.enrol.bind(at.list);
    at.list.enrol = async wanted => {
      await new Promise<void>(resolve => {
        keep = resolve;
      });
      return enrol(wanted);
    };
    const wire = await at.wire();
    await wire.sendFrames(control({ t: 'pair', name: 'laptop', must: true }));
    await settled();
    expect(answers(wire)).toEqual([]);
    keep!();
    await settled();
    expect(answers(wire)).toEqual([{ t: 'paired', name: 'laptop', caps: ['read', 'chat'] }]);
  });

  it('is refused with FORBIDDEN where the owner has not opened it, but for who is in the list', async () => {
    const at = await Scene.open({}, false);
    await expect(pairDevice(await at.dial(), { name: 'laptop' })).rejects.toEqual(code('FORBIDDEN'));
    expect(at.list.devices).toEqual([]);
    expect(at.asked.map(({ error }) => error?.code)).toEqual(['FORBIDDEN']);
    at.list.replace([deviceFor(at.staticKey.publicKey, { name: 'from the owner', allow: ['read'] })]);
    const told = await pairDevice(await at.dial(), { name: 'laptop' });
    expect(told).toEqual({ name: 'from the owner', allow: ['read'] });
    expect(at.list.devices).toHaveLength(1);
  });

  it('is refused by a listener that has no list', async () => {
    const at = await Scene.open({ devices: undefined });
    await expect(pairDevice(await at.dial(), { name: 'laptop' })).rejects.toEqual(code('FORBIDDEN'));
  });

  it('R-A8: takes the passphrase: who was let in by key is refused', async () => {
    const at = await Scene.open();
    at.list.replace([deviceFor(at.staticKey.publicKey)]);
    await expect(pairDevice(await at.dialByKey(), { name: 'other' })).rejects.toEqual(code('STATE'));
    expect(at.list.devices[0]?.name).toBe('laptop');
  });

  it('R-A8: is asked once in a session: the second time ends it', async () => {
    const at = await Scene.open();
    const wire = await at.wire();
    await wire.sendFrames(control({ t: 'pair', name: 'one' }), control({ t: 'pair', name: 'two' }));
    at.clock.advance(20_000);
    await settled();
    expect(wire.state).not.toBe('open');
    expect(at.list.devices.map(({ name }) => name)).not.toContain('two');
    const connected = await at.dial();
    await pairDevice(connected, { name: 'three' });
    await expect(pairDevice(connected, { name: 'four' })).rejects.toEqual(code('USAGE'));
  });

  it.each(HOSTILE_DEVICE_NAMES)('refuses the name %j', async name => {
    const at = await Scene.open();
    const wire = await at.wire();
    await wire.sendFrames(control({ t: 'pair', name }));
    await settled();
    const [answer] = answers(wire);
    at.clock.advance(20_000);
    await settled();
    // A field that is no text, or far too long, ends the line; a text that is no name is refused.
    if (answer?.['t'] === 'refused') expect(answer['code']).toBe(21);
    else expect(wire.state).not.toBe('open');
    expect(at.list.devices).toEqual([]);
  });

  it('refuses a name that another key has, and one machine too many', async () => {
    const at = await Scene.open();
    const others = (count: number): Device[] =>
      Array.from({ length: count }, (_, index) =>
        deviceFor(new Uint8Array(32).fill(index & 0xff).fill(index >> 8, 16), { name: `machine ${index}` }),
      );
    at.list.replace(others(999));
    await expect(pairDevice(await at.dial(), { name: 'machine 7' })).rejects.toEqual(code('EXISTS'));
    await pairDevice(await at.dial(), { name: 'the thousandth' });
    const staticKey = nodeCrypto.generateKeyPair();
    await expect(pairDevice(await at.dial({ staticKey }), { name: 'new' })).rejects.toEqual(code('TOO_MANY'));
    expect(at.list.devices).toHaveLength(1000);
  });

  it('of a key that is there changes its name, keeps what it had, and gives what this login has and no more', async () => {
    const at = await Scene.open();
    at.list.replace([deviceFor(at.staticKey.publicKey, { sinceMs: 7, allow: ['exec'] })]);
    await pairDevice(await at.dial(), { name: 'new name' });
    expect(at.list.devices).toEqual([
      { name: 'new name', key: at.staticKey.publicKey, sinceMs: 7, allow: ['exec', 'read', 'chat'] },
    ]);
    // What is in the entry is not what is granted.
    expect((await at.dialByKey()).allowed).toEqual(['read', 'chat']);
  });

  it('that the list cannot keep is INTERNAL to the client, and a fault for the owner', async () => {
    const at = await Scene.open();
    at.list.enrol = async () => {
      throw new LineError('ACCESS', 'cannot write /home/ann/secret/authorized_keys');
    };
    const refusal = await pairDevice(await at.dial(), { name: 'laptop' }).catch((thrown: unknown) => thrown);
    expect(refusal).toMatchObject({ code: 'INTERNAL' });
    expect((refusal as Error).message).not.toContain('home');
    expect(at.faults).toEqual([code('ACCESS')]);
  });

  it('ends with the line, with its signal, and in time', async () => {
    const at = await Scene.open();
    at.list.enrol = () => new Promise(() => {});
    const clock = new ManualClock();
    const cut = await at.dial({ clock });
    const waiting = pairDevice(cut, { name: 'laptop' });
    cut.line.abort(new LineError('CANCELLED', 'enough'));
    await expect(waiting).rejects.toEqual(code('CANCELLED'));
    const late = pairDevice(await at.dial({ clock }), { name: 'laptop' });
    const stop = new AbortController();
    const stopped = pairDevice(await at.dial({ clock }), { name: 'laptop', signal: stop.signal });
    stop.abort();
    await expect(stopped).rejects.toEqual(code('CANCELLED'));
    clock.advance(10_000);
    await expect(late).rejects.toEqual(code('TIMEOUT'));
  });
});

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
    at.clock.advance(700);
    await settled(1);
    const [unit] = wire.units();
    wire.transport.destroy();
    await settled(1);
    return unit![0] === 0x17 ? 0 : unit![4]!;
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
