import { describe, expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { InitiatorHandshake } from '../../src/protocol/handshake/initiator.ts';
import { prologueOf } from '../../src/protocol/handshake/messages.ts';
import { NoiseHandshake } from '../../src/protocol/handshake/noise.ts';
import { ResponderHandshake } from '../../src/protocol/handshake/responder.ts';
import { joined, toHex, utf8 } from '../support/bytes.ts';
import {
  initiatorOptions,
  KEYS,
  type LoginChanges,
  OTHER_PRS,
  PRS,
  Recorded,
  responderOptions,
  unitOf,
} from '../support/endpoints.ts';
import { changeRealm, helloOf, repaired, replyWith } from '../support/hello.ts';

const REJECT_AUTH = Uint8Array.of(5, 0, 0, 3, 3, 0, 0);
const REJECT_MALFORMED = Uint8Array.of(5, 0, 0, 3, 4, 0, 0);

/** A login up to its end: everything that either side sent, in order. */
function attempt(client: LoginChanges, server: Parameters<typeof responderOptions>[0] = {}) {
  const near = Recorded.client(client);
  const far = Recorded.server(server);
  const hello = near.endpoint.start();
  const reply = far.feed(hello).output();
  const [finish] = near.feed(reply).units();
  far.feed(finish!);
  return { near, far, hello, reply, finish: finish! };
}

/** The payload of REPLY as an attacker that runs the client can read it, and Noise's own fields before it. */
function payloadOf(reply: Uint8Array, hello: Uint8Array): Uint8Array {
  const noise = new NoiseHandshake(nodeCrypto, {
    pattern: 'XXpsk3',
    role: 'initiator',
    prologue: prologueOf(hello.subarray(0, hello.length - 48)),
    ephemeral: KEYS.clientEphemeral,
    static: KEYS.clientStatic,
  });
  noise.writeMessage(new Uint8Array(0));
  return noise.readMessage(reply.subarray(4));
}

const WRONG_FORMS: [string, Uint8Array][] = [
  ['a realm of 65 letters', helloOf({ identity: new Uint8Array(65).fill(0x61) })],
  ['a realm in capitals', helloOf({ identity: utf8('A') })],
  ['a realm with a control character', helloOf({ identity: utf8('a\n') })],
  ['a realm beyond ASCII', helloOf({ identity: utf8('é') })],
  ['no share', helloOf({ pake: new Uint8Array(0) })],
  ['a share of 31 bytes', helloOf({ pake: new Uint8Array(31).fill(9) })],
  ['a share of 33 bytes', helloOf({ pake: new Uint8Array(33).fill(9) })],
  ['a share of 96 bytes', helloOf({ pake: new Uint8Array(96).fill(9) })],
  ['a cookie', helloOf({ cookie: new Uint8Array(16) })],
  ['padding of zeros', helloOf({ padding: new Uint8Array(4) })],
  ['padding of other bytes', helloOf({ padding: new Uint8Array(4).fill(1) })],
  ['no Noise message', helloOf({ noise: new Uint8Array(0) })],
  ['a Noise message of 47 bytes', helloOf({ noise: new Uint8Array(47) })],
  ['a Noise message of 49 bytes', helloOf({ noise: new Uint8Array(49) })],
  ['a Noise message whose tag is wrong', helloOf({ noise: new Uint8Array(48).fill(9) })],
  ['no body', Uint8Array.of(1, 0, 0, 0)],
  ['four bytes', Uint8Array.of(1, 0, 0, 4, 0x4c, 0x49, 0x4e, 0x45)],
  ['a body that ends in its nonce', Uint8Array.of(1, 0, 0, 12, 0x4c, 0x49, 0x4e, 0x45, 1, 1, 1, 1, 1, 0, 0, 0)],
];

describe('R-A1: what a login shows of the passphrase', () => {
  it('has the same shape for a right guess, a wrong one, and a realm that does not exist, up to FINISH', () => {
    const shapes = [{}, { prs: OTHER_PRS }, { realm: 'aa', prs: OTHER_PRS }].map(options => {
      const { hello, reply, finish } = attempt(options);
      return [hello.length - (options.realm?.length ?? 0), reply.length, finish.length];
    });
    expect(shapes).toEqual(Array.from({ length: 3 }, () => [116, 138, 72]));
  });

  it('puts nothing into HELLO but the share that depends on the passphrase', () => {
    const right = attempt({}).hello;
    const wrong = attempt({ prs: OTHER_PRS }).hello;
    const differing = [...right.keys()].filter(at => right[at] !== wrong[at]);
    const share = { start: 4 + 26 + 1 + 2, end: 4 + 26 + 1 + 2 + 32 };
    // Behind the share only the tag of the empty payload differs: the share is in the prologue, under a key anyone has.
    expect(differing.every(at => (at >= share.start && at < share.end) || at >= right.length - 16)).toBe(true);
  });

  it('puts nothing into REPLY but the share that depends on the passphrase', () => {
    const { hello, reply } = attempt({});
    const other = Recorded.server({ realm: name => ({ name, prs: OTHER_PRS, generated: true }) });
    const otherReply = other.feed(hello).output();
    const [payload, otherPayload] = [payloadOf(reply, hello), payloadOf(otherReply, hello)];
    expect([...payload.subarray(0, 4), ...payload.subarray(36)]).toEqual([1, 1, 0, 32, 0, 0]);
    expect([...otherPayload.subarray(0, 4), ...otherPayload.subarray(36)]).toEqual([1, 1, 0, 32, 0, 0]);
    expect(payload.subarray(4, 36)).not.toEqual(otherPayload.subarray(4, 36));
    // Before the payload: ephemeral and static key, which are the same under either passphrase.
    expect(reply.subarray(0, 4 + 32 + 48)).toEqual(otherReply.subarray(0, 4 + 32 + 48));
  });

  it('gives a share for every guess that some secret explains, so that a share alone refutes none', () => {
    const shares = new Set<string>();
    for (let guess = 0; guess < 50; guess += 1) {
      const prs = new Uint8Array(32).fill(guess);
      const pakeKey = nodeCrypto.generateKeyPair();
      const fresh = () => ({ ephemeral: KEYS.serverEphemeral, pakeKey, unknownPrs: OTHER_PRS });
      const { hello } = attempt({});
      const server = Recorded.server({ fresh, realm: name => ({ name, prs, generated: true }) });
      shares.add(toHex(payloadOf(server.feed(hello).output(), hello).subarray(4, 36)));
    }
    expect(shares.size).toBe(50);
  });

  it('sends nothing after a wrong FINISH but the one answer that every failure gets', () => {
    const wrong = attempt({ prs: OTHER_PRS });
    expect(wrong.far.error?.code).toBe('AUTH');
    expect(wrong.far.units()).toEqual([]);
    expect(wrong.far.farewell()).toEqual({ segments: [REJECT_AUTH], delayed: true });
    const unknown = attempt({ realm: 'nobody' });
    expect(unknown.far.farewell()).toEqual({ segments: [REJECT_AUTH], delayed: true });
  });

  it('tells the client of a false server nothing before FINISH, and lets nothing through after it', () => {
    const client = Recorded.client();
    const server = Recorded.server({ realm: name => ({ name, prs: OTHER_PRS, generated: true }) });
    client.feed(server.feed(client.endpoint.start()).output());
    expect(client.error).toBeUndefined();
    expect(client.told).toEqual(['handshakeBytes', 'keyed']);
    // It cannot make a record that verifies.
    client.feed(Uint8Array.of(0x17, 0, 0, 32, ...new Uint8Array(32)));
    expect(client.error?.code).toBe('INTEGRITY');
    expect(client.dispatched).toEqual([]);
  });

  it('sends no FINISH to a server whose key is not the pinned one', () => {
    const pin = { checkServerKey: () => expectPin() };
    const client = Recorded.client(pin);
    client.feed(Recorded.server().feed(client.endpoint.start()).output());
    expect(client.error?.code).toBe('PIN');
    expect(client.units()).toEqual([]);
    expect(client.farewell().segments).toEqual([]);
  });
});

describe('R-A5: messages of another place', () => {
  const { hello, reply, finish } = attempt({});

  it.each([
    ['HELLO', hello],
    ['FINISH', finish],
    ['HELLO and FINISH', joined([hello, finish])],
  ])('a client takes no %s of its own back', (_, bytes) => {
    const client = Recorded.client();
    client.endpoint.start();
    client.feed(bytes);
    expect(client.error?.code).toBe('STATE');
    expect(client.told).toEqual([]);
  });

  it('a server takes no REPLY, neither first nor after its own', () => {
    expect(Recorded.server().feed(reply).error?.code).toBe('STATE');
    expect(Recorded.server().feed(joined([hello, reply])).error?.code).toBe('STATE');
  });

  it('two clients cannot log in to each other', () => {
    const [first, second] = [Recorded.client(), Recorded.client({ nonce: new Uint8Array(16) })];
    second.endpoint.start();
    expect(second.feed(first.endpoint.start()).error?.code).toBe('STATE');
  });

  it('a login for one realm opens no other with the same passphrase', () => {
    const server = { realm: (name: string) => ({ name, prs: PRS, generated: true }) };
    const client = Recorded.client({ realm: 'guest' });
    const changed = changeRealm(client.endpoint.start(), 'owner');
    const reply = Recorded.server(server).feed(repaired(changed)).output();
    client.feed(reply);
    expect(client.error?.code).toBe('AUTH');
    expect(client.told).toEqual([]);
  });

  it('a HELLO of another session gets a REPLY, but its FINISH does not fit the new one', () => {
    const fresh = () => ({
      ephemeral: nodeCrypto.generateKeyPair(),
      pakeKey: nodeCrypto.generateKeyPair(),
      unknownPrs: OTHER_PRS,
    });
    const server = Recorded.server({ fresh }).feed(hello);
    expect(server.units()).toHaveLength(1);
    expect(server.feed(finish).error?.code).toBe('AUTH');
    expect(server.dispatched).toEqual([]);
  });

  it('a server with the same passphrase in the middle cannot join two halves', () => {
    const client = Recorded.client();
    const middle = Recorded.server({ staticKey: nodeCrypto.generateKeyPair() });
    const hello = client.endpoint.start();
    client.feed(middle.feed(hello).output());
    const [finish] = client.units();
    expect(Recorded.server().feed(joined([hello, finish!])).error?.code).toBe('AUTH');
  });

  it.each([
    ['the highest version', 5, 2],
    ['the suite mask', 7, 3],
    ['the nonce', 10, 0x55],
  ])('%s changed on the way, with the tag made to fit, fails at the client', (_, at, value) => {
    const client = Recorded.client();
    const hello = client.endpoint.start();
    hello[4 + at] = value;
    const server = Recorded.server().feed(repaired(hello));
    expect(server.error).toBeUndefined();
    client.feed(server.output());
    expect(client.error?.code).toBe('AUTH');
    expect(client.told).toEqual([]);
  });

  it('a share exchanged on the way, with the tag made to fit, fails at the client', () => {
    const client = Recorded.client();
    const hello = client.endpoint.start();
    hello.set(nodeCrypto.generateKeyPair().publicKey, 4 + 29);
    client.feed(Recorded.server().feed(repaired(hello)).output());
    expect(client.error?.code).toBe('AUTH');
  });

  it('shares of low order make no session', () => {
    for (const first of [0, 1]) {
      const low = new Uint8Array(32);
      low[0] = first;
      const client = new InitiatorHandshake(nodeCrypto, initiatorOptions());
      const hello = client.hello();
      hello.set(low, 4 + 29);
      const server = new ResponderHandshake(nodeCrypto, responderOptions());
      const answer = server.receive(unitOf(repaired(hello)));
      expect(answer.type).toBe('send');
      // Whoever sends such a share hopes that K is known: FINISH under any key is refused.
      const result = server.receive(unitOf(attempt({}).finish));
      expect(result).toMatchObject({ type: 'reject', message: REJECT_AUTH, delayed: true });
    }
    const hello = Recorded.client().endpoint.start();
    hello.fill(0, hello.length - 48);
    expect(Recorded.server().feed(repaired(hello)).error?.code).toBe('MALFORMED');
  });
});

describe('R-A7: versions, suites and forms', () => {
  const changed = (at: number, ...values: number[]): Uint8Array => {
    const hello = Recorded.client().endpoint.start();
    hello.set(values, 4 + at);
    return repaired(hello);
  };

  it.each([
    ['no version in common', changed(4, 0, 0), 'VERSION', 1],
    ['version 0 as the highest', changed(5, 0), 'VERSION', 1],
    ['an unknown suite', changed(8, 2), 'VERSION', 1],
    ['a mask without suite 1', changed(7, 2), 'VERSION', 1],
    ['no suite at all', changed(7, 0, 0), 'VERSION', 1],
    ['a flag', changed(9, 1), 'MALFORMED', 4],
    ['mode 0', changed(6, 0), 'MALFORMED', 4],
    ['mode 5', changed(6, 5), 'MALFORMED', 4],
    ['other magic', changed(0, 0x6c), 'MALFORMED', 4],
    ['mode USER, which is not offered', changed(6, 2), 'AUTH', 3],
    ['mode DEVICE, which is not offered', changed(6, 3), 'AUTH', 3],
    ['mode JOIN, which is not offered', changed(6, 4), 'AUTH', 3],
  ])('%s is answered REJECT at once', (_, hello, code, number) => {
    const server = Recorded.server().feed(hello);
    expect(server.error?.code).toBe(code);
    expect(server.told).toEqual([]);
    expect(server.farewell()).toEqual({ segments: [Uint8Array.of(5, 0, 0, 3, number, 0, 0)], delayed: false });
  });

  it('a newer version is asked down to ours by RETRY, once', () => {
    const newer = changed(4, 2, 2);
    const server = Recorded.server().feed(newer);
    expect(server.units()).toEqual([Uint8Array.of(4, 0, 0, 2, 1, 0)]);
    expect(Recorded.server().feed(joined([newer, newer])).error?.code).toBe('VERSION');
    const followed = Recorded.server().feed(joined([newer, changed(4, 1, 2)]));
    expect(followed.units()).toHaveLength(2);
    expect(Recorded.server().feed(joined([newer, newer, newer])).dispatched).toEqual([]);
  });

  it('a client follows no RETRY over a stream, to whichever version it points', () => {
    for (const version of [0, 1, 2, 255]) {
      const client = Recorded.client();
      client.endpoint.start();
      client.feed(Uint8Array.of(4, 0, 0, 2, version, 0));
      expect(client.error?.code).toBe('VERSION');
      expect(client.units()).toEqual([]);
      expect(client.farewell().segments).toEqual([]);
    }
  });

  it.each([
    [1, 'VERSION'],
    [2, 'BUSY'],
    [3, 'AUTH'],
    [4, 'PROTOCOL'],
    [5, 'GONE'],
    [6, 'AUTH'],
    [255, 'AUTH'],
  ])('REJECT %i ends a login as %s before REPLY and after FINISH, and relaxes nothing', (number, code) => {
    const reject = Uint8Array.of(5, 0, 0, 3, number, 0, 7);
    const before = Recorded.client();
    before.endpoint.start();
    expect(before.feed(reject).error).toMatchObject({ code });
    const after = Recorded.client();
    after.feed(Recorded.server().feed(after.endpoint.start()).output());
    expect(after.feed(reject).error).toMatchObject({ code });
    expect(after.dispatched).toEqual([]);
    if (code === 'BUSY') expect(after.error?.retryAfterSeconds).toBe(7);
  });

  it('a REJECT after the first record of the server is no message any more', () => {
    const { near, far } = attempt({});
    near.feed(far.output());
    expect(near.dispatched).toEqual(['opened', 'settings']);
    expect(near.feed(REJECT_AUTH).error?.code).toBe('PROTOCOL');
  });

  it.each(WRONG_FORMS)('HELLO with %s is MALFORMED', (_, hello) => {
    const server = Recorded.server().feed(hello);
    expect(server.error?.code).toBe('MALFORMED');
    expect(server.farewell()).toEqual({ segments: [REJECT_MALFORMED], delayed: false });
  });

  it('REPLY of another version, suite, share length or with an extension is refused before FINISH', () => {
    const payloads = [
      [2, 1, 0, 32, ...new Uint8Array(32).fill(9), 0, 0],
      [1, 2, 0, 32, ...new Uint8Array(32).fill(9), 0, 0],
      [1, 1, 0, 31, ...new Uint8Array(31).fill(9), 0, 0],
      [1, 1, 0, 0, 0, 0],
      [1, 1, 0, 32, ...new Uint8Array(32).fill(9), 0, 1, 5],
      [1, 1, 0, 32, ...new Uint8Array(32).fill(9), 0, 0, 0],
      [1, 1, 0, 32, ...new Uint8Array(32).fill(9)],
      [1, 1, 0, 32, ...new Uint8Array(32), 0, 0],
      [],
    ];
    for (const payload of payloads) {
      const client = Recorded.client();
      client.feed(replyWith(client.endpoint.start(), Uint8Array.from(payload)));
      expect(client.error?.code, payload.join()).toMatch(/^(VERSION|MALFORMED|AUTH)$/);
      expect(client.told).toEqual([]);
    }
  });
});

function expectPin(): never {
  throw new LineError('PIN', 'another key is pinned');
}
