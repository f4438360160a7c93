/** What limits are counted by. `weight` multiplies each figure per source. */
export interface Source {
  readonly key: string;
  readonly weight: number;
}

/** A whole /64 belongs to one host and often a /48 to one site, so IPv6 is counted by both. */
const SITE_WEIGHT = 8;

/** The sources of an address: an IPv4 address itself, an IPv6 address's /64 and /48, anything else (`unix`) itself. */
export function sourcesOf(address: string): readonly Source[] {
  const groups = parseIpv6(address);
  if (groups === undefined) return [{ key: address, weight: 1 }];
  const [, , , , , marker, high, low] = groups as [number, number, number, number, number, number, number, number];
  if (marker === 0xffff && groups.slice(0, 5).every(group => group === 0)) {
    return [{ key: [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.'), weight: 1 }];
  }
  const prefix = (length: number): string => groups.slice(0, length).map(toHex).join(':');
  return [
    { key: `${prefix(4)}::/64`, weight: 1 },
    { key: `${prefix(3)}::/48`, weight: SITE_WEIGHT },
  ];
}

/** The eight groups of an IPv6 address (RFC 4291, section 2.2; a zone is cut off), or `undefined` if it is none. */
function parseIpv6(address: string): number[] | undefined {
  const [halves, tail] = splitOnce(address.replace(/%.*$/, ''), '::');
  const head = parseGroups(halves);
  const rest = tail === undefined ? [] : parseGroups(tail);
  if (head === undefined || rest === undefined) return undefined;
  const missing = 8 - head.length - rest.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...Array.from({ length: missing }, () => 0), ...rest];
}

function parseGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  for (const part of text.split(':')) {
    const dotted = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(part);
    if (dotted) {
      const [a, b, c, d] = dotted.slice(1).map(Number) as [number, number, number, number];
      groups.push((a << 8) | b, (c << 8) | d);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function toHex(group: number): string {
  return group.toString(16);
}
