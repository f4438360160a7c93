import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Served } from '../support/served.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start(['--allow', 'read']);
});
afterAll(() => served.stop());

describe('ping', () => {
  it('tells of the login and the round trips', async () => {
    const { status, stdout } = await served.run(['ping', '-c', '3', served.url]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^reached 127\.0\.0\.1 at 127\.0\.0\.1:\d+ in [\d.]+ ms$/m);
    expect(stdout).toMatch(/^logged in after [\d.]+ ms, to postern\/\S+$/m);
    expect(stdout).toMatch(/^round trip [\d.]+ ms at best, [\d.]+ ms in the middle, [\d.]+ ms at worst$/m);
  });

  it('--json is one document', async () => {
    const answer = JSON.parse((await served.run(['ping', '--json', '--count=2', served.url])).stdout);
    expect(answer).toMatchObject({
      host: '127.0.0.1',
      port: served.ready.port,
      reach_ms: expect.any(Number),
      login_ms: expect.any(Number),
    });
    expect(answer.round_trip_ms).toHaveLength(2);
  });

  it.each(['-1', 'x', '1.5', '1e3'])('refuses %s round trips', async count => {
    expect((await served.run(['ping', '-c', count, served.url])).status).toBe(2);
  });
});

describe('may', () => {
  it('has a line for each permission', async () => {
    const { status, stdout } = await served.run(['may', served.url]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'read\tlist and get files\n' });
  });

  it('--json has the list', async () => {
    const { stdout } = await served.run(['may', '--json', served.url]);
    expect(JSON.parse(stdout)).toEqual({ host: '127.0.0.1', port: served.ready.port, allowed: ['read'] });
  });
});

describe('forget', () => {
  it('needs no passphrase and no server, and tells what was forgotten', async () => {
    const env = { POSTERN_PASSWORD: undefined };
    await served.run(['may', served.url]);
    const json = await served.run(['forget', '--json', '127.0.0.1'], { env });
    expect(JSON.parse(json.stdout)).toEqual({ host: '127.0.0.1', forgotten: 1 });
    const nothing = await served.run(['forget', '127.0.0.1'], { env });
    expect(nothing.status).toBe(6);
    expect(nothing.stderr).not.toContain('postern ls');
    await served.run(['may', served.url]);
    const plain = await served.run(['forget', '127.0.0.1'], { env });
    expect({ status: plain.status, stdout: plain.stdout }).toEqual({ status: 0, stdout: '' });
    expect(plain.stderr).toBe('forgot the key of 127.0.0.1\n');
  });

  it('lets go of one port only, with --port or in a URL', async () => {
    await served.run(['may', served.url]);
    expect((await served.run(['forget', '--port', '1', '127.0.0.1'])).status).toBe(6);
    expect((await served.run(['forget', 'postern://127.0.0.1:1/'])).status).toBe(6);
    expect((await served.run(['forget', served.url])).status).toBe(0);
  });
});

describe('demo', () => {
  it.each([[[]], [['--json']]])('with %j ends with 0, shows what it did, and leaves nothing behind', async options => {
    const TMPDIR = await served.folder();
    const { status, stdout, stderr } = await served.run(['demo', ...options], {
      env: { TMPDIR, POSTERN_PASSWORD: undefined },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    if (options.length > 0) expect(JSON.parse(stdout)).toMatchObject({ ok: true });
    else expect(stdout).toMatch(/identical, sha256/);
    expect(await readdir(TMPDIR)).toEqual([]);
    expect(await readdir(served.client.path)).not.toContain('.config');
  });
});
