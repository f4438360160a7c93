import { randomBytes } from 'node:crypto';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { describe, expect, it } from 'vitest';
import { generatePassphrase, judgePassphrase } from '../../src/cli/passphrase.ts';

const chosen = (text: string) => ({ text, generated: false });

describe('generatePassphrase', () => {
  it('joins four words of the list', () => {
    const { text, generated } = generatePassphrase(randomBytes);
    expect(generated).toBe(true);
    const words = text.split('-');
    expect(words).toHaveLength(4);
    for (const word of words) expect(wordlist).toContain(word);
  });

  it('gives each word to equally many draws', () => {
    const drawn = new Map<string, number>();
    for (let value = 0; value < 65_536; value++) {
      const pair = [value >> 8, value & 0xff];
      const [word] = generatePassphrase(() => Uint8Array.from([...pair, ...pair, ...pair, ...pair])).text.split('-');
      drawn.set(word!, (drawn.get(word!) ?? 0) + 1);
    }
    expect(drawn.size).toBe(2048);
    expect(new Set(drawn.values())).toEqual(new Set([32]));
  });

  it('draws each word from bytes of its own', () => {
    const { text } = generatePassphrase(() => Uint8Array.of(0, 0, 0, 1, 0, 2, 7, 255));
    expect(text).toBe('abandon-ability-able-zoo');
  });
});

describe('judgePassphrase', () => {
  it('knows a generated passphrase by its flag', async () => {
    const judgement = await judgePassphrase(generatePassphrase(randomBytes));
    expect(judgement).toEqual({ bits: 44 });
  });

  it.each(['password', 'Password1', 'P@ssw0rd', '123456', 'qwertyuiop', 'iloveyou'])(
    'refuses the common %s',
    async text => {
      expect((await judgePassphrase(chosen(text))).refused).toMatch(/common/);
    },
  );

  it.each(['a', '482915', 'hunter2', 'iloveyou2024', 'aaaaaaaaaaaaaaaaaaaa', 'passwordpassword'])(
    'refuses the weak %s',
    async text => {
      const judgement = await judgePassphrase(chosen(text));
      expect(judgement.bits).toBeLessThan(30);
      expect(judgement.refused).toBeDefined();
    },
  );

  it.each([
    'orbit-velvet-canyon-turtle',
    'correct horse battery staple',
    'xK9#mQ2$vL7!',
    '密码是很长的一句话没有人猜得到',
  ])('accepts the strong %s', async text => {
    const judgement = await judgePassphrase(chosen(text));
    expect(judgement.bits).toBeGreaterThanOrEqual(30);
    expect(judgement.refused).toBeUndefined();
  });

  it('answers soon for a very long one', async () => {
    expect((await judgePassphrase(chosen('ab7!'.repeat(20_000)))).bits).toBeGreaterThan(0);
  });

  it('does not repeat the passphrase in the reason', async () => {
    expect((await judgePassphrase(chosen('hunter2'))).refused).not.toContain('hunter2');
  });
});
