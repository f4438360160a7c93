import { deviceName, fingerprint, LineError, pairDevice, publicKeyText, thisInstall } from '../../node/index.ts';
import type { CommandContext } from '../context.ts';
import { ownName } from '../own-name.ts';
import { formatHost, type RemotePlace } from '../place.ts';
import { escapeText } from '../terminal/escape.ts';
import { type DialOptions, dial, remoteHost } from './dial.ts';

export interface PairOptions extends DialOptions {
  readonly name?: string;
}

/** Has the server let this machine in by its key from now on, in place of the passphrase. */
export async function pair(context: CommandContext, text: string, options: PairOptions): Promise<void> {
  const place = await remoteHost(context, text, options);
  const host = formatHost(place.host);
  context.doing = `cannot pair with ${host}`;
  const name = deviceName((options.name ?? ownName()).normalize('NFC').trim());
  const install = thisInstall();
  const key = (await install.deviceKey()).publicKey;
  const connected = await dial(context, place, { ...options, byPassphrase: true });
  const { line } = connected;
  try {
    const paired = await pairDevice(connected, { name, signal: context.signal });
    await install.pins.rememberPairing(place.host, place.port);
    await line.close();
    // The entry may hold more than the server allows just now.
    const allow = paired.allow.filter(permission => connected.allowed.includes(permission));
    await report(context, place, {
      name: paired.name,
      allow,
      device: fingerprint(key),
      server: fingerprint(line.peer.key),
    });
  } catch (thrown) {
    line.abort(new LineError('CANCELLED', 'the other side has given up'));
    hintAtWays(context, thrown, key);
    throw thrown;
  }
}

async function report(
  context: CommandContext,
  { host, port }: RemotePlace,
  { name, allow, device, server }: { name: string; allow: readonly string[]; device: string; server: string },
): Promise<void> {
  if (context.options.json) {
    await context.printJson({ host, port, name, device, server, allowed: allow });
    return;
  }
  const shown = escapeText(formatHost(host));
  await context.print(`paired with ${shown} as ${escapeText(name)}: no passphrase is needed there from now on`);
  await context.print(`this machine  ${device}`);
  await context.print(`the server    ${server}`);
  await context.print(`may do there  ${allow.length === 0 ? 'nothing' : allow.map(escapeText).join(', ')}`);
}

/** What the owner of the server can do about it. */
function hintAtWays(context: CommandContext, thrown: unknown, key: Uint8Array): void {
  if (!(thrown instanceof LineError)) return;
  if (thrown.code === 'FORBIDDEN') {
    context.hint = `start it with postern serve --pair, or run there: postern devices add '${publicKeyText(key)}'`;
  } else if (thrown.code === 'EXISTS') {
    context.hint = 'choose another --name, or take that machine out there: postern devices remove NAME';
  } else if (thrown.code === 'INTERNAL') {
    context.why = 'the server cannot change its list of machines now';
    context.hint = 'its owner sees why in what postern serve tells there';
  }
}
