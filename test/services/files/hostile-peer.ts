import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import type { JsonObject } from '../../../src/protocol/bytes/json.ts';
import { wantsOn } from './wants.ts';

/**
 * The reading side of the files service by somebody who says what he likes: as a host, or, under an offer, as a client
 * that uploads.
 */

export const file = (path: string, size: number, more: JsonObject = {}) => ({
  path,
  type: 'file',
  size,
  mtime_us: 1_600_000_000_000_000,
  mode: 0o644,
  ...more,
});
export const folder = (path: string, more: JsonObject = {}) => ({ ...file(path, 0), type: 'folder', ...more });
export const link = (path: string, target: string) => ({ ...file(path, 0), type: 'link', target });

export interface Script {
  /** What files.stat says of everything; default a folder. */
  readonly stat?: JsonObject;
  readonly list?: (channel: Channel) => Promise<void>;
  /** Runs for the whole channel of wants. */
  readonly get?: (channel: Channel) => Promise<void>;
  readonly hash?: (channel: Channel) => Promise<void>;
  readonly leaves?: (channel: Channel) => Promise<void>;
  readonly chunks?: (channel: Channel) => Promise<void>;
}

/** Lists `entries` in one message. */
export const lists =
  (...entries: unknown[]) =>
  async (channel: Channel): Promise<void> => {
    await channel.send({ t: 'entries', entries });
    await channel.send({ t: 'done' });
  };

/** Answers each want by what `answer` sends, in order. */
export const answers =
  (answer: (channel: Channel, id: number, want: JsonObject) => Promise<void>) =>
  async (channel: Channel): Promise<void> => {
    for await (const want of wantsOn(channel)) await answer(channel, want.id, want);
  };

export const honestAnswer = async (channel: Channel, id: number, content = 'hello'): Promise<void> => {
  await channel.send({ t: 'file', id, entry: file('', content.length), offset: 0, length: content.length });
  await channel.write(Buffer.from(content));
  await channel.send({ t: 'end', id });
};

export function hostilePeer(script: Script): (channel: Channel) => Promise<void> {
  return async channel => {
    // Files of rooms have the same kinds behind a prefix.
    switch (channel.kind.replace(/^chat\./, '')) {
      case 'files.stat':
        return channel.send({ t: 'entry', entry: script.stat ?? folder('') });
      case 'files.list':
        return script.list?.(channel);
      case 'files.get':
        return script.get?.(channel);
      case 'files.leaves':
        return script.leaves?.(channel);
      case 'files.chunks':
        return script.chunks?.(channel);
      default:
        return script.hash?.(channel);
    }
  };
}

type HostileAnswer = [string, (channel: Channel, id: number) => Promise<void>, LineError['code'], 'ends' | 'goes on'];

