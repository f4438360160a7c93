import { wordlist } from '@scure/bip39/wordlists/english.js';

/** A passphrase and whether we drew it, which a text cannot tell by itself (docs/protocol/1-handshake.md §6). */
export interface Passphrase {
  readonly text: string;
  readonly generated: boolean;
}

/** How much guessing a passphrase withstands. `refused` is the reason why it may not guard a server. */
export interface Judgement {
  readonly bits: number;
  readonly refused?: string;
}

/** Draws four words of the BIP39 English list: 44 bits, each word as likely as every other. */
export function generatePassphrase(randomBytes: (length: number) => Uint8Array): Passphrase {
  const random = randomBytes(WORDS * 2);
  const words: string[] = [];
  for (let at = 0; at < random.length; at += 2) {
    // 2,048 divides 65,536, so dropping the high bits favours no word.
    words.push(wordlist[((random[at]! << 8) | random[at + 1]!) % wordlist.length]!);
  }
  return { text: words.join('-'), generated: true };
}

/** For the serving side only: whoever dials has no choice of passphrase. Loads the estimator on first need. */
export async function judgePassphrase(passphrase: Passphrase): Promise<Judgement> {
  if (passphrase.generated) return { bits: WORDS * BITS_PER_WORD };
  const check = await loadEstimator();
  const { guesses, sequence } = check(passphrase.text);
  const bits = Math.floor(Math.log2(guesses));
  const [match] = sequence;
  if (sequence.length === 1 && match?.['dictionaryName'] === 'passwords-common') {
    return { bits, refused: 'it is on the lists of common passwords' };
  }
  if (bits < MIN_BITS) {
    return { bits, refused: `it withstands about 2^${bits} guesses and a server needs 2^${MIN_BITS}` };
  }
  return { bits };
}

/** The estimator and its lists take 90 ms to load, which a command that does not serve never pays. */
async function loadEstimator() {
  const [{ ZxcvbnFactory }, { dictionary, adjacencyGraphs }] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
  ]);
  const estimator = new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs });
  return (text: string) => estimator.check(text);
}

const WORDS = 4;
const BITS_PER_WORD = 11;
/** docs/protocol/1-handshake.md §6: below this, 100 guesses an hour are not slow enough. */
const MIN_BITS = 30;
