import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_BYTES_BEFORE_LOGIN } from '../../src/protocol/limits.ts';
import { joined } from '../support/bytes.ts';
import { deviceFor } from '../support/devices.ts';
import { BY_KEY, KEYS, Recorded } from '../support/endpoints.ts';
import { repaired } from '../support/hello.ts';

/** R-A10: whatever arrives before login, only a `LineError` comes of it (`feed` throws anything else), and no session. */

const numRuns = Number(process.env['POSTERN_FUZZ_RUNS'] ?? 400);

const hello = Recorded.client().endpoint.start();
const reply = Recorded.server().feed(hello).output();
const finish = startedClient().feed(reply).units()[0]!;

function startedClient(): Recorded {
  const client = Recorded.client();
  client.endpoint.start();
  return client;
}

/** Changes to a byte string: bytes set, cut out, put in, repeated. */
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), at: fc.nat(), byte: fc.nat(255) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), length: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constant('put' as const), at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
  fc.record({ kind: fc.constant('repeat' as const), at: fc.nat(), length: fc.integer({ min: 1, max: 80 }) }),
);

function changed(bytes: Uint8Array, changes: readonly Change[]): Uint8Array {
  let result = bytes;
  for (const one of changes) {
    const at = one.at % (result.length + 1);
    const [before, after] = [result.subarray(0, at), result.subarray(at)];
    if (one.kind === 'set') result = joined([before, Uint8Array.of(one.byte), after.subarray(1)]);
    else if (one.kind === 'cut') result = joined([before, after.subarray(one.length)]);
    else if (one.kind === 'put') result = joined([before, one.bytes, after]);
    else result = joined([before, after.subarray(0, one.length), after]);
  }
  return result;
}

type Change =
  | { kind: 'set'; at: number; byte: number }
  | { kind: 'cut'; at: number; length: number }
  | { kind: 'put'; at: number; bytes: Uint8Array }
  | { kind: 'repeat'; at: number; length: number };

const pieces = fc.integer({ min: 1, max: 300 });

function expectShut(end: Recorded): void {
  expect(end.dispatched).toEqual([]);
  expect(end.endpoint.multiplexer === undefined || end.told.includes('keyed')).toBe(true);
  if (end.error === undefined) {
    expect(end.endpoint.space().buffer.byteLength).toBeLessThanOrEqual(MAX_BYTES_BEFORE_LOGIN);
  }
}

describe('R-A10: bytes before login', () => {
  it('of any kind end in nothing at a server', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6000 }), pieces, (bytes, step) => {
        expectShut(Recorded.server().feed(bytes, step));
      }),
      { numRuns },
    );
  });

  it('of any kind behind the right header end in nothing at a server, before and after its REPLY', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 1024 }), pieces, (replied, body, step) => {
        const header = Uint8Array.of(replied ? 3 : 1, 0, body.length >> 8, body.length);
        const server = replied ? Recorded.server().feed(hello) : Recorded.server();
        server.feed(joined([header, body]), step);
        expect(server.error).toBeDefined();
        expectShut(server);
      }),
      { numRuns },
    );
  });

  it('that are a changed login end in nothing at a server, unless nothing that counts was changed', () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), pieces, (changes, step) => {
        const bytes = changed(joined([hello, finish]), changes);
        const server = Recorded.server().feed(bytes, step);
        // A change at the very end may leave the login whole: what follows it is then no record.
        const isWhole = Buffer.compare(bytes.subarray(0, hello.length + finish.length), joined([hello, finish])) === 0;
        if (isWhole) expect(server.dispatched).toEqual(['opened']);
        else expectShut(server);
      }),
      { numRuns },
    );
  });

  it('that are a changed login by key end in nothing at a server and at a client', () => {
    const devices = () => [deviceFor(KEYS.clientStatic.publicKey)];
    const dialled = () => {
      const client = Recorded.client(BY_KEY);
      return { client, first: client.endpoint.start() };
    };
    const { client, first } = dialled();
    const second = Recorded.server({ devices }).feed(first).output();
    const login = joined([first, client.feed(second).units()[0]!]);
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), pieces, (changes, step) => {
        const bytes = changed(login, changes);
        const server = Recorded.server({ devices }).feed(bytes, step);
        const isWhole = Buffer.compare(bytes.subarray(0, login.length), login) === 0;
        if (isWhole) expect(server.dispatched).toEqual(['opened']);
        else expectShut(server);
        const answer = changed(second, changes);
        if (Buffer.compare(answer.subarray(0, second.length), second) === 0) return;
        const end = dialled().client.feed(answer, step);
        expect(end.told).toEqual([]);
        expectShut(end);
      }),
      { numRuns },
    );
  });

  it('that are a changed HELLO with a tag that fits give at most a REPLY that no client takes', () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), changes => {
        const start = changed(hello.subarray(4, hello.length - 48), changes);
        const body = joined([start, hello.subarray(hello.length - 48)]);
        const bytes = repaired(joined([Uint8Array.of(1, 0, body.length >> 8, body.length), body]));
        if (Buffer.compare(bytes, hello) === 0) return;
        const server = Recorded.server().feed(bytes);
        const client = startedClient();
        if (server.error === undefined) client.feed(server.output());
        expect(server.error ?? client.error).toBeDefined();
        expectShut(server);
        expect(client.told).toEqual([]);
      }),
      { numRuns },
    );
  });

  it('of any kind, or a changed REPLY, end in nothing at a client, and no FINISH is sent', () => {
    const answer = fc.oneof(
      fc.uint8Array({ maxLength: 5000 }),
      fc.array(change, { minLength: 1, maxLength: 4 }).map(changes => changed(reply, changes)),
    );
    fc.assert(
      fc.property(answer, pieces, (bytes, step) => {
        if (Buffer.compare(bytes.subarray(0, reply.length), reply) === 0) return;
        const client = startedClient().feed(bytes, step);
        expect(client.told).toEqual([]);
        expectShut(client);
      }),
      { numRuns },
    );
  });

  it('of any kind after FINISH end in nothing at a client', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 300 }), fc.boolean(), pieces, (bytes, asRecord, step) => {
        const client = startedClient().feed(reply);
        const unit = joined([Uint8Array.of(0x17, 0, bytes.length >> 8, bytes.length), bytes]);
        client.feed(asRecord ? unit : bytes, step);
        expect(client.dispatched).toEqual([]);
      }),
      { numRuns },
    );
  });
});
