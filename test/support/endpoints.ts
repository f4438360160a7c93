import { expect } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { JsonObject } from '../../src/protocol/bytes/json.ts';
import type { ChannelState } from '../../src/protocol/channels/channel-state.ts';
import type { Settings } from '../../src/protocol/channels/settings.ts';
import { Endpoint, type EndpointEvents, type Farewell, type Session } from '../../src/protocol/endpoint.ts';
import {
  InitiatorHandshake,
  type InitiatorOptions,
  type PassphraseLogin,
} from '../../src/protocol/handshake/initiator.ts';
import { type LoginGate, ResponderHandshake, type ResponderOptions } from '../../src/protocol/handshake/responder.ts';
import { RecordKeys } from '../../src/protocol/records/record-keys.ts';
import { openRecord, sealRecord } from '../../src/protocol/records/seal.ts';
import type { Unit } from '../../src/protocol/records/unit-reader.ts';
import { joined, toHex } from './bytes.ts';

/** Two endpoints without a transport: what one gives out is handed to the other by the test, changed or not. */

/** The keys of a test are fixed: a transcript can be made again, and cut or changed at each of its bytes. */
export const KEYS = {
  clientStatic: key(0x11),
  clientEphemeral: key(0x12),
  serverStatic: key(0x21),
  serverEphemeral: key(0x22),
  ya: key(0x31),
  yb: key(0x32),
};

function key(byte: number) {
  return nodeCrypto.importKeyPair(new Uint8Array(32).fill(byte));
}

/** As good as a stretched passphrase, without the 80 ms. */
export const PRS = new Uint8Array(32).fill(0x51);
export const OTHER_PRS = new Uint8Array(32).fill(0x52);

export const OPEN_GATE: LoginGate = { hello: () => 'admit', replied() {}, guess: () => 'admit' };

export const SETTINGS: Settings = {
  agent: 'test',
  maxRecordBytes: 69_632,
  creditBytes: 128 * 1024,
  laneCreditBytes: 1024 * 1024,
  maxChannels: 16,
  features: [],
};

/** What a test changes of a login: by passphrase, or with `passphrase: undefined` by key. */
export type LoginChanges = Partial<InitiatorOptions & PassphraseLogin>;

/** A login by key. */
export const BY_KEY: LoginChanges = { passphrase: undefined };

export function initiatorOptions({ prs, realm, pakeKey, ...options }: LoginChanges = {}): InitiatorOptions {
  return {
    passphrase: { prs: prs ?? PRS, realm: realm ?? '', pakeKey: pakeKey ?? KEYS.ya },
    staticKey: KEYS.clientStatic,
    nonce: new Uint8Array(16).fill(0xa0),
    ephemeral: KEYS.clientEphemeral,
    checkServerKey() {},
    ...options,
  };
}

export function responderOptions(options: Partial<ResponderOptions> = {}): ResponderOptions {
  return {
    staticKey: KEYS.serverStatic,
    fresh: () => ({ ephemeral: KEYS.serverEphemeral, pakeKey: KEYS.yb, unknownPrs: OTHER_PRS }),
    realm: name => (name === '' ? { name, prs: PRS, generated: true } : undefined),
    unknownRealm: { generated: true },
    gate: OPEN_GATE,
    ...options,
  };
}

/** An endpoint with everything it told written down. */
export class Recorded implements EndpointEvents {
  readonly endpoint: Endpoint;
  readonly told: string[] = [];
  readonly channels = new Map<number, ChannelState>();
  readonly bytesOf = new Map<number, number>();
  readonly messages: Uint8Array[] = [];
  session: Session | undefined;
  error: LineError | undefined;
  #handshake: Uint8Array[] = [];

  constructor(make: (events: EndpointEvents) => Endpoint) {
    this.endpoint = make(this);
  }

  static client(options: LoginChanges = {}, settings = SETTINGS): Recorded {
    return new Recorded(events => Endpoint.initiator(nodeCrypto, settings, events, initiatorOptions(options)));
  }

  static server(options: Partial<ResponderOptions> = {}, settings = SETTINGS): Recorded {
    return new Recorded(events => Endpoint.responder(nodeCrypto, settings, events, responderOptions(options)));
  }

  /** Whether anything of the peer went further than the core. */
  get dispatched(): string[] {
    return this.told.filter(name => name !== 'handshakeBytes' && name !== 'keyed');
  }

  /** Gives bytes in pieces of at most `step`; what breaks the protocol is kept in `error`, and nothing is taken after. */
  feed(bytes: Uint8Array, step: number | (() => number) = Number.POSITIVE_INFINITY): this {
    for (let at = 0; at < bytes.length && this.error === undefined; ) {
      const space = this.endpoint.space();
      const length = Math.min(space.length, bytes.length - at, typeof step === 'number' ? step : step());
      space.set(bytes.subarray(at, at + length));
      at += length;
      try {
        this.endpoint.received(length);
      } catch (thrown) {
        if (!(thrown instanceof LineError)) throw thrown;
        this.error = thrown;
      }
    }
    return this;
  }

  /** What this end says before it is over because of the error it met. */
  farewell(): Farewell {
    return this.endpoint.farewell(this.error!);
  }

  /** Each handshake message and each record that waits, one array each. */
  units(slow = false): Uint8Array[] {
    const units = this.#handshake.splice(0);
    for (let record = this.endpoint.takeOutput(slow); record !== undefined; record = this.endpoint.takeOutput(slow)) {
      units.push(joined(record));
    }
    return units;
  }

  output(): Uint8Array {
    return joined(this.units());
  }

