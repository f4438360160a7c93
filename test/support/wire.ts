import type { Listener } from '../../src/line/listener.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { Frame } from '../../src/protocol/channels/frame.ts';
import { InitiatorHandshake, type InitiatorOptions } from '../../src/protocol/handshake/initiator.ts';
import { RecordKeys } from '../../src/protocol/records/record-keys.ts';
import { openRecord, sealRecord } from '../../src/protocol/records/seal.ts';
import type { ManualClock } from '../../src/testing/manual-clock.ts';
import { type MemoryTransport, memoryPair } from '../../src/transports/memory.ts';
import type { TransportSink } from '../../src/transports/transport.ts';
import { joined } from './bytes.ts';
import { initiatorOptions, type LoginChanges, unitOf } from './endpoints.ts';
import { PASSPHRASE, prsOf } from './lines.ts';
import { framesOf, settingsFrame } from './multiplexers.ts';
import { settled } from './session-ends.ts';

/** A client made by hand: it says to a listener whatever the test wants, and keeps what it hears. */
export class Wire implements TransportSink {
  readonly transport: MemoryTransport;
  state: 'open' | 'ended' | 'broken' = 'open';
  #heard: Uint8Array[] = [];
  readonly #place = new Uint8Array(64 * 1024);
  #keys: { sending: RecordKeys; receiving: RecordKeys } | undefined;

  constructor(transport: MemoryTransport) {
    this.transport = transport;
    transport.start(this);
  }

  /** A connection from `source`. */
  static to(listener: Listener, source = 'memory'): Wire {
    const [near, far] = memoryPair({ secondPeer: { label: source, source } });
    listener.accept(far);
    return new Wire(near);
  }

  /** One that has sent HELLO, read REPLY and sent FINISH; with the right passphrase it has keys. */
  static async login(listener: Listener, source = 'memory', options: LoginChanges = {}): Promise<Wire> {
    const wire = Wire.to(listener, source);
    const handshake = new InitiatorHandshake(nodeCrypto, await freshOptions(options));
    wire.send(handshake.hello());
    await settled(2);
    const [reply] = wire.units();
    if (reply?.[0] !== 2) throw new Error(`no REPLY but ${reply?.join()}`);
    const { finish, secrets } = handshake.receive(unitOf(reply));
    wire.send(finish);
    wire.#keys = {
      sending: new RecordKeys(nodeCrypto, secrets.clientToServer),
      receiving: new RecordKeys(nodeCrypto, secrets.serverToClient),
    };
    await settled(2);
    return wire;
  }

  /** As `login`, and SETTINGS have gone both ways. */
  static async open(listener: Listener): Promise<Wire> {
    const wire = await Wire.login(listener);
    await wire.sendFrames(settingsFrame({ credit: 4 * 1024 * 1024, lane_credit: 16 * 1024 * 1024 }));
    wire.frames();
    return wire;
  }

  send(bytes: Uint8Array): void {
    this.transport.write([bytes]);
  }

  async sendFrames(...frames: Uint8Array[]): Promise<void> {
    const plaintext = joined(frames);
    this.transport.write(sealRecord(this.#keys!.sending, [plaintext], plaintext.length));
    await settled(2);
  }

  /** What was heard since the last call, cut into messages and records. */
  units(): Uint8Array[] {
    const bytes = joined(this.#heard.splice(0));
    const units: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = 4 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
      units.push(bytes.subarray(at, at + length));
      at += length;
    }
    return units;
  }

  frames(): Frame[] {
    return this.units().flatMap(unit => framesOf(openRecord(this.#keys!.receiving, unitOf(unit))));
  }

  space(): Uint8Array {
    return this.#place;
  }
  received(byteLength: number): void {
    this.#heard.push(this.#place.slice(0, byteLength));
  }
  sent(): void {}
  ended(): void {
    this.state = 'ended';
  }
  failed(): void {
    this.state = 'broken';
  }
}

/** What a client gives to its handshake, with everything drawn anew. */
export async function freshOptions(options: LoginChanges = {}): Promise<InitiatorOptions> {
  return initiatorOptions({
    prs: await prsOf(PASSPHRASE),
    nonce: nodeCrypto.randomBytes(16),
    ephemeral: nodeCrypto.generateKeyPair(),
    pakeKey: nodeCrypto.generateKeyPair(),
    staticKey: nodeCrypto.generateKeyPair(),
    ...options,
  });
}

/** What a login came to, once the longest delay is over: the code of the REJECT, 0 for a session. */
export async function answerTo(wire: Wire, clock: ManualClock): Promise<number> {
  clock.advance(700);
  await settled(1);
  const [unit] = wire.units();
  wire.transport.destroy();
  await settled(1);
  return unit![0] === 0x17 ? 0 : unit![4]!;
}
