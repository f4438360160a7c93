import { describe, expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { portableCrypto } from '../../../src/protocol/crypto/portable.ts';
import type { CryptoProvider, KeyPair } from '../../../src/protocol/crypto/provider.ts';
import { CipherState, NoiseHandshake, type NoisePattern } from '../../../src/protocol/handshake/noise.ts';
import { codeOf, fromHex, readVectors, toHex } from '../crypto/vectors.ts';

interface NoiseVector {
  protocol_name: string;
  init_prologue: string;
  init_psks?: string[];
  init_static?: string;
  init_ephemeral: string;
  resp_prologue: string;
  resp_psks?: string[];
  resp_static?: string;
  resp_ephemeral: string;
  handshake_hash?: string;
  messages: { payload: string; ciphertext: string }[];
}

const PATTERNS = ['XX', 'XXpsk3', 'NNpsk0'] as const;
const empty = new Uint8Array(0);

const published = ['cacophony', 'snow'].flatMap(origin =>
  readVectors<{ vectors: NoiseVector[] }>(`noise/${origin}-selected.json`).vectors.flatMap(vector => {
    const pattern = PATTERNS.find(name => vector.protocol_name === `Noise_${name}_25519_AESGCM_SHA512`);
    return pattern === undefined ? [] : [{ origin, pattern, vector }];
  }),
);

describe.each<[string, CryptoProvider]>([
  ['nodeCrypto', nodeCrypto],
  ['portableCrypto', portableCrypto(length => nodeCrypto.randomBytes(length))],
])('the published vectors over %s', (_name, provider) => {
  it('are four', () => {
    expect(published.map(({ origin, pattern }) => `${origin} ${pattern}`).sort()).toEqual([
      'cacophony NNpsk0',
      'cacophony XX',
      'cacophony XXpsk3',
      'snow XX',
    ]);
  });

  it.each(published)('are met by both sides: $origin $pattern', ({ pattern, vector }) => {
    const side = (role: 'initiator' | 'responder', prefix: 'init' | 'resp') => {
      const staticHex = vector[`${prefix}_static`];
      const noise = new NoiseHandshake(provider, {
        pattern,
        role,
        prologue: fromHex(vector[`${prefix}_prologue`]),
        ephemeral: provider.importKeyPair(fromHex(vector[`${prefix}_ephemeral`])),
        ...(staticHex === undefined ? {} : { static: provider.importKeyPair(fromHex(staticHex)) }),
      });
      return { noise, psk: vector[`${prefix}_psks`]?.[0] };
    };
    const initiator = side('initiator', 'init');
    const responder = side('responder', 'resp');
    const pskMessage = pattern === 'NNpsk0' ? 0 : 2;
    const handshakeMessages = pattern === 'NNpsk0' ? 2 : 3;

    vector.messages.slice(0, handshakeMessages).forEach(({ payload, ciphertext }, index) => {
      if (index === pskMessage) {
        for (const { noise, psk } of [initiator, responder]) if (psk !== undefined) noise.setPsk(fromHex(psk));
      }
      const [writer, reader] = index % 2 === 0 ? [initiator, responder] : [responder, initiator];
      expect(toHex(writer.noise.writeMessage(fromHex(payload)))).toBe(ciphertext);
      expect(toHex(reader.noise.readMessage(fromHex(ciphertext)))).toBe(payload);
    });

    const ours = initiator.noise.split();
    const theirs = responder.noise.split();
    expect([ours.k1, ours.k2, ours.handshakeHash]).toEqual([theirs.k1, theirs.k2, theirs.handshakeHash]);
    if (vector.handshake_hash !== undefined) expect(toHex(ours.handshakeHash)).toBe(vector.handshake_hash);

    const ciphers = [
      { seal: new CipherState(provider, ours.k1), open: new CipherState(provider, theirs.k1) },
      { seal: new CipherState(provider, ours.k2), open: new CipherState(provider, theirs.k2) },
    ];
    vector.messages.slice(handshakeMessages).forEach(({ payload, ciphertext }, index) => {
      const { seal, open } = ciphers[(handshakeMessages + index) % 2]!;
      expect(toHex(seal.encryptWithAd(empty, fromHex(payload)))).toBe(ciphertext);
      expect(toHex(open.decryptWithAd(empty, fromHex(ciphertext)))).toBe(payload);
    });
  });
});

describe('the PASSPHRASE handshake of the line1 draft', () => {
  const draft = readVectors<Record<string, string> & { inputs: Record<string, string> }>(
    'line1-draft/passphrase-stream.json',
  );
  const key = (name: string) => nodeCrypto.importKeyPair(fromHex(draft.inputs[name]!));
  const prologue = fromHex(draft['prologue']!);
  // A line1 message carries its Noise message at its end; the prologue tells how much comes before.
  const messageOf = (name: string, skipped: number) => fromHex(draft[name]!).subarray(skipped);
  const hello = messageOf('HELLO', prologue.length - 'line1 hello'.length - 1);
  const reply = messageOf('REPLY', 4);
  const finish = messageOf('FINISH', 4);

  it('is written and read as the draft says, the server looking at the key first', () => {
    const client = new NoiseHandshake(nodeCrypto, {
      pattern: 'XXpsk3',
      role: 'initiator',
      prologue,
      ephemeral: key('client_ephemeral'),
      static: key('client_static'),
    });
    const server = new NoiseHandshake(nodeCrypto, {
      pattern: 'XXpsk3',
      role: 'responder',
      prologue,
      ephemeral: key('server_ephemeral'),
      static: key('server_static'),
    });

    expect(client.writeMessage(empty)).toEqual(hello);
    expect(server.readMessage(hello)).toEqual(empty);
    expect(toHex(server.remoteEphemeral!)).toBe(draft['ADa']);

    server.setPsk(fromHex(draft['psk']!));
    expect(server.writeMessage(fromHex(draft['REPLY_payload']!))).toEqual(reply);
    expect(toHex(client.readMessage(reply))).toBe(draft['REPLY_payload']);
    expect(toHex(client.remoteEphemeral!)).toBe(draft['ADb']);
    expect(client.remoteStatic).toEqual(key('server_static').publicKey);

    client.setPsk(fromHex(draft['psk']!));
    expect(client.writeMessage(fromHex(draft['FINISH_payload']!))).toEqual(finish);
    expect(server.readStaticKey(finish)).toEqual(key('client_static').publicKey);
    expect(toHex(server.finishMessage())).toBe(draft['FINISH_payload']);

    for (const result of [client.split(), server.split()]) {
      expect(toHex(result.handshakeHash)).toBe(draft['handshake_hash']);
      expect(toHex(result.k1)).toBe(draft['split_k1']);
      expect(toHex(result.k2)).toBe(draft['split_k2']);
    }
  });
});

describe.each(PATTERNS)('a handshake by %s', pattern => {
  const messages = pattern === 'NNpsk0' ? 2 : 3;

  it('gives both sides the same keys and the static key of the other', () => {
    const pair = newPair(pattern);
    exchange(pair, messages);
    const ours = pair.initiator.split();
    const theirs = pair.responder.split();
    expect(ours.k1).toEqual(theirs.k1);
    expect(ours.k2).toEqual(theirs.k2);
    expect(ours.k1).not.toEqual(ours.k2);
    expect(ours.remoteStatic).toEqual(pattern === 'NNpsk0' ? undefined : pair.responderStatic.publicKey);
    expect(theirs.remoteStatic).toEqual(pattern === 'NNpsk0' ? undefined : pair.initiatorStatic.publicKey);
  });

  // A bit changed in a message without a tag is found by the next message that has one.
  it.each(Array.from({ length: messages }, (_, index) => index))('fails for every changed bit of message %i', index => {
    const { message } = exchange(newPair(pattern), index, true);
    for (let bit = 0; bit < message.length * 8; bit++) {
      const pair = newPair(pattern);
      exchange(pair, index);
      const [writer, reader] = turn(pair, index);
      const changed = writer.writeMessage(Uint8Array.of(1, 2, 3));
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const code = codeOf(() => {
        reader.readMessage(changed);
        for (let rest = index + 1; rest < messages; rest++) {
          const [nextWriter, nextReader] = turn(pair, rest);
          nextReader.readMessage(nextWriter.writeMessage(empty));
        }
      });
      // X25519 ignores the top bit of a public key, but the hash of the transcript does not.
      expect(['AUTH', 'MALFORMED'], `bit ${bit}`).toContain(code);
    }
  });

  it.each(Array.from({ length: messages }, (_, index) => index))('fails for message %i cut short anywhere', index => {
    const { message } = exchange(newPair(pattern), index, true);
    for (let length = 0; length < message.length; length++) {
      const pair = newPair(pattern);
      exchange(pair, index);
      const [writer, reader] = turn(pair, index);
      const whole = writer.writeMessage(empty);
      if (length >= whole.length) break;
      expect(
        codeOf(() => reader.readMessage(whole.subarray(0, length))),
        `${length} bytes`,
      ).toBe('MALFORMED');
    }
  });

  it('fails when the prologues differ', () => {
    const pair = newPair(pattern, { responderPrologue: Uint8Array.of(9) });
    expect(codeOf(() => exchange(pair, messages))).toBe('AUTH');
  });

  it('fails for a low-order ephemeral key', () => {
    const pair = newPair(pattern, { initiatorEphemeral: withPublicKey(new Uint8Array(32)) });
    expect(codeOf(() => exchange(pair, messages))).toBe('AUTH');
  });

  it('is dead after a failure and says no more than AUTH', () => {
    const pair = newPair(pattern);
    exchange(pair, 1);
    const [writer, reader] = turn(pair, 1);
    const message = writer.writeMessage(empty);
    const changed = Uint8Array.from(message);
    changed[changed.length - 1]! ^= 1;
    try {
      reader.readMessage(changed);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(LineError);
      expect((error as LineError).message).toBe('the handshake did not verify');
      expect((error as LineError).cause).toBeDefined();
    }
    expect(codeOf(() => reader.readMessage(message))).toBe('STATE');
    expect(codeOf(() => reader.writeMessage(empty))).toBe('STATE');
    expect(codeOf(() => reader.split())).toBe('STATE');
  });

  it('refuses calls that are not due, and goes on', () => {
    const pair = newPair(pattern);
    for (let index = 0; index < messages; index++) {
      const [writer, reader] = turn(pair, index);
      expect(codeOf(() => writer.readMessage(empty))).toBe('STATE');
      expect(codeOf(() => writer.readStaticKey(empty))).toBe('STATE');
      expect(codeOf(() => reader.writeMessage(empty))).toBe('STATE');
      expect(codeOf(() => reader.finishMessage())).toBe('STATE');
      expect(codeOf(() => writer.split())).toBe('STATE');
      reader.readMessage(writer.writeMessage(empty));
    }
    pair.initiator.split();
    pair.responder.split();
    for (const side of [pair.initiator, pair.responder]) {
      expect(codeOf(() => side.split())).toBe('STATE');
      expect(codeOf(() => side.writeMessage(empty))).toBe('STATE');
      expect(codeOf(() => side.readMessage(empty))).toBe('STATE');
      expect(codeOf(() => side.setPsk(new Uint8Array(32)))).toBe('STATE');
    }
  });

  it('takes the largest message and none larger', () => {
    const overhead = newPair(pattern).initiator.writeMessage(empty).length;
    const pair = newPair(pattern);
    const payload = new Uint8Array(65_535 - overhead).fill(5);
    expect(pair.responder.readMessage(pair.initiator.writeMessage(payload))).toEqual(payload);
    expect(codeOf(() => newPair(pattern).initiator.writeMessage(new Uint8Array(65_536 - overhead)))).toBe('SIZE');
    expect(codeOf(() => newPair(pattern).responder.readMessage(new Uint8Array(65_536)))).toBe('SIZE');
  });

  it('refuses to begin with static keys that do not fit the pattern', () => {
    const pair = nodeCrypto.generateKeyPair();
    const options = { pattern, role: 'initiator', prologue: empty, ephemeral: pair } as const;
    const wrong = pattern === 'NNpsk0' ? { ...options, static: pair } : options;
    expect(codeOf(() => new NoiseHandshake(nodeCrypto, wrong))).toBe('USAGE');
  });
});

describe('a psk', () => {
  it('that differs fails the message that mixes it', () => {
    const pair = newPair('XXpsk3', { responderPsk: new Uint8Array(32).fill(8) });
    exchange(pair, 2);
    const message = pair.initiator.writeMessage(empty);
    expect(codeOf(() => pair.responder.readMessage(message))).toBe('AUTH');

    const early = newPair('NNpsk0', { responderPsk: new Uint8Array(32).fill(8) });
    expect(codeOf(() => exchange(early, 1))).toBe('AUTH');
  });

  it('that is missing is a STATE error before anything is touched, and can still be set', () => {
    const pair = newPair('XXpsk3', { late: true });
    exchange(pair, 2);
    expect(codeOf(() => pair.initiator.writeMessage(empty))).toBe('STATE');
    pair.initiator.setPsk(new Uint8Array(32));
    const message = pair.initiator.writeMessage(empty);
    expect(codeOf(() => pair.responder.readMessage(message))).toBe('STATE');
    expect(pair.responder.readStaticKey(message)).toEqual(pair.initiatorStatic.publicKey);
    expect(codeOf(() => pair.responder.finishMessage())).toBe('STATE');
    pair.responder.setPsk(new Uint8Array(32));
    expect(pair.responder.finishMessage()).toEqual(empty);
    expect(pair.responder.split().k1).toEqual(pair.initiator.split().k1);
  });

  it('is taken once, with 32 bytes, and only by a pattern that has one', () => {
    const pair = newPair('XXpsk3', { late: true });
    expect(codeOf(() => pair.initiator.setPsk(new Uint8Array(31)))).toBe('USAGE');
    pair.initiator.setPsk(new Uint8Array(32));
    expect(codeOf(() => pair.initiator.setPsk(new Uint8Array(32)))).toBe('STATE');
    expect(codeOf(() => newPair('XX').initiator.setPsk(new Uint8Array(32)))).toBe('STATE');
  });
});

describe('readStaticKey', () => {
  it('shows a key that the peer only claims, and finishMessage fails if it does not hold it', () => {
    const claimed = nodeCrypto.generateKeyPair().publicKey;
    const pair = newPair('XXpsk3', { initiatorStatic: withPublicKey(claimed) });
    exchange(pair, 2);
    const message = pair.initiator.writeMessage(empty);
    expect(pair.responder.readStaticKey(message)).toEqual(claimed);
    expect(codeOf(() => pair.responder.finishMessage())).toBe('AUTH');
    expect(codeOf(() => pair.responder.split())).toBe('STATE');
  });

  it('is not due for a message that brings no static key', () => {
    const pair = newPair('XX');
    const message = pair.initiator.writeMessage(empty);
    expect(codeOf(() => pair.responder.readStaticKey(message))).toBe('STATE');
    pair.responder.readMessage(message);
  });

  it('leaves nothing due but finishMessage', () => {
    const pair = newPair('XX');
    exchange(pair, 2);
    const message = pair.initiator.writeMessage(empty);
    pair.responder.readStaticKey(message);
    expect(codeOf(() => pair.responder.readMessage(message))).toBe('STATE');
    expect(codeOf(() => pair.responder.readStaticKey(message))).toBe('STATE');
    expect(codeOf(() => pair.responder.split())).toBe('STATE');
    pair.responder.finishMessage();
    pair.responder.split();
  });

  it('fails for a low-order static key', () => {
    const pair = newPair('XX', { initiatorStatic: withPublicKey(new Uint8Array(32)) });
    exchange(pair, 2);
    const message = pair.initiator.writeMessage(empty);
    pair.responder.readStaticKey(message);
    expect(codeOf(() => pair.responder.finishMessage())).toBe('AUTH');
  });
});

describe('abort', () => {
  it('ends the handshake', () => {
    const { initiator } = newPair('XX');
    initiator.abort();
    initiator.abort();
    expect(codeOf(() => initiator.writeMessage(empty))).toBe('STATE');
  });
});

interface Pair {
  initiator: NoiseHandshake;
  responder: NoiseHandshake;
  initiatorStatic: KeyPair;
  responderStatic: KeyPair;
}

interface Changes {
  responderPrologue?: Uint8Array;
  initiatorEphemeral?: KeyPair;
  initiatorStatic?: KeyPair;
  responderPsk?: Uint8Array;
  /** Leaves the psk to be set by the test. */
  late?: boolean;
}

function newPair(pattern: NoisePattern, changes: Changes = {}): Pair {
  const initiatorStatic = changes.initiatorStatic ?? fixedKey(1);
  const responderStatic = fixedKey(2);
  const statics = (key: KeyPair) => (pattern === 'NNpsk0' ? {} : { static: key });
  const initiator = new NoiseHandshake(nodeCrypto, {
    pattern,
    role: 'initiator',
    prologue: Uint8Array.of(7),
    ephemeral: changes.initiatorEphemeral ?? fixedKey(3),
    ...statics(initiatorStatic),
  });
  const responder = new NoiseHandshake(nodeCrypto, {
    pattern,
    role: 'responder',
    prologue: changes.responderPrologue ?? Uint8Array.of(7),
    ephemeral: fixedKey(4),
    ...statics(responderStatic),
  });
  if (pattern !== 'XX' && changes.late !== true) {
    initiator.setPsk(new Uint8Array(32));
    responder.setPsk(changes.responderPsk ?? new Uint8Array(32));
  }
  return { initiator, responder, initiatorStatic, responderStatic };
}

const fixedKeys = new Map<number, KeyPair>();

function fixedKey(seed: number): KeyPair {
  const known = fixedKeys.get(seed) ?? nodeCrypto.importKeyPair(new Uint8Array(32).fill(seed));
  fixedKeys.set(seed, known);
  return known;
}

/** A key pair whose public half is somebody else's. */
function withPublicKey(publicKey: Uint8Array): KeyPair {
  return { privateKey: fixedKey(5).privateKey, publicKey };
}

/** Carries the first `count` messages; with `peek`, writes the next one and returns it. */
function exchange(pair: Pair, count: number, peek = false): { message: Uint8Array } {
  for (let index = 0; index < count; index++) {
    const [writer, reader] = turn(pair, index);
    reader.readMessage(writer.writeMessage(empty));
  }
  return { message: peek ? turn(pair, count)[0].writeMessage(Uint8Array.of(1, 2, 3)) : empty };
}

function turn(pair: Pair, index: number): [NoiseHandshake, NoiseHandshake] {
  return index % 2 === 0 ? [pair.initiator, pair.responder] : [pair.responder, pair.initiator];
}