/** Each in place of an honest answer to the first of two wants; then the code, and whether all ends there. */
export const HOSTILE_ANSWERS: readonly HostileAnswer[] = [
  ['another id', (channel, id) => honestAnswer(channel, id + 1), 'PROTOCOL', 'ends'],
  [
    'an id that is text',
    channel => channel.send({ t: 'failed', id: '0', code: 'ACCESS', reason: '' }),
    'MALFORMED',
    'ends',
  ],
  [
    'an id below zero',
    channel => channel.send({ t: 'failed', id: -1, code: 'ACCESS', reason: '' }),
    'MALFORMED',
    'ends',
  ],
  [
    'a fractional id',
    channel => channel.send({ t: 'failed', id: 0.5, code: 'ACCESS', reason: '' }),
    'MALFORMED',
    'ends',
  ],
  [
    'the same answer twice',
    async (channel, id) => {
      await honestAnswer(channel, id);
      await honestAnswer(channel, id);
    },
    'PROTOCOL',
    'ends',
  ],
  ['DATA before file', channel => channel.write(Buffer.from('hello')), 'PROTOCOL', 'ends'],
  ['an end before all bytes', (channel, id) => shortened(channel, id, 4), 'MISMATCH', 'goes on'],
  ['an end without bytes', (channel, id) => shortened(channel, id, 0), 'MISMATCH', 'goes on'],
  [
    'one byte more',
    async (channel, id) => {
      await channel.send({ t: 'file', id, entry: file('', 5), offset: 0, length: 5 });
      await channel.write(Buffer.from('hello!'));
      await channel.send({ t: 'end', id });
    },
    'MISMATCH',
    'ends',
  ],
  [
    'bytes after the end',
    async (channel, id) => {
      await honestAnswer(channel, id);
      await channel.write(Buffer.from('!'));
    },
    'PROTOCOL',
    'ends',
  ],
  [
    'a part of the file as if it were the whole',
    async (channel, id) => {
      await channel.send({ t: 'file', id, entry: file('', 5), offset: 0, length: 2 });
      await channel.write(Buffer.from('he'));
      await channel.send({ t: 'end', id });
    },
    'PROTOCOL',
    'ends',
  ],
  [
    'nothing of the file as if it were the whole',
    async (channel, id) => {
      await channel.send({ t: 'file', id, entry: file('', 5), offset: 5, length: 0 });
      await channel.send({ t: 'end', id });
    },
    'PROTOCOL',
    'ends',
  ],
  [
    'an offset far away',
    async (channel, id) => {
      await channel.send({ t: 'file', id, entry: file('', 2 ** 53 - 1), offset: 2 ** 50, length: 5 });
      await channel.write(Buffer.from('hello'));
      await channel.send({ t: 'end', id });
    },
    'PROTOCOL',
    'ends',
  ],
  ['more than the file has', answeredBy(file('', 5), 0, 6), 'PROTOCOL', 'ends'],
  ['a length below zero', answeredBy(file('', 5), 0, -5), 'MALFORMED', 'ends'],
  ['a fractional length', answeredBy(file('', 5), 0, 4.5), 'MALFORMED', 'ends'],
  ['a length of 2^53', answeredBy(file('', 5), 0, 2 ** 53), 'MALFORMED', 'ends'],
  ['a size below zero', answeredBy(file('', -5), 0, 5), 'MALFORMED', 'ends'],
  ['a size that is text', answeredBy({ ...file('', 5), size: '5' }, 0, 5), 'MALFORMED', 'ends'],
  ['a folder', answeredBy(folder('', { size: 5 }), 0, 5), 'PROTOCOL', 'ends'],
  ['no entry', answeredBy(undefined, 0, 5), 'MALFORMED', 'ends'],
  ['a list as entry', answeredBy([], 0, 5), 'MALFORMED', 'ends'],
  [
    'an entry with its fields in __proto__',
    answeredBy(JSON.parse(`{"__proto__":${JSON.stringify(file('', 5))}}`), 0, 5),
    'MALFORMED',
    'ends',
  ],
  ['a message of no known type', (channel, id) => channel.send({ t: 'hello', id }), 'PROTOCOL', 'ends'],
  ['a message without a type', (channel, id) => channel.send({ id }), 'MALFORMED', 'ends'],
  [
    'a second file inside the first',
    async (channel, id) => {
      await channel.send({ t: 'file', id, entry: file('', 5), offset: 0, length: 5 });
      await channel.send({ t: 'file', id, entry: file('', 5), offset: 0, length: 5 });
    },
    'PROTOCOL',
    'ends',
  ],
  [
    'the end of another file inside the first',
    async (channel, id) => {
      await channel.send({ t: 'file', id, entry: file('', 5), offset: 0, length: 5 });
      await channel.write(Buffer.from('hello'));
      await channel.send({ t: 'end', id: id + 1 });
    },
    'PROTOCOL',
    'ends',
  ],
  [
    'END inside a file',
    async (channel, id) => {
      await channel.send({ t: 'file', id, entry: file('', 5), offset: 0, length: 5 });
      await channel.write(Buffer.from('hell'));
      await channel.end();
    },
    'PROTOCOL',
    'ends',
  ],
  ['END in place of an answer', channel => channel.end(), 'PROTOCOL', 'ends'],
  [
    'RESET in the middle',
    async (channel, id) => {
      await channel.send({ t: 'file', id, entry: file('', 5), offset: 0, length: 5 });
      await channel.write(Buffer.from('hell'));
      throw new LineError('NO_SPACE', 'the host gives up');
    },
    'NO_SPACE',
    'ends',
  ],
  [
    'another size than was listed',
    async (channel, id) => honestAnswer(channel, id, 'hello and more that nobody was told of'),
    'CHANGED',
    'goes on',
  ],
  [
    'failed in the middle',
    async (channel, id) => {
      await channel.send({ t: 'file', id, entry: file('', 5), offset: 0, length: 5 });
      await channel.write(Buffer.from('hell'));
      await channel.send({ t: 'failed', id, code: 'CHANGED', reason: 'it did' });
    },
    'CHANGED',
    'goes on',
  ],
  [
    'failed in place of end',
    async (channel, id) => {
      await channel.send({ t: 'file', id, entry: file('', 5), offset: 0, length: 5 });
      await channel.write(Buffer.from('hello'));
      await channel.send({ t: 'failed', id, code: 'CHANGED', reason: 'it did' });
    },
    'CHANGED',
    'goes on',
  ],
  [
    'a failure with a code that nobody knows',
    (channel, id) => channel.send({ t: 'failed', id, code: 'constructor', reason: '' }),
    'INTERNAL',
    'goes on',
  ],
  // A host that could say PIN or AUTH would have the user forget the pin, or type the passphrase once more.
  ...(['PIN', 'AUTH', 'USAGE', 'VERSION'] as const).map(
    (name): HostileAnswer => [
      `a failure with the code ${name}, which is not for a host to say`,
      (channel, id) => channel.send({ t: 'failed', id, code: name, reason: '' }),
      'INTERNAL',
      'goes on',
    ],
  ),
];

export async function shortened(channel: Channel, id: number, sent: number): Promise<void> {
  await channel.send({ t: 'file', id, entry: file('', 5), offset: 0, length: 5 });
  await channel.write(Buffer.from('hello').subarray(0, sent));
  await channel.send({ t: 'end', id });
}

function answeredBy(entry: unknown, offset: number, length: number) {
  return (channel: Channel, id: number): Promise<void> => channel.send({ t: 'file', id, entry, offset, length });
}
