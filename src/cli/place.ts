import { isIPv6 } from 'node:net';
import { LineError } from '../errors.ts';
import { decodeName, encodeName } from '../index.ts';
import { DEFAULT_PORT, parsePort } from './port.ts';

/**
 * Where something is: here, or under the folder that a host serves. `HOST:PATH` is raw, a URL's path is percent-decoded
 * byte by byte; neither is ever handed to a URL parser, which would fold `..` and cut at `#` and `?`.
 */
export type Place = RemotePlace | LocalPlace;

export interface RemotePlace {
  readonly kind: 'remote';
  /** As `connect` takes it: lower case, an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Relative to the served folder, `''` for the folder itself; in the form of `decodeName`. */
  readonly path: string;
  /** Written with a slash at its end: a folder is meant. Always true of the served folder itself. */
  readonly trailingSlash: boolean;
}

export interface LocalPlace {
  readonly kind: 'local';
  /** As given. */
  readonly path: string;
}

export interface PlaceOptions {
  /** From `--port`; a port in a URL is more specific and wins, one of an alias is less and yields. */
  readonly port?: number | undefined;
  /** `[hosts.NAME]` of the configuration. */
  readonly aliases?: ReadonlyMap<string, HostAlias> | undefined;
  /** `C:\folder` and `C:/folder` are local. */
  readonly driveLetters?: boolean | undefined;
}

export interface HostAlias {
  readonly host: string;
  readonly port?: number | undefined;
}

/** For arguments that may be either: remote is a URL, or what has a colon before any slash. */
export function parsePlace(text: string, options: PlaceOptions = {}): Place {
  return parseExplicit(text, options) ?? { kind: 'local', path: nonEmpty(text) };
}

/** For arguments that are always remote, where a bare `HOST` means the served folder. */
export function parseRemote(text: string, options: PlaceOptions = {}): RemotePlace {
  const explicit = parseExplicit(text, options);
  if (explicit?.kind === 'remote') return explicit;
  if (explicit !== undefined || text.includes('/')) {
    throw usage('a place on another machine is needed here: HOST, HOST:PATH or postern://HOST/PATH');
  }
  return resolve(text, undefined, '', options);
}

/** `[::1]` for an address with colons, else the host as it is. */
export function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** `HOST:PATH` for messages; not escaped. */
export function formatPlace(place: Place): string {
  if (place.kind === 'local') return place.path;
  return place.path === '' ? formatHost(place.host) : `${formatHost(place.host)}:${place.path}`;
}

