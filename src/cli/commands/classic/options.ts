import { isIPv4, isIPv6 } from 'node:net';
import { type Command, Option } from 'commander';
import { type Address, formatAddress } from '../../../classic/index.ts';
import { LineError } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';

/** What the programs of the wing have in common: where they listen, whom they call, and the word of warning. */

export interface ListenOptions {
  readonly listen?: string;
  readonly insecure?: boolean;
}

/** Options of a serving side. `port` is the original's. */
export function listens(command: Command, port: number): Command {
  return command
    .option('--listen <address>', `ADDR:PORT or PORT, 0 for any free port (default: ${LOOPBACK}:${port})`)
    .option('--insecure', 'listen on an address that other machines reach, though nothing protects it');
}

/** The argument of a calling side. */
export function addressed(command: Command, port: number): Command {
  return command.argument('[address]', `HOST:PORT (default: ${LOOPBACK}:${port})`);
}

/** For originals that have an encoding; `fallback` is theirs. */
export function encodes(command: Command, fallback: 'gbk' | 'utf-8'): Command {
  const option = new Option('--encoding <name>', 'of text on the wire: gbk or utf-8');
  return command.addOption(option.choices(['gbk', 'utf-8']).default(fallback));
}

/** Where to listen. Throws `FORBIDDEN` for an address that is not this machine's alone, unless `--insecure` is given. */
export function listenAddress({ listen, insecure }: ListenOptions, port: number): Address {
  const address = listen === undefined ? { host: LOOPBACK, port } : parseListen(listen);
  if (!insecure && !isLoopback(address.host)) {
    const why = `${formatAddress(address)} can be reached by others, and nothing protects what is served there`;
    throw new LineError('FORBIDDEN', `${why}; --insecure listens there all the same`);
  }
  return address;
}

/** Whom to call. Throws `USAGE` for what is no HOST:PORT. */
export function callAddress(text: string | undefined, port: number): Address {
  if (text === undefined) return { host: LOOPBACK, port };
  const parts = /^(?:\[([^\]]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text);
  if (parts === null) throw new LineError('USAGE', 'HOST:PORT is needed here, with an IPv6 address in brackets');
  return { host: parts[1] ?? parts[2]!, port: parsePort(parts[3]!, 1) };
}

interface Warning {
  readonly program: string;
  /** The verb that is secure. */
  readonly secure: string;
  readonly why?: string | undefined;
}

/** Said by every program that uses the network, each time: what it is not, and which verb is. */
export function tellInsecure(
  context: CommandContext,
  { program, secure, why = 'nothing is encrypted, anybody may answer' }: Warning,
  options: ListenOptions = {},
): void {
  const line = `classic ${program} is not secure: ${why}; ${secure} is`;
  // Whoever opens it to others hears of it under -q too.
  if (options.insecure) context.tell(line);
  else context.note(line);
}

/** Says where a program listens: who calls needs it where port 0 has been asked for. */
export async function tellListening(context: CommandContext, address: Address): Promise<void> {
  if (context.options.json) await context.printJson({ type: 'ready', address: address.host, port: address.port });
  else context.note(`listening on ${formatAddress(address)}`);
}

function parseListen(text: string): Address {
  const parts = /^(?:(?:\[([^\]]+)\]|([^:[\]/\s]*)):)?(\d{1,5})$/.exec(text);
  if (parts === null) throw new LineError('USAGE', '--listen takes ADDR:PORT, with an IPv6 address in brackets');
  const host = parts[1] ?? parts[2] ?? LOOPBACK;
  return { host: ANY_ADDRESS.has(host) ? '0.0.0.0' : host, port: parsePort(parts[3]!, 0) };
}

function parsePort(text: string, lowest: number): number {
  const port = Number(text);
  if (port < lowest || port > 65_535) throw new LineError('USAGE', `a port is a number from ${lowest} to 65535`);
  return port;
}

/** A name is none: what it leads to is for others to say. */
function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || (isIPv4(host) && host.startsWith('127.')) || (isIPv6(host) && /^[0:]*:0*1$/.test(host))
  );
}

const LOOPBACK = '127.0.0.1';
const ANY_ADDRESS: ReadonlySet<string> = new Set(['', '*']);
