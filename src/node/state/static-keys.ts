import { join } from 'node:path';
import { LineError } from '../../errors.ts';
import type { CryptoProvider, KeyPair } from '../../protocol/crypto/provider.ts';
import { type StateFolders, stateFolders } from './folders.ts';
import { createPrivateFile, type PrivateFile, readPrivateFile } from './private-file.ts';
import { decodeKey } from './public-key.ts';

/** Serving and dialling use two keys, so that one user can do both on one machine (docs/protocol/1-handshake.md §7). */
export type StaticKeyPurpose = 'host' | 'device';

/**
 * The key of this install, made at first use. Processes that start at the same time end with the same key: each draws
 * one, one of them gets the name, and all read what stands under it.
 */
export async function loadStaticKey(
  provider: CryptoProvider,
  purpose: StaticKeyPurpose,
  folders: StateFolders = stateFolders(),
): Promise<KeyPair> {
  const file: PrivateFile = { path: join(folders.data, `${purpose}.key`), secret: true };
  let text = await readPrivateFile(file);
  if (text === undefined) {
    await createPrivateFile(file, encodeKeyFile(provider.randomBytes(KEY_BYTES)));
    text = await readPrivateFile(file);
  }
  const privateKey = text === undefined ? undefined : decodeKeyFile(text);
  if (privateKey === undefined) {
    throw new LineError('ACCESS', `${file.path} holds no key; move it away and a new one is made`);
  }
  return provider.importKeyPair(privateKey);
}

function encodeKeyFile(privateKey: Uint8Array): string {
  return `${HEADER}\n${Buffer.from(privateKey).toString('base64url')}\n`;
}

function decodeKeyFile(text: string): Uint8Array | undefined {
  const [header, key, ...rest] = text.split(/\r?\n/);
  if (header !== HEADER || key === undefined || rest.join('') !== '') return undefined;
  return decodeKey(key);
}

const KEY_BYTES = 32;
const HEADER = 'line1-x25519 private key, to be kept secret';
