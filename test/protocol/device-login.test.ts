import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { Device } from '../../src/protocol/handshake/device.ts';
import { InitiatorHandshake } from '../../src/protocol/handshake/initiator.ts';
import { encodeMessage, MESSAGE } from '../../src/protocol/handshake/messages.ts';
import { type LoginGate, ResponderHandshake, type ResponderOptions } from '../../src/protocol/handshake/responder.ts';
import { fromHex, joined, seeded, toHex } from '../support/bytes.ts';
import { deviceFor } from '../support/devices.ts';
import {
  BY_KEY,
  exchange,
  exchangeAs,
  initiatorOptions,
  KEYS,
  type LoginChanges,
  OPEN_GATE,
  openPair,
  Recorded,
  responderOptions,
} from '../support/endpoints.ts';

const REJECT_AUTH = Uint8Array.of(5, 0, 0, 3, 3, 0, 0);
const REJECT_MALFORMED = Uint8Array.of(5, 0, 0, 3, 4, 0, 0);
const LISTED = deviceFor(KEYS.clientStatic.publicKey);
const letsIn = (...devices: Device[]): Partial<ResponderOptions> => ({ devices: () => devices });

/** A login by key up to its end, and everything that either side sent. */
function attempt(server: Partial<ResponderOptions> = letsIn(LISTED), client: LoginChanges = {}) {
  const near = Recorded.client({ ...BY_KEY, ...client });
  const far = Recorded.server(server);
  const hello = near.endpoint.start();
  const reply = far.feed(hello).output();
  const [finish] = near.feed(reply).units();
  if (finish !== undefined) far.feed(finish);
  return { near, far, hello, reply, finish: finish! };
}

/** HELLO by key with fields of its own, each as long as the test likes. */
function helloOf(fields: { identity?: number; pake?: number; cookie?: number; padding?: number; noise?: number }) {
  const { identity = 0, pake = 0, cookie = 0, padding = 0, noise = 32 } = fields;
  const filled = (length: number): Uint8Array => new Uint8Array(length).fill(0x61);
  const body = joined([
    Uint8Array.of(0x4c, 0x49, 0x4e, 0x45, 1, 1, 3, 1, 1, 0),
    new Uint8Array(16).fill(0xa0),
    Uint8Array.of(identity),
    filled(identity),
    Uint8Array.of(0, pake),
    filled(pake),
    Uint8Array.of(cookie),
    filled(cookie),
    Uint8Array.of(0, padding),
    filled(padding),
    noise === 32 ? KEYS.clientEphemeral.publicKey : filled(noise),
  ]);
  return encodeMessage(MESSAGE.HELLO, body);
}

describe('a login by key', () => {
  it('opens a line, and both ends have the same keys', () => {
    const { client, server } = openPair(BY_KEY, letsIn(deviceFor(KEYS.ya.publicKey, { name: 'other' }), LISTED));
    expect(client.dispatched).toEqual(['opened', 'settings']);
    expect(server.session?.login).toEqual({ kind: 'device', device: LISTED });
    expect(server.session?.peerKey).toEqual(KEYS.clientStatic.publicKey);
    expect(client.session?.peerKey).toEqual(KEYS.serverStatic.publicKey);
    expect(client.session?.login).toEqual({ kind: 'device' });
    expect(client.session?.exporter.verifier()).toEqual(server.session?.exporter.verifier());
  });

  it('has the sizes that the specification tells', () => {
    const { hello, reply, finish } = attempt();
    expect([hello.length, reply.length, finish.length]).toEqual([68, 106, 72]);
  });

  it('works in whichever pieces its bytes come', () => {
    const random = seeded(3);
    for (const step of [1, () => 1 + Math.floor(random() * 40)]) {
      const near = Recorded.client(BY_KEY);
      const far = Recorded.server(letsIn(LISTED));
      far.feed(near.endpoint.start(), step);
      near.feed(far.output(), step);
      far.feed(near.output(), step);
      exchange(near, far);
      expect(near.dispatched).toEqual(['opened', 'settings']);
    }
  });

  it('asks no guess budget, and counts as a HELLO of mode 3', () => {
    const asked: string[] = [];
    const gate: LoginGate = {
      hello: mode => {
        asked.push(`hello ${mode}`);
        return 'admit';
      },
      replied: () => void asked.push('replied'),
      guess: () => {
        asked.push('guess');
        return 'admit';
      },
    };
    attempt({ ...letsIn(LISTED), gate });
    attempt({ ...letsIn(), gate });
    expect(asked).toEqual(['hello 3', 'replied', 'hello 3', 'replied']);
  });

  it('that the limits refuse is BUSY before any work', () => {
    const gate: LoginGate = { ...OPEN_GATE, hello: () => ({ retryAfterSeconds: 9 }) };
    const { far } = attempt({ ...letsIn(LISTED), gate });
    expect(far.farewell().segments).toEqual([Uint8Array.of(5, 0, 0, 3, 2, 0, 9)]);
  });
});

