import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { concatBytes } from '../../src/protocol/bytes/writer.ts';
import { kdf } from '../../src/protocol/crypto/kdf.ts';
import type { CryptoProvider } from '../../src/protocol/crypto/provider.ts';
import { InitiatorHandshake } from '../../src/protocol/handshake/initiator.ts';
import { Exporter, type SessionSecrets } from '../../src/protocol/handshake/key-schedule.ts';
import { ResponderHandshake } from '../../src/protocol/handshake/responder.ts';
import { stretchPassphrase } from '../../src/protocol/pake/passphrase.ts';
import { RecordKeys } from '../../src/protocol/records/record-keys.ts';
import { openRecord, sealRecord } from '../../src/protocol/records/seal.ts';
import { UnitReader } from '../../src/protocol/records/unit-reader.ts';
import { fromHex, joined, seeded, toHex } from '../support/bytes.ts';
import { exchangeAs, initiatorOptions, OPEN_GATE, Recorded, responderOptions, unitOf } from '../support/endpoints.ts';

interface Vector extends Record<'HELLO' | 'REPLY' | 'FINISH', string & { readonly [name: string]: string }> {
  readonly [name: string]: string & { readonly [name: string]: string };
}
const path = new URL('../vectors/line1-draft/passphrase-stream.json', import.meta.url);
const vector = JSON.parse(readFileSync(path, 'utf8')) as Vector;
const bytesOf = (name: string): Uint8Array => fromHex(vector[name]!);
const input = (name: string): Uint8Array => fromHex(vector['inputs']![name]!);
const keyPair = (name: string) => nodeCrypto.importKeyPair(input(name));

const client = initiatorOptions({
  prs: bytesOf('PRS'),
  realm: vector['inputs']!['realm']!,
  staticKey: keyPair('client_static'),
  nonce: input('nonce'),
  ephemeral: keyPair('client_ephemeral'),
  pakeKey: keyPair('ya'),
});
const server = responderOptions({
  staticKey: keyPair('server_static'),
  fresh: () => ({ ephemeral: keyPair('server_ephemeral'), pakeKey: keyPair('yb'), unknownPrs: new Uint8Array(32) }),
  realm: name => ({ name, prs: bytesOf('PRS'), generated: false }),
  gate: OPEN_GATE,
});

/** Both handshakes over the messages of the vector, each checked byte for byte. */
function handshakes(): { client: SessionSecrets; server: SessionSecrets } {
  const initiator = new InitiatorHandshake(nodeCrypto, client);
  const responder = new ResponderHandshake(nodeCrypto, server);
  const { sent, session } = exchangeAs(vector, initiator, responder);
  expect(session.clientKey).toEqual(client.staticKey.publicKey);
  expect(sent.serverKey).toEqual(server.staticKey.publicKey);
  return { client: sent.secrets, server: session.secrets };
}

/** The provider, with every key that a cipher was made of written down. */
function watched(): { provider: CryptoProvider; keys: string[] } {
  const keys: string[] = [];
  const aead = (key: Uint8Array) => {
    keys.push(toHex(key));
    return nodeCrypto.aead(key);
  };
  return { provider: { ...nodeCrypto, aead }, keys };
}

