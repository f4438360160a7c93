import { describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { encodeAscii } from '../../../src/protocol/bytes/text.ts';
import { portableCrypto } from '../../../src/protocol/crypto/portable.ts';
import type { CryptoProvider } from '../../../src/protocol/crypto/provider.ts';
import {
  type CpaceInputs,
  cpaceGenerator,
  cpaceSessionKey,
  cpaceShare,
  generatorString,
  lvCat,
  transcriptIr,
} from '../../../src/protocol/pake/cpace.ts';
import { elligator2 } from '../../../src/protocol/pake/elligator2.ts';
import { codeOf, fromHex, readVectors, toHex } from '../crypto/vectors.ts';

const vectors = readVectors<Record<string, Record<string, string>>>('cpace/testvectors.json');
const group = vectors['G_25519']!;
const blocks = readVectors<{ section: string; data: Record<string, string> }[]>('cpace/draft-appendix-blocks.json');
const block = (section: string) => blocks.find(candidate => candidate.section === section)!.data;
const field = (name: string) => fromHex(group[name]!);
const upper = (bytes: Uint8Array) => toHex(bytes).toUpperCase();

const inputs: CpaceInputs = { password: field('PRS'), channelIdentifier: field('CI'), sessionId: field('sid') };
const initiator = { share: field('Ya'), associatedData: field('ADa') };
const responder = { share: field('Yb'), associatedData: field('ADb') };

describe.each<[string, CryptoProvider]>([
  ['nodeCrypto', nodeCrypto],
  ['portableCrypto', portableCrypto(length => nodeCrypto.randomBytes(length))],
])('CPace over %s', (_name, provider) => {
  const ya = provider.importKeyPair(field('ya')).privateKey;
  const yb = provider.importKeyPair(field('yb')).privateKey;

  it('makes the generator and the shares of the draft', () => {
    expect(upper(cpaceGenerator(provider, inputs))).toBe(group['g']);
    expect(upper(cpaceShare(provider, inputs, ya))).toBe(group['Ya']);
    expect(upper(cpaceShare(provider, inputs, yb))).toBe(group['Yb']);
  });

  it('makes the session key of the draft on both sides', () => {
    expect(upper(provider.diffieHellman(ya, responder.share))).toBe(group['K']);
    const ofInitiator = cpaceSessionKey(provider, inputs.sessionId, 'initiator', ya, initiator, responder);
    const ofResponder = cpaceSessionKey(provider, inputs.sessionId, 'responder', yb, initiator, responder);
    expect(upper(ofInitiator)).toBe(group['ISK_IR']);
    expect(upper(ofResponder)).toBe(group['ISK_IR']);
  });

  it('makes the session id output of the draft from the transcript', () => {
    const output = provider.sha512(encodeAscii('CPaceSidOutput'), transcriptIr(initiator, responder));
    expect(upper(output)).toBe(group['sid_output_ir']);
  });

  it('fails with AUTH on every share that the draft says must abort', () => {
    const points = readVectors<{ must_abort: string[]; cases: { name: string; u: string }[] }>(
      'cpace/x25519-scalar-mult-vfy.json',
    );
    for (const { name, u } of points.cases.filter(point => points.must_abort.includes(point.name))) {
      const evil = { share: fromHex(u), associatedData: new Uint8Array(0) };
      const asResponder = () => cpaceSessionKey(provider, inputs.sessionId, 'responder', yb, evil, responder);
      const asInitiator = () => cpaceSessionKey(provider, inputs.sessionId, 'initiator', ya, initiator, evil);
      expect(codeOf(asResponder), name).toBe('AUTH');
      expect(codeOf(asInitiator), name).toBe('AUTH');
    }
  });

  it('gives two sides the same key only if everything agrees', () => {
    const agree = (change: Partial<CpaceInputs>, seenByResponder = encodeAscii('A')) => {
      const own = provider.generateKeyPair().privateKey;
      const peer = provider.generateKeyPair().privateKey;
      const theirs = { ...inputs, ...change };
      const first = { share: cpaceShare(provider, inputs, own), associatedData: encodeAscii('A') };
      const second = { share: cpaceShare(provider, theirs, peer), associatedData: encodeAscii('B') };
      const seen = { ...first, associatedData: seenByResponder };
      const left = cpaceSessionKey(provider, inputs.sessionId, 'initiator', own, first, second);
      const right = cpaceSessionKey(provider, theirs.sessionId, 'responder', peer, seen, second);
      return toHex(left) === toHex(right);
    };
    expect(agree({})).toBe(true);
    expect(agree({ password: encodeAscii('passwort') })).toBe(false);
    expect(agree({ channelIdentifier: encodeAscii('elsewhere') })).toBe(false);
    expect(agree({ sessionId: encodeAscii('another run') })).toBe(false);
    expect(agree({}, encodeAscii('X'))).toBe(false);
  });
});

describe('the encodings of CPace', () => {
  it('prepends lengths as the draft does', () => {
    const data = block('prepend_len test vectors');
    const counting = (length: number) => Uint8Array.from({ length }, (_, index) => index);
    expect(upper(lvCat(new Uint8Array(0)))).toBe(data["prepend_len(b'')"]);
    expect(upper(lvCat(encodeAscii('1234')))).toBe(data["prepend_len(b'1234')"]);
    expect(upper(lvCat(counting(127)))).toBe(data['prepend_len(bytes(range(127)))']);
    expect(upper(lvCat(counting(128)))).toBe(data['prepend_len(bytes(range(128)))']);
    expect(toHex(lvCat(new Uint8Array(16384)).subarray(0, 3))).toBe('808001');
  });

  it('joins parts as the draft does', () => {
    const data = block('Testvector for lv_cat()');
    const joined = lvCat(encodeAscii('1234'), encodeAscii('5'), new Uint8Array(0), encodeAscii('678'));
    expect(upper(joined)).toBe(data["lv_cat(b'1234',b'5',b'',b'678')"]);
  });

  it('writes the transcript as the draft does', () => {
    const data = block('Test vectors transcript_ir function');
    const message = (share: string, party: string) => ({
      share: encodeAscii(share),
      associatedData: encodeAscii(party),
    });
    expect(upper(transcriptIr(message('123', 'PartyA'), message('234', 'PartyB')))).toBe(
      data["transcript_ir(b'123',b'PartyA',b'234',b'PartyB')"],
    );
    expect(upper(transcriptIr(message('3456', 'PartyA'), message('2345', 'PartyB')))).toBe(
      data["transcript_ir(b'3456',b'PartyA',b'2345',b'PartyB')"],
    );
  });

  it('calculates the generator step by step as the draft does', () => {
    const data = block('Test vectors for calculate_generator with group X25519');
    const string = generatorString(inputs);
    expect(upper(string)).toBe(data['generator_string(G.DSI,PRS,CI,sid,H.s_in_bytes)']);
    const hash = nodeCrypto.sha512(string).subarray(0, 32);
    expect(upper(hash)).toBe(data['hash generator string']);
    expect(upper(elligator2(hash))).toBe(data['generator g']);
    expect(upper(elligator2(fromHex(data['decoded field element of 255 bits']!)))).toBe(data['generator g']);
  });

  it('pads nothing when the password fills the block by itself', () => {
    const long = { ...inputs, password: new Uint8Array(200).fill(7) };
    expect(generatorString(long)).toEqual(
      lvCat(encodeAscii('CPace255'), long.password, new Uint8Array(0), long.channelIdentifier, long.sessionId),
    );
  });
});