describe('the known answers of a login by key', () => {
  const path = new URL('../vectors/line1-draft/device-stream.json', import.meta.url);
  const vector = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string> & {
    readonly [message in 'HELLO' | 'REPLY' | 'FINISH']: string;
  } & { inputs: Record<string, string> };
  const keyPair = (name: string) => nodeCrypto.importKeyPair(fromHex(vector.inputs[name]!));

  it('are ours, message by message and key by key', () => {
    const staticKey = keyPair('client_static');
    const initiator = new InitiatorHandshake(
      nodeCrypto,
      initiatorOptions({
        ...BY_KEY,
        staticKey,
        nonce: fromHex(vector.inputs['nonce']!),
        ephemeral: keyPair('client_ephemeral'),
      }),
    );
    const responder = new ResponderHandshake(
      nodeCrypto,
      responderOptions({
        staticKey: keyPair('server_static'),
        fresh: () => ({ ephemeral: keyPair('server_ephemeral'), pakeKey: KEYS.yb, unknownPrs: new Uint8Array(32) }),
        ...letsIn(deviceFor(staticKey.publicKey)),
      }),
    );
    const { sent, session } = exchangeAs(vector, initiator, responder);
    for (const { clientToServer, serverToClient, sessionId, exporter } of [sent.secrets, session.secrets]) {
      expect(toHex(clientToServer)).toBe(vector['c2s_traffic']);
      expect(toHex(serverToClient)).toBe(vector['s2c_traffic']);
      expect(toHex(sessionId)).toBe(vector['session_id']);
      expect(toHex(exporter.verifier())).toBe(vector['verifier']);
    }
  });
});

describe('R-A14: who is not let in by key', () => {
  it('is answered at once where the mode is not offered', () => {
    const { far, near } = attempt({ devices: () => undefined });
    expect(far.farewell()).toEqual({ segments: [REJECT_AUTH], delayed: false });
    expect(near.told).toEqual([]);
  });

  it.each([
    ['an empty list', []],
    ['a list of others', [deviceFor(KEYS.ya.publicKey), deviceFor(KEYS.yb.publicKey, { name: 'other' })]],
    ['a key that begins alike', [deviceFor(Uint8Array.from([...KEYS.clientStatic.publicKey.subarray(0, 31), 0]))]],
    ['a key that is shorter', [deviceFor(KEYS.clientStatic.publicKey.subarray(0, 31))]],
    ['an empty key', [deviceFor(new Uint8Array(0))]],
  ])('by %s is answered as a wrong passphrase is', (_, devices) => {
    const { far, near } = attempt(letsIn(...devices));
    expect(far.error?.code).toBe('AUTH');
    expect(far.dispatched).toEqual([]);
    const farewell = far.farewell();
    expect(farewell).toEqual({ segments: [REJECT_AUTH], delayed: true });
    near.feed(farewell.segments[0]!);
    expect(near.error?.code).toBe('AUTH');
    expect(near.dispatched).toEqual([]);
  });

  it('and was removed between HELLO and FINISH is not let in any more', () => {
    let devices = [LISTED];
    const near = Recorded.client(BY_KEY);
    const far = Recorded.server({ devices: () => devices });
    near.feed(far.feed(near.endpoint.start()).output());
    devices = [];
    far.feed(near.units()[0]!);
    expect(far.farewell()).toEqual({ segments: [REJECT_AUTH], delayed: true });
  });

  it('names a key of the list without holding it', () => {
    const claimed = { publicKey: KEYS.clientStatic.publicKey, privateKey: KEYS.ya.privateKey };
    const { far } = attempt(letsIn(LISTED), { staticKey: claimed });
    expect(far.farewell()).toEqual({ segments: [REJECT_AUTH], delayed: true });
    expect(far.dispatched).toEqual([]);
  });
});

