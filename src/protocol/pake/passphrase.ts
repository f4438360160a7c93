import { LineError } from '../../errors.ts';
import { encodeAscii, encodeUtf8 } from '../bytes/text.ts';
import { concatBytes } from '../bytes/writer.ts';
import { extract, kdf } from '../crypto/kdf.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import { cpaceShare, lvCat } from './cpace.ts';

/**
 * What a passphrase becomes: the password of CPace (PRS) before, and the pre-shared key of Noise after it
 * (docs/protocol/1-handshake.md). A realm names one passphrase of several that a server may have; the default is ''.
 */

/**
 * The PRS: 32 bytes stretched by scrypt, some 0.1 s of work. A server stores it in place of the passphrase, which it
 * equals in power: who has it can log in.
 */
export function stretchPassphrase(provider: CryptoProvider, passphrase: string, realm: string): Promise<Uint8Array> {
  const salt = concatBytes(encodeAscii('line1 prs'), Uint8Array.of(0), encodeUtf8(realm));
  return provider.scrypt(encodeUtf8(preparePassphrase(passphrase)), salt, SCRYPT_COST, 32);
}

/**
 * The form in which two keyboards give the same passphrase: as OpaqueString (RFC 8265, section 4.2) without its tables
 * that change with the version of Unicode. What it refuses is `USAGE`; the text is never in the error.
 */
export function preparePassphrase(passphrase: string): string {
  if (passphrase === '') throw new LineError('USAGE', 'the passphrase is empty');
  if (!passphrase.isWellFormed()) throw new LineError('USAGE', 'the passphrase holds half of a surrogate pair');
  if (/\p{Cc}/u.test(passphrase)) throw new LineError('USAGE', 'the passphrase holds a control character');
  return passphrase.replace(/\p{Zs}/gu, ' ').normalize('NFC');
}

/** The CI: the two ends by role, and the realm. */
export function channelIdentifier(realm: string): Uint8Array {
  return lvCat(encodeAscii('line1 client'), encodeAscii('line1 server'), encodeUtf8(realm));
}

/**
 * Makes a share that nobody uses: the first one of a process takes ten times as long as the next, because its code is
 * still to be compiled. For whoever has to wait anyhow, as for `stretchPassphrase`.
 */
export function rehearse(provider: CryptoProvider): void {
  const unused = new Uint8Array(32);
  const inputs = { password: unused, channelIdentifier: channelIdentifier(''), sessionId: unused };
  cpaceShare(provider, inputs, provider.generateKeyPair().privateKey);
}

/** The pre-shared key that Noise mixes into its third message, from the session key of CPace and HELLO's nonce. */
export function passphrasePsk(provider: CryptoProvider, nonce: Uint8Array, sessionKey: Uint8Array): Uint8Array {
  return kdf(provider, extract(provider, nonce, sessionKey), 'psk cpace', new Uint8Array(0), 32);
}

/** scrypt's N, fixed by the protocol. */
const SCRYPT_COST = 32_768;