  handshakeBytes(segments: Uint8Array[]): void {
    this.told.push('handshakeBytes');
    this.#handshake.push(joined(segments));
  }
  keyed(): void {
    this.told.push('keyed');
  }
  opened(session: Session): void {
    this.told.push('opened');
    this.session = session;
  }
  settingsReceived(): void {
    this.told.push('settings');
  }
  channelOpened(channel: ChannelState, request: JsonObject): void {
    this.told.push(`open ${channel.id} ${JSON.stringify(request)}`);
    this.channels.set(channel.id, channel);
  }
  channelMessage(channel: ChannelState, bytes: Uint8Array): void {
    this.told.push(`message ${channel.id}`);
    this.messages.push(bytes.slice());
  }
  channelData(channel: ChannelState, bytes: Uint8Array): void {
    this.told.push(`data ${channel.id}`);
    this.bytesOf.set(channel.id, (this.bytesOf.get(channel.id) ?? 0) + bytes.length);
  }
  channelEnded(channel: ChannelState): void {
    this.told.push(`end ${channel.id}`);
  }
  channelFailed(channel: ChannelState, error: LineError): void {
    this.told.push(`failed ${channel.id} ${error.code}`);
  }
  channelFlushed(channel: ChannelState): void {
    this.told.push(`flushed ${channel.id}`);
  }
  controlReceived(): void {
    this.told.push('control');
  }
  pongReceived(): void {
    this.told.push('pong');
  }
  goAwayReceived(error: LineError): void {
    this.told.push(`goaway ${error.code}`);
  }
  closeReceived(error: LineError | undefined): void {
    this.told.push(`close ${error?.code ?? 'OK'}`);
  }
}

/** Two ends that have logged in and read each other's SETTINGS. */
export function openPair(
  client: LoginChanges = {},
  server: Partial<ResponderOptions> = {},
): { client: Recorded; server: Recorded } {
  const pair = { client: Recorded.client(client), server: Recorded.server(server) };
  pair.server.feed(pair.client.endpoint.start());
  exchange(pair.client, pair.server);
  return pair;
}

/** Hands everything that waits to the other end, until nothing waits. */
export function exchange(first: Recorded, second: Recorded): void {
  for (let moved = true; moved; ) {
    moved = false;
    for (const [from, to] of [
      [second, first],
      [first, second],
    ] as const) {
      const bytes = from.output();
      if (bytes.length === 0) continue;
      moved = true;
      to.feed(bytes);
    }
  }
}

/** A peer that holds valid keys and sends what it likes: frames go out as they are given. */
export class HostilePeer {
  readonly target: Recorded;
  readonly #sending: RecordKeys;
  readonly #receiving: RecordKeys;

  private constructor(target: Recorded, sending: Uint8Array, receiving: Uint8Array) {
    this.target = target;
    this.#sending = new RecordKeys(nodeCrypto, sending);
    this.#receiving = new RecordKeys(nodeCrypto, receiving);
  }

  /** Logs in to a server of ours; nothing has been sent after FINISH. */
  static client(settings = SETTINGS, options: Partial<ResponderOptions> = {}): HostilePeer {
    const target = Recorded.server(options, settings);
    const handshake = new InitiatorHandshake(nodeCrypto, initiatorOptions());
    target.feed(handshake.hello());
    const { finish, secrets } = handshake.receive(unitOf(target.output()));
    target.feed(finish);
    return new HostilePeer(target, secrets.clientToServer, secrets.serverToClient);
  }

  /** Lets a client of ours log in. */
  static server(settings = SETTINGS): HostilePeer {
    const target = Recorded.client({}, settings);
    const handshake = new ResponderHandshake(nodeCrypto, responderOptions());
    const reply = handshake.receive(unitOf(target.endpoint.start()));
    if (reply.type !== 'send') throw new Error('no REPLY');
    target.feed(reply.message);
    const [finish, ...records] = target.units();
    const result = handshake.receive(unitOf(finish!));
    if (result.type !== 'session') throw new Error('no session');
    const peer = new HostilePeer(target, result.secrets.serverToClient, result.secrets.clientToServer);
    for (const record of records) peer.open(record);
    return peer;
  }

  seal(...plaintext: Uint8Array[]): Uint8Array {
    const bytes = joined(plaintext);
    return joined(sealRecord(this.#sending, [bytes], bytes.length));
  }

  open(record: Uint8Array): Uint8Array {
    return openRecord(this.#receiving, unitOf(record));
  }

  /** Sends one record of these frames; the target's error, if it broke off. */
  send(...frames: Uint8Array[]): LineError | undefined {
    return this.target.feed(this.seal(...frames)).error;
  }

  /** Everything the target wants to send, opened. */
  read(): Uint8Array {
    return joined(this.target.units().map(record => this.open(record)));
  }
}

/** A whole handshake message or record as the reader cuts it. */
export function unitOf(bytes: Uint8Array): Unit {
  return { type: bytes[0]!, header: bytes.subarray(0, 4), body: bytes.subarray(4) };
}

/** A login by the two of them, each message compared with that of the vector. */
export function exchangeAs(
  vector: Readonly<Record<'HELLO' | 'REPLY' | 'FINISH', string>>,
  initiator: InitiatorHandshake,
  responder: ResponderHandshake,
) {
  const hello = initiator.hello();
  expect(toHex(hello)).toBe(vector.HELLO);
  const reply = responder.receive(unitOf(hello));
  if (reply.type !== 'send') throw reply;
  expect(toHex(reply.message)).toBe(vector.REPLY);
  const sent = initiator.receive(unitOf(reply.message));
  expect(toHex(sent.finish)).toBe(vector.FINISH);
  const session = responder.receive(unitOf(sent.finish));
  if (session.type !== 'session') throw session;
  return { sent, session };
}
