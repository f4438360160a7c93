import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { code, type Served, type ServeOptions, serve } from './served.ts';

let all: Served | undefined;

afterEach(async () => {
  await all?.end();
  all = undefined;
});

async function served(options: ServeOptions = {}): Promise<Served> {
  all = await serve(options);
  return all;
}

describe('watching a folder of the host', () => {
  test('tells of changes from the first answer on, until it is closed', async () => {
    const { files, at, faults } = await served();
    const watch = await files.watch('');
    writeFileSync(at('file'), '');
    await watch.next();
    watch.close();
    watch.close();
    await expect(watch.next()).rejects.toEqual(code('CLOSED'));
    expect(faults).toEqual([]);
  });

  test('is refused as reading is', async () => {
    const { files, at } = await served();
    writeFileSync(at('file'), '');
    await expect(files.watch('nowhere')).rejects.toEqual(code('NOT_FOUND'));
    await expect(files.watch('file')).rejects.toEqual(code('NOT_A_FILE'));
    await expect(files.watch('../x')).rejects.toEqual(code('BAD_NAME'));
  });

  test('is UNSUPPORTED where the store cannot', async () => {
    const { files } = await served({
      readStore: root => ({
        stat: path => root.stat(path),
        list: (path, how) => root.list(path, how),
        open: path => root.open(path),
      }),
    });
    await expect(files.watch('')).rejects.toEqual(code('UNSUPPORTED'));
  });

  test('four at once for a line, and each that ends makes room', async () => {
    const { files, client } = await served();
    const watches = [];
    for (let index = 0; index < 4; index += 1) watches.push(await files.watch(''));
    await expect(files.watch('')).rejects.toEqual(code('TOO_MANY'));
    watches[0]!.close();
    await vi.waitFor(async () => watches.push(await files.watch('')));
    await expect(files.watch('')).rejects.toEqual(code('TOO_MANY'));
    await client.ping();
  });

  test('ends with the line, at both ends', async () => {
    const close = vi.fn<() => void>();
    const { files, client } = await served({
      readStore: root => ({
        stat: path => root.stat(path),
        list: (path, how) => root.list(path, how),
        open: path => root.open(path),
        watch: async path => {
          const watch = await root.watch(path);
          return { next: () => watch.next(), close: () => [close(), watch.close()] };
        },
      }),
    });
    const watch = await files.watch('');
    const next = watch.next().catch((thrown: unknown) => thrown);
    client.abort(new LineError('CANCELLED', 'given up'));
    expect(await next).toMatchObject({ name: 'LineError' });
    await vi.waitFor(() => expect(close).toHaveBeenCalled());
  });
});

describe('a host that', () => {
  const hosted = (host: (channel: Channel) => Promise<void>) => served({ host });

  test('tells of a thousand changes at once tells of one', async () => {
    const { files, client } = await hosted(async channel => {
      await channel.send({ t: 'watching' });
      for (let index = 0; index < 1000; index += 1) await channel.send({ t: 'changed' });
      await channel.read();
    });
    const watch = await files.watch('');
    await client.ping();
    await vi.waitFor(() => watch.next());
    await client.ping();
    const more = vi.fn<() => void>();
    watch.next().then(more, () => {});
    await client.ping();
    // What came after the first was read is another change; there is no queue behind it.
    const count = more.mock.calls.length;
    watch.close();
    expect(count).toBeLessThanOrEqual(1);
  });

  test.each([
    ['says something else first', [{ t: 'changed' }], 'PROTOCOL'],
    ['says something else later', [{ t: 'watching' }, { t: 'renamed' }], 'PROTOCOL'],
    ['says nothing that has a type', [{ t: 'watching' }, {}], 'MALFORMED'],
    ['sends bytes', [{ t: 'watching' }, new Uint8Array(1)], 'PROTOCOL'],
    ['ends', [{ t: 'watching' }], 'PROTOCOL'],
  ] as const)('%s breaks the protocol', async (_name, said, expected) => {
    const { files } = await hosted(async channel => {
      for (const one of said) await (one instanceof Uint8Array ? channel.write(one) : channel.send(one));
      await channel.end();
    });
    const failed = files.watch('').then(watch => watch.next());
    await expect(failed).rejects.toEqual(code(expected));
  });
});
