import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { u32Bytes } from '../../../src/protocol/bytes/writer.ts';
import { encodeListed } from '../../../src/services/files/comparing/chunk-list.ts';
import { CHUNK_BYTES } from '../../../src/services/files/comparing/leaves.ts';
import { decodeEvents } from '../../../src/services/files/receiving/events.ts';
import { serveChanges } from './changed.ts';
import { answers, file, hostilePeer, type Script } from './hostile-peer.ts';
import { finalNames, serve } from './served.ts';

/**
 * Comparisons with somebody who answers them badly, in either direction: the file that was there stays, or the whole
 * announced one takes its place; what is asked for and held is bounded by the announced size, and an answer without an
 * end is left (R-F3, R-A12).
 */

const MiB = 1024 * 1024;
const KiB = 1024;

interface Facing {
  /** Absolute path of the file, which is there in another version or as a partial. */
  readonly path: string;
  /** Has the file replaced, and gives the code of its failure, if it failed, be it with all of the transfer. */
  readonly transfer: (signal?: AbortSignal) => Promise<LineError['code'] | undefined>;
  readonly names: () => string[];
  readonly end: () => Promise<void>;
}

let facing: Facing | undefined;

afterEach(async () => {
  await facing?.end();
  facing = undefined;
});

async function getFrom(script: Script): Promise<Facing> {
  const served = await serve({ host: hostilePeer(script) });
  const transfer = async (signal?: AbortSignal): Promise<LineError['code'] | undefined> => {
    try {
      const { failures } = await served.get('f', 'f', { conflict: 'force', signal });
      return failures[0]?.split(' ').at(-1) as LineError['code'] | undefined;
    } catch (thrown) {
      return (thrown as LineError).code;
    }
  };
  return { path: served.got('f'), transfer, names: () => readdirSync(served.got()), end: served.end };
}

async function putBy(script: Script): Promise<Facing> {
  const changed = await serveChanges({ onChannel: hostilePeer(script) });
  const transfer = async (signal?: AbortSignal): Promise<LineError['code'] | undefined> => {
    const request = { path: 'f', offer: 'any', policy: 'force' };
    const channel = changed.client.open('files.put', request, { signal });
    try {
      for (;;) {
        const message = await channel.readMessage();
        if (message['t'] === 'summary') return undefined;
        const failed = decodeEvents(message).find(event => event.type === 'failed');
        if (failed !== undefined) return failed.error.code;
      }
    } catch (thrown) {
      return (thrown as LineError).code;
    } finally {
      channel.reset();
    }
  };
  const end = async (): Promise<void> => {
    await changed.end();
    expect(changed.faults).toEqual([]);
  };
  return { path: changed.at('f'), transfer, names: () => readdirSync(changed.at()), end };
}

/** Of the new version, and the old one. */
const SIZE = 3 * MiB;
const before = randomBytes(2 * MiB);
const tag = (): Uint8Array => randomBytes(16);
const begin = (channel: Channel): Promise<void> => channel.send({ t: 'chunks', entry: file('', SIZE) });
/** Lists chunks of these lengths. */
const chunks =
  (...lengths: number[]) =>
  async (channel: Channel): Promise<void> => {
    await begin(channel);
    for (const length of lengths) await channel.write(encodeListed(length, tag()));
  };
const many = (count: number, length: number): number[] => Array.from({ length: count }, () => length);

/** Gives what is asked for, if it is a part of a file of `SIZE`. */
const honest = answers(async (channel, id, { offset, length }) => {
  await channel.send({ t: 'file', id, entry: file('', SIZE), offset, length });
  await channel.write(new Uint8Array(length as number));
  await channel.send({ t: 'end', id });
});

async function endless(channel: Channel, piece: () => Uint8Array): Promise<number> {
  let sent = 0;
  for (; sent < 64 * MiB; sent += 16 * KiB) await channel.write(piece());
  return sent;
}

const DIRECTIONS = [
  ['get', getFrom],
  ['put', putBy],
] as const;

