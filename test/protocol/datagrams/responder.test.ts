import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { Bucket } from '../../../src/protocol/admission/bucket.ts';
import type { JsonObject } from '../../../src/protocol/bytes/json.ts';
import { DatagramConnection } from '../../../src/protocol/datagrams/connection.ts';
import { KIND, readPacketHeader } from '../../../src/protocol/datagrams/packet.ts';
import { DatagramResponder } from '../../../src/protocol/datagrams/responder.ts';

/** Both ends of one connection, `index` telling it from others. */
function pair(index = 0) {
  const secret = (byte: number) => new Uint8Array(64).fill(byte + 2 * index);
  const id = (byte: number) => idOf(byte, index);
  const provider = nodeCrypto;
  const server = new DatagramConnection(provider, { sending: secret(1), receiving: secret(2) }, id(0xcc));
  const client = new DatagramConnection(provider, { sending: secret(2), receiving: secret(1) }, id(0xaa));
  return { server, client, serverId: id(0xaa) };
}

function idOf(byte: number, index: number): Uint8Array {
  return Uint8Array.of(byte, index >> 16, index >> 8, index, 1, 2, 3, 4);
}

function joined(requestsPerSecond = 50) {
  const responder = new DatagramResponder();
  const ends = pair();
  responder.add(ends.serverId, ends.server, new Bucket(requestsPerSecond, requestsPerSecond), 0);
  // Which keys others have means nothing here, so one does for all of them.
  const other = pair(1).server;
  const addOther = (index: number) => responder.add(idOf(0xaa, index), other, new Bucket(50, 50), 0);
  const request = (body: JsonObject = { t: 'time' }, bytes = 512) =>
    ends.client.seal({ request: 7, kind: KIND.request, body }, bytes);
  const read = (packet: Uint8Array | undefined) =>
    packet === undefined ? undefined : ends.client.open(readPacketHeader(packet)!, packet);
  return { responder, ...ends, request, read, addOther };
}

const answer = (): JsonObject => ({ t: 'time', unix: 1_790_000_000_000, zone: 'America/Argentina/ComodRivadavia' });

describe('the answering side of datagrams', () => {
  it('answers a request, once, to the connection that it came from', () => {
    const { responder, request, read } = joined();
    const reply = read(responder.receive(request(), 0, answer));
    expect(reply).toEqual({ request: 7, kind: KIND.response, body: answer() });
  });

  it('R-T1: sends less than it was sent, for every input of a fuzzer', () => {
    let answered = 0;
    const mutation = fc.array(fc.tuple(fc.nat(1300), fc.nat(255)), { maxLength: 4 });
    const input = fc.oneof(
      fc.uint8Array({ maxLength: 1400 }).map(bytes => ({ bytes, size: 0, json: '', edits: [] as [number, number][] })),
      fc.record({
        bytes: fc.constant(new Uint8Array()),
        size: fc.oneof(fc.constant(0), fc.integer({ min: 44, max: 1200 })),
        json: fc.oneof(fc.constant('time'), fc.string({ maxLength: 60 })),
        edits: fc.oneof(fc.constant([] as [number, number][]), mutation),
      }),
    );
    const sizes = fc.oneof(fc.nat(60), fc.integer({ min: 60, max: 1300 }));
    const { responder, request } = joined(1e9);
    fc.assert(
      fc.property(input, sizes, ({ bytes, size, json, edits }, answerBytes) => {
        const packet = size === 0 && json === '' ? bytes : request({ t: json }, size);
        for (const [at, value] of edits) if (at < packet.length) packet[at] = value;
        let reply: Uint8Array | undefined;
        try {
          reply = responder.receive(packet, 0, () => ({ t: 'x'.repeat(answerBytes) }));
        } catch (thrown) {
          // An answer that fits into no datagram is our own fault, told to the owner, and nothing is sent.
          expect((thrown as LineError).code).toBe('SIZE');
        }
        if (reply === undefined) return;
        answered += 1;
        expect(reply.length).toBeLessThan(packet.length);
      }),
      { numRuns: 5000 },
    );
    // Else nothing was tried.
    expect(answered).toBeGreaterThan(200);
  });

  it('R-T1: gives no answer that would be as long as its request', () => {
    const { responder, request } = joined();
    const long = 36 + 8 + JSON.stringify(answer()).length;
    expect(responder.receive(request({ t: 'time' }, long), 0, answer)).toBeUndefined();
    expect(responder.receive(request({ t: 'time' }, long + 1), 0, answer)?.length).toBe(long);
  });

  it('tells a refusal by its code, and nothing more of it', () => {
    const { responder, request, read } = joined();
    const reply = responder.receive(request(), 0, () => {
      throw new LineError('FORBIDDEN', 'a sentence that stays here');
    });
    expect(read(reply)).toEqual({ request: 7, kind: KIND.error, body: { code: 'FORBIDDEN' } });
  });

  it('R-T1: answers as often as its rate allows, and what is forged does not use them up', () => {
    const { responder, request } = joined();
    const count = (nowMs: number, requests: number) => {
      let answers = 0;
      for (let left = requests; left > 0; left -= 1) {
        const packet = request();
        const forged = packet.slice();
        forged[100]! ^= 1;
        expect(responder.receive(forged, nowMs, answer)).toBeUndefined();
        if (responder.receive(packet, nowMs, answer) !== undefined) answers += 1;
      }
      return answers;
    };
    expect(count(0, 80)).toBe(50);
    expect(count(500, 80)).toBe(25);
    expect(count(10_000, 80)).toBe(50);
  });

  it('R-T3: a forged packet does not shut out the true one of its number', () => {
    const { responder, request } = joined();
    const packet = request();
    const forged = packet.slice();
    forged[forged.length - 1]! ^= 1;
    expect(responder.receive(forged, 0, answer)).toBeUndefined();
    expect(responder.receive(packet, 0, answer)).toBeDefined();
  });

  it('forgets a connection that was quiet for 180 s, and one of 24 hours', () => {
    const quiet = joined();
    expect(quiet.responder.receive(quiet.request(), 179_999, answer)).toBeDefined();
    expect(quiet.responder.receive(quiet.request(), 179_999 + 180_000, answer)).toBeUndefined();
    expect(quiet.responder.connectionCount).toBe(0);
    const old = joined();
    for (let atMs = 0; atMs < 86_400_000; atMs += 100_000) {
      expect(old.responder.receive(old.request(), atMs, answer)).toBeDefined();
    }
    expect(old.responder.receive(old.request(), 86_400_000, answer)).toBeUndefined();
  });

  it('holds 10,000 connections, and lets go of the one that was quiet longest', () => {
    const { responder, request, addOther } = joined();
    for (let index = 1; index < 10_000; index += 1) addOther(index);
    expect(responder.connectionCount).toBe(10_000);
    expect(responder.receive(request(), 1, answer)).toBeDefined();
    addOther(10_000);
    expect(responder.connectionCount).toBe(10_000);
    expect(responder.has(idOf(0xaa, 1))).toBe(false);
    expect(responder.receive(request(), 2, answer)).toBeDefined();
  });

  it('R-T3: a connection stays quiet whatever is forged in its name', () => {
    const { responder, request, serverId, addOther } = joined();
    const forged = request();
    forged[100]! ^= 1;
    for (let index = 1; index < 10_000; index += 1) addOther(index);
    expect(responder.receive(forged, 1, answer)).toBeUndefined();
    addOther(10_000);
    expect(responder.has(serverId)).toBe(false);
    expect(responder.has(idOf(0xaa, 1))).toBe(true);
  });
});
