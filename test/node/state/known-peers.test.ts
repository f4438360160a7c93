import { appendFile, chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stateFolders } from '../../../src/node/state/folders.ts';
import { KnownPeers } from '../../../src/node/state/known-peers.ts';

let home: string;
let peers: KnownPeers;
let file: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'postern-peers-'));
  const folders = stateFolders({}, home);
  peers = new KnownPeers(folders, () => 1_700_000_000_000);
  file = join(folders.state, 'known_peers');
});
afterEach(() => rm(home, { recursive: true, force: true }));

const key = (fill: number) => new Uint8Array(32).fill(fill);
const pin = expect.objectContaining({ code: 'PIN' });

describe('KnownPeers', () => {
  it('remembers a key by host and port', async () => {
    expect(await peers.lookup('lab', 7678)).toBeUndefined();
    await peers.remember('lab', 7678, key(1));
    expect(await peers.lookup('lab', 7678)).toEqual({
      host: 'lab',
      port: 7678,
      publicKey: key(1),
      firstSeenMs: 1_700_000_000_000,
      isPaired: false,
    });
    expect(await peers.lookup('lab', 7679)).toBeUndefined();
    expect(await peers.lookup('lab2', 7678)).toBeUndefined();
  });

  it('writes one line a pin, host in lower case, addresses in brackets', async () => {
    await peers.remember('Lab.Example', 7678, key(1));
    await peers.remember('::1', 80, key(2));
    expect(await readFile(file, 'utf8')).toBe(
      '[lab.example]:7678 line1-x25519 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE 2023-11-14T22:13:20.000Z\n' +
        '[::1]:80 line1-x25519 AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI 2023-11-14T22:13:20.000Z\n',
    );
    expect((await peers.lookup('LAB.example', 7678))?.publicKey).toEqual(key(1));
  });

  it('does not replace a pin until it is forgotten', async () => {
    await peers.remember('lab', 1, key(1));
    await peers.remember('lab', 1, key(1));
    await expect(peers.remember('lab', 1, key(2))).rejects.toEqual(pin);
    expect((await peers.lookup('lab', 1))?.publicKey).toEqual(key(1));
    expect(await peers.forget('lab', 1)).toBe(1);
    expect(await peers.lookup('lab', 1)).toBeUndefined();
    await peers.remember('lab', 1, key(2));
    expect((await peers.lookup('lab', 1))?.publicKey).toEqual(key(2));
  });

  it('forgets one port or all, and says how many', async () => {
    for (const port of [1, 2, 3]) await peers.remember('lab', port, key(port));
    await peers.remember('other', 1, key(9));
    expect(await peers.forget('LAB', 2)).toBe(1);
    expect(await peers.forget('lab')).toBe(2);
    expect(await peers.forget('lab')).toBe(0);
    expect((await peers.list()).map(peer => peer.host)).toEqual(['other']);
  });

  it('remembers where this machine is paired until the server is forgotten, and only of a server that is pinned', async () => {
    await expect(peers.rememberPairing('lab', 1)).rejects.toMatchObject({ code: 'USAGE' });
    await peers.remember('lab', 1, key(1));
    await peers.remember('lab', 2, key(2));
    await peers.rememberPairing('LAB', 1);
    await peers.rememberPairing('lab', 1);
    expect((await peers.list()).map(peer => [peer.port, peer.isPaired])).toEqual([
      [1, true],
      [2, false],
    ]);
    expect((await readFile(file, 'utf8')).match(/paired/g)).toHaveLength(1);
    await peers.forget('lab', 1);
    await peers.remember('lab', 1, key(1));
    expect((await peers.lookup('lab', 1))?.isPaired).toBe(false);
    await appendFile(file, '[new]:1 paired 2026-01-01T00:00:00.000Z\n');
    expect(await peers.lookup('new', 1)).toBeUndefined();
  });

  it('loses no line of writers at once', async () => {
    const ports = Array.from({ length: 50 }, (_, index) => index + 1);
    const writers = [peers, new KnownPeers(stateFolders({}, home)), new KnownPeers(stateFolders({}, home))];
    await Promise.all(ports.map(port => writers[port % 3]!.remember('lab', port, key(port))));
    expect((await peers.list()).map(peer => peer.port).sort((a, b) => a - b)).toEqual(ports);
  });

  it('keeps to the first of two pins that were written at once', async () => {
    await peers.remember('lab', 1, key(1));
    await appendFile(
      file,
      (await readFile(file, 'utf8')).replace(/AQEB\S+/, 'AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI'),
    );
    expect((await peers.lookup('lab', 1))?.publicKey).toEqual(key(1));
  });

  it('does not trust anew because a line cannot be read; forgetting is the way out', async () => {
    await peers.remember('lab', 1, key(1));
    await peers.remember('other', 1, key(2));
    await writeFile(file, (await readFile(file, 'utf8')).replace('AQEB', '****'));
    await expect(peers.lookup('lab', 1)).rejects.toEqual(pin);
    await expect(peers.remember('lab', 1, key(1))).rejects.toEqual(pin);
    expect((await peers.lookup('other', 1))?.publicKey).toEqual(key(2));
    expect(await peers.forget('lab')).toBe(1);
    expect(await peers.lookup('lab', 1)).toBeUndefined();
  });

  it('passes over empty lines, comments and a cut last line', async () => {
    await peers.remember('lab', 1, key(1));
    await appendFile(file, '\n# a note\n[lab]:\n[oth');
    await peers.remember('other', 1, key(2));
    expect((await peers.list()).map(peer => peer.host)).toEqual(['lab', 'other']);
  });

  it('refuses a host that would break its line', async () => {
    for (const host of ['', 'a b', 'a\nb', 'a]', '[::1]', '#']) {
      await expect(peers.remember(host, 1, key(1))).rejects.toMatchObject({ code: 'USAGE' });
    }
  });

  it.skipIf(process.platform === 'win32')(
    'is 0600 when it is made and becomes it again when it is found open (R-A4)',
    async () => {
      await peers.remember('lab', 1, key(1));
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      await chmod(file, 0o644);
      await peers.lookup('lab', 1);
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    },
  );

  it('agrees with a map, whatever is remembered and forgotten', async () => {
    const step = fc.record({
      forget: fc.boolean(),
      host: fc.constantFrom('a', 'b', '::1'),
      port: fc.constantFrom(1, 2),
      fill: fc.constantFrom(1, 2),
      everyPort: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async steps => {
        await rm(file, { force: true });
        const model = new Map<string, number>();
        for (const { forget, host, port, fill, everyPort } of steps) {
          if (forget) {
            const names = [1, 2].filter(at => everyPort || at === port).map(at => `${host} ${at}`);
            const held = names.filter(name => model.delete(name)).length;
            expect(await peers.forget(host, everyPort ? undefined : port)).toBe(held);
          } else if ((model.get(`${host} ${port}`) ?? fill) === fill) {
            model.set(`${host} ${port}`, fill);
            await peers.remember(host, port, key(fill));
          } else {
            await expect(peers.remember(host, port, key(fill))).rejects.toEqual(pin);
          }
        }
        const listed = (await peers.list()).map(peer => [`${peer.host} ${peer.port}`, peer.publicKey[0]]);
        expect(new Map(listed as [string, number][])).toEqual(model);
      }),
      { numRuns: 25 },
    );
  });
});
