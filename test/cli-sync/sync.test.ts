import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { serveFolder } from '../../src/node/files/folder-service.ts';
import { listen } from '../../src/node/listen.ts';
import { temporaryInstall } from '../../src/node/state/install.ts';
import type { Permission } from '../../src/services/permission.ts';
import { Home, PASSPHRASE, run, startForTest, stop } from '../cli/support/command.ts';
import { Gate } from '../cli/support/gate.ts';
import { namesBelow } from '../services/files/served.ts';

let home: Home;
let end: () => Promise<void>;
let port: number;
let url: string;
let here: string;
let there: string;

beforeEach(async () => {
  home = await Home.make();
  [here, there] = ['here', 'there'].map(name => join(home.path, name)) as [string, string];
  for (const folder of [here, there]) mkdirSync(folder);
  const allow: Permission[] = ['read', 'write', 'delete'];
  const service = await serveFolder(there, allow);
  const server = await listen({
    passphrase: [{ text: PASSPHRASE, generated: true }],
    services: [service],
    allow,
    host: '127.0.0.1',
    port: 0,
    install: temporaryInstall(),
  });
  port = server.port;
  url = `postern://127.0.0.1:${port}/`;
  end = async () => {
    await server.close();
    await service.close();
    await home.remove();
  };
});

afterEach(() => end());

const sync = (...args: string[]) => run(home, ['sync', ...args]);

describe('sync', () => {
  it('makes the other folder like this one, and this one like the other', async () => {
    writeFileSync(join(here, 'changed'), 'new');
    writeFileSync(join(here, 'skipped.log'), '');
    writeFileSync(join(there, 'changed'), 'before');
    writeFileSync(join(there, 'extra'), '');
    expect(await sync('--exclude', '*.log', here, url)).toMatchObject({ status: 0 });
    expect(readFileSync(join(there, 'changed'), 'utf8')).toBe('new');
    expect(namesBelow(there)).toEqual(['changed', 'extra']);
    expect(await sync('--delete', '--yes', url, here)).toMatchObject({ status: 0 });
    expect(namesBelow(here)).toEqual(['changed', 'extra']);
    expect(await sync('--delete', '--yes', url, join(here, 'a/new/place'))).toMatchObject({ status: 0 });
    expect(namesBelow(join(here, 'a/new/place'))).toEqual(['changed', 'extra']);
  });

  it('takes a single file, both ways', async () => {
    writeFileSync(join(here, 'one'), 'first');
    expect(await sync(join(here, 'one'), `${url}one`)).toMatchObject({ status: 0 });
    expect(readFileSync(join(there, 'one'), 'utf8')).toBe('first');
    writeFileSync(join(there, 'one'), 'second');
    expect(await sync(`${url}one`, join(here, 'one'))).toMatchObject({ status: 0 });
    expect(readFileSync(join(here, 'one'), 'utf8')).toBe('second');
  });

  it('copies what links lead to and compresses, if told to', async () => {
    mkdirSync(join(there, 'real'));
    writeFileSync(join(there, 'real/text'), 'again and again '.repeat(100_000));
    symlinkSync('real', join(there, 'link'));
    const told = ['--copy-links', '--compress', 'auto'];
    expect(await sync(...told, url, join(here, 'a'))).toMatchObject({ status: 0 });
    expect(namesBelow(join(here, 'a'))).toEqual(['link/', 'link/text', 'real/', 'real/text']);
    symlinkSync('../there', join(here, 'a/out'));
    const up = await sync(...told, join(here, 'a'), `${url}copy`);
    expect(up.status).toBe(3);
    expect(up.stderr).toContain('out');
    expect(namesBelow(join(there, 'copy'))).toEqual(['link/', 'link/text', 'real/', 'real/text']);
    expect(readFileSync(join(there, 'copy/link/text')).equals(readFileSync(join(there, 'real/text')))).toBe(true);
    expect((await sync('--compress', 'always', url, here)).status).toBe(2);
  });

  it('tells with -n what it would do, and does nothing', async () => {
    writeFileSync(join(here, 'a'), 'new');
    writeFileSync(join(here, 'c'), 'left out');
    writeFileSync(join(there, 'b'), '');
    writeFileSync(join(home.path, 'patterns'), '\uFEFFc\n# none\n');
    const { status, stdout, stderr } = await sync(
      ...['-n', '--delete', '--exclude-from', join(home.path, 'patterns'), here, url],
    );
    expect([status, stdout]).toEqual([0, 'new\ta\nremove\tb\n']);
    expect(stderr).toMatch(/^would transfer 1 file, 3 B, and remove 1$/m);
    expect(namesBelow(there)).toEqual(['b']);
    expect(await sync('-n', url, join(here, 'not/there'))).toMatchObject({ status: 0, stdout: 'new\tb\n' });
    expect(namesBelow(here)).toEqual(['a', 'c']);
  });

  it('does not delete without --yes where nobody can be asked', async () => {
    writeFileSync(join(there, 'b'), '');
    expect(await sync('--delete', '--no-input', here, url)).toMatchObject({ status: 2 });
    expect(namesBelow(there)).toEqual(['b']);
  });

  it('needs one place here and one elsewhere', async () => {
    expect(await sync(here, there)).toMatchObject({ status: 2 });
    expect(await sync(url, url)).toMatchObject({ status: 2 });
  });
});

