// Markov Encryption, the cipher of the classic file server: ours beside its definition in Python, where that is installed.
import { Decrypter, Encrypter, keyOfPassword } from 'postern/classic';
import { findProgram, median, run, table } from './measure.mjs';

const PASSWORD = 'hunter2';
const OUR_BYTES = 8 * 2 ** 20;
const PYTHON_BYTES = 200_000;
const ROUNDS = 7;

export async function classic() {
  const { key, primer } = keyOfPassword(PASSWORD);
  const plain = new Uint8Array(OUR_BYTES).map((_, at) => (at * 31) ^ (at >> 8));
  const coded = new Encrypter(key, primer).process(plain);
  const rates = {
    encrypting: ourRate(() => new Encrypter(key, primer), plain),
    decrypting: ourRate(() => new Decrypter(key, primer), coded),
  };
  const python = findProgram('python3');
  const theirs = python === undefined ? undefined : Number(await run(python, ['-c', DEFINITION]));
  const rows = Object.entries(rates).map(([what, rate]) => [
    what,
    rate.toFixed(1),
    theirs?.toFixed(2) ?? 'no Python here',
    theirs === undefined ? '' : `${Math.round(rate / theirs)}`,
  ]);
  return [
    `Markov Encryption with the key of a password (256 bytes, 256 blocks), on one core, median of ${ROUNDS} rounds:`,
    '',
    ...table(['what', 'ours, MB/s', 'in Python, MB/s', 'times'], rows),
  ];
}

function ourRate(makeProcessor, input) {
  const seconds = Array.from({ length: ROUNDS }, () => {
    const processor = makeProcessor();
    const start = performance.now();
    processor.process(input);
    return (performance.now() - start) / 1000;
  });
  return OUR_BYTES / 1e6 / median(seconds);
}

/** As it is defined (docs/classic.md), one sum of 255 look-ups a byte: what Python makes of it, in MB/s. */
const DEFINITION = `
import collections, random, time
chaos, alphabet, blocks = random.Random('${PASSWORD}'), list(range(256)), []
for _ in range(256):
    chaos.shuffle(alphabet)
    blocks.append(alphabet[:])
base = blocks[0]
place = {byte: at for at, byte in enumerate(base)}
shifts = [tuple(place[byte] for byte in block) for block in blocks[1:]]
turn = sum(shift[0] for shift in shifts[:-1])
chaos = random.Random('${PASSWORD}')
passed = collections.deque([chaos.choice(base) for _ in shifts], len(shifts))
passed.reverse()
plain = bytes((at * 31) & 255 for at in range(${PYTHON_BYTES}))
coded = bytearray()
start = time.perf_counter()
for value in plain:
    met = sum(shift[before] for shift, before in zip(shifts, passed))
    coded.append(base[(met + value - turn) % 256])
    passed.appendleft(value)
print(len(plain) / 1e6 / (time.perf_counter() - start))
`;
