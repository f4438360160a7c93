import { describe, expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { openLine } from '../../src/line/connect.ts';
import type { Listener, ListenerOptions, RejectedLogin } from '../../src/line/listener.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { InitiatorHandshake } from '../../src/protocol/handshake/initiator.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { memoryPair } from '../../src/transports/memory.ts';
import { OTHER_PRS } from '../support/endpoints.ts';
import { loginOptions, makeListener, PASSPHRASE, prsOf } from '../support/lines.ts';
import { settled } from '../support/session-ends.ts';
import { answerTo, freshOptions, Wire } from '../support/wire.ts';

interface Scene {
  readonly listener: Listener;
  readonly clock: ManualClock;
  readonly rejected: RejectedLogin[];
}

async function scene(options: Partial<ListenerOptions> = {}): Promise<Scene> {
  const clock = new ManualClock();
  const rejected: RejectedLogin[] = [];
  const listener = await makeListener({ clock, onRejected: one => rejected.push(one), ...options });
  return { listener, clock, rejected };
}

/** Everything is over: no connection, no timer. */
async function expectTidy({ listener, clock }: Scene): Promise<void> {
  clock.advance(20_000);
  await settled();
  expect(listener.connectionCount).toBe(0);
  expect(clock.pendingTimers).toBe(0);
}

async function hello(): Promise<Uint8Array> {
  return new InitiatorHandshake(nodeCrypto, await freshOptions()).hello();
}

const codesOf = (rejected: readonly RejectedLogin[]): string[] => rejected.map(({ error }) => error.code);
/** REJECT with this code, without its time. */
const reject = (code: number): number[] => [5, 0, 0, 3, code];
const WRONG = { prs: OTHER_PRS };

describe('R-A10: the time before login', () => {
  it('is 5 seconds for HELLO, however the bytes trickle in, and nothing is said', async () => {
    const at = await scene();
    const wire = Wire.to(at.listener);
    const bytes = await hello();
    for (let second = 0; second < 5; second += 1) {
      await settled(1);
      expect(wire.state).toBe('open');
      wire.send(bytes.subarray(second, second + 1));
      at.clock.advance(999);
    }
    at.clock.advance(5);
    await settled();
    expect(wire.state).toBe('broken');
    expect(wire.units()).toEqual([]);
    expect(codesOf(at.rejected)).toEqual(['TIMEOUT']);
    await expectTidy(at);
  });

  it('is 10 seconds for all of it', async () => {
    const at = await scene();
    const wire = Wire.to(at.listener);
    at.clock.advance(4000);
    wire.send(await hello());
    await settled();
    at.clock.advance(5999);
    await settled();
    expect(wire.state).toBe('open');
    at.clock.advance(1);
    await settled();
    expect(wire.state).toBe('broken');
    expect(codesOf(at.rejected)).toEqual(['TIMEOUT']);
    await expectTidy(at);
  });

  it('ends with the login: its timers are gone', async () => {
    const at = await scene();
    const wire = await Wire.open(at.listener);
    at.clock.advance(15_000);
    await settled();
    expect(wire.state).toBe('open');
    wire.transport.destroy();
    await settled();
    await expectTidy(at);
  });
});

describe('a failed login', () => {
  it.each([
    [0, 300],
    [128, 500],
    [255, 699],
  ])('with the random byte %i is answered after %i ms, and counts as half-open until then', async (byte, delayMs) => {
    const provider = { ...nodeCrypto, randomBytes: (length: number) => new Uint8Array(length).fill(byte) };
    const at = await scene({ provider });
    const wire = await Wire.login(at.listener, 'memory', WRONG);
    at.clock.advance(delayMs - 1);
    await settled();
    expect(wire.units()).toEqual([]);
    expect(wire.state).toBe('open');
    expect(at.listener.connectionCount).toBe(1);
    at.clock.advance(1);
    await settled();
    expect(wire.units().map(unit => [...unit])).toEqual([[...reject(3), 0, 0]]);
    expect(wire.state).toBe('ended');
    await expectTidy(at);
    expect(codesOf(at.rejected)).toEqual(['AUTH']);
  });

  it('is one code outside for every way to fail, and the one answer for a realm that does not exist', async () => {
    const at = await scene();
    for (const options of [WRONG, { realm: 'nobody' }]) {
      const wire = await Wire.login(at.listener, 'memory', options);
      at.clock.advance(700);
      await settled();
      expect(wire.units().map(unit => [...unit])).toEqual([[...reject(3), 0, 0]]);
      wire.transport.destroy();
    }
    await expectTidy(at);
    expect(codesOf(at.rejected)).toEqual(['AUTH', 'AUTH']);
  });

  it('sends no FINISH when the key of the server is not the pinned one', async () => {
    const at = await scene();
    const [near, far] = memoryPair();
    at.listener.accept(far);
    const checkServerKey = () => {
      throw new LineError('PIN', 'another key is pinned');
    };
    const login = openLine(near, await loginOptions({ clock: at.clock, checkServerKey }));
    await expect(login).rejects.toMatchObject({ code: 'PIN' });
    await settled();
    expect(codesOf(at.rejected)).toEqual(['TRUNCATED']);
    await expectTidy(at);
  });
});

describe('R-A11: half-open connections', () => {
  it('are 8 of one source: the oldest goes with BUSY, at once, and keeps no place', async () => {
    const at = await scene();
    const wires: Wire[] = [];
    for (let count = 0; count < 50; count += 1) {
      wires.push(Wire.to(at.listener, '192.0.2.1'));
      await settled(1);
      expect(at.listener.connectionCount).toBeLessThanOrEqual(8);
    }
    await settled();
    expect(wires.filter(wire => wire.state === 'open')).toHaveLength(8);
    expect([...wires[0]!.units()[0]!.subarray(0, 5)]).toEqual(reject(2));
    expect(codesOf(at.rejected)).toEqual(Array.from({ length: 42 }, () => 'BUSY'));
    await expectTidy(at);
  });

  it('are 256 of all sources', async () => {
    const at = await scene();
    for (let count = 0; count < 400; count += 1) Wire.to(at.listener, `198.51.100.${count}`);
    await settled();
    expect(at.listener.connectionCount).toBe(256);
    await expectTidy(at);
  });

  it('are pushed out also while their answer waits, or after it', async () => {
    const at = await scene();
    const wires: Wire[] = [];
    for (let count = 0; count < 8; count += 1) wires.push(await Wire.login(at.listener, '192.0.2.1', WRONG));
    for (let count = 0; count < 8; count += 1) Wire.to(at.listener, '192.0.2.1');
    await settled();
    expect(at.listener.connectionCount).toBe(8);
    expect(wires.every(wire => wire.state !== 'open')).toBe(true);
    // Those that were refused at once and stay to read their answer have no more room than others.
    for (let count = 0; count < 20; count += 1) {
      const wire = Wire.to(at.listener, '192.0.2.1');
      wire.send(Uint8Array.of(1, 0, 0, 0));
      await settled(1);
    }
    expect(at.listener.connectionCount).toBeLessThanOrEqual(8);
    await expectTidy(at);
  });
});

describe('HELLOs', () => {
  it('are 20 at once from one source, then BUSY before any answer that costs', async () => {
    const at = await scene();
    const answers: number[] = [];
    for (let count = 0; count < 22; count += 1) {
      const wire = Wire.to(at.listener);
      wire.send(await hello());
      await settled(1);
      answers.push(wire.units()[0]![0]!);
      wire.transport.destroy();
      await settled(1);
    }
    expect(answers).toEqual([...Array.from({ length: 20 }, () => 2), 5, 5]);
    await expectTidy(at);
  });

  it('that end in a login are given back', async () => {
    const at = await scene();
    for (let count = 0; count < 40; count += 1) {
      const wire = await Wire.open(at.listener);
      wire.transport.destroy();
      await settled(1);
    }
    await expectTidy(at);
    expect(at.rejected).toEqual([]);
  });
});

describe('wrong guesses', () => {
  async function guess(at: Scene, source: string, options: Parameters<typeof Wire.login>[2] = WRONG): Promise<number> {
    return answerTo(await Wire.login(at.listener, source, options), at.clock);
  }

  it('are 10 of one source, then BUSY also for the right passphrase; others are still let in', async () => {
    const at = await scene();
    for (let count = 0; count < 10; count += 1) expect(await guess(at, '192.0.2.1')).toBe(3);
    expect(await guess(at, '192.0.2.1')).toBe(2);
    expect(await guess(at, '192.0.2.1', {})).toBe(2);
    expect(await guess(at, '192.0.2.2', {})).toBe(0);
    at.clock.advance(60_000);
    expect(await guess(at, '192.0.2.1', {})).toBe(0);
    expect(await guess(at, '192.0.2.1')).toBe(3);
    await expectTidy(at);
  });

  it('do not keep out a key that has logged in before, unless its passphrase is wrong', async () => {
    const at = await scene();
    const staticKey = nodeCrypto.generateKeyPair();
    expect(await guess(at, '192.0.2.1', { staticKey })).toBe(0);
    for (let count = 0; count < 10; count += 1) expect(await guess(at, '192.0.2.1')).toBe(3);
    expect(await guess(at, '192.0.2.1')).toBe(2);
    expect(await guess(at, '192.0.2.1', { ...WRONG, staticKey })).toBe(3);
    expect(await guess(at, '192.0.2.1', { staticKey })).toBe(0);
    await expectTidy(at);
  });

  it('R-A10 R-A11 a HELLO a second that is never followed up costs a handful of connections and keeps nobody out who was here', async () => {
    const at = await scene();
    const staticKey = nodeCrypto.generateKeyPair();
    expect(await guess(at, '192.0.2.1', { staticKey })).toBe(0);
    const most = { connections: 0 };
    for (let second = 0; second < 300; second += 1) {
      const wire = Wire.to(at.listener, '192.0.2.1');
      wire.send(await hello());
      await settled(1);
      at.clock.advance(1000);
      await settled(1);
      most.connections = Math.max(most.connections, at.listener.connectionCount);
    }
    // Eight places of one source, and one that is on its way out.
    expect(most.connections).toBeLessThanOrEqual(9);
    expect(await guess(at, '192.0.2.1', { staticKey })).toBe(0);
    expect(await guess(at, '192.0.2.2', {})).toBe(0);
    at.clock.advance(15_000);
    await settled(1);
    await expectTidy(at);
  });

  it('to leave after REPLY is one', async () => {
    const at = await scene();
    for (let count = 0; count < 10; count += 1) {
      const wire = Wire.to(at.listener, '192.0.2.1');
      wire.send(await hello());
      await settled(1);
      wire.transport.destroy();
      await settled(1);
    }
    expect(await guess(at, '192.0.2.1', {})).toBe(2);
    await expectTidy(at);
  });

  it('are no more when 16 come at once than when they come one after another', async () => {
    const at = await scene({ limits: { wrongGuessesGenerated: 5 } });
    const handshakes = await Promise.all(
      Array.from({ length: 16 }, async (_, index) => {
        const handshake = new InitiatorHandshake(nodeCrypto, await freshOptions(WRONG));
        const wire = Wire.to(at.listener, `192.0.2.${index}`);
        wire.send(handshake.hello());
        return { handshake, wire };
      }),
    );
    await settled();
    const finishes = handshakes.map(({ handshake, wire }) => {
      const reply = wire.units()[0]!;
      return handshake.receive({ type: reply[0]!, header: reply.subarray(0, 4), body: reply.subarray(4) }).finish;
    });
    for (const [index, { wire }] of handshakes.entries()) wire.send(finishes[index]!);
    await settled();
    at.clock.advance(700);
    await settled();
    const answers = handshakes.map(({ wire }) => wire.units()[0]![4]);
    expect(answers.filter(code => code === 3)).toHaveLength(5);
    expect(answers.filter(code => code === 2)).toHaveLength(11);
    for (const { wire } of handshakes) wire.transport.destroy();
    await expectTidy(at);
  });

  it('R-A2: one is enough to use up a one-time code, and the owner is told', async () => {
    const code = { name: 'code', prs: await prsOf(PASSPHRASE), generated: true, uses: 1 as const };
    const main = { name: '', prs: await prsOf(PASSPHRASE), generated: true };
    const at = await scene({ realms: [main, code] });
    expect(await guess(at, '192.0.2.1', { realm: 'code', prs: OTHER_PRS })).toBe(3);
    expect(at.rejected.map(one => one.usedUpCode)).toEqual([true]);
    expect(await guess(at, '192.0.2.2', { realm: 'code' })).toBe(5);
    expect(await guess(at, '192.0.2.2', {})).toBe(0);
    expect(at.rejected.map(one => [one.error.code, one.usedUpCode])).toEqual([
      ['AUTH', true],
      ['GONE', false],
    ]);
    await expectTidy(at);
  });

  it('R-A2: a right one uses it up as well', async () => {
    const code = { name: 'code', prs: await prsOf(PASSPHRASE), generated: true, uses: 1 as const };
    const at = await scene({ realms: [code] });
    expect(await guess(at, '192.0.2.1', { realm: 'code' })).toBe(0);
    expect(await guess(at, '192.0.2.1', { realm: 'code' })).toBe(5);
    await expectTidy(at);
  });
});

describe('lines of one device', () => {
  it('are 32; one more is ended with TOO_MANY, and a place that is left can be taken', async () => {
    const at = await scene();
    const staticKey = nodeCrypto.generateKeyPair();
    const open = () => Wire.login(at.listener, 'memory', { staticKey });
    const wires: Wire[] = [];
    for (let count = 0; count < 32; count += 1) wires.push(await open());
    await settled();
    expect(wires.every(wire => wire.state === 'open')).toBe(true);
    const tooMany = await open();
    await settled();
    expect(tooMany.state).not.toBe('open');
    tooMany.transport.destroy();
    wires[0]!.transport.destroy();
    await settled();
    const again = await open();
    await settled();
    expect(again.state).toBe('open');
    const other = await Wire.login(at.listener);
    expect(other.state).toBe('open');
    for (const wire of [...wires, again, other]) wire.transport.destroy();
    await settled();
    await expectTidy(at);
  });
});