/** Standing still would end the test in the time that it has. */
const appears = (path: string) =>
  vi.waitFor(() => expect(existsSync(path)).toBe(true), { timeout: 50_000, interval: 20 });

describe('sync --watch', () => {
  it.each(['up', 'down'] as const)('stays and syncs %s what changes, until Ctrl-C', async direction => {
    const [source, target] = direction === 'up' ? [here, there] : [there, here];
    const places = direction === 'up' ? [here, url] : [url, here];
    writeFileSync(join(source, 'first'), 'first');
    writeFileSync(join(target, 'extra'), '');
    const running = startForTest(home, ['sync', '--watch', '--delete', '--yes', '--exclude', '*.log', ...places]);
    await running.until('stderr', /^\d\d:\d\d:\d\d {2}1 file, 5 B, 1 removed$/m);
    mkdirSync(join(source, 'new/folder'), { recursive: true });
    await appears(join(target, 'new/folder'));
    writeFileSync(join(source, 'new/folder/b.log'), 'left out');
    writeFileSync(join(source, 'new/folder/a'), '12345678');
    await running.until('stderr', /^\d\d:\d\d:\d\d {2}1 file, 8 B$/m);
    expect(namesBelow(target)).toEqual(['first', 'new/', 'new/folder/', 'new/folder/a']);
    expect(await stop(running, 'SIGINT')).toMatchObject({ status: 130 });
  });

  it.each(['up', 'down'] as const)('outlives the line: %s', async direction => {
    const between = await Gate.open(port, Number.POSITIVE_INFINITY);
    onTestFinished(() => between.close());
    const [source, target] = direction === 'up' ? [here, there] : [there, here];
    writeFileSync(join(source, 'a'), 'a');
    const running = startForTest(home, [
      'sync',
      '--watch',
      '--json',
      ...(direction === 'up' ? [here, between.url] : [between.url, here]),
    ]);
    await running.until('stdout', /"type":"summary".*"received":1,/);
    await running.until('stderr', /"finished":true,.*"percent":100/);
    between.cut();
    writeFileSync(join(source, 'b'), 'b');
    await appears(join(target, 'b'));
    await running.until('stdout', /"type":"summary"[\s\S]*"type":"summary"/);
    await stop(running, 'SIGINT');
    expect(between.passed).toHaveLength(2);
  });

  it('asks nobody, so it removes with --yes alone; and it watches a folder', async () => {
    expect(await sync('--watch', '--delete', here, url)).toMatchObject({ status: 2 });
    expect(await sync('--watch', '-n', here, url)).toMatchObject({ status: 2 });
    writeFileSync(join(here, 'file'), '');
    expect((await sync('--watch', join(here, 'file'), `${url}file`)).stderr).toContain('only a folder');
    writeFileSync(join(there, 'file'), '');
    expect((await sync('--watch', `${url}file`, join(here, 'file'))).status).toBe(7);
  });
});
