import { userInfo } from 'node:os';
import { readConfig } from '../../../node/index.ts';

/** What one is called in rooms: as told, else `chat_name` of the configuration, else the login name made fit. */
export async function chatName(told: string | undefined): Promise<string> {
  return told ?? (await readConfig()).chatName ?? fitName(loginName());
}

/** What may not stand in a name is left out (docs/protocol/4-services.md, chat). */
export function fitName(name: string): string {
  const fit = name
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N}._-]|\p{Default_Ignorable_Code_Point}/gu, '')
    .replace(/^[^\p{L}\p{N}]+/u, '');
  return Array.from(fit).slice(0, MAX_CHARACTERS).join('') || 'guest';
}

function loginName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user that this system has no entry for, in a container for one.
    return '';
  }
}

const MAX_CHARACTERS = 32;
