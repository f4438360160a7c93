import { describe, expect, it } from 'vitest';
import { flipped, joined, utf8 } from '../support/bytes.ts';
import { openPair, Recorded } from '../support/endpoints.ts';

/** Everything said in clear and everything sealed, of one session that does a little of each. */
function transcript() {
  const client = Recorded.client();
  const server = Recorded.server();
  const hello = client.endpoint.start();
  const [reply] = server.feed(hello).units();
  const [finish, first] = client.feed(reply!).units();
  const channel = client.endpoint.multiplexer!.open({ kind: 'x' }, 'interactive');
  client.endpoint.multiplexer!.message(channel, utf8('{"n":1}'));
  const second = client.output();
  client.endpoint.multiplexer!.data(channel, new Uint8Array(40).fill(7));
  client.endpoint.multiplexer!.end(channel);
  const third = client.output();
  return { hello, reply: reply!, finish: finish!, records: [first!, second, third] };
}

const { hello, reply, finish, records } = transcript();

function loggedInServer(): Recorded {
  const server = Recorded.server().feed(joined([hello, finish]));
  expect(server.told).toEqual(['handshakeBytes', 'keyed', 'opened']);
  return server;
}

describe('a login with one bit turned over', () => {
  it('fails at the server or at the client for every bit of HELLO, before any session', () => {
    const codes = new Set<string>();
    for (let bit = 0; bit < hello.length * 8; bit += 1) {
      const server = Recorded.server().feed(flipped(hello, bit));
      const client = Recorded.client();
      client.endpoint.start();
      const answer = server.output();
      // A header that announces more is waited for; whatever comes next is then read as part of HELLO.
      if (server.error === undefined && answer.length === 0) server.feed(joined([finish, ...records]));
      // RETRY is an answer to a changed version; everything else that got past the server must fail here.
      if (server.error === undefined && answer.length > 0) client.feed(answer);
      const error = server.error ?? client.error;
      expect(server.dispatched, `bit ${bit}`).toEqual([]);
      expect(client.dispatched, `bit ${bit}`).toEqual([]);
      expect(client.told.includes('keyed'), `bit ${bit}`).toBe(false);
      if (error !== undefined) codes.add(error.code);
      else expect(server.told, `bit ${bit}`).toEqual([]);
    }
    expect([...codes].sort()).toEqual(['AUTH', 'MALFORMED', 'SIZE', 'STATE', 'VERSION']);
  });

  it('fails at the client for every bit of REPLY, and no FINISH is sent', () => {
    for (let bit = 0; bit < reply.length * 8; bit += 1) {
      const client = Recorded.client();
      client.endpoint.start();
      client.feed(flipped(reply, bit));
      // A length that announces more waits for bytes that the server only sends after FINISH: nothing can happen.
      expect(client.told, `bit ${bit}`).toEqual([]);
      if (bit >= 32) expect(client.error?.code, `bit ${bit}`).toMatch(/^(AUTH|MALFORMED|VERSION)$/);
      if (client.error !== undefined) expect(client.farewell().segments).toEqual([]);
    }
  });

  it('fails at the server for every bit of FINISH, with the same answer to each', () => {
    for (let bit = 32; bit < finish.length * 8; bit += 1) {
      const server = Recorded.server().feed(joined([hello, flipped(finish, bit)]));
      expect(server.error?.code, `bit ${bit}`).toBe('AUTH');
      expect(server.dispatched, `bit ${bit}`).toEqual([]);
      expect(server.farewell(), `bit ${bit}`).toEqual({
        segments: [Uint8Array.of(5, 0, 0, 3, 3, 0, 0)],
        delayed: true,
      });
    }
  });

  it('fails at the server for every bit of the header of FINISH', () => {
    for (let bit = 0; bit < 32; bit += 1) {
      const server = Recorded.server().feed(joined([hello, flipped(finish, bit), ...records, new Uint8Array(1024)]));
      expect(server.error, `bit ${bit}`).toBeDefined();
      expect(server.dispatched, `bit ${bit}`).toEqual([]);
    }
  });
});

describe('R-A9: a record with one bit turned over', () => {
  it('ends the line for every bit of a record, delivers nothing of it, and is answered by nothing', () => {
    for (const at of [0, 1, 2]) {
      for (let bit = 32; bit < records[at]!.length * 8; bit += 1) {
        const server = Recorded.server().feed(joined([hello, finish, ...records.slice(0, at)]));
        const before = [...server.told];
        server.feed(flipped(records[at]!, bit));
        expect(server.error?.code, `record ${at} bit ${bit}`).toBe('INTEGRITY');
        expect(server.told).toEqual(before);
        expect(server.farewell().segments).toEqual([]);
      }
    }
  }, 30_000);

  it('ends the line for every bit of a record header as soon as enough has come', () => {
    for (let bit = 0; bit < 32; bit += 1) {
      const server = loggedInServer().feed(flipped(records[0]!, bit));
      server.feed(new Uint8Array(80_000));
      expect(server.error?.code, `bit ${bit}`).toMatch(/^(INTEGRITY|PROTOCOL|SIZE)$/);
      expect(server.told).toEqual(['handshakeBytes', 'keyed', 'opened']);
    }
  });

  it('ends the line at the client for every bit of the first record, which proves the server', () => {
    const pair = { client: Recorded.client(), server: Recorded.server() };
    pair.server.feed(pair.client.endpoint.start());
    pair.client.feed(pair.server.output());
    pair.server.feed(pair.client.output());
    const [first] = pair.server.units();
    for (let bit = 32; bit < first!.length * 8; bit += 1) {
      const client = Recorded.client();
      client.endpoint.start();
      client.feed(joined([reply, flipped(first!, bit)]));
      expect(client.error?.code).toBe('INTEGRITY');
      expect(client.dispatched).toEqual([]);
    }
  }, 30_000);
});