/** The URL that `parsePlace` reads as this place, in printable ASCII but for an international host name. */
export function formatUrl(place: Omit<RemotePlace, 'kind'>): string {
  const host = formatHost(place.host.replace('%', '%25'));
  const port = place.port === DEFAULT_PORT ? '' : `:${place.port}`;
  let path = '';
  for (const byte of encodeName(place.path)) {
    const character = String.fromCharCode(byte);
    path += URL_PLAIN.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  const slash = place.trailingSlash && path !== '' ? '/' : '';
  return `postern://${host}${port}/${path}${slash}`;
}

/** A URL or `HOST:PATH`; `undefined` for what is a bare word or a local path by its form. */
function parseExplicit(text: string, options: PlaceOptions): Place | undefined {
  if (text.includes('\0')) throw usage('a place holds a NUL character');
  if (/^postern:/i.test(text)) {
    if (!/^postern:\/\//i.test(text)) throw usage('a postern URL begins with postern://');
    return parseUrl(text.slice('postern://'.length), options);
  }
  if ((options.driveLetters ?? process.platform === 'win32') && /^[a-z]:[\\/]/i.test(text)) {
    return { kind: 'local', path: text };
  }
  const colon = colonAfterHost(text);
  if (colon === -1) return undefined;
  return resolve(text.slice(0, colon), undefined, text.slice(colon + 1), options);
}

/** Position of the colon that ends the host, -1 if there is none before the first slash. */
function colonAfterHost(text: string): number {
  if (text.startsWith('[')) {
    const end = text.indexOf(']');
    if (end === -1) throw usage('a bracket around the address of a host is not closed');
    if (end + 1 === text.length) return -1;
    if (text[end + 1] !== ':') throw usage('after [ADDRESS] comes a colon and a path');
    return end + 1;
  }
  const colon = text.indexOf(':');
  const slash = text.indexOf('/');
  if (colon === -1 || (slash !== -1 && slash < colon)) return -1;
  if (isIPv6(text)) throw usage('an IPv6 address stands in brackets: [ADDRESS]:PATH');
  return colon;
}

function parseUrl(afterScheme: string, options: PlaceOptions): RemotePlace {
  const slash = afterScheme.indexOf('/');
  const authority = slash === -1 ? afterScheme : afterScheme.slice(0, slash);
  const path = slash === -1 ? '' : afterScheme.slice(slash + 1);
  // What stands before the @ may be a secret, so it is not repeated (R-A3).
  if (authority.includes('@')) throw usage('a postern URL carries no user name and no password');
  const parts = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority);
  if (parts === null) throw usage('the host or the port of a postern URL makes no sense');
  const host = parts[1]!.replace('%25', '%');
  const port = parts[2] ? parsePort(parts[2]) : undefined;
  return resolve(host, port, percentDecode(path), options);
}

function percentDecode(text: string): string {
  const bytes: number[] = [];
  const raw = encodeName(wellFormed(text));
  for (let at = 0; at < raw.length; at++) {
    if (raw[at] !== PERCENT) {
      bytes.push(raw[at]!);
      continue;
    }
    const digits = String.fromCharCode(...raw.subarray(at + 1, at + 3));
    if (!/^[0-9a-f]{2}$/i.test(digits))
      throw usage('in a postern URL a % stands before two hex digits; write % as %25');
    bytes.push(Number.parseInt(digits, 16));
    at += 2;
  }
  return decodeName(Uint8Array.from(bytes));
}

/** Puts alias, port and path together; `urlPort` is the one written into the place itself. */
function resolve(host: string, urlPort: number | undefined, path: string, options: PlaceOptions): RemotePlace {
  const alias = options.aliases?.get(host);
  const port = urlPort ?? options.port ?? alias?.port ?? DEFAULT_PORT;
  return { kind: 'remote', host: checkHost(alias?.host ?? host), port, ...cleanPath(path) };
}

function checkHost(host: string): string {
  if (host.startsWith('[') && host.endsWith(']')) {
    const address = host.slice(1, -1);
    if (!isIPv6(address)) throw usage('what stands in the brackets is no IPv6 address');
    return address.toLowerCase();
  }
  if (host === '') throw usage('a host is missing before the colon; a local file may be written ./:NAME');
  if (host.includes('@')) throw usage('a place is HOST:PATH without a user name');
  if (isIPv6(host)) return host.toLowerCase();
  if (!HOST_NAME.test(host)) throw usage('the name of a host has letters, digits, dots and hyphens');
  return host.toLowerCase();
}

/** Removes what means nothing: repeated and outer slashes, `.` names. A leading slash is the served folder. */
function cleanPath(raw: string): Pick<RemotePlace, 'path' | 'trailingSlash'> {
  if (raw.includes('\0')) throw usage('a path holds a NUL character');
  const names = raw.split('/');
  if (names.includes('..')) throw usage('a path with .. in it is refused');
  const last = names.at(-1);
  const path = names.filter(name => name !== '' && name !== '.').join('/');
  return { path, trailingSlash: path === '' || last === '' || last === '.' };
}

function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw usage('a place holds half of a character');
  return text;
}

function nonEmpty(text: string): string {
  if (text === '') throw usage('a place is empty; the current folder is .');
  return text;
}

function usage(message: string): LineError {
  return new LineError('USAGE', message);
}

const PERCENT = 0x25;
const URL_PLAIN = /^[A-Za-z0-9\-._~/!$&'()*+,;=:@]$/;
const HOST_NAME = /^[\p{L}\p{M}\p{N}_][\p{L}\p{M}\p{N}_.-]*$/u;