describe('the draft vector of a passphrase login over a stream', () => {
  it('stretches the passphrase to PRS', async () => {
    const { passphrase, realm } = vector['inputs']!;
    expect(toHex(await stretchPassphrase(nodeCrypto, passphrase!, realm!))).toBe(vector['PRS']);
  });

  it('gives HELLO, REPLY and FINISH byte for byte, of the sizes that the specification names', () => {
    handshakes();
    expect(bytesOf('HELLO')).toHaveLength(116);
    expect(bytesOf('REPLY')).toHaveLength(138);
    expect(bytesOf('FINISH')).toHaveLength(72);
  });

  it('gives both sides the traffic secrets, the session id and what is exported', () => {
    const both = handshakes();
    for (const secrets of [both.client, both.server]) {
      expect(toHex(secrets.clientToServer)).toBe(vector['c2s_traffic_0']);
      expect(toHex(secrets.serverToClient)).toBe(vector['s2c_traffic_0']);
      expect(toHex(secrets.sessionId)).toBe(vector['session_id']);
      expect(toHex(secrets.exporter.joinPsk())).toBe(vector['join_psk']);
      expect(toHex(secrets.exporter.verifier())).toBe(vector['verifier']);
    }
  });

  it('has an exporter behind which the same values stand, also those of datagrams', () => {
    const exporter = new Exporter(nodeCrypto, bytesOf('exporter'));
    expect(toHex(exporter.joinPsk())).toBe(vector['join_psk']);
    const ids = concatBytes(
      fromHex(vector['dgram_conn_ids']!['server']!),
      fromHex(vector['dgram_conn_ids']!['client']!),
    );
    expect(toHex(kdf(nodeCrypto, bytesOf('exporter'), 'dgram c2s', ids, 64))).toBe(vector['dgram_c2s_traffic_0']);
  });

  it.each([
    ['server_first_record', 's2c_traffic_0', 's2c_epoch0'],
    ['client_first_record', 'c2s_traffic_0', 'c2s_epoch0'],
  ])('seals and opens %s', (name, secret, epoch) => {
    const { plaintext, record } = vector[name]!;
    const { provider, keys } = watched();
    const sealed = sealRecord(new RecordKeys(provider, bytesOf(secret)), [fromHex(plaintext!)], plaintext!.length / 2);
    expect(toHex(joined(sealed))).toBe(record);
    const opened = openRecord(new RecordKeys(provider, bytesOf(secret)), unitOf(fromHex(record!)));
    expect(toHex(opened)).toBe(plaintext);
    expect(keys).toEqual([vector[epoch]!['key'], vector[epoch]!['key']]);
  });

  it('ratchets at record 65,536 to the key of epoch 1, and erases the secret it came from', () => {
    const { plaintext, record } = vector['client_record_seq_65536_epoch1']!;
    const { provider, keys } = watched();
    const secret = bytesOf('c2s_traffic_0');
    const sending = new RecordKeys(provider, secret);
    const receiving = new RecordKeys(provider, bytesOf('c2s_traffic_0'));
    const nonces = new Set<string>();
    for (let sequence = 0; sequence < 65_536; sequence += 1) {
      nonces.add(toHex(sending.next().nonce));
      receiving.next();
    }
    expect(nonces.size).toBe(65_536);
    expect(secret.some(byte => byte !== 0)).toBe(true);
    const sealed = sealRecord(sending, [fromHex(plaintext!)], plaintext!.length / 2);
    expect(toHex(joined(sealed))).toBe(record);
    expect(toHex(openRecord(receiving, unitOf(fromHex(record!))))).toBe(plaintext);
    expect(keys.at(-1)).toBe(vector['c2s_epoch1']!['key']);
    expect(secret.every(byte => byte === 0)).toBe(true);
  });

  it.each([
    ['whole', () => Number.POSITIVE_INFINITY],
    ['in random pieces', piecesOf(7)],
    ['byte by byte', () => 1],
  ])('is read by two endpoints that get it %s', (_, step) => {
    const near = Recorded.client(client);
    const far = Recorded.server(server);
    expect(toHex(near.endpoint.start())).toBe(vector['HELLO']);
    far.feed(bytesOf('HELLO'), step);
    expect(toHex(far.output())).toBe(vector['REPLY']);
    near.feed(joined([bytesOf('REPLY'), fromHex(vector['server_first_record']!['record']!)]), step);
    expect(toHex(near.units()[0]!)).toBe(vector['FINISH']);
    far.feed(joined([bytesOf('FINISH'), fromHex(vector['client_first_record']!['record']!)]), step);
    expect([near.error, far.error]).toEqual([undefined, undefined]);
    expect(near.dispatched).toEqual(['opened', 'settings']);
    expect(far.dispatched).toEqual(['opened', 'settings']);
  });

  it.each([
    ['whole', () => Number.POSITIVE_INFINITY],
    ['in random pieces', piecesOf(8)],
    ['byte by byte', () => 1],
  ])('is cut into its units when it comes %s', (_, step) => {
    const units = ['HELLO', 'REPLY', 'FINISH'].map(bytesOf);
    const reader = new UnitReader();
    const stream = joined([...units, ...units]);
    const got: string[] = [];
    for (let at = 0; at < stream.length; ) {
      const space = reader.space();
      const length = Math.min(space.length, stream.length - at, step());
      space.set(stream.subarray(at, at + length));
      reader.received(length);
      at += length;
      for (let unit = reader.next(() => {}); unit !== undefined; unit = reader.next(() => {})) {
        got.push(toHex(joined([unit.header, unit.body])));
      }
    }
    expect(got).toEqual([...units, ...units].map(toHex));
    expect(reader.pendingBytes).toBe(0);
  });
});

function piecesOf(seed: number): () => number {
  const random = seeded(seed);
  return () => 1 + Math.floor(random() * 40);
}
