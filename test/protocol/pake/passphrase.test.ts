import { describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { cpaceGenerator, cpaceSessionKey, cpaceShare } from '../../../src/protocol/pake/cpace.ts';
import {
  channelIdentifier,
  passphrasePsk,
  preparePassphrase,
  stretchPassphrase,
} from '../../../src/protocol/pake/passphrase.ts';
import { codeOf, fromHex, readVectors, toHex } from '../crypto/vectors.ts';

const draft = readVectors<Record<string, string> & { inputs: Record<string, string> }>(
  'line1-draft/passphrase-stream.json',
);

describe('preparePassphrase', () => {
  it('leaves plain text alone, spaces at its ends included', () => {
    expect(preparePassphrase(' correct horse  ')).toBe(' correct horse  ');
  });

  it('makes every space separator a plain space', () => {
    for (const space of '\u00a0\u1680\u2000\u2003\u200a\u202f\u205f\u3000') {
      expect(preparePassphrase(`a${space}b`)).toBe('a b');
    }
  });

  it('composes, but does not replace what only looks alike', () => {
    expect(preparePassphrase('e\u0301')).toBe('\u00e9');
    expect(preparePassphrase('\u212b')).toBe('\u00c5');
    expect(preparePassphrase('\ufb01')).toBe('\ufb01');
    expect(preparePassphrase('Aa')).toBe('Aa');
  });

  it('is settled after one pass', () => {
    for (const text of ['e\u0301\u3000x', '\u1100\u1161\u11a8', 'q\u0323\u0307', '😀']) {
      const once = preparePassphrase(text);
      expect(preparePassphrase(once)).toBe(once);
    }
  });

  it.each([
    ['nothing', ''],
    ['a line feed', 'a\nb'],
    ['a tab', 'a\tb'],
    ['a zero byte', 'a\0'],
    ['delete', 'a\x7f'],
    ['a C1 control', 'a\x85'],
    ['a high surrogate alone', 'a\ud800'],
    ['a low surrogate alone', '\udc00a'],
  ])('refuses %s', (_name, text) => {
    expect(codeOf(() => preparePassphrase(text))).toBe('USAGE');
  });
});

describe('the passphrase keys of the line1 draft', () => {
  const { inputs } = draft;
  const nonce = fromHex(inputs['nonce']!);

  it('stretches the passphrase into PRS', async () => {
    const password = await stretchPassphrase(nodeCrypto, inputs['passphrase']!, inputs['realm']!);
    expect(toHex(password)).toBe(draft['PRS']);
  });

  it('stretches differently in another realm', async () => {
    const password = await stretchPassphrase(nodeCrypto, inputs['passphrase']!, 'other');
    expect(toHex(password)).not.toBe(draft['PRS']);
  });

  it('names the channel', () => {
    expect(toHex(channelIdentifier(inputs['realm']!))).toBe(draft['CI']);
    expect(channelIdentifier('a')).not.toEqual(channelIdentifier(''));
  });

  it('runs CPace to the psk', () => {
    const cpace = {
      password: fromHex(draft['PRS']!),
      channelIdentifier: channelIdentifier(inputs['realm']!),
      sessionId: nonce,
    };
    const ya = nodeCrypto.importKeyPair(fromHex(inputs['ya']!)).privateKey;
    const yb = nodeCrypto.importKeyPair(fromHex(inputs['yb']!)).privateKey;
    expect(toHex(cpaceGenerator(nodeCrypto, cpace))).toBe(draft['generator']);
    const initiator = { share: cpaceShare(nodeCrypto, cpace, ya), associatedData: fromHex(draft['ADa']!) };
    const responder = { share: cpaceShare(nodeCrypto, cpace, yb), associatedData: fromHex(draft['ADb']!) };
    expect(toHex(initiator.share)).toBe(draft['Ya']);
    expect(toHex(responder.share)).toBe(draft['Yb']);
    expect(toHex(nodeCrypto.diffieHellman(ya, responder.share))).toBe(draft['K']);
    const key = cpaceSessionKey(nodeCrypto, nonce, 'responder', yb, initiator, responder);
    expect(toHex(key)).toBe(draft['ISK']);
    expect(toHex(passphrasePsk(nodeCrypto, nonce, key))).toBe(draft['psk']);
  });
});
