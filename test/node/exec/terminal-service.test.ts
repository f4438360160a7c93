import { tmpdir } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { serveTerminals, type TerminalOptions } from '../../../src/node/exec/terminal-service.ts';
import type { AuditEntry } from '../../../src/services/exec/audit.ts';
import { dispatchChannels } from '../../../src/services/registry.ts';
import { openShell } from '../../../src/services/shell/remote-terminal.ts';
import { REQUEST, textOf } from '../../services/shell/scene.ts';
import { joinedLines } from '../../support/lines.ts';

async function served(options: TerminalOptions = {}) {
  const audited: AuditEntry[] = [];
  const audit = { record: async (entry: AuditEntry) => void audited.push(entry) };
  const host = await serveTerminals(tmpdir(), { audit, shell: '/bin/sh', ...options });
  const { client } = await joinedLines({ onChannel: dispatchChannels([host], ['shell', 'exec']) });
  onTestFinished(async () => {
    client.abort(new LineError('CANCELLED', ''));
    await host.close();
  });
  return { client, audited };
}

describe('a host without the library for terminals', () => {
  const load = () => Promise.reject(new Error('Cannot find package'));

  it('says UNSUPPORTED, of a shell and of a command, and records that nothing ran', async () => {
    const { client, audited } = await served({ load });
    await expect(openShell(client, REQUEST)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(openShell(client, { ...REQUEST, command: { shell: 'id' } })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    expect(audited.map(({ event, kind }) => `${event} ${kind}`)).toEqual([
      'start shell.open',
      'refused shell.open',
      'start exec.terminal',
      'refused exec.terminal',
    ]);
  });
});

describe.skipIf(process.platform === 'win32')('the service of terminals', () => {
  it('keeps what the policy says of commands, and starts nothing else', async () => {
    const listed = await served({ only: ['uname'] });
    const inTerminal = openShell(listed.client, { ...REQUEST, command: { argv: ['uname'] } });
    await expect(inTerminal).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(listed.audited.map(({ event }) => event)).toEqual(['refused']);
    const { client, audited } = await served();
    const loading = openShell(client, { ...REQUEST, command: { argv: ['uname'] }, environment: { LD_PRELOAD: '/x' } });
    await expect(loading).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(audited.map(({ event }) => event)).toEqual(['refused']);
    const terminal = await openShell(client, { ...REQUEST, command: { argv: ['uname'] }, environment: { LANG: 'C' } });
    expect(await textOf(terminal.output)).toMatch(/^\w+\r\n$/);
  });

  it('refuses a folder that is none, before anything starts', async () => {
    const { client, audited } = await served();
    const command = { argv: ['pwd'] };
    const inFile = openShell(client, { ...REQUEST, command, cwd: process.execPath });
    await expect(inFile).rejects.toMatchObject({ code: 'NOT_A_FILE' });
    await expect(openShell(client, { ...REQUEST, command, cwd: '/nowhere' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(audited.map(({ event }) => event)).toEqual(['refused', 'refused']);
  });

  it('starts nothing that cannot be recorded', async () => {
    const audit = { record: () => Promise.reject(new LineError('NO_SPACE', 'the disk is full')) };
    const { client } = await served({ audit });
    await expect(openShell(client, REQUEST)).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('records who, what, how it ended and how much went through', async () => {
    const { client, audited } = await served();
    const terminal = await openShell(client, { ...REQUEST, command: { argv: ['sh', '-c', 'printf 12345; exit 4'] } });
    await textOf(terminal.output);
    expect(await terminal.wait()).toEqual({ status: 4 });
    expect(audited).toMatchObject([
      { event: 'start', id: 1, request: { command: { argv: ['sh', '-c', 'printf 12345; exit 4'] } } },
      { event: 'end', id: 1, end: { status: 4 }, stdinBytes: 0, stdoutBytes: 5 },
    ]);
  });

  it('gives a child no variable of ours and none of the terminal that we were started in', async () => {
    const before = { ...process.env };
    Object.assign(process.env, { POSTERN_PASSWORD: 'secret', postern_other: 'x', TMUX: 'x', COLORTERM: 'x' });
    onTestFinished(() => {
      process.env = before;
    });
    const { client } = await served();
    const terminal = await openShell(client, { ...REQUEST, command: { argv: ['env'] } });
    const names = (await textOf(terminal.output)).split('\r\n').map(line => line.split('=')[0]!);
    expect(names).toContain('TERM');
    expect(names.filter(name => /^postern_|^TMUX$|^COLORTERM$/i.test(name))).toEqual([]);
  });
});
