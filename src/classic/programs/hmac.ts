import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { LineError } from '../../errors.ts';
import type { Address } from '../address.ts';
import { receiveExactly } from '../framing/exactly.ts';
import { SILENCE_MS } from '../limits.ts';
import { acceptOne, dial } from '../net/tcp.ts';
import type { ProgramOptions, ServeOptions } from '../person.ts';

/**
 * The challenge: the serving side sends 32 random bytes, the calling side their HMAC under the secret. It shows that the
 * caller knows the secret, to somebody who may be anybody: the server proves nothing, what follows is not bound to it, and
 * whoever stands between the two passes both messages on.
 */

export type Digest = 'md5' | 'sha256';

export interface HmacOptions {
  readonly secret: Uint8Array;
  /** The original's is MD5, Python's default then. */
  readonly digest?: Digest | undefined;
}

/** One caller is checked. Resolves with whether it knew the secret. */
export async function serveHmac(at: Address, options: ServeOptions & HmacOptions): Promise<boolean> {
  const { person, secret, digest = 'md5' } = options;
  const connection = await acceptOne(at, options);
  try {
    const challenge = randomBytes(CHALLENGE_BYTES);
    await connection.send(challenge);
    const expected = solve(challenge, secret, digest);
    const answer = await receiveExactly(connection, expected.length).catch(noAnswer);
    const isRight = answer !== undefined && timingSafeEqual(answer, expected);
    await person.say(isRight ? '合法的客户端' : '不合法的客户端');
    return isRight;
  } finally {
    await connection.close();
  }
}

/** Answers the challenge. Whether the answer was right it is not told. */
export async function callHmac(to: Address, options: ProgramOptions & HmacOptions): Promise<void> {
  const { person, signal, secret, digest = 'md5' } = options;
  const connection = await dial(to, signal);
  try {
    // Not a byte more than a challenge has: this signs whatever a stranger sends.
    const challenge = await receiveExactly(connection, CHALLENGE_BYTES, SILENCE_MS);
    await connection.send(solve(challenge, secret, digest));
    person.note('the answer is sent; whether it is right the server alone learns');
  } finally {
    await connection.close();
  }
}

function solve(challenge: Uint8Array, secret: Uint8Array, digest: Digest): Uint8Array {
  return createHmac(digest, secret).update(challenge).digest();
}

/** A caller that hangs up or says nothing does not know it. */
function noAnswer(thrown: unknown): undefined {
  if (thrown instanceof LineError) return undefined;
  throw thrown;
}

const CHALLENGE_BYTES = 32;
