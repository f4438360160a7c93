import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuditFile } from '../../../src/node/state/audit-file.ts';
import type { AuditEntry } from '../../../src/services/exec/audit.ts';

const asker = { key: new Uint8Array(32).fill(7), address: '192.0.2.1:50000' };
const start = (id: number, argv: readonly string[] = ['ls']): AuditEntry => ({
  event: 'start',
  id,
  kind: 'exec.run',
  asker,
  request: { command: { argv }, env: { NAME: 'value' }, cwd: 'sub' },
});

let home: string;
let folders: { data: string; state: string; config: string };
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'postern-audit-'));
  folders = { data: home, state: join(home, 'state'), config: home };
});
afterEach(() => rm(home, { recursive: true, force: true }));

const text = () => readFile(join(folders.state, 'audit.jsonl'), 'utf8');

describe('the audit file', () => {
  it('is private, also if it was not (R-A4)', async () => {
    const audit = new AuditFile(folders);
    await audit.record(start(1));
    const path = join(folders.state, 'audit.jsonl');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await chmod(path, 0o644);
    await audit.record(start(2));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('has a line of JSON for each entry, in order', async () => {
    const audit = new AuditFile(folders);
    const end: AuditEntry = {
      event: 'end',
      id: 1,
      kind: 'exec.run',
      asker,
      pid: 4711,
      end: { signal: 'SIGTERM', timedOut: true },
      durationMs: 12,
      stdinBytes: 1,
      stdoutBytes: 2,
      stderrBytes: 3,
    };
    const refused: AuditEntry = { event: 'refused', id: 2, kind: 'exec.run', asker, code: 'FORBIDDEN', reason: 'no' };
    await Promise.all([start(1), end, refused].map(entry => audit.record(entry)));
    const lines = (await text())
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as unknown);
    const device = expect.stringMatching(/^[a-z2-7]{32}$/);
    expect(lines).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        run: expect.stringMatching(/^[0-9a-f]{8}$/),
        event: 'start',
        kind: 'exec.run',
        id: 1,
        device,
        address: asker.address,
        argv: ['ls'],
        cwd: 'sub',
        env: ['NAME'],
      },
      expect.objectContaining({
        event: 'end',
        device,
        pid: 4711,
        signal: 'SIGTERM',
        timed_out: true,
        duration_ms: 12,
        stdin_bytes: 1,
        stdout_bytes: 2,
        stderr_bytes: 3,
      }),
      expect.objectContaining({ event: 'refused', id: 2, code: 'FORBIDDEN', reason: 'no' }),
    ]);
  });

  it('tells in brief what was refused, and what has started in full', async () => {
    const audit = new AuditFile(folders);
    const long = Array.from({ length: 100 }, () => '\u4e2d'.repeat(500));
    await audit.record(start(1, long));
    const request = { command: { argv: long }, env: Object.fromEntries(long.map((_, at) => [`N${at}`, ''])) };
    await audit.record({ event: 'refused', id: 2, kind: 'exec.run', asker, request, code: 'FORBIDDEN', reason: 'no' });
    const [started, refused] = (await text()).trimEnd().split('\n');
    expect(JSON.parse(started!)).toMatchObject({ argv: long });
    expect(JSON.parse(refused!)).toMatchObject({ cut: true, code: 'FORBIDDEN', reason: 'no' });
    expect(refused!.length).toBeLessThan(10_000);
  });

  it('is ASCII, whatever was asked for, and no field ends a line (R-X2)', async () => {
    const audit = new AuditFile(folders);
    const evil = ['a\nb', '\x1b]0;x\x07', '\u2028\u202e\u009b', '"}\n{"event":"end"', '中😀'];
    await audit.record(start(1, evil));
    const line = await text();
    expect(line).toMatch(/^[ -~]+\n$/);
    expect(JSON.parse(line)).toMatchObject({ argv: evil });
  });

  it('gives way when it is large, keeps the last ones, and loses no entry in between', async () => {
    const audit = new AuditFile(folders, 1000);
    for (let id = 1; id <= 40; id++) await audit.record(start(id));
    const names = (await readdir(folders.state)).sort();
    expect(names).toEqual(
      ['audit.jsonl.1', 'audit.jsonl.2', 'audit.jsonl.3', 'audit.jsonl.4']
        .concat(names.includes('audit.jsonl') ? ['audit.jsonl'] : [])
        .sort(),
    );
    const ids: number[] = [];
    for (const name of names.sort().reverse()) {
      const path = join(folders.state, name);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
      ids.push(...lines.map(line => (JSON.parse(line) as { id: number }).id));
    }
    expect(ids.at(-1)).toBe(40);
    expect(ids).toEqual(ids.map((_, at) => ids[0]! + at));
  });

  it('that cannot be written fails its entry, and not the next', async () => {
    const audit = new AuditFile(folders);
    await writeFile(folders.state, 'in the way');
    await expect(audit.record(start(1))).rejects.toMatchObject({ code: 'ACCESS' });
    await rm(folders.state);
    await audit.record(start(2));
    expect(await text()).toContain('"id":2');
  });
});