describe('R-A6: records that are lost, repeated, exchanged or put in', () => {
  const session = [hello, finish, ...records];

  it('reads the session as it was sent', () => {
    const server = Recorded.server().feed(joined(session));
    expect(server.error).toBeUndefined();
    expect(server.dispatched).toEqual(['opened', 'settings', 'open 1 {"kind":"x"}', 'message 1', 'data 1', 'end 1']);
  });

  it.each([0, 1])('ends when record %i is dropped', at => {
    const server = loggedInServer().feed(joined(records.filter((_, index) => index !== at)));
    expect(server.error?.code).toBe('INTEGRITY');
  });

  it.each([0, 1, 2])('ends when record %i comes twice', at => {
    const server = loggedInServer().feed(joined(records.slice(0, at + 1)));
    const told = [...server.told];
    server.feed(records[at]!);
    expect(server.error?.code).toBe('INTEGRITY');
    expect(server.told).toEqual(told);
  });

  it.each([
    [0, 1],
    [1, 2],
    [0, 2],
  ])('ends when records %i and %i are exchanged', (first, second) => {
    const order = [...records];
    [order[first], order[second]] = [order[second]!, order[first]!];
    const server = loggedInServer().feed(joined(order));
    expect(server.error?.code).toBe('INTEGRITY');
    expect(server.told.some(name => name.startsWith('data'))).toBe(false);
  });

  it('ends when anything is put in before, between or after the records', () => {
    const foreign = openPair({ nonce: new Uint8Array(16).fill(9) });
    foreign.client.endpoint.multiplexer!.ping(new Uint8Array(8));
    const inserted: [string, Uint8Array][] = [
      ['a record of another session', foreign.client.output()],
      ['an empty record', Uint8Array.of(0x17, 0, 0, 24, ...new Uint8Array(24))],
      ['HELLO', hello],
      ['FINISH', finish],
      ['REJECT', Uint8Array.of(5, 0, 0, 3, 3, 0, 0)],
      ['zeros', new Uint8Array(64)],
    ];
    for (const [name, bytes] of inserted) {
      for (let at = 0; at <= records.length; at += 1) {
        const server = loggedInServer().feed(joined([...records.slice(0, at), bytes, ...records.slice(at)]));
        expect(server.error?.code, `${name} at ${at}`).toMatch(/^(INTEGRITY|PROTOCOL)$/);
      }
    }
  });

  it('ends when anything is put in during the handshake, and counters begin at zero whatever came before', () => {
    const inserted = [
      Uint8Array.of(1, 0, 0, 0),
      Uint8Array.of(5, 0, 0, 3, 4, 0, 0),
      Uint8Array.of(4, 0, 0, 2, 1, 0),
      records[0]!,
    ];
    for (const bytes of inserted) {
      expect(Recorded.server().feed(joined([bytes, ...session])).dispatched).toEqual([]);
      expect(Recorded.server().feed(joined([hello, bytes, finish, ...records])).dispatched).toEqual([]);
    }
  });

  it('never uses one key for two directions: a record sent back is refused', () => {
    const { client } = openPair();
    const channel = client.endpoint.multiplexer!.open({ kind: 'x' }, 'bulk');
    client.endpoint.multiplexer!.data(channel, new Uint8Array(10));
    client.feed(client.output());
    expect(client.error?.code).toBe('INTEGRITY');
  });

  it('never makes the same record twice for the same plaintext, in one session or in two', () => {
    const seen = new Set<string>();
    for (let session = 0; session < 3; session += 1) {
      const nonce = new Uint8Array(16).fill(session);
      const { client, server } = openPair({ nonce });
      for (let turn = 0; turn < 3; turn += 1) {
        client.endpoint.multiplexer!.ping(new Uint8Array(8));
        server.endpoint.multiplexer!.ping(new Uint8Array(8));
        for (const side of [client, server]) for (const unit of side.units()) seen.add(unit.join());
      }
    }
    expect(seen.size).toBe(18);
  });
});

describe('an end that is over', () => {
  it('takes nothing more and says nothing more', () => {
    const { client, server } = openPair();
    client.endpoint.multiplexer!.open({ kind: 'x' }, 'interactive');
    const record = client.output();
    server.feed(flipped(record, 90));
    expect(server.error?.code).toBe('INTEGRITY');
    server.farewell();
    expect(server.endpoint.takeOutput(false)).toBeUndefined();
    server.error = undefined;
    expect(server.feed(record).error?.code).toBe('STATE');
    expect(server.dispatched).toEqual(['opened', 'settings']);
  });
});
