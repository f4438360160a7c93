import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import type { Channel } from '../../src/line/channel.ts';
import type { Line } from '../../src/line/line.ts';
import { connect } from '../../src/node/connect.ts';
import { temporaryInstall } from '../../src/node/state/install.ts';
import { FilesClient } from '../../src/services/files/reading/client.ts';
import { PASSPHRASE } from '../cli/support/command.ts';
import { Served } from '../cli/support/served.ts';
import { peakMegabytes, TELLS_PEAKS } from '../support/peak-memory.ts';

const MiB = 1024 * 1024;
const MAX_MEGABYTES = 300;

/** Each what one channel can do to a host at its worst; none of them ever reads. */
const DEEDS: readonly [number, string, (line: Line) => void][] = [
  [24, 'listings that are never read', line => void line.open('files.list', { path: '', recursive: true })],
  [24, 'leaves of a large file that are never read', line => void line.open('files.leaves', ofLarge)],
  [24, 'chunks of a large file that are never read', line => void line.open('files.chunks', ofLarge)],
  [8, 'hashes of a large file', line => void line.open('files.hash', ofLarge)],
  [
    72,
    'wants without an end whose answers are never read',
    line => flood(line.open('files.get'), n => ({ t: 'want', id: n, path: 'large' })),
  ],
  [
    24,
    'wants of as much JSON as a message holds',
    line => flood(line.open('files.get'), n => ({ t: 'want', id: n, path: 'large', pad: PAD })),
  ],
  [40, 'streams that never end', line => stream(line)],
  [24, 'puts of an offer that nobody answers for', line => void line.open('files.put', putRequest(line))],
];

const ofLarge = { path: 'large', bytes: 2 ** 40 };
/** Objects are what JSON makes most of from few bytes. */
const PAD = Array.from({ length: 20_000 }, () => ({}));
const REQUEST_PAD = Array.from({ length: 5_000 }, () => ({}));
const putRequest = (_line: Line): Record<string, unknown> => ({
  path: `put-${Math.random()}`,
  offer: 'any',
  policy: 'refuse',
  pad: REQUEST_PAD,
});

function flood(channel: Channel, message: (n: number) => Record<string, unknown>): void {
  const sending = async (): Promise<void> => {
    for (let n = 0; ; n += 1) await channel.send(message(n));
  };
  // It waits for credit at last, and ends with the line.
  sending().catch(() => {});
}

/** More than is granted at once, and then silence: what has come must neither be held nor let go of. */
function stream(line: Line): void {
  const channel = line.open('files.write', { path: `stream-${Math.random()}`, policy: 'refuse', pad: REQUEST_PAD });
  channel.write(new Uint8Array(6 * MiB)).catch(() => {});
}

it.skipIf(!TELLS_PEAKS)(
  `R-A12 one client at its worst makes the server hold no more than ${MAX_MEGABYTES} MB, and others are served`,
  async () => {
    const served = await Served.start(['--allow', 'read,write,delete']);
    const { port } = served.ready;
    const dial = () =>
      connect({
        host: '127.0.0.1',
        port,
        passphrase: PASSPHRASE,
        install: temporaryInstall(),
        // Of an offer it says nothing, ever.
        onChannel: () => new Promise<void>(() => {}),
      });
    for (let n = 0; n < 20_000; n += 1) writeFileSync(join(served.share, `${'n'.repeat(200)}-${n}`), '');
    writeFileSync(join(served.share, 'large'), '');
    truncateSync(join(served.share, 'large'), 2 ** 30);
    const status = `/proc/${served.server.child.pid}/status`;
    try {
      const [{ line: hostile }, { line: honest }] = await Promise.all([dial(), dial()]);
      const files = new FilesClient(honest);
      const figures: Record<string, number> = { 'before anything': peakMegabytes(status) };
      for (const [count, deed, commit] of DEEDS) {
        for (let n = 0; n < count; n += 1) commit(hostile);
        for (let round = 0; round < 10; round += 1) {
          await hostile.ping();
          const part = await files.read('large', { offset: 0, length: 100_000 });
          for await (const bytes of part.bytes) expect(bytes.length).toBeGreaterThan(0);
        }
        figures[deed] = peakMegabytes(status);
      }
      console.log(JSON.stringify(figures));
      expect(peakMegabytes(status)).toBeLessThan(MAX_MEGABYTES);
      // Its channels never end, so it would wait for them.
      hostile.abort(new LineError('CANCELLED', 'the test is over'));
      await honest.close();
    } finally {
      await served.stop();
    }
  },
);
