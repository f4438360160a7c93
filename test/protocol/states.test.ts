import { describe, expect, it } from 'vitest';
import { encodeFrame } from '../../src/protocol/channels/frame.ts';
import { joined, seeded } from '../support/bytes.ts';
import { deviceFor } from '../support/devices.ts';
import { BY_KEY, HostilePeer, KEYS, OTHER_PRS, openPair, Recorded } from '../support/endpoints.ts';
import { framesOf, named, settingsFrame } from '../support/multiplexers.ts';

/** Every type of message in every state of both sides (R-A8): what is not due ends the attempt, and nothing is dispatched. */

const LETS_IN = { devices: () => [deviceFor(KEYS.clientStatic.publicKey)] };
const hello = () => Recorded.client().endpoint.start();
const reply = () => Recorded.server().feed(hello()).output();

/** Each state, made anew, with the types that it may go on after. */
const STATES: Record<string, { readonly make: () => Recorded; readonly due: readonly number[] }> = {
  'a server before HELLO': { make: () => Recorded.server(), due: [1] },
  'a server after RETRY': {
    make: () => {
      const newer = hello();
      newer.set([2, 2], 8);
      const server = Recorded.server().feed(newer);
      expect(server.units().map(unit => unit[0])).toEqual([4]);
      return server;
    },
    due: [1],
  },
  'a server after REPLY': { make: () => Recorded.server().feed(hello()), due: [3] },
  'a server after REPLY to a key': {
    make: () => Recorded.server(LETS_IN).feed(Recorded.client(BY_KEY).endpoint.start()),
    due: [3],
  },
  'a client after HELLO by key': {
    make: () => {
      const client = Recorded.client(BY_KEY);
      client.endpoint.start();
      return client;
    },
    due: [2, 4, 5],
  },
  'a server that has let a key in': { make: () => openPair(BY_KEY, LETS_IN).server, due: [0x17] },
  'a client after HELLO': {
    make: () => {
      const client = Recorded.client();
      client.endpoint.start();
      return client;
    },
    due: [2, 4, 5],
  },
  'a client after FINISH': {
    make: () => {
      const client = Recorded.client();
      client.endpoint.start();
      return client.feed(reply());
    },
    due: [5, 0x17],
  },
  'a server after FINISH': { make: () => HostilePeer.client().target, due: [0x17] },
  'an open server': { make: () => openPair().server, due: [0x17] },
  'an open client': { make: () => openPair().client, due: [0x17] },
  'a server that has refused': {
    make: () => {
      const server = Recorded.server().feed(joined([Uint8Array.of(1, 0, 0, 0)]));
      server.error = undefined;
      return server;
    },
    due: [],
  },
  'an end that is over': {
    make: () => {
      const { server } = openPair();
      server.feed(new Uint8Array(4));
      server.farewell();
      server.error = undefined;
      return server;
    },
    due: [],
  },
};

/** Bodies that look like something: of nothing, of zeros, of noise, of a message of the right shape. */
function bodies(type: number): Uint8Array[] {
  const random = seeded(type);
  const noise = (length: number) => Uint8Array.from({ length }, () => random() * 256);
  // Types that no version has are all alike, and are refused by their header.
  if (type > 6 && type !== 0x17) return [noise(72)];
  return [new Uint8Array(0), new Uint8Array(30), noise(1), noise(72), noise(112), ...REAL];
}

const REAL = [hello(), reply(), Uint8Array.of(5, 0, 0, 3, 3, 0, 0)].map(unit => unit.subarray(4));

describe('R-A8: every type of message in every state', () => {
  it.each(Object.entries(STATES))(
    '%s lets nothing through that is not due',
    (_, { make, due }) => {
      for (let type = 0; type < 256; type += 1) {
        if (due.includes(type) && type !== 0x17) continue;
        for (const body of bodies(type)) {
          const end = make();
          end.units();
          const before = [...end.told];
          end.feed(joined([Uint8Array.of(type, 0, 0, body.length), body]));
          // Whatever announced more than it brought: give it enough of the same.
          end.feed(new Uint8Array(70_000).fill(type));
          expect(end.error, `type ${type}, ${body.length} bytes`).toBeDefined();
          expect(end.told.slice(before.length), `type ${type}`).toEqual([]);
          expect(end.units()).toEqual([]);
        }
      }
    },
    60_000,
  );

  it.each(Object.entries(STATES))('%s takes noise under a type that is due for what it is', (_, { make, due }) => {
    for (const type of due) {
      for (const body of bodies(type + 7)) {
        const end = make();
        const before = end.dispatched.length;
        end.feed(joined([Uint8Array.of(type, 0, 0, body.length), body]));
        expect(end.dispatched.slice(before)).toEqual([]);
      }
    }
  });

  it('says REJECT at most once, and only before there are keys', () => {
    for (const { make } of Object.values(STATES)) {
      const end = make();
      if (end.error !== undefined) continue;
      end.feed(Uint8Array.of(0x99, 0, 0, 0));
      const said = joined([...end.farewell().segments]);
      const first = said[0];
      expect([undefined, 5, 0x17]).toContain(first);
      if (first === 5) expect(said).toHaveLength(7);
      expect(end.endpoint.farewell(end.error!).segments).toEqual([]);
    }
  });

  it('a client under a wrong passphrase gets nowhere with any first record', () => {
    const server = Recorded.server({ realm: name => ({ name, prs: OTHER_PRS, generated: true }) });
    const client = Recorded.client();
    client.feed(server.feed(client.endpoint.start()).output());
    server.feed(client.output());
    expect(server.error?.code).toBe('AUTH');
    expect(server.dispatched).toEqual([]);
    expect(server.endpoint.multiplexer).toBeUndefined();
  });
});

describe('R-A8: every type of frame in every state of the channels', () => {
  it.each([
    ['before SETTINGS', () => HostilePeer.client(), [1]],
    ['at a client before SETTINGS', () => HostilePeer.server(), [1]],
  ])(
    '%s only SETTINGS is taken',
    (_, make, due) => {
      const random = seeded(3);
      for (let type = 0; type < 256; type += 1) {
        if (due.includes(type)) continue;
        for (const length of [0, 4, 8, 30]) {
          const peer = make();
          const payload = Uint8Array.from({ length }, () => random() * 256);
          const before = peer.target.dispatched.filter(name => name !== 'opened').length;
          expect(peer.send(encodeFrame(type, type % 3, payload))?.code).toMatch(/^(STATE|PROTOCOL)$/);
          expect(peer.target.dispatched.filter(name => name !== 'opened').slice(before)).toEqual([]);
        }
      }
    },
    30_000,
  );

  it('a record that verifies and holds no frame, or half of one, ends the line', () => {
    for (const length of [1, 7, 9]) {
      const peer = HostilePeer.client();
      expect(peer.send(new Uint8Array(length))?.code).toMatch(/^(PROTOCOL|STATE)$/);
    }
  });

  it('tells the peer why by CLOSE under the keys of the line', () => {
    const peer = HostilePeer.client();
    peer.send(settingsFrame());
    peer.read();
    peer.send(encodeFrame(0x44, 0, new Uint8Array(8)));
    const said = peer.open(joined([...peer.target.farewell().segments]));
    expect(framesOf(said).map(named)).toEqual(['CLOSE 0']);
  });
});
