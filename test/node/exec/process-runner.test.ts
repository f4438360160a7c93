import { afterEach, describe, expect, it, vi } from 'vitest';
import { NodeProcessRunner } from '../../../src/node/exec/process-runner.ts';
import { ExecPolicy } from '../../../src/services/exec/policy.ts';
import type { RunningProcess } from '../../../src/services/exec/runner.ts';

function start(...argv: readonly [string, ...string[]]): Promise<RunningProcess> {
  const policy = new ExecPolicy({ environment: process.env });
  return new NodeProcessRunner(process.cwd()).start(policy.permit({ command: { argv } }));
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe.skipIf(process.platform === 'win32')('the number of a process that has ended', () => {
  it('R-A11 is not signalled any more: it may be that of somebody else', async () => {
    const running = await start('true');
    await running.ended;
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
    running.signal('SIGKILL');
    await running.end(0);
    expect(kill).not.toHaveBeenCalled();
    running.close();
  });

  it('still leads the rest of its group to its end', async () => {
    const running = await start('sh', '-c', 'sleep 1000 & echo');
    await running.ended;
    await running.end(2_000);
    expect(() => process.kill(-running.pid, 0)).toThrow('ESRCH');
    running.close();
  });
});
