import { describe, expect, it } from 'vitest';
import { expand, extract } from '../../src/protocol/crypto/kdf.ts';
import type { CryptoProvider } from '../../src/protocol/crypto/provider.ts';
import { codeOf, fromHex, readVectors, toHex, wycheproofTests } from '../protocol/crypto/vectors.ts';

/** What every CryptoProvider must do, and that it works together with `other`. */
export function cryptoProviderContract(name: string, provider: CryptoProvider, other: CryptoProvider): void {
  describe(`${name} as a crypto provider`, () => {
    describe('X25519', () => {
      it('gives the results of wycheproof and refuses an all-zero result', () => {
        for (const test of wycheproofTests<{ public: string; private: string; shared: string }>('x25519_test.json')) {
          const { privateKey } = provider.importKeyPair(fromHex(test.private));
          const agree = () => provider.diffieHellman(privateKey, fromHex(test.public));
          if (/^0+$/.test(test.shared)) expect(codeOf(agree), `case ${test.tcId}`).toBe('AUTH');
          else expect(toHex(agree()), `case ${test.tcId}`).toBe(test.shared);
        }
      });

      it('treats the low-order points of the CPace draft as the draft does', () => {
        const vectors = readVectors<{
          s: string;
          must_abort: string[];
          cases: { name: string; u: string; expected: string }[];
        }>('cpace/x25519-scalar-mult-vfy.json');
        const { privateKey } = provider.importKeyPair(fromHex(vectors.s));
        for (const { name, u, expected } of vectors.cases) {
          const agree = () => provider.diffieHellman(privateKey, fromHex(u));
          if (vectors.must_abort.includes(name)) expect(codeOf(agree), name).toBe('AUTH');
          else expect(toHex(agree()), name).toBe(expected);
        }
      });

      it('agrees with the other provider on a secret', () => {
        const ours = provider.generateKeyPair();
        const theirs = other.generateKeyPair();
        expect(ours.publicKey).toHaveLength(32);
        const secret = provider.diffieHellman(ours.privateKey, theirs.publicKey);
        expect(secret).toEqual(other.diffieHellman(theirs.privateKey, ours.publicKey));
      });

      it('restores a key pair with the public key that the other provider gives it', () => {
        const bytes = provider.randomBytes(32);
        expect(provider.importKeyPair(bytes).publicKey).toEqual(other.importKeyPair(bytes).publicKey);
      });

      it('makes a new key pair each time', () => {
        expect(provider.generateKeyPair().publicKey).not.toEqual(provider.generateKeyPair().publicKey);
      });

      it('keeps its own copy of an imported private key', () => {
        const bytes = provider.randomBytes(32);
        const pair = provider.importKeyPair(bytes);
        const point = other.generateKeyPair().publicKey;
        const before = provider.diffieHellman(pair.privateKey, point);
        bytes.fill(0);
        expect(provider.diffieHellman(pair.privateKey, point)).toEqual(before);
      });

      it('refuses keys of a wrong length and the private keys of another provider', () => {
        const { privateKey } = provider.generateKeyPair();
        expect(codeOf(() => provider.diffieHellman(privateKey, new Uint8Array(31)))).toBe('MALFORMED');
        expect(codeOf(() => provider.diffieHellman(privateKey, new Uint8Array(33)))).toBe('MALFORMED');
        expect(codeOf(() => provider.importKeyPair(new Uint8Array(31)))).toBe('MALFORMED');
        const foreign = other.generateKeyPair();
        expect(codeOf(() => provider.diffieHellman(foreign.privateKey, foreign.publicKey))).toBe('INTERNAL');
      });
    });

    describe('SHA-512, HMAC and HKDF', () => {
      it('hashes parts as if they were one', () => {
        const whole = provider.randomBytes(300);
        const expected = other.sha512(whole);
        expect(provider.sha512(whole)).toEqual(expected);
        expect(provider.sha512(whole.subarray(0, 1), new Uint8Array(0), whole.subarray(1))).toEqual(expected);
        expect(toHex(provider.sha512()).slice(0, 16)).toBe('cf83e1357eefb8bd');
      });

      it('gives the tags of wycheproof for HMAC-SHA-512', () => {
        const tests = wycheproofTests<{ key: string; msg: string; tag: string }>('hmac_sha512_test.json');
        for (const test of tests) {
          const message = fromHex(test.msg);
          const tag = provider.hmacSha512(fromHex(test.key), message.subarray(0, 3), message.subarray(3));
          expect(toHex(tag) === test.tag, `case ${test.tcId}`).toBe(test.result === 'valid');
        }
      });

      it('gives the keys of wycheproof for HKDF-SHA-512 and refuses too many bytes', () => {
        type Test = { ikm: string; salt: string; info: string; size: number; okm: string };
        for (const test of wycheproofTests<Test>('hkdf_sha512_test.json')) {
          const secret = extract(provider, fromHex(test.salt), fromHex(test.ikm));
          const derive = () => expand(provider, secret, fromHex(test.info), test.size);
          if (test.result === 'valid') expect(toHex(derive()), `case ${test.tcId}`).toBe(test.okm);
          else expect(codeOf(derive), `case ${test.tcId}`).toBe('USAGE');
        }
      });
    });

    describe('scrypt', () => {
      it('equals the other provider', async () => {
        const password = provider.randomBytes(20);
        const salt = provider.randomBytes(9);
        const ours = await provider.scrypt(password, salt, 16, 40);
        expect(ours).toHaveLength(40);
        expect(ours).toEqual(await other.scrypt(password, salt, 16, 40));
      });

      it('fails with INTERNAL for a cost that is no power of two', async () => {
        const failing = provider.scrypt(new Uint8Array(1), new Uint8Array(1), 17, 32);
        await expect(failing).rejects.toMatchObject({ code: 'INTERNAL' });
      });
    });

    describe('AES-256-GCM', () => {
      const nonce = fromHex('000000000000000000000007');
      const ad = fromHex('0102');

      it('seals and opens as wycheproof says', () => {
        type Test = { key: string; iv: string; aad: string; msg: string; ct: string; tag: string };
        for (const test of wycheproofTests<Test>('aes_gcm_test.json')) {
          const aead = provider.aead(fromHex(test.key));
          const opened = aead.open(fromHex(test.iv), fromHex(test.aad), fromHex(test.ct + test.tag));
          if (test.result !== 'valid') {
            expect(opened, `case ${test.tcId}`).toBeUndefined();
            continue;
          }
          expect(toHex(opened!), `case ${test.tcId}`).toBe(test.msg);
          const sealed = aead.seal(fromHex(test.iv), fromHex(test.aad), [fromHex(test.msg)]);
          expect(sealed.map(toHex).join(''), `case ${test.tcId}`).toBe(test.ct + test.tag);
        }
      });

      it('opens what the other provider sealed in pieces', () => {
        const key = provider.randomBytes(32);
        const plaintext = provider.randomBytes(5000);
        for (const cuts of [[], [0], [1], [17, 17], [1, 2, 3, 4999], [5000]]) {
          const pieces = [0, ...cuts].map((start, index) => plaintext.subarray(start, cuts[index] ?? plaintext.length));
          const sealed = Uint8Array.from(Buffer.concat(other.aead(key).seal(nonce, ad, pieces)));
          expect(provider.aead(key).open(nonce, ad, sealed)).toEqual(plaintext);
        }
      });

      it('returns no empty pieces, and the tag last', () => {
        const aead = provider.aead(provider.randomBytes(32));
        const pieces = aead.seal(nonce, ad, [new Uint8Array(0), Uint8Array.of(1), new Uint8Array(0)]);
        expect(pieces.map(piece => piece.length)).toEqual([1, 16]);
        expect(aead.seal(nonce, ad, []).map(piece => piece.length)).toEqual([16]);
        expect(aead.open(nonce, ad, aead.seal(nonce, ad, [])[0]!)).toEqual(new Uint8Array(0));
      });

      it('returns undefined for every changed bit, another nonce, other data, and input shorter than a tag', () => {
        const aead = provider.aead(provider.randomBytes(32));
        const sealed = Uint8Array.from(Buffer.concat(aead.seal(nonce, ad, [fromHex('aabbcc')])));
        for (let bit = 0; bit < sealed.length * 8; bit++) {
          const changed = Uint8Array.from(sealed);
          changed[bit >> 3]! ^= 1 << (bit & 7);
          expect(aead.open(nonce, ad, changed), `bit ${bit}`).toBeUndefined();
        }
        for (let length = 0; length < sealed.length; length++) {
          expect(aead.open(nonce, ad, sealed.subarray(0, length)), `${length} bytes`).toBeUndefined();
        }
        expect(aead.open(fromHex('000000000000000000000008'), ad, sealed)).toBeUndefined();
        expect(aead.open(nonce, fromHex('0103'), sealed)).toBeUndefined();
        expect(aead.open(nonce, ad, sealed)).toEqual(fromHex('aabbcc'));
      });

      it('does not change with its inputs after the call', () => {
        const key = provider.randomBytes(32);
        const aead = provider.aead(key);
        const plaintext = fromHex('00112233');
        const sealed = Uint8Array.from(Buffer.concat(aead.seal(nonce, ad, [plaintext])));
        key.fill(0);
        const opened = aead.open(nonce, ad, sealed)!;
        sealed.fill(0);
        plaintext.fill(9);
        expect(opened).toEqual(fromHex('00112233'));
      });
    });

    it('returns plain arrays, whose slice copies', async () => {
      const aead = provider.aead(new Uint8Array(32));
      const nonce = new Uint8Array(12);
      const pair = provider.generateKeyPair();
      const pieces = aead.seal(nonce, new Uint8Array(0), [new Uint8Array(5)]);
      const opened = aead.open(nonce, new Uint8Array(0), Uint8Array.from(Buffer.concat(pieces)));
      const results = [
        ...pieces,
        opened!,
        pair.publicKey,
        provider.diffieHellman(pair.privateKey, other.generateKeyPair().publicKey),
        provider.sha512(),
        provider.hmacSha512(nonce),
        provider.randomBytes(4),
        await provider.scrypt(nonce, nonce, 2, 8),
      ];
      for (const result of results) expect(result.constructor).toBe(Uint8Array);
    });
  });
}
