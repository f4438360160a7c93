import { appendFileSync } from 'node:fs';
import { appendFile, chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuthorizedKeys, type AuthorizedKeysOptions } from '../../../src/node/state/authorized-keys.ts';
import { decodeAuthorizedKeys, encodeDevice, encodeRemoval } from '../../../src/node/state/authorized-keys-file.ts';
import { type StateFolders, stateFolders } from '../../../src/node/state/folders.ts';
import { publicKeyText } from '../../../src/node/state/public-key.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { deviceFor } from '../../support/devices.ts';
import { HOSTILE_DEVICE_NAMES } from '../../support/hostile-names.ts';

let home: string;
let folders: StateFolders;
let file: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'postern-devices-'));
  folders = stateFolders({}, home);
  file = join(folders.state, 'authorized_keys');
});
afterEach(() => rm(home, { recursive: true, force: true }));

const open = (options: AuthorizedKeysOptions = {}) =>
  AuthorizedKeys.open({ folders, nowMs: () => 1_700_000_000_000, ...options });
const key = (fill: number) => new Uint8Array(32).fill(fill);
const wanted = (fill: number, name = `machine ${fill}`, allow = ['read']) => ({ name, key: key(fill), allow });
const code = (name: string) => expect.objectContaining({ code: name });
const POSIX = process.platform !== 'win32';

async function write(text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, text, { mode: 0o600 });
}

