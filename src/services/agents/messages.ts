import { LineError } from '../../errors.ts';
import type { LinePeer } from '../../line/route.ts';
import { decodeBase64url, encodeBase64url } from '../../protocol/bytes/base64url.ts';
import { type JsonObject, readInteger, readList, readObject, readText } from '../../protocol/bytes/json.ts';

/** Channels and messages of the agents service (docs/protocol/4-services.md §5). */

export const AGENTS_KIND = {
  join: 'agents.join',
  list: 'agents.list',
  /** From an operator to the server, which opens `reached` on the line of the agent and joins the two. */
  reach: 'agents.reach',
  reached: 'agents.reached',
  /** The same the other way round, for as long as a reach lasts. */
  back: 'agents.back',
  backed: 'agents.backed',
} as const;

/** What an agent says of itself when it joins. */
export interface AgentCard {
  /** As `agentName` gives it. */
  readonly name: string;
  /** Its system, for people: `linux x64`. */
  readonly platform: string;
  /** What its owner permits. It tells; the agent judges each channel itself. */
  readonly allow: readonly string[];
}

export interface AgentEntry extends AgentCard {
  /** When it joined, by the server's clock: milliseconds since 1970. */
  readonly sinceMs: number;
  /** Its static key, which it has proven to the server: 32 bytes. */
  readonly device: Uint8Array;
}

/** The one form of a name, whatever the case it is written in. Throws `BAD_NAME`. */
export function agentName(text: string): string {
  const name = text.toLowerCase();
  if (NAME.test(name)) return name;
  throw new LineError(
    'BAD_NAME',
    'a machine has a name of 1 to 63 letters a to z, digits, dots, underscores and hyphens',
  );
}

export function encodeCard({ name, platform, allow }: AgentCard): JsonObject {
  return { name, platform, allow };
}

export function decodeCard(message: JsonObject): AgentCard {
  const platform = readText(message, 'platform', MAX_PLATFORM_LENGTH);
  if (!PLAIN_TEXT.test(platform)) throw new LineError('MALFORMED', 'a platform is printable ASCII');
  const allow = readList(message, 'allow', MAX_PERMISSIONS).map(name => {
    if (typeof name === 'string' && PERMISSION.test(name)) return name;
    throw new LineError('MALFORMED', 'the name of a permission has at most 16 letters');
  });
  return { name: agentName(readText(message, 'name', MAX_NAME_LENGTH)), platform, allow };
}

export function encodeAgent(entry: AgentEntry): JsonObject {
  return { ...encodeCard(entry), since_ms: entry.sinceMs, device: encodeBase64url(entry.device) };
}

export function decodeAgent(message: JsonObject): AgentEntry {
  return {
    ...decodeCard(message),
    sinceMs: readInteger(message, 'since_ms'),
    device: decodeBytes(message, 'device', KEY_BYTES),
  };
}

/** What one channel is, for two ends that do not share a line. */
export interface Carried {
  readonly kind: string;
  readonly request: JsonObject;
  /** 32 random bytes of the side that opens: keys of the channel come from them. */
  readonly secret: Uint8Array;
}

export function encodeCarried({ kind, request, secret }: Carried): JsonObject {
  return { open: { ...request, kind }, secret: encodeBase64url(secret) };
}

export function decodeCarried(message: JsonObject): Carried {
  const request = readObject(message, 'open');
  return {
    kind: readText(request, 'kind', MAX_KIND_LENGTH),
    request,
    secret: decodeBytes(message, 'secret', KEY_BYTES),
  };
}

/** The channel that a back channel belongs to, by its number on the line that this is sent on. */
export function readReach(message: JsonObject): number {
  return readInteger(message, 'reach', 0, MAX_CHANNEL_NUMBER);
}

/** Who reaches an agent, as the server knows it: proven to the server, and told by it. */
export interface ReachedBy {
  /** The operator's line, by a number that the server gives no other line while it runs. */
  readonly line: number;
  readonly peer: LinePeer;
}

export function encodeReachedBy({ line, peer }: ReachedBy): JsonObject {
  return { line, device: encodeBase64url(peer.key), address: peer.address, agent: peer.agent };
}

export function decodeReachedBy(message: JsonObject): ReachedBy {
  const by = readObject(message, 'by');
  return {
    line: readInteger(by, 'line'),
    peer: {
      key: decodeBytes(by, 'device', KEY_BYTES),
      address: readText(by, 'address', MAX_ADDRESS_LENGTH),
      agent: readText(by, 'agent', MAX_AGENT_LENGTH),
    },
  };
}

export function asObject(value: unknown): JsonObject {
  return readObject({ value } as JsonObject, 'value');
}

function decodeBytes(message: JsonObject, key: string, length: number): Uint8Array {
  const bytes = decodeBase64url(readText(message, key, 64));
  if (bytes.length !== length) throw new LineError('MALFORMED', `the field ${key} does not have ${length} bytes`);
  return bytes;
}

/** Of keys and of secrets. */
export const KEY_BYTES = 32;
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const PLAIN_TEXT = /^[\x20-\x7e]*$/;
const PERMISSION = /^[a-z]{1,16}$/;
const MAX_NAME_LENGTH = 63;
const MAX_PLATFORM_LENGTH = 64;
const MAX_PERMISSIONS = 16;
const MAX_CHANNEL_NUMBER = 0xffff_ffff;
const MAX_KIND_LENGTH = 64;
const MAX_ADDRESS_LENGTH = 128;
const MAX_AGENT_LENGTH = 256;
