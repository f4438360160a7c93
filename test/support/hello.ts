import { nodeCrypto } from '../../src/node/crypto.ts';
import { ByteWriter } from '../../src/protocol/bytes/writer.ts';
import { encodeMessage, MESSAGE, prologueOf } from '../../src/protocol/handshake/messages.ts';
import { NoiseHandshake } from '../../src/protocol/handshake/noise.ts';
import { joined } from './bytes.ts';
import { KEYS } from './endpoints.ts';

/** HELLO as someone between the two would make it, or make it anew. */

const NOISE_BYTES = 48;

/**
 * The same HELLO with a tag that fits: the key of Noise's first message comes from its ephemeral key, which is sent in
 * clear, so whoever changes what stands before it can do this.
 */
export function repaired(hello: Uint8Array): Uint8Array {
  const beforeNoise = hello.subarray(0, hello.length - NOISE_BYTES);
  const publicKey = hello.slice(hello.length - NOISE_BYTES, hello.length - 16);
  const noise = new NoiseHandshake(nodeCrypto, {
    pattern: 'XXpsk3',
    role: 'initiator',
    prologue: prologueOf(beforeNoise),
    ephemeral: { privateKey: KEYS.clientEphemeral.privateKey, publicKey },
    static: KEYS.clientStatic,
  });
  return joined([beforeNoise, noise.writeMessage(new Uint8Array(0))]);
}

/** The same HELLO for another realm. */
export function changeRealm(hello: Uint8Array, realm: string): Uint8Array {
  const body = hello.subarray(4);
  const changed = joined([
    body.subarray(0, 26),
    Uint8Array.of(realm.length),
    new Uint8Array(Buffer.from(realm)),
    body.subarray(27 + body[26]!),
  ]);
  return encodeMessage(MESSAGE.HELLO, changed);
}

/** A HELLO of fields as long as the test likes; otherwise one that a server would take. */
export function helloOf(fields: {
  identity?: Uint8Array;
  pake?: Uint8Array;
  cookie?: Uint8Array;
  padding?: Uint8Array;
  noise?: Uint8Array;
}): Uint8Array {
  const { identity, pake, cookie, padding, noise } = fields;
  const none = new Uint8Array(0);
  const body = new ByteWriter()
    .bytes(Uint8Array.of(0x4c, 0x49, 0x4e, 0x45, 1, 1, 1, 1, 1, 0))
    .bytes(new Uint8Array(16).fill(0xa0))
    .u8((identity ?? none).length)
    .bytes(identity ?? none)
    .u16((pake ?? KEYS.ya.publicKey).length)
    .bytes(pake ?? KEYS.ya.publicKey)
    .u8((cookie ?? none).length)
    .bytes(cookie ?? none)
    .u16((padding ?? none).length)
    .bytes(padding ?? none)
    .bytes(noise ?? joined([KEYS.clientEphemeral.publicKey, new Uint8Array(16)]))
    .finish();
  const hello = encodeMessage(MESSAGE.HELLO, body);
  return noise === undefined ? repaired(hello) : hello;
}

/** REPLY as a server that runs Noise as it should, but says what it likes. */
export function replyWith(hello: Uint8Array, payload: Uint8Array): Uint8Array {
  const noise = new NoiseHandshake(nodeCrypto, {
    pattern: 'XXpsk3',
    role: 'responder',
    prologue: prologueOf(hello.subarray(0, hello.length - NOISE_BYTES)),
    ephemeral: KEYS.serverEphemeral,
    static: KEYS.serverStatic,
  });
  noise.readMessage(hello.subarray(hello.length - NOISE_BYTES));
  return encodeMessage(MESSAGE.REPLY, noise.writeMessage(payload));
}