describe('AuthorizedKeys', () => {
  it('R-A14: lets nobody in where there is no file, or an empty one', async () => {
    expect((await open()).devices).toEqual([]);
    await write('');
    expect((await open()).devices).toEqual([]);
    await write('\n\n# nobody\n');
    expect((await open()).devices).toEqual([]);
  });

  it('keeps who was put in, for the next one that opens it', async () => {
    const keys = await open();
    const device = await keys.enrol(wanted(1, "ann's laptop", ['read', 'chat']));
    expect(device).toEqual({ ...wanted(1, "ann's laptop", ['read', 'chat']), sinceMs: 1_700_000_000_000 });
    expect(keys.devices).toEqual([device]);
    expect((await open()).devices).toEqual([device]);
  });

  it('takes out, also what another one has put in', async () => {
    const [first, second] = [await open(), await open()];
    await first.enrol(wanted(1));
    await first.enrol(wanted(2));
    await second.remove(key(1));
    expect(second.devices.map(({ name }) => name)).toEqual(['machine 2']);
    await first.refresh();
    expect(first.devices.map(({ name }) => name)).toEqual(['machine 2']);
  });

  it('gives a key that is there what was granted before too, and never another date', async () => {
    let nowMs = 1000;
    const keys = await open({ nowMs: () => nowMs });
    await keys.enrol(wanted(1, 'a', ['exec']));
    nowMs = 2000;
    expect(await keys.enrol(wanted(1, 'b', ['read']))).toEqual({ ...wanted(1, 'b', ['exec', 'read']), sinceMs: 1000 });
    expect(await keys.put(wanted(1, 'b', ['chat']))).toEqual({ ...wanted(1, 'b', ['chat']), sinceMs: 1000 });
    expect(keys.devices).toHaveLength(1);
  });

  it('writes nothing where nothing changes', async () => {
    const keys = await open();
    await keys.enrol(wanted(1));
    const before = await readFile(file, 'utf8');
    await keys.enrol(wanted(1));
    await keys.put(wanted(1));
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  it('refuses a name that another key has, and makes no difference between spellings of none', async () => {
    const keys = await open();
    await keys.enrol(wanted(1, 'laptop'));
    await expect(keys.enrol(wanted(2, 'laptop'))).rejects.toEqual(code('EXISTS'));
    await keys.remove(key(1));
    await keys.enrol(wanted(2, 'laptop'));
    expect(keys.devices.map(device => device.key[0])).toEqual([2]);
  });

  it.each(HOSTILE_DEVICE_NAMES.filter(name => typeof name === 'string'))('refuses the name %j', async name => {
    const keys = await open();
    await expect(keys.enrol(wanted(1, name))).rejects.toEqual(code('BAD_NAME'));
    await expect(stat(file)).rejects.toThrow();
    await write(`${encodeDevice(deviceFor(key(1), { name }))}\n`);
    expect((await open()).devices).toEqual([]);
  });

  it('loses nobody of writers at once, and gives a name once', async () => {
    const writers = await Promise.all([open(), open(), open()]);
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => writers[index % 3]!.enrol(wanted(index)).catch(() => {})),
    );
    const all = (await open()).devices.map(({ key }) => key[0]!).sort((a, b) => a - b);
    expect(all).toEqual(Array.from({ length: 30 }, (_, index) => index));
    const taking = await Promise.allSettled(
      [101, 102, 103].map((fill, index) => writers[index]!.enrol(wanted(fill, 'the same'))),
    );
    const winners = (await open()).devices.filter(({ name }) => name === 'the same');
    expect(winners).toHaveLength(1);
    expect(taking.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
  });

  it('never brings back who was taken out in the same moment', async () => {
    const [server, owner] = [await open(), await open()];
    await server.enrol(wanted(1));
    await Promise.all([owner.remove(key(1)), server.enrol(wanted(2)), server.enrol(wanted(3))]);
    expect((await open()).devices.map(device => device.key[0])).toEqual([2, 3]);
  });

  it.each([
    ['taken out', encodeRemoval(key(1), 0), ['read']],
    ['narrowed', encodeDevice({ ...wanted(1, 'a', ['chat']), sinceMs: 0 }), ['chat', 'read']],
  ])('R-A8: gives who pairs while it is %s nothing back of what it had', async (_, line, left) => {
    await (await open()).put(wanted(1, 'a', ['exec']));
    const server = await open({
      // Asked between the look at the file and the line that comes of it.
      nowMs: () => {
        appendFileSync(file, `${line}\n`);
        return 0;
      },
    });
    await server.enrol(wanted(1, 'a', ['read']));
    expect((await open()).devices.map(({ allow }) => allow)).toEqual([left]);
  });

  it('holds 1,000 machines', async () => {
    const lines = Array.from({ length: 1001 }, (_, index) =>
      encodeDevice(
        deviceFor(
          key(0)
            .fill(index & 0xff)
            .fill(index >> 8, 16),
          { name: `${index}` },
        ),
      ),
    );
    await write(`${lines.join('\n')}\n`);
    const keys = await open();
    expect(keys.devices).toHaveLength(1000);
    expect(keys.unread).toEqual([{ number: 1001, problem: expect.any(String) }]);
    await expect(keys.enrol(wanted(255))).rejects.toEqual(code('TOO_MANY'));
  });

  it('is not written to without an end by who pairs again and again', async () => {
    const line = `${encodeDevice({ ...wanted(1), sinceMs: 0 })}\n`;
    await write(line.repeat(Math.ceil((1024 * 1024) / line.length) + 1));
    const keys = await open();
    await expect(keys.enrol(wanted(1, 'another name'))).rejects.toEqual(code('TOO_MANY'));
    await keys.put(wanted(1, 'another name'));
    await keys.remove(key(1));
    expect(keys.devices).toEqual([]);
  });
});

describe('lines of authorized_keys', () => {
  const good = (fill: number) => encodeDevice({ ...wanted(fill), sinceMs: 0 });

  it.each([
    'nonsense',
    'ssh-ed25519 AAAA ann',
    publicKeyText(key(9)),
    `${publicKeyText(key(9))} name="x"`,
    good(9).replace(/since=\S+/, 'since=yesterday'),
    good(9).replace('caps=read', 'caps=read,'),
    good(9).replace('caps=read', 'caps=READ'),
    good(9).replace('caps=read', 'caps=read exec'),
    good(9).replace(/name=.*/, 'name=x'),
    good(9).replace(/name=.*/, 'name="x'),
    good(9).replace(/name=.*/, 'name={}'),
    `${good(9)} caps=exec`,
    good(9).replace('line1-x25519', 'line1-X25519'),
    good(9).replace(/ CQkJ/, ' CQk*'),
    good(9).replace(/ (\S{43}) /, ' $1= '),
    `x${good(9)}`,
    '\u0000',
  ])('R-A14: %j lets nobody in, and takes nothing from the others', async line => {
    await write(`${good(1)}\n${line}\n${good(2)}\n`);
    const keys = await open();
    expect(keys.devices.map(device => device.key[0])).toEqual([1, 2]);
    expect(keys.unread).toEqual([{ number: 2, problem: 'cannot be read' }]);
  });

  it('that are cut let out the key that they still name', async () => {
    await write(`${good(1)}\n${good(2)}\n${publicKeyText(key(1))} remo`);
    expect((await open()).devices.map(device => device.key[0])).toEqual([2]);
  });

  it('that give a name twice count for the first', async () => {
    await write(`${good(1)}\n${good(2).replace('machine 2', 'machine 1')}\n`);
    const keys = await open();
    expect(keys.devices.map(device => device.key[0])).toEqual([1]);
    expect(keys.unread.map(({ number }) => number)).toEqual([2]);
  });

  it('are read as they were written, whatever is in them', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter(text => {
      const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u;
      const isPlain = !unseen.test(text) && text.isWellFormed();
      return isPlain && text === text.normalize('NFC').trim() && text !== '' && Array.from(text).length <= 64;
    });
    const allow = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/), { maxLength: 5 });
    fc.assert(
      fc.property(name, allow, fc.integer({ min: 0, max: 255 }), (text, permissions, fill) => {
        const device = { name: text, key: key(fill), sinceMs: 1_700_000_000_000, allow: permissions };
        expect(decodeAuthorizedKeys(`${encodeDevice(device)}\n`)).toEqual({ devices: [device], unread: [] });
      }),
    );
  });
});

