import { LineError } from '../../errors.ts';
import { ByteReader } from '../bytes/reader.ts';
import { encodeAscii } from '../bytes/text.ts';
import { ByteWriter, concatBytes } from '../bytes/writer.ts';
import {
  MAX_FINISH_BYTES,
  MAX_HELLO_BYTES,
  MAX_NOTICE_BYTES,
  MAX_REPLY_BYTES,
  PROTOCOL_VERSION,
  SUITE,
} from '../limits.ts';

/** The bytes of the handshake messages (docs/protocol/1-handshake.md §3). Meaning: initiator.ts, responder.ts. */

export const MESSAGE = { HELLO: 1, REPLY: 2, FINISH: 3, RETRY: 4, REJECT: 5 } as const;

export const MODE = { PASSPHRASE: 1, USER: 2, DEVICE: 3, JOIN: 4 } as const;

export const REJECT = { VERSION: 1, BUSY: 2, AUTH: 3, MALFORMED: 4, GONE: 5 } as const;

/** Caps on `length` by type, checked when the header is read. A type that is not in the table is no message. */
export function maxMessageBytes(type: number): number {
  const caps = [0, MAX_HELLO_BYTES, MAX_REPLY_BYTES, MAX_FINISH_BYTES, MAX_NOTICE_BYTES, MAX_NOTICE_BYTES];
  return caps[type] ?? 0;
}

export function encodeMessage(type: number, body: Uint8Array): Uint8Array {
  return new ByteWriter().u8(type).u24(body.length).bytes(body).finish();
}

export interface Hello {
  readonly versionUsed: number;
  readonly highestVersion: number;
  readonly mode: number;
  readonly suites: number;
  readonly suiteUsed: number;
  readonly flags: number;
  readonly nonce: Uint8Array;
  readonly identity: Uint8Array;
  readonly pake: Uint8Array;
  readonly cookie: Uint8Array;
  readonly padding: Uint8Array;
  readonly noise: Uint8Array;
}

/** Noise message 1 in HELLO: an ephemeral key and, in a pattern with a psk, the tag of an empty payload. */
export const NOISE_BYTES = { PASSPHRASE: 48, DEVICE: 32 } as const;

const MAGIC = encodeAscii('LINE');
export const NONCE_BYTES = 16;

/** Header and body up to, not including, the Noise message: what the prologue covers. */
export function encodeHelloStart(
  fields: { mode: number; nonce: Uint8Array; identity: Uint8Array; pake: Uint8Array },
  noiseLength: number,
): Uint8Array {
  const body = new ByteWriter()
    .bytes(MAGIC)
    .u8(PROTOCOL_VERSION)
    .u8(PROTOCOL_VERSION)
    .u8(fields.mode)
    .u8(1 << (SUITE - 1))
    .u8(SUITE)
    .u8(0)
    .bytes(fields.nonce)
    .u8(fields.identity.length)
    .bytes(fields.identity)
    .u16(fields.pake.length)
    .bytes(fields.pake)
    .u8(0)
    .u16(0)
    .finish();
  return new ByteWriter()
    .u8(MESSAGE.HELLO)
    .u24(body.length + noiseLength)
    .bytes(body)
    .finish();
}

/**
 * Magic and the two versions keep their place in every version, so they are read and judged before the rest. The mode is
 * that of version 1; in another version it may be anything, and only chooses which rate limit counts.
 */
export function decodeHelloStart(body: Uint8Array): { versionUsed: number; highestVersion: number; mode: number } {
  const reader = new ByteReader(body);
  const magic = reader.take(MAGIC.length);
  if (magic.some((byte, at) => byte !== MAGIC[at])) throw new LineError('MALFORMED', 'not a HELLO');
  return { versionUsed: reader.u8(), highestVersion: reader.u8(), mode: reader.u8() };
}

export function decodeHello(body: Uint8Array): Hello {
  const reader = new ByteReader(body);
  reader.take(MAGIC.length);
  return {
    versionUsed: reader.u8(),
    highestVersion: reader.u8(),
    mode: reader.u8(),
    suites: reader.u8(),
    suiteUsed: reader.u8(),
    flags: reader.u8(),
    nonce: reader.take(NONCE_BYTES),
    identity: reader.take(reader.u8()),
    pake: reader.take(reader.u16()),
    cookie: reader.take(reader.u8()),
    padding: reader.take(reader.u16()),
    noise: reader.rest(),
  };
}

/** What both sides bind into the handshake: everything that was said in clear before the first Noise message. */
export function prologueOf(messageBeforeNoise: Uint8Array): Uint8Array {
  return concatBytes(PROLOGUE_LABEL, Uint8Array.of(STREAM_TRANSPORT), messageBeforeNoise);
}

const PROLOGUE_LABEL = encodeAscii('line1 hello');
const STREAM_TRANSPORT = 0;

/** Payload of the Noise message in REPLY. */
export function encodeReplyPayload(pake: Uint8Array): Uint8Array {
  return new ByteWriter().u8(PROTOCOL_VERSION).u8(SUITE).u16(pake.length).bytes(pake).u16(0).finish();
}

export function decodeReplyPayload(payload: Uint8Array): { version: number; suite: number; pake: Uint8Array } {
  const reader = new ByteReader(payload);
  const fields = { version: reader.u8(), suite: reader.u8(), pake: reader.take(reader.u16()) };
  if (reader.u16() !== 0) throw new LineError('MALFORMED', 'REPLY carries an extension over a stream');
  reader.finish();
  return fields;
}

/** Payload of the Noise message in FINISH: in the modes of this version neither PAKE message nor extension. */
export const FINISH_PAYLOAD = new Uint8Array(4);

export function checkFinishPayload(payload: Uint8Array): void {
  if (payload.length !== FINISH_PAYLOAD.length || payload.some(byte => byte !== 0)) {
    throw new LineError('MALFORMED', 'FINISH carries what its mode does not have');
  }
}

export function encodeReject(code: number, retryAfterSeconds = 0): Uint8Array {
  return encodeMessage(MESSAGE.REJECT, new ByteWriter().u8(code).u16(Math.min(retryAfterSeconds, 0xffff)).finish());
}

/** RETRY over a stream: the version that this side would use, and no cookie. */
export function encodeRetry(version: number): Uint8Array {
  return encodeMessage(MESSAGE.RETRY, Uint8Array.of(version, 0));
}

/** The error that a REJECT means. It is not authenticated: it ends the attempt and relaxes nothing. */
export function errorFromReject(body: Uint8Array, login: LoginKind): LineError {
  const reader = new ByteReader(body);
  const code = reader.u8();
  const retryAfterSeconds = reader.u16();
  reader.finish();
  switch (code) {
    case REJECT.VERSION:
      return new LineError('VERSION', 'the other side speaks no version of the protocol that this one has');
    case REJECT.BUSY:
      return new LineError('BUSY', 'the other side takes no logins for now', { retryAfterSeconds });
    case REJECT.GONE:
      return new LineError('GONE', 'this one-time code has been used up');
    case REJECT.MALFORMED:
      return new LineError('PROTOCOL', 'the other side could not read this handshake');
    default:
      return new LineError('AUTH', REFUSED[login]);
  }
}

/** What opens a line: a passphrase, or the key of a machine that was let in before. */
export type LoginKind = 'passphrase' | 'device';

const REFUSED: Readonly<Record<LoginKind, string>> = {
  passphrase: 'the passphrase is wrong, or this login is not allowed',
  device: 'the key of this machine is not let in there, or not any more',
};
