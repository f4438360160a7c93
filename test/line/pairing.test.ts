import { describe, expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { pairDevice } from '../../src/line/pairing.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { Device } from '../../src/protocol/handshake/device.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { deviceFor } from '../support/devices.ts';
import { HOSTILE_DEVICE_NAMES } from '../support/hostile-names.ts';
import { settled } from '../support/session-ends.ts';
import { answers, control, Scene } from './device-scene.ts';

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