describe('the file of AuthorizedKeys', () => {
  it.skipIf(!POSIX)('R-A4: is 0600 in a folder of 0700', async () => {
    await (await open()).enrol(wanted(1));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(file))).mode & 0o777).toBe(0o700);
  });

  it.skipIf(!POSIX)('R-A4: lets nobody in once others may write to it or read it', async () => {
    const keys = await open();
    await keys.enrol(wanted(1));
    for (const mode of [0o660, 0o606, 0o644]) {
      await chmod(file, mode);
      await expect(open()).rejects.toEqual(code('ACCESS'));
      await expect(keys.enrol(wanted(2))).rejects.toEqual(code('ACCESS'));
      await expect(keys.remove(key(1))).rejects.toEqual(code('ACCESS'));
      await keys.refresh();
      expect(keys.devices).toEqual([]);
    }
    await chmod(file, 0o600);
    await keys.refresh();
    expect(keys.devices).toHaveLength(1);
  });

  it.skipIf(!POSIX)('R-A4: may be no link, and its folder may be open to nobody', async () => {
    await (await open()).enrol(wanted(1));
    await chmod(dirname(file), 0o777);
    await expect(open()).rejects.toEqual(code('ACCESS'));
    await chmod(dirname(file), 0o700);
    const elsewhere = join(home, 'elsewhere');
    await writeFile(elsewhere, await readFile(file, 'utf8'), { mode: 0o600 });
    await unlink(file);
    await symlink(elsewhere, file);
    await expect(open()).rejects.toEqual(code('ACCESS'));
  });

  it('is looked at once a second while somebody listens, and not longer', async () => {
    const clock = new ManualClock();
    const keys = await open({ clock });
    expect(clock.pendingTimers).toBe(0);
    let changes = 0;
    const stop = keys.onChange(() => {
      changes += 1;
    });
    await (await open()).enrol(wanted(1));
    clock.advance(1000);
    // What the timer has begun is over when this is, and this finds nothing new.
    await keys.refresh();
    expect(changes).toBe(1);
    expect(keys.devices).toHaveLength(1);
    await expect.poll(() => clock.pendingTimers).toBe(1);
    await appendFile(file, `${publicKeyText(key(1))} removed now\n`);
    clock.advance(1000);
    await keys.refresh();
    expect([changes, keys.devices.length]).toEqual([2, 0]);
    await expect.poll(() => clock.pendingTimers).toBe(1);
    stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('tells once that it cannot be read any more, and again after it could', async () => {
    const faults: unknown[] = [];
    const keys = await open({ onFault: thrown => faults.push(thrown) });
    await keys.enrol(wanted(1));
    let changes = 0;
    const stop = keys.onChange(() => {
      changes += 1;
    });
    await unlink(file);
    await mkdir(file);
    for (let times = 0; times < 3; times += 1) await keys.refresh();
    expect([faults, keys.devices, changes]).toEqual([[code('ACCESS')], [], 1]);
    await rm(file, { recursive: true });
    await keys.refresh();
    expect(keys.devices).toEqual([]);
    await keys.enrol(wanted(2));
    expect(keys.devices).toHaveLength(1);
    stop();
  });
});
