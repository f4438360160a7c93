import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { Bucket } from '../../../src/protocol/admission/bucket.ts';
import { portableCrypto } from '../../../src/protocol/crypto/portable.ts';
import { DatagramConnection } from '../../../src/protocol/datagrams/connection.ts';
import { KIND, readPacketHeader } from '../../../src/protocol/datagrams/packet.ts';
import { DatagramResponder } from '../../../src/protocol/datagrams/responder.ts';
import { Exporter } from '../../../src/protocol/handshake/key-schedule.ts';
import { flipped, fromHex, toHex } from '../../support/bytes.ts';

interface PacketVector {
  readonly number: number;
  readonly request: number;
  readonly kind: number;
  readonly json: string;
  readonly packet: string;
}
interface Vector {
  readonly exporter: string;
  readonly server_id: string;
  readonly client_id: string;
  readonly c2s: { readonly secret: string; readonly key: string };
  readonly s2c: { readonly secret: string; readonly key: string };
  readonly packets: Readonly<Record<'request' | 'request_again' | 'response' | 'error' | 'last_number', PacketVector>>;
  readonly must_drop: Readonly<Record<string, string>>;
}
const path = new URL('../../vectors/line1-draft/datagrams.json', import.meta.url);
const vector = JSON.parse(readFileSync(path, 'utf8')) as Vector;
const { packets } = vector;
const serverId = fromHex(vector.server_id);
const clientId = fromHex(vector.client_id);

function client(provider = nodeCrypto): DatagramConnection {
  return new DatagramConnection(
    provider,
    { sending: fromHex(vector.c2s.secret), receiving: fromHex(vector.s2c.secret) },
    serverId,
  );
}

function server(provider = nodeCrypto): DatagramConnection {
  return new DatagramConnection(
    provider,
    { sending: fromHex(vector.s2c.secret), receiving: fromHex(vector.c2s.secret) },
    clientId,
  );
}

function opened(connection: DatagramConnection, packet: Uint8Array) {
  return connection.open(readPacketHeader(packet)!, packet);
}

/** A responder that has the server's end, and how often it asked for an answer. */
function responder() {
  const made = new DatagramResponder();
  made.add(serverId, server(), new Bucket(50, 50), 0);
  let asked = 0;
  const receive = (packet: Uint8Array) =>
    made.receive(packet, 0, () => {
      asked += 1;
      return { t: 'time' };
    });
  return { receive, asked: () => asked };
}

describe('the draft vector of a datagram connection', () => {
  it('has the secrets that the exporter gives, and the keys that come from them', () => {
    const keys: string[] = [];
    const provider = {
      ...nodeCrypto,
      aead: (key: Uint8Array) => {
        keys.push(toHex(key));
        return nodeCrypto.aead(key);
      },
    };
    const secrets = new Exporter(nodeCrypto, fromHex(vector.exporter)).datagramSecrets(serverId, clientId);
    expect(toHex(secrets.clientToServer)).toBe(vector.c2s.secret);
    expect(toHex(secrets.serverToClient)).toBe(vector.s2c.secret);
    const { clientToServer: sending, serverToClient: receiving } = secrets;
    const connection = new DatagramConnection(provider, { sending, receiving }, serverId);
    expect(connection.isUsedUp).toBe(false);
    expect(keys).toEqual([vector.c2s.key, vector.s2c.key]);
    expect([...sending, ...receiving].every(byte => byte === 0)).toBe(true);
  });

  it.each([
    ['node:crypto', nodeCrypto],
    ['noble', portableCrypto(length => nodeCrypto.randomBytes(length))],
  ])('is sealed byte for byte by %s, padded where that is asked for', (_, provider) => {
    const near = client(provider);
    for (const name of ['request', 'request_again'] as const) {
      const { request, kind, json, packet } = packets[name];
      expect(toHex(near.seal({ request, kind, body: JSON.parse(json) as object as never }, 512))).toBe(packet);
    }
    const far = server(provider);
    for (const name of ['response', 'error'] as const) {
      const { request, kind, json, packet } = packets[name];
      expect(toHex(far.seal({ request, kind, body: JSON.parse(json) as object as never }))).toBe(packet);
    }
  });

  it('is opened, in any order', () => {
    const far = server();
    for (const name of ['request_again', 'request', 'last_number'] as const) {
      const { request, kind, json, packet } = packets[name];
      expect(opened(far, fromHex(packet))).toEqual({ request, kind, body: JSON.parse(json) as unknown });
    }
    const near = client();
    expect(opened(near, fromHex(packets.error.packet))?.request).toBe(2 ** 32 - 1);
    expect(opened(near, fromHex(packets.response.packet))?.kind).toBe(KIND.response);
  });

  it.each(Object.entries(vector.must_drop))('R-T1: is not answered where it has %s', (_, packet) => {
    const { receive, asked } = responder();
    expect(receive(fromHex(packet))).toBeUndefined();
    expect(asked()).toBe(0);
  });

  it('R-T1, R-T3: is not answered with any one bit turned over, and the whole one is', () => {
    const { receive, asked } = responder();
    const packet = fromHex(packets.request.packet);
    for (let bit = 0; bit < packet.length * 8; bit += 1) expect(receive(flipped(packet, bit))).toBeUndefined();
    expect(asked()).toBe(0);
    expect(receive(packet)).toBeDefined();
    expect(asked()).toBe(1);
  });

  it('R-A12: is not answered at any other length', () => {
    const { receive, asked } = responder();
    const packet = fromHex(packets.request.packet);
    for (let length = 0; length < packet.length; length += 1)
      expect(receive(packet.subarray(0, length))).toBeUndefined();
    expect(receive(new Uint8Array([...packet, 0]))).toBeUndefined();
    expect(receive(new Uint8Array(65_507).fill(0x21))).toBeUndefined();
    expect(asked()).toBe(0);
  });

  it('R-T3: is answered once, however often it comes', () => {
    const { receive, asked } = responder();
    const packet = fromHex(packets.request.packet);
    expect(receive(packet)).toBeDefined();
    for (let again = 0; again < 3; again += 1) expect(receive(packet)).toBeUndefined();
    expect(asked()).toBe(1);
  });

  it('R-T1: two sides that are sent each other’s answers fall silent', () => {
    const { receive, asked } = responder();
    for (const name of ['response', 'error'] as const) expect(receive(fromHex(packets[name].packet))).toBeUndefined();
    expect(asked()).toBe(0);
  });

  it('never uses a number twice, and none of 2^24 or more', () => {
    const near = client();
    const numbers = new Set<number>();
    const message = { request: 1, kind: KIND.request, body: {} };
    for (let count = 0; count < 1000; count += 1) numbers.add(readPacketHeader(near.seal(message))!.number);
    expect(numbers.size).toBe(1000);
    expect(opened(server(), fromHex(vector.must_drop['number 2^24']!))).toBeUndefined();
  });
});
