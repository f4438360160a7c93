import {
  AuthorizedKeys,
  type Device,
  deviceName,
  fingerprint,
  LineError,
  parsePublicKey,
  publicKeyText,
} from '../../node/index.ts';
import type { CommandContext } from '../context.ts';
import { DEFAULT_ALLOW } from '../grammar/options.ts';
import { parsePermissions } from '../permissions.ts';
import type { StreamStyle } from '../terminal/colors.ts';
import { escapeText } from '../terminal/escape.ts';
import { formatLocalTime, formatTimestamp } from '../terminal/format.ts';
import { displayWidth } from '../terminal/width.ts';

export interface DevicesOptions {
  readonly name?: string;
  readonly allow?: string;
}

/** The machines that servers of this user let in by their key: lists them, puts one in, takes one out. */
export async function devices(
  context: CommandContext,
  action: string,
  words: readonly string[],
  options: DevicesOptions,
): Promise<void> {
  const isAdding = action === 'add';
  if (!isAdding && (options.name !== undefined || options.allow !== undefined)) {
    throw new LineError('USAGE', '--name and --allow go with postern devices add KEY');
  }
  switch (action) {
    case 'list':
      if (words.length > 0) throw new LineError('USAGE', 'postern devices list takes nothing more');
      return list(context);
    case 'add':
      return add(context, words, options);
    case 'remove':
      return remove(context, words.join(' '));
    default:
      throw new LineError('USAGE', `there is no postern devices ${action}; there are list, add and remove`);
  }
}

async function list(context: CommandContext): Promise<void> {
  context.doing = 'cannot list the machines that are let in here';
  const keys = await AuthorizedKeys.open();
  if (context.options.json) await context.printJson({ devices: keys.devices.map(deviceJson) });
  else for (const line of table(keys.devices, context.stdout)) await context.print(line);
  for (const { number, problem } of keys.unread) {
    context.note(escapeText(`line ${number} of ${keys.path} ${problem}: it lets nobody in`));
  }
}

async function add(context: CommandContext, words: readonly string[], options: DevicesOptions): Promise<void> {
  context.doing = 'cannot let a machine in';
  const key = readKey(words);
  const allow = options.allow === undefined ? undefined : parsePermissions(options.allow);
  const keys = await AuthorizedKeys.open();
  const known = keys.devices.find(device => publicKeyText(device.key) === publicKeyText(key));
  const name = options.name?.normalize('NFC').trim() ?? known?.name ?? `machine ${fingerprint(key).slice(0, 8)}`;
  const wanted = { key, name: deviceName(name), allow: allow ?? known?.allow ?? parsePermissions(DEFAULT_ALLOW) };
  const device = await keys.put(wanted).catch((thrown: unknown) => {
    if (thrown instanceof LineError && thrown.code === 'EXISTS') {
      context.hint = 'choose another --name; postern devices lists them';
    }
    throw thrown;
  });
  if (context.options.json) {
    await context.printJson(deviceJson(device));
    return;
  }
  const powers = device.allow.length === 0 ? 'nothing' : `${device.allow.join(', ')} where postern serve allows it`;
  context.note(`${escapeText(device.name)} needs no passphrase here, and may do ${powers}`);
}

async function remove(context: CommandContext, which: string): Promise<void> {
  if (which === '') throw new LineError('USAGE', 'which machine? postern devices remove NAME or FINGERPRINT');
  context.doing = `cannot take ${which} out`;
  const keys = await AuthorizedKeys.open();
  // By fingerprint first: a machine chooses its name, and not its fingerprint.
  const device =
    keys.devices.find(({ key }) => fingerprint(key) === which) ??
    keys.devices.find(({ name }) => name === which.normalize('NFC'));
  if (device === undefined) {
    context.hint = 'postern devices lists them';
    throw new LineError('NOT_FOUND', 'no machine of this name or fingerprint is let in here');
  }
  await keys.remove(device.key);
  if (context.options.json) await context.printJson({ removed: deviceJson(device) });
  else context.note(`${escapeText(device.name)} is not let in any more; what it has open here ends now`);
}

/** `line1-x25519 KEY`, in one word or two, or KEY alone. */
function readKey(words: readonly string[]): Uint8Array {
  const text = words.join(' ').trim();
  try {
    return parsePublicKey(text.includes(' ') ? text : `line1-x25519 ${text}`);
  } catch (cause) {
    throw new LineError('USAGE', 'a key is line1-x25519 and 43 characters, as postern pair shows it', { cause });
  }
}

function table(devices: readonly Device[], style: StreamStyle): string[] {
  const rows = devices.map(({ name, key, sinceMs, allow }) => [
    escapeText(name),
    fingerprint(key),
    style.terminal ? formatLocalTime(sinceMs) : formatTimestamp(sinceMs),
    allow.join(',') || (style.terminal ? 'nothing' : ''),
  ]);
  if (!style.terminal) return rows.map(cells => cells.join('\t'));
  if (rows.length === 0) return [];
  const all = [HEADINGS, ...rows];
  // Names are of any script; all other cells are ASCII, and the last one ends its line.
  const widths = HEADINGS.map((_, at) => Math.max(...all.map(cells => displayWidth(cells[at]!))));
  const lines = all.map(cells =>
    cells
      .map((cell, at) => (at === cells.length - 1 ? cell : cell + ' '.repeat(widths[at]! - displayWidth(cell))))
      .join('  '),
  );
  if (lines.every(line => displayWidth(line) <= style.columns())) return lines;
  // Too wide for this screen: one machine below the other.
  return rows.flatMap(([name = '', key, since, allow]) => [
    name,
    `  ${key}`,
    `  since ${since}`,
    `  may do at most ${allow}`,
  ]);
}

function deviceJson({ name, key, sinceMs, allow }: Device): Record<string, unknown> {
  return { name, device: fingerprint(key), key: publicKeyText(key), since: formatTimestamp(sinceMs), allow };
}

const HEADINGS = ['NAME', 'FINGERPRINT', 'SINCE', 'MAY DO AT MOST'];