describe.each(DIRECTIONS)('%s: R-F3 chunks', (_, make) => {
  const compare = async (answer: (channel: Channel) => Promise<void>): Promise<LineError['code'] | undefined> => {
    let asked = 0;
    const get = async (channel: Channel): Promise<void> => {
      asked += 1;
      await honest(channel);
    };
    facing = await make({ stat: file('', SIZE), chunks: answer, get });
    writeFileSync(facing.path, before);
    const failure = await facing.transfer();
    // The comparison failed, so nothing was asked for on the strength of it, and what was there stays.
    if (failure !== undefined) expect(readFileSync(facing.path).equals(before)).toBe(true);
    expect(facing.names().filter(name => !name.endsWith('.postern-part'))).toEqual(['f']);
    expect(asked).toBeLessThan(3);
    return failure;
  };

  test.each<[string, (channel: Channel) => Promise<void>]>([
    ['of a length of 0', chunks(0)],
    ['of a length of 0 behind all others', chunks(...many(24, 128 * KiB), 0)],
    ['shorter than chunks are', chunks(8 * KiB, ...many(24, 128 * KiB))],
    ['longer than chunks are', chunks(128 * KiB + 1)],
    ['of the largest length that can be said', chunks(2 ** 32 - 1)],
    ['together more than the file', chunks(...many(25, 128 * KiB))],
    ['together less than the file', chunks(...many(23, 128 * KiB))],
    ['of which there are none', chunks()],
    ['of a part of one', channel => begin(channel).then(() => channel.write(u32Bytes(128 * KiB)))],
    [
      'and a part of one more',
      channel => chunks(...many(24, 128 * KiB))(channel).then(() => channel.write(new Uint8Array(1))),
    ],
  ])('%s are a mismatch', async (_name, answer) => {
    expect(await compare(answer)).toBe('MISMATCH');
  });

  test.each<[string, (channel: Channel) => Promise<void>, LineError['code'][]]>([
    ['of another file', channel => channel.send({ t: 'chunks', entry: file('', SIZE + 1) }), ['CHANGED']],
    ['of another time', channel => channel.send({ t: 'chunks', entry: file('', SIZE, { mtime_us: 1 }) }), ['CHANGED']],
    ['without an entry', channel => channel.send({ t: 'chunks' }), ['MALFORMED', 'PROTOCOL']],
    ['under another name', channel => channel.send({ t: 'leaves', entry: file('', SIZE) }), ['PROTOCOL']],
    ['as a message', channel => begin(channel).then(() => begin(channel)), ['PROTOCOL']],
    ['as bytes alone', channel => channel.write(new Uint8Array(20)), ['PROTOCOL']],
    [
      'that end with a failure',
      async channel => {
        await chunks(...many(3, 128 * KiB))(channel);
        throw new LineError('CHANGED', 'it did');
      },
      ['CHANGED'],
    ],
  ])('%s are refused', async (_name, answer, expected) => {
    // Some codes are not for a host to say of a file: a put hears of them as INTERNAL.
    expect([...expected, 'INTERNAL']).toContain(await compare(answer));
  });

  test('without an end are left at the size of the file', async () => {
    let sent = 0;
    const listed = Buffer.concat(many(800, 0).map(() => encodeListed(128 * KiB, tag())));
    const answer = async (channel: Channel): Promise<void> => {
      await begin(channel);
      sent = await endless(channel, () => {
        sent += 1;
        return listed;
      });
    };
    expect(await compare(answer)).toBe('MISMATCH');
    expect(sent).toBeLessThan(2048);
  });

  test('that never come are left with the transfer', async () => {
    const stop = new AbortController();
    facing = await make({
      stat: file('', SIZE),
      chunks: async channel => {
        await begin(channel);
        stop.abort();
        await channel.read();
      },
    });
    writeFileSync(facing.path, before);
    expect(await facing.transfer(stop.signal)).toBe('CANCELLED');
    expect(readFileSync(facing.path).equals(before)).toBe(true);
  });

  test('of tags that lie cost what they save: the file comes whole', async () => {
    expect(await compare(chunks(...many(24, 128 * KiB)))).toBeUndefined();
    expect(readFileSync(facing!.path).equals(new Uint8Array(SIZE))).toBe(true);
  });
});

describe.each(DIRECTIONS)('%s: R-F3 leaves', (_, make) => {
  const LARGE = 3 * CHUNK_BYTES;
  const partial = randomBytes(2 * CHUNK_BYTES);
  const entry = file('', LARGE);
  const leaves =
    (...pieces: number[]) =>
    async (channel: Channel): Promise<void> => {
      await channel.send({ t: 'leaves', entry });
      for (const length of pieces) await channel.write(randomBytes(length));
    };
  const get = answers(async (channel, id, { offset, length }) => {
    await channel.send({ t: 'file', id, entry, offset, length });
    for (let sent = 0; sent < (length as number); sent += MiB) await channel.write(new Uint8Array(MiB));
    await channel.send({ t: 'end', id });
  });
  const compare = async (answer: (channel: Channel) => Promise<void>): Promise<LineError['code'] | undefined> => {
    facing = await make({ stat: entry, leaves: answer, get });
    writeFileSync(`${facing.path}.0-00000000.postern-part`, partial);
    const failure = await facing.transfer();
    const whole = finalNames(facing.path.slice(0, -2));
    expect(whole).toEqual(failure === undefined ? ['f'] : []);
    return failure;
  };

  test.each<[string, (channel: Channel) => Promise<void>]>([
    ['one too many', leaves(48)],
    ['one too few', leaves(16)],
    ['none', leaves()],
    ['one byte too many', leaves(32, 1)],
    ['one byte too few', leaves(31)],
  ])('%s are a mismatch', async (_name, answer) => {
    expect(await compare(answer)).toBe('MISMATCH');
  });

  test.each<[string, (channel: Channel) => Promise<void>, LineError['code'][]]>([
    [
      'of a file of another size',
      channel => channel.send({ t: 'leaves', entry: file('', 1) }),
      ['MISMATCH', 'CHANGED'],
    ],
    ['of a file of no size', channel => channel.send({ t: 'leaves', entry: file('', 0) }), ['MISMATCH', 'CHANGED']],
    ['without an entry', channel => channel.send({ t: 'leaves' }), ['MALFORMED', 'PROTOCOL']],
    ['as a message', channel => leaves()(channel).then(() => leaves()(channel)), ['PROTOCOL']],
    [
      'that end with a failure',
      async channel => {
        await leaves(16)(channel);
        throw new LineError('CHANGED', 'it did');
      },
      ['CHANGED'],
    ],
  ])('%s are refused', async (_name, answer, expected) => {
    // Some codes are not for a host to say of a file: a put hears of them as INTERNAL.
    expect([...expected, 'INTERNAL']).toContain(await compare(answer));
  });

  test('without an end are left at the first too many', async () => {
    let pieces = 0;
    const answer = async (channel: Channel): Promise<void> => {
      await channel.send({ t: 'leaves', entry });
      await endless(channel, () => {
        pieces += 1;
        return new Uint8Array(16 * KiB);
      });
    };
    expect(await compare(answer)).toBe('MISMATCH');
    expect(pieces).toBeLessThan(2048);
  });

  test('that lie have the whole file fetched', async () => {
    expect(await compare(leaves(32))).toBeUndefined();
    expect(readFileSync(facing!.path).equals(new Uint8Array(LARGE))).toBe(true);
  });
});