describe('R-A5: a login by key elsewhere than it belongs', () => {
  const byKey = attempt();

  it('is refused by a client that knows no key of the server, before HELLO', () => {
    const withoutPin = () => Recorded.client({ ...BY_KEY, checkServerKey: undefined });
    expect(withoutPin).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it('gets no FINISH where the key of the server is another', () => {
    const checkServerKey = () => {
      throw new LineError('PIN', 'another key is pinned');
    };
    const { near, finish } = attempt(letsIn(LISTED), { checkServerKey });
    expect(near.error?.code).toBe('PIN');
    expect(finish).toBeUndefined();
    expect(near.farewell().segments).toEqual([]);
  });

  it('goes to nobody who has another static key than his own', () => {
    const pinned: Uint8Array[] = [];
    attempt(letsIn(LISTED), { checkServerKey: key => void pinned.push(key) });
    expect(pinned).toEqual([KEYS.serverStatic.publicKey]);
  });

  it.each([
    ['the highest version', 5, 2],
    ['the suite mask', 7, 3],
    ['the nonce', 10, 0x55],
  ])('fails at the client if %s was changed on the way', (_, at, value) => {
    const near = Recorded.client(BY_KEY);
    const hello = near.endpoint.start();
    hello[4 + at] = value;
    const far = Recorded.server(letsIn(LISTED)).feed(hello);
    expect(far.error).toBeUndefined();
    near.feed(far.output());
    expect(near.error?.code).toBe('AUTH');
    expect(near.told).toEqual([]);
  });

  it('does not become one by passphrase when the mode is changed, nor the other way round', () => {
    const asPassphrase = Uint8Array.from(byKey.hello);
    asPassphrase[4 + 6] = 1;
    expect(Recorded.server(letsIn(LISTED)).feed(asPassphrase).error?.code).toBe('MALFORMED');
    const passphrase = Recorded.client().endpoint.start();
    passphrase[4 + 6] = 3;
    expect(Recorded.server(letsIn(LISTED)).feed(passphrase).error?.code).toBe('MALFORMED');
  });

  it('has messages that a login by passphrase does not take, and takes none of its', () => {
    const passphrase = (() => {
      const near = Recorded.client();
      const far = Recorded.server();
      const hello = near.endpoint.start();
      const reply = far.feed(hello).output();
      return { hello, reply, finish: near.feed(reply).units()[0]! };
    })();
    const server = letsIn(LISTED);
    for (const [hello, finish] of [
      [passphrase.hello, byKey.finish],
      [byKey.hello, passphrase.finish],
    ] as const) {
      const far = Recorded.server(server).feed(joined([hello, finish]));
      expect(far.error?.code).toBe('AUTH');
      expect(far.dispatched).toEqual([]);
    }
    for (const [client, reply] of [
      [BY_KEY, passphrase.reply],
      [{}, byKey.reply],
    ] as const) {
      const near = Recorded.client(client);
      near.endpoint.start();
      expect(near.feed(reply).error?.code).toMatch(/^(AUTH|MALFORMED)$/);
      expect(near.told).toEqual([]);
    }
  });

  it('cannot be said again: FINISH fits no other session', () => {
    const fresh = () => ({
      ephemeral: nodeCrypto.generateKeyPair(),
      pakeKey: nodeCrypto.generateKeyPair(),
      unknownPrs: new Uint8Array(32),
    });
    const far = Recorded.server({ ...letsIn(LISTED), fresh }).feed(joined([byKey.hello, byKey.finish]));
    expect(far.error?.code).toBe('AUTH');
    expect(far.dispatched).toEqual([]);
  });

  it('is no message for the other side: neither end takes its own back', () => {
    for (const bytes of [byKey.hello, byKey.finish]) {
      const near = Recorded.client(BY_KEY);
      near.endpoint.start();
      expect(near.feed(bytes).error?.code).toBe('STATE');
    }
    expect(Recorded.server(letsIn(LISTED)).feed(byKey.reply).error?.code).toBe('STATE');
    expect(Recorded.server(letsIn(LISTED)).feed(joined([byKey.hello, byKey.reply])).error?.code).toBe('STATE');
  });

  it('makes no session with points of low order', () => {
    for (const first of [0, 1]) {
      const low = new Uint8Array(32);
      low[0] = first;
      const hello = Uint8Array.from(byKey.hello);
      hello.set(low, hello.length - 32);
      const far = Recorded.server(letsIn(LISTED)).feed(hello);
      expect(far.error?.code).toBe('MALFORMED');
      // As a static key that the list has, for whoever may write into it.
      const ephemeral = { publicKey: low, privateKey: KEYS.clientEphemeral.privateKey };
      const near = Recorded.client({ ...BY_KEY, ephemeral });
      const other = Recorded.server(letsIn(LISTED)).feed(near.endpoint.start());
      expect(other.dispatched).toEqual([]);
      const staticKey = { publicKey: low, privateKey: KEYS.clientStatic.privateKey };
      const named = attempt(letsIn(deviceFor(low)), { staticKey });
      expect(named.far.error?.code).toBe('AUTH');
      expect(named.far.dispatched).toEqual([]);
    }
  });

  it('is over at the first byte that is changed in REPLY or FINISH', () => {
    for (let at = 4; at < byKey.reply.length; at += 7) {
      const reply = Uint8Array.from(byKey.reply);
      reply[at]! ^= 1;
      const near = Recorded.client(BY_KEY);
      near.endpoint.start();
      expect(near.feed(reply).error?.code).toBe('AUTH');
    }
    for (let at = 4; at < byKey.finish.length; at += 7) {
      const finish = Uint8Array.from(byKey.finish);
      finish[at]! ^= 1;
      const far = Recorded.server(letsIn(LISTED)).feed(joined([byKey.hello, finish]));
      expect(far.farewell()).toEqual({ segments: [REJECT_AUTH], delayed: true });
    }
  });
});

describe('R-A7 R-A10: forms of HELLO in mode 3', () => {
  it('as it should be gets REPLY', () => {
    expect(Recorded.server(letsIn(LISTED)).feed(helloOf({})).units()).toHaveLength(1);
  });

  it.each([
    ['an identity', { identity: 1 }],
    ['a share', { pake: 32 }],
    ['a cookie', { cookie: 8 }],
    ['padding', { padding: 4 }],
    ['no Noise message', { noise: 0 }],
    ['a Noise message of 31 bytes', { noise: 31 }],
    ['a Noise message of 48 bytes', { noise: 48 }],
  ])('with %s is MALFORMED', (_, fields) => {
    const far = Recorded.server(letsIn(LISTED)).feed(helloOf(fields));
    expect(far.error?.code).toBe('MALFORMED');
    expect(far.farewell()).toEqual({ segments: [REJECT_MALFORMED], delayed: false });
  });
});
