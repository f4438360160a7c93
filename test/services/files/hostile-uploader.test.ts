import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { decodeEvents } from '../../../src/services/files/receiving/events.ts';
import { snapshot } from '../../node/files/scene.ts';
import { type Changed, serveChanges } from './changed.ts';
import {
  answers,
  file,
  folder,
  HOSTILE_ANSWERS,
  honestAnswer,
  hostilePeer,
  link,
  lists,
  type Script,
} from './hostile-peer.ts';
import { finalNames, namesBelow } from './served.ts';

/**
 * A client that uploads and speaks badly, by intent or by fault. Whatever it offers: the host ends with a code, nothing is
 * written outside, and no file gets its name that is not what was offered (R-F1, R-F3). As hostile-host.test.ts, with the
 * roles exchanged.
 */

let changed: Changed | undefined;
let outside: string[];

async function offering(script: Script): Promise<Changed> {
  changed = await serveChanges({ onChannel: hostilePeer(script) });
  outside = snapshot(changed.scene.outside);
  return changed;
}

afterEach(async () => {
  if (changed === undefined) return;
  expect(snapshot(changed.scene.outside)).toEqual(outside);
  expect(changed.faults).toEqual([]);
  // Whatever one transfer met, the line goes on.
  await changed.client.ping();
  await changed.end();
  changed = undefined;
});

interface Outcome {
  /** Failures of single files as `path CODE`. */
  readonly failures: readonly string[];
  /** What ended the whole transfer before its summary. */
  readonly ended: LineError['code'] | undefined;
}

async function put({ client }: Changed, path = ''): Promise<Outcome> {
  const channel = client.open('files.put', { path, offer: 'any', policy: 'refuse' });
  const failures: string[] = [];
  try {
    for (;;) {
      const message = await channel.readMessage();
      if (message['t'] === 'summary') return { failures, ended: undefined };
      for (const event of decodeEvents(message)) {
        if (event.type === 'failed') failures.push(`${event.path} ${event.error.code}`);
      }
    }
  } catch (thrown) {
    return { failures, ended: (thrown as LineError).code };
  } finally {
    channel.reset();
  }
}

/** What a host tells of a message that cannot be read (docs/protocol/3-channels.md §7). */
const told = (code: LineError['code']): LineError['code'] => (code === 'MALFORMED' ? 'PROTOCOL' : code);

describe('R-F3 an uploader that answers a want', () => {
  test.each(HOSTILE_ANSWERS)('with %s', async (_, answer, expected, then) => {
    let isFirst = true;
    const { at } = await offering({
      list: lists(file('first', 5), file('second', 5)),
      get: answers(async (channel, id) => {
        const wasFirst = isFirst;
        isFirst = false;
        await (wasFirst ? answer(channel, id) : honestAnswer(channel, id));
      }),
    });
    const { failures, ended } = await put(changed!);
    if (then === 'ends') {
      expect(ended).toBe(told(expected));
      expect(finalNames(at())).not.toContain('second');
    } else {
      expect(ended).toBeUndefined();
      expect(failures).toEqual([`first ${expected}`]);
      expect(finalNames(at())).toEqual(['second']);
    }
    for (const name of finalNames(at())) expect(readFileSync(at(name), 'utf8')).toBe('hello');
  });

  test('with a gigabyte where one byte was offered', async () => {
    const block = new Uint8Array(1024 * 1024);
    let sent = 0;
    const { at } = await offering({
      list: lists(file('small', 1)),
      get: answers(async (channel, id) => {
        await channel.send({ t: 'file', id, entry: file('', 1), offset: 0, length: 1 });
        for (; sent < 1024; sent += 1) await channel.write(block);
      }),
    });
    expect((await put(changed!)).ended).toBe('MISMATCH');
    expect(sent).toBeLessThan(64);
    expect(namesBelow(at())).toEqual([]);
  });
});

describe('R-F1 an uploader that lists', () => {
  test.each([
    '..',
    '../escaped',
    '/tmp/postern-escaped',
    'a//b',
    'a/.',
    'nul\0',
    'n'.repeat(256),
    'd/'.repeat(200),
    '',
  ])('the name %j: it fails, and the rest comes', async path => {
    const { at } = await offering({
      list: lists(file(path, 5), folder(path), link(path, 'x'), file('good', 5)),
      get: answers((channel, id) => honestAnswer(channel, id)),
    });
    const { failures, ended } = await put(changed!);
    expect(failures.map(failure => failure.split(' ').at(-1))).toEqual(['BAD_NAME', 'BAD_NAME', 'BAD_NAME']);
    expect(ended).toBeUndefined();
    expect(namesBelow(at())).toEqual(['good']);
  });

  test.each<[string, (channel: Channel) => Promise<void>]>([
    ['an entry of a negative size', channel => channel.send({ t: 'entries', entries: [file('f', -1)] })],
    ['an entry of no known type', channel => channel.send({ t: 'entries', entries: [file('f', 1, { type: 'door' })] })],
    ['entries that are an object', channel => channel.send({ t: 'entries', entries: { length: 1 } })],
    ['more entries than a message holds', channel => channel.send({ t: 'entries', entries: Array(10_001).fill(0) })],
    ['bytes', channel => channel.write(new Uint8Array(5))],
    ['nothing before its end', channel => channel.end()],
  ])('%s: it ends the transfer', async (_, list) => {
    const { at } = await offering({ list });
    expect((await put(changed!)).ended).toBe('PROTOCOL');
    expect(namesBelow(at())).toEqual([]);
  });

  test('the same name as a file, a folder and a link that would lead out: it never leads out', async () => {
    const { at } = await offering({
      list: lists(
        link('l', '../outside'),
        folder('d'),
        link('l', 'd'),
        file('l/x', 5),
        folder('l/y'),
        file('d', 5),
        file('d/x', 5),
      ),
      get: answers((channel, id) => honestAnswer(channel, id)),
    });
    const { failures } = await put(changed!, '');
    expect(failures).toEqual(expect.arrayContaining(['l BAD_NAME', 'd EXISTS']));
    expect(finalNames(at())).toEqual(['d/', 'd/x', 'l']);
  });

  test('without an end: the host reads on no further than it writes, and stops when the client does', async () => {
    let listed = 0;
    const { client } = await offering({
      list: async channel => {
        for (;;) {
          listed += 100;
          await channel.send({
            t: 'entries',
            entries: Array.from({ length: 100 }, (_, n) => file(`f${listed + n}`, 5)),
          });
          await new Promise(resolve => setImmediate(resolve));
        }
      },
      get: answers((channel, id) => honestAnswer(channel, id)),
    });
    const channel = client.open('files.put', { path: 'many', offer: 'any', policy: 'refuse' });
    let finished = 0;
    while (finished < 500) {
      finished += decodeEvents(await channel.readMessage()).filter(({ type }) => type === 'finished').length;
    }
    expect(listed - finished).toBeLessThan(60_000);
    channel.reset();
    await expect
      .poll(async () => {
        const before = listed;
        await client.ping();
        return listed - before;
      })
      .toBe(0);
  });
});
